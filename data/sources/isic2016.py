"""ISIC 2016, part 3 (lesion classification): dermoscopy, CC0, benign or malignant.

The official download, unpacked side by side: ``ISBI2016_ISIC_Part3_Training_Data/`` and
``ISBI2016_ISIC_Part3_Training_GroundTruth.csv`` (no header; picture, ``benign`` or ``malignant``), the same for ``Test``
(where the values are 0.0 and 1.0); ``Part3B`` has the same pictures with their lesion masks beside them.

Gutman et al., arXiv 1605.01397. Malignant is melanoma there; benign is a mole more often than not but nobody says so,
and it keeps its own name. Body site and patient were not published: every picture is a group of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data.labels import label_map
from data.manifest import Labels, Split
from data.sources import Item, Skipped, SourceError
from data.sources.tables import MISSING, Pictures, find, pairs, pictures_of

NAME = "isic2016"
LICENSE = "CC0-1.0"

OFFICIAL: dict[str, Split] = {"Training": "train", "Test": "test"}
_PARTS = tuple(f"ISBI2016_ISIC_{part}" for part in ("Part3", "Part3B"))
_WORDS = {"benign": "benign", "malignant": "malignant", "0": "benign", "0.0": "benign", "1": "malignant", "1.0": "malignant"}


def recognises(folder: Path) -> bool:
    return bool(_tables(folder))


def items(folder: Path) -> Iterator[Item | Skipped]:
    """Pictures of ``folder`` in the order of its tables. Raises :class:`SourceError` where none of them is there."""
    tables = _tables(folder)
    if not tables:
        raise SourceError(f"{folder} is no ISIC 2016: expected ISBI2016_ISIC_Part3_Training_GroundTruth.csv beside its pictures.")
    pictures = pictures_of(folder, [f"{part}_{name}_Data" for part in _PARTS for name in OFFICIAL], leave=("_Segmentation", "_segmentation"))
    for name, path in tables.items():
        for image, word in pairs(path):
            yield _item(pictures, path, image, word, OFFICIAL[name])
    yield from pictures.rest()


def _tables(folder: Path) -> dict[str, Path]:
    found = {name: find(folder, *(f"{part}_{name}_GroundTruth.csv" for part in _PARTS)) for name in OFFICIAL}
    return {name: path for name, path in found.items() if path}


def _item(pictures: Pictures, path: Path, image: str, word: str, split: Split) -> Item | Skipped:
    picture = pictures.take(image)
    if picture is None:
        return Skipped(path.parent / f"{image}.jpg", MISSING)
    if word not in _WORDS:
        return Skipped(picture, f"label not readable: {word!r} is neither benign nor malignant")
    mask = picture.with_name(f"{image}_Segmentation.png")
    return Item(
        picture, Labels(rash=label_map("isic").name(_WORDS[word])), key=image, group=image, split=split,
        mask=mask if mask.is_file() else None, original_label=_WORDS[word], dermoscopic=True,
    )  # fmt: skip
