"""ISIC 2017, part 3 (lesion classification): CC0 dermoscopic photographs in four classes' worth of labels.

Two forms of it are read:

- a folder with ``images/`` and ``labels.csv`` (image_id, split, melanoma, seborrheic_keratosis, …);
- the official download, unpacked side by side: ``ISIC-2017_Training_Data/``,
  ``ISIC-2017_Training_Part3_GroundTruth.csv`` and, where it is there, ``ISIC-2017_Training_Part1_GroundTruth/``
  with the lesion masks; the same for ``Validation`` and ``Test_v2``.

Codella et al., "Skin Lesion Analysis Toward Melanoma Detection", arXiv 1710.05006. A lesion that is neither melanoma
nor seborrheic keratosis is a benign nevus there: a mole. Body site and patient were not published: ``area`` stays
empty, and every picture is a group of its own.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from data.manifest import Labels, Split
from data.sources import Item, Skipped, SourceError

NAME = "isic2017"
LICENSE = "CC0-1.0"

OFFICIAL: dict[str, Split] = {"Training": "train", "Validation": "validation", "Test_v2": "test"}


def items(folder: Path) -> Iterator[Item | Skipped]:
    """Pictures of ``folder`` in the order of its tables. Raises :class:`SourceError` where neither form is found."""
    if (folder / "labels.csv").is_file():
        return _one_table(folder)
    parts = [part for part in OFFICIAL if (folder / f"ISIC-2017_{part}_Part3_GroundTruth.csv").is_file()]
    if not parts:
        raise SourceError(
            f"{folder} is no ISIC 2017: expected labels.csv beside images/, or "
            "ISIC-2017_Training_Part3_GroundTruth.csv beside ISIC-2017_Training_Data/."
        )
    return (item for part in parts for item in _official(folder, part))


def rash(melanoma: str, seborrheic_keratosis: str) -> str:
    """Canonical name from the two binary columns ("1", "0.0"). Raises ``ValueError`` for both at once or neither number."""
    flags = float(melanoma), float(seborrheic_keratosis)
    names = {(1.0, 0.0): "melanoma", (0.0, 1.0): "seborrheic keratosis", (0.0, 0.0): "mole"}
    if flags not in names:
        raise ValueError(f"melanoma={melanoma}, seborrheic_keratosis={seborrheic_keratosis} is no class of ISIC 2017")
    return names[flags]


def _one_table(folder: Path) -> Iterator[Item | Skipped]:
    for row in _table(folder / "labels.csv", {"image_id", "split", "melanoma", "seborrheic_keratosis"}):
        image = folder / "images" / f"{row['image_id']}.jpg"
        if row["split"] in OFFICIAL.values():
            yield _item(image, row, row["split"], mask=None)
        else:
            yield Skipped(image, f"split {row['split']!r} is none of {', '.join(OFFICIAL.values())}")


def _official(folder: Path, part: str) -> Iterator[Item | Skipped]:
    columns = {"image_id", "melanoma", "seborrheic_keratosis"}
    for row in _table(folder / f"ISIC-2017_{part}_Part3_GroundTruth.csv", columns):
        mask = folder / f"ISIC-2017_{part}_Part1_GroundTruth" / f"{row['image_id']}_segmentation.png"
        image = folder / f"ISIC-2017_{part}_Data" / f"{row['image_id']}.jpg"
        yield _item(image, row, OFFICIAL[part], mask if mask.is_file() else None)


def _item(image: Path, row: dict[str, str], split: Split, mask: Path | None) -> Item | Skipped:
    if not image.is_file():
        return Skipped(image, "in the table, but the picture is missing")
    try:
        name = rash(row["melanoma"], row["seborrheic_keratosis"])
    except (TypeError, ValueError) as error:
        return Skipped(image, f"label not readable: {error}")
    label = f"melanoma={row['melanoma']} seborrheic_keratosis={row['seborrheic_keratosis']}"
    return Item(
        image, Labels(rash=name), key=row["image_id"], group=row["image_id"], split=split, mask=mask,
        original_label=label, dermoscopic=True,
    )  # fmt: skip


def _table(path: Path, columns: set[str]) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = columns - set(reader.fieldnames or ())
        if missing:
            raise SourceError(f"{path} lacks the column {', '.join(sorted(missing))}; it has {reader.fieldnames}.")
        yield from reader
