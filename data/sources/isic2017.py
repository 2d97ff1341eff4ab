"""ISIC 2017, part 3 (lesion classification): CC0 dermoscopic photographs in four classes' worth of labels.

Two forms of it are read:

- a folder with ``images/`` and ``labels.csv`` (image_id, split, melanoma, seborrheic_keratosis, …);
- the official download, unpacked side by side: ``ISIC-2017_Training_Data/``,
  ``ISIC-2017_Training_Part3_GroundTruth.csv`` and, where it is there, ``ISIC-2017_Training_Part1_GroundTruth/``
  with the lesion masks; the same for ``Validation`` and ``Test_v2``.

Codella et al., "Skin Lesion Analysis Toward Melanoma Detection", arXiv 1710.05006. A lesion that is neither melanoma
nor seborrheic keratosis is a benign nevus there: a mole. Body site and patient were not published: ``area`` stays
empty, and every picture is a group of its own (with its look-alikes: the set has some lesions twice).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data.manifest import Labels, Split
from data.sources import Item, Skipped, SourceError
from data.sources.tables import MISSING, Pictures, find, pictures_of, table

NAME = "isic2017"
LICENSE = "CC0-1.0"

OFFICIAL: dict[str, Split] = {"Training": "train", "Validation": "validation", "Test_v2": "test"}
_FLAGS = ("image_id", "melanoma", "seborrheic_keratosis")


def recognises(folder: Path) -> bool:
    return bool(_tables(folder)) or _is_one_table(folder / "labels.csv")


def items(folder: Path) -> Iterator[Item | Skipped]:
    """Pictures of ``folder`` in the order of its tables. Raises :class:`SourceError` where neither form is found."""
    tables = _tables(folder)
    if not tables and not (folder / "labels.csv").is_file():
        raise SourceError(
            f"{folder} is no ISIC 2017: expected labels.csv beside images/, or "
            "ISIC-2017_Training_Part3_GroundTruth.csv beside ISIC-2017_Training_Data/."
        )
    return _official(folder, tables) if tables else _one_table(folder)


def rash(melanoma: str, seborrheic_keratosis: str) -> str:
    """Canonical name from the two binary columns ("1", "0.0"). Raises ``ValueError`` for both at once or neither number."""
    flags = float(melanoma), float(seborrheic_keratosis)
    names = {(1.0, 0.0): "melanoma", (0.0, 1.0): "seborrheic keratosis", (0.0, 0.0): "mole"}
    if flags not in names:
        raise ValueError(f"melanoma={melanoma}, seborrheic_keratosis={seborrheic_keratosis} is no class of ISIC 2017")
    return names[flags]


def _tables(folder: Path) -> dict[str, Path]:
    found = {part: find(folder, f"ISIC-2017_{part}_Part3_GroundTruth.csv") for part in OFFICIAL}
    return {part: path for part, path in found.items() if path}


def _is_one_table(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        return {*_FLAGS, "split"} <= set(lines.readline().strip().split(","))


def _one_table(folder: Path) -> Iterator[Item | Skipped]:
    rows = table(folder / "labels.csv", {*_FLAGS, "split"})
    pictures = pictures_of(folder, ["images"]) if rows else Pictures(folder / "images")
    for row in rows:
        if row["split"] in OFFICIAL.values():
            yield _item(pictures, folder / "images", row, row["split"], mask=None)
        else:
            missing = folder / "images" / f"{row['image_id']}.jpg"
            yield Skipped(pictures.take(row["image_id"]) or missing, f"split is none of {', '.join(OFFICIAL.values())}: {row['split']!r}")
    yield from pictures.rest()


def _official(folder: Path, tables: dict[str, Path]) -> Iterator[Item | Skipped]:
    names = [f"ISIC-2017_{part}_Data" for part in OFFICIAL]
    pictures = pictures_of(folder, names, leave=("_superpixels", "_segmentation"))
    for part, path in tables.items():
        masks = find(folder, f"ISIC-2017_{part}_Part1_GroundTruth")
        for row in table(path, _FLAGS):
            mask = masks / f"{row['image_id']}_segmentation.png" if masks else None
            yield _item(pictures, path.parent / f"ISIC-2017_{part}_Data", row, OFFICIAL[part], mask if mask and mask.is_file() else None)
    yield from pictures.rest()


def _item(pictures: Pictures, folder: Path, row: dict[str, str], split: Split, mask: Path | None) -> Item | Skipped:
    image = pictures.take(row["image_id"])
    if image is None:
        return Skipped(folder / f"{row['image_id']}.jpg", MISSING)
    try:
        name = rash(row["melanoma"], row["seborrheic_keratosis"])
    except ValueError as error:
        return Skipped(image, f"label not readable: {error}")
    label = f"melanoma={row['melanoma']} seborrheic_keratosis={row['seborrheic_keratosis']}"
    return Item(
        image, Labels(rash=name), key=row["image_id"], group=row["image_id"], split=split, mask=mask,
        original_label=label, dermoscopic=True,
    )  # fmt: skip
