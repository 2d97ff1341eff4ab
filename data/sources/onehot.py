"""A row of an ISIC ground truth with a column for each class (2018, 2019) → a picture of the set."""

from __future__ import annotations

from pathlib import Path

from data.labels import label_map
from data.manifest import Labels, Split
from data.sources import Item, Skipped
from data.sources.tables import MISSING, Pictures

UNKNOWN = "UNK"


def one_hot(
    pictures: Pictures, path: Path, row: dict[str, str], classes: tuple[str, ...], group: str, split: Split | None, site: str = ""
) -> Item | Skipped:
    """The picture of ``row`` of the table ``path``; ``site``: ``anatom_site_general`` of its metadata."""
    name = row["image"]
    picture = pictures.take(name, f"{name}_downsampled", name.removesuffix("_downsampled"))
    if picture is None:
        return Skipped(path.parent / f"{name}.jpg", MISSING)
    try:
        said = [each for each in (*classes, UNKNOWN) if float(row.get(each) or 0) == 1.0]
    except ValueError:
        said = []
    if len(said) != 1:
        return Skipped(picture, f"label not readable: {', '.join(said) or 'no class'} of {', '.join(classes)} is 1.0")
    if said == [UNKNOWN]:
        return Skipped(picture, "diagnosis not known")
    labels = Labels(rash=label_map("isic").name(said[0]), area=label_map("isic").area.get(site))
    return Item(picture, labels, key=name, group=group, split=split, original_label=said[0], dermoscopic=True)
