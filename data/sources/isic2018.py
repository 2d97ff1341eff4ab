"""ISIC 2018, task 3 (lesion diagnosis, HAM10000): dermoscopy in seven classes, CC-BY-NC-4.0.

The official download, unpacked side by side: ``ISIC2018_Task3_Training_Input/``,
``ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv`` (one column a class, 1.0 in one of them)
and, where it is there, ``ISIC2018_Task3_Training_LesionGroupings.csv``, which says which pictures show one lesion; the
same for ``Validation`` and ``Test``, which have no lesion groups.

Tschandl et al., doi 10.1038/sdata.2018.161; Codella et al., arXiv 1902.03368.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data.manifest import Split
from data.sources import Item, Skipped, SourceError
from data.sources.onehot import one_hot
from data.sources.tables import find, pictures_of, table

NAME = "isic2018"
LICENSE = "CC-BY-NC-4.0"

OFFICIAL: dict[str, Split] = {"Training": "train", "Validation": "validation", "Test": "test"}
CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")


def recognises(folder: Path) -> bool:
    return bool(_tables(folder))


def items(folder: Path) -> Iterator[Item | Skipped]:
    """Pictures of ``folder`` in the order of its tables. Raises :class:`SourceError` where none of them is there."""
    tables = _tables(folder)
    if not tables:
        raise SourceError(f"{folder} is no ISIC 2018: expected ISIC2018_Task3_Training_GroundTruth.csv beside its pictures.")
    pictures = pictures_of(folder, [f"ISIC2018_Task3_{part}_Input" for part in OFFICIAL])
    groupings = find(folder, "ISIC2018_Task3_Training_LesionGroupings.csv")
    lesions = {row["image"]: row["lesion_id"] for row in table(groupings, ("image", "lesion_id"))} if groupings else {}
    for part, path in tables.items():
        for row in table(path, ("image", *CLASSES)):
            yield one_hot(pictures, path, row, CLASSES, group=lesions.get(row["image"]) or row["image"], split=OFFICIAL[part])
    yield from pictures.rest()


def _tables(folder: Path) -> dict[str, Path]:
    """Its table by part; each is in a folder of its own name, or not."""
    found: dict[str, Path] = {}
    for part in OFFICIAL:
        stem = f"ISIC2018_Task3_{part}_GroundTruth"
        if path := find(folder, f"{stem}/{stem}.csv", f"{stem}.csv"):
            found[part] = path
    return found
