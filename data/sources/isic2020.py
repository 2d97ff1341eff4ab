"""ISIC 2020 (SIIM-ISIC): dermoscopy by patient, benign or malignant, CC-BY-NC-4.0.

The official download: ``train/`` (or ``jpeg/train/``) and ``ISIC_2020_Training_GroundTruth.csv`` or
``ISIC_2020_Training_GroundTruth_v2.csv`` (image_name, patient_id, anatom_site_general_challenge, diagnosis,
benign_malignant), or Kaggle's ``train.csv`` of the same columns; where it is there,
``ISIC_2020_Training_Duplicates.csv`` names 425 pictures that are another one once more: those are listed and left out.
The diagnoses of the test part were never published.

Rotemberg et al., doi 10.1038/s41597-021-00815-z. Malignant is melanoma there; a benign picture without a diagnosis is
"benign" and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data.labels import label_map
from data.manifest import Labels
from data.sources import Item, Skipped, SourceError
from data.sources.tables import MISSING, Pictures, find, pictures_of, table

NAME = "isic2020"
LICENSE = "CC-BY-NC-4.0"

_COLUMNS = ("image_name", "patient_id", "anatom_site_general_challenge", "diagnosis", "benign_malignant")


def recognises(folder: Path) -> bool:
    if find(folder, "ISIC_2020_Training_GroundTruth_v2.csv", "ISIC_2020_Training_GroundTruth.csv"):
        return True
    path = folder / "train.csv"
    if not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        return set(_COLUMNS) <= set(lines.readline().strip().split(","))


def items(folder: Path) -> Iterator[Item | Skipped]:
    """Pictures of ``folder`` in the order of its table. Raises :class:`SourceError` where it is not there."""
    path = find(folder, "ISIC_2020_Training_GroundTruth_v2.csv", "ISIC_2020_Training_GroundTruth.csv", "train.csv")
    if path is None:
        raise SourceError(f"{folder} is no ISIC 2020: expected ISIC_2020_Training_GroundTruth_v2.csv beside train/.")
    twice = find(folder, "ISIC_2020_Training_Duplicates.csv")
    columns = ("image_name_1", "image_name_2")
    first = {row[columns[1]]: row[columns[0]] for row in table(twice, columns)} if twice else {}
    pictures = pictures_of(folder, ["jpeg/train", "train"])
    for row in table(path, _COLUMNS):
        yield _item(pictures, path, row, first)
    yield from pictures.rest()


def _item(pictures: Pictures, path: Path, row: dict[str, str], first: dict[str, str]) -> Item | Skipped:
    name = row["image_name"]
    picture = pictures.take(name)
    if picture is None:
        return Skipped(path.parent / f"{name}.jpg", MISSING)
    if name in first:
        return Skipped(picture, f"listed by ISIC as a duplicate: of {first[name]}")
    said = row["diagnosis"] if row["diagnosis"] not in ("", "unknown") else row["benign_malignant"]
    rash = label_map("isic").name(said)
    if rash is None:
        return Skipped(picture, f"label not readable: diagnosis {said!r}")
    area = label_map("isic").area.get(row["anatom_site_general_challenge"])
    return Item(
        picture, Labels(rash=rash, area=area), key=name, group=row["patient_id"] or name, original_label=said, dermoscopic=True
    )
