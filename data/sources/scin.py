"""SCIN (Skin Condition Image Network): photographs that people took of themselves, up to three a case.

``scin_cases.csv`` and ``scin_labels.csv`` (in ``dataset/`` or not) with the pictures at ``dataset/images/<number>.png``.

Ward et al., doi 10.1001/jamanetworkopen.2024.46615; columns: dataset_schema.md of its repository. Under the SCIN Data
Use Licence. Labels are dermatologists' guesses at photographs, weighted: a case is taken where one condition alone has
at least half of the weight. The tone is what most of the dermatologists saw, or else what the person said; an area is
known where the person named one alone. The group is the case.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median_low

from data.labels import label_map, label_of_class, tone_of_type
from data.manifest import Labels
from data.sources import Item, Skipped, SourceError
from data.sources.tables import MISSING, Pictures, find, pictures_of, table

NAME = "scin"
LICENSE = "LicenseRef-SCIN-Data-Use-License"
CASES, LABELS = "scin_cases.csv", "scin_labels.csv"
#: Share of the weight that the likeliest condition has to have; by eye.
MIN_WEIGHT = 0.5

_PATHS = ("image_1_path", "image_2_path", "image_3_path")
_TYPES = tuple(f"dermatologist_fitzpatrick_skin_type_label_{number}" for number in (1, 2, 3))
_AREA = "body_parts_"


def recognises(folder: Path) -> bool:
    return find(folder, CASES) is not None


def items(folder: Path) -> Iterator[Item | Skipped]:
    """Pictures of ``folder`` in the order of its cases. Raises :class:`SourceError` where a table is not there."""
    cases, labels = find(folder, CASES), find(folder, LABELS)
    if cases is None or labels is None:
        raise SourceError(f"{folder} is no SCIN: expected {CASES} and {LABELS}, and the pictures in dataset/images/.")
    rows = table(cases, ("case_id", "fitzpatrick_skin_type", *_PATHS))
    labelled = {row["case_id"]: row for row in table(labels, ("case_id", "weighted_skin_condition_label"))}
    pictures = pictures_of(folder, ())
    for row in rows:
        yield from _case(pictures, cases, row, labelled.get(row["case_id"], {}))
    yield from pictures.rest()


def condition(weighted: str) -> str | None:
    """The one condition with at least :data:`MIN_WEIGHT` of "{'Eczema': 0.69, 'Psoriasis': 0.31}"; ``None`` where there is none.

    Raises ``ValueError`` for what is no such dictionary.
    """
    try:
        weights = ast.literal_eval(weighted) if weighted else {}
        first, *rest = sorted(((float(weight), name) for name, weight in weights.items()), reverse=True) or [(0.0, "")]
    except (SyntaxError, AttributeError, TypeError) as error:
        raise ValueError(f"{weighted!r} is no dictionary of weights") from error
    return first[1] if first[0] >= MIN_WEIGHT and not (rest and rest[0][0] == first[0]) else None


def _case(pictures: Pictures, table_path: Path, row: dict[str, str], label: dict[str, str]) -> Iterator[Item | Skipped]:
    values = _labels(row, label)
    for path in filter(None, (row[column] for column in _PATHS)):
        picture = pictures.take(Path(path).stem)
        if picture is None:
            yield Skipped(table_path.parent / path, MISSING)
        elif isinstance(values, str):
            yield Skipped(picture, values)
        else:
            weighted = label["weighted_skin_condition_label"]
            yield Item(picture, values, key=Path(path).stem, group=row["case_id"], original_label=weighted)


def _labels(row: dict[str, str], label: dict[str, str]) -> Labels | str:
    """What is known of a case, or why it is left out."""
    weighted = label.get("weighted_skin_condition_label", "")
    try:
        name = condition(weighted)
    except ValueError as error:
        return f"label not readable: {error}"
    if name is None:
        return f"no condition has half of the dermatologists' weight alone: {weighted}" if weighted not in ("", "{}") else "no dermatologist named a condition"
    known = label_map("scin").name(name)
    labels = Labels(rash=known) if known else label_of_class(name)
    if labels is None:
        return f"label not readable: {name!r}"
    return labels.model_copy(update={"area": _area(row) or labels.area, "tone": _tone(row, label)})


def _area(row: dict[str, str]) -> str | None:
    said = [column.removeprefix(_AREA) for column, value in row.items() if column.startswith(_AREA) and value.upper() in ("YES", "TRUE")]
    return label_map("scin").area.get(said[0]) if len(said) == 1 else None


def _tone(row: dict[str, str], label: dict[str, str]) -> str | None:
    seen = [value[-1] for column in _TYPES if tone_of_type(value := label.get(column, ""))]
    return tone_of_type(median_low(seen)) if seen else tone_of_type(row["fitzpatrick_skin_type"])
