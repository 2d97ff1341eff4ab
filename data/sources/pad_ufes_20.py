"""PAD-UFES-20: smartphone photographs of six kinds of lesion with patient, body site and skin type, CC-BY-4.0.

``metadata.csv`` (patient_id, lesion_id, fitspatrick, region, diagnostic, img_id) with ``imgs_part_1/`` to
``imgs_part_3/`` beside it or one level deeper.

Pacheco et al., doi 10.1016/j.dib.2020.106221. The group is the patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data.labels import label_map, tone_of_type
from data.manifest import Labels
from data.sources import Item, Skipped, SourceError
from data.sources.tables import MISSING, Pictures, find, pictures_of, table

NAME = "pad-ufes-20"
LICENSE = "CC-BY-4.0"
TABLE = "metadata.csv"
_COLUMNS = ("patient_id", "fitspatrick", "region", "diagnostic", "img_id")


def recognises(folder: Path) -> bool:
    path = find(folder, TABLE)
    if path is None:
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        return {"img_id", "diagnostic"} <= set(lines.readline().strip().split(","))


def items(folder: Path) -> Iterator[Item | Skipped]:
    """Pictures of ``folder`` in the order of its table. Raises :class:`SourceError` where it is not there."""
    path = find(folder, TABLE)
    if path is None:
        raise SourceError(f"{folder} is no PAD-UFES-20: expected {TABLE} beside imgs_part_1/.")
    rows = table(path, _COLUMNS)
    pictures = pictures_of(folder, ())
    for row in rows:
        yield _item(pictures, path, row)
    yield from pictures.rest()


def _item(pictures: Pictures, path: Path, row: dict[str, str]) -> Item | Skipped:
    stem = Path(row["img_id"]).stem
    picture = pictures.take(stem)
    if picture is None:
        return Skipped(path.parent / row["img_id"], MISSING)
    codes = label_map("pad-ufes-20")
    rash = codes.name(row["diagnostic"])
    if rash is None:
        return Skipped(picture, f"label not readable: {row['diagnostic']!r}")
    labels = Labels(rash=rash, area=codes.area.get(row["region"]), tone=tone_of_type(row["fitspatrick"]))
    return Item(picture, labels, key=stem, group=row["patient_id"] or stem, original_label=row["diagnostic"])
