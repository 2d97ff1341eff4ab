"""ISIC 2019: dermoscopy in eight classes (HAM10000, BCN20000, MSK), CC-BY-NC-4.0.

The official download, unpacked side by side: ``ISIC_2019_Training_Input/`` (some files end in ``_downsampled``),
``ISIC_2019_Training_GroundTruth.csv`` (one column a class, 1.0 in one of them) and, where it is there,
``ISIC_2019_Training_Metadata.csv`` (anatom_site_general, lesion_id); the same for ``Test``.

Tschandl et al. 2018, Codella et al. 2017, Combalia et al., arXiv 1908.02288. A picture of the test part that is none of
the eight (UNK) has no diagnosis to draw and is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data.manifest import Split
from data.sources import Item, Skipped, SourceError
from data.sources.onehot import one_hot
from data.sources.tables import find, pictures_of, table

NAME = "isic2019"
LICENSE = "CC-BY-NC-4.0"

#: The training part has no official validation pictures and is split by lesion.
OFFICIAL: dict[str, Split | None] = {"Training": None, "Test": "test"}
CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")


def recognises(folder: Path) -> bool:
    return bool(_tables(folder))


def items(folder: Path) -> Iterator[Item | Skipped]:
    """Pictures of ``folder`` in the order of its tables. Raises :class:`SourceError` where none of them is there."""
    tables = _tables(folder)
    if not tables:
        raise SourceError(f"{folder} is no ISIC 2019: expected ISIC_2019_Training_GroundTruth.csv beside ISIC_2019_Training_Input/.")
    pictures = pictures_of(folder, [f"ISIC_2019_{part}_Input" for part in OFFICIAL])
    for part, path in tables.items():
        # with a test part of its own the training part stays whole, so that results compare with those published
        split = OFFICIAL[part] or ("train" if "Test" in tables else None)
        more = _metadata(folder, part)
        for row in table(path, ("image", *CLASSES)):
            about = more.get(row["image"], {})
            group = about.get("lesion_id") or row["image"].removesuffix("_downsampled")
            yield one_hot(pictures, path, row, CLASSES, group, split, site=about.get("anatom_site_general", ""))
    yield from pictures.rest()


def _tables(folder: Path) -> dict[str, Path]:
    found = {part: find(folder, f"ISIC_2019_{part}_GroundTruth.csv") for part in OFFICIAL}
    return {part: path for part, path in found.items() if path}


def _metadata(folder: Path, part: str) -> dict[str, dict[str, str]]:
    path = find(folder, f"ISIC_2019_{part}_Metadata.csv")
    return {row["image"]: row for row in table(path, ("image",))} if path else {}
