"""Fitzpatrick17k: clinical photographs of 114 conditions with Fitzpatrick types, CC-BY-NC-SA-3.0.

``fitzpatrick17k.csv`` (md5hash, fitzpatrick_scale, label, three_partition_label, qc, …) with the pictures as
``<md5hash>.jpg`` in any folder beside it, as its authors send them; pictures fetched from the atlases under the name in
``url_alphanum`` are found too.

Groh et al., arXiv 2104.09957. Types I to VI are the raters' and become our six tones, stated; -1 is not known. The set
has many copies and near-copies under several labels (arXiv 2401.14497). Patients were not published: a picture is a
group with its look-alikes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data.labels import label_map, label_of_class, tone_of_type
from data.manifest import Labels
from data.sources import Item, Skipped, SourceError
from data.sources.tables import MISSING, Pictures, find, pictures_of, table

NAME = "fitzpatrick17k"
LICENSE = "CC-BY-NC-SA-3.0"
TABLE = "fitzpatrick17k.csv"
#: What its dermatologists wrote of pictures that do not show their label; the rest of `qc` grades how typical they are.
WRONG = ("3 Wrongly labelled", "4 Other")


def recognises(folder: Path) -> bool:
    return find(folder, TABLE) is not None


def items(folder: Path) -> Iterator[Item | Skipped]:
    """Pictures of ``folder`` in the order of its table. Raises :class:`SourceError` where it is not there."""
    path = find(folder, TABLE)
    if path is None:
        raise SourceError(f"{folder} is no Fitzpatrick17k: expected {TABLE} beside a folder of <md5hash>.jpg.")
    rows = table(path, ("md5hash", "fitzpatrick_scale", "label", "three_partition_label", "qc"))
    pictures = pictures_of(folder, ())
    for row in rows:
        yield _item(pictures, path, row)
    yield from pictures.rest()


def _item(pictures: Pictures, path: Path, row: dict[str, str]) -> Item | Skipped:
    name = row["md5hash"]
    picture = pictures.take(name, row.get("url_alphanum", "").rpartition(".")[0] or name)
    if picture is None:
        return Skipped(path.parent / f"{name}.jpg", MISSING)
    if row["qc"] in WRONG:
        return Skipped(picture, f"doubted by its dermatologists: {row['qc']}")
    known = label_map("fitzpatrick17k").name(row["label"])
    labels = Labels(rash=known) if known else label_of_class(row["label"])
    if labels is None:
        return Skipped(picture, f"label not readable: {row['label']!r}")
    tone = tone_of_type(row["fitzpatrick_scale"])
    label = f"{row['label']} ({row['three_partition_label']})"
    return Item(picture, labels.model_copy(update={"tone": tone}), key=name, original_label=label)
