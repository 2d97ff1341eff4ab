"""Any folder that ``datasets.load_dataset("imagefolder")`` reads by a table: ``metadata.jsonl`` or ``metadata.csv``.

The table may lie at the top or in folders below it (``train/metadata.csv``, as the Hub has it); each names its pictures
(``file_name``) from where it lies. The columns of our own manifest (rash, area, tone, …, group, split, source, license)
are kept as they are. Otherwise the label is read from ``text`` or ``caption``, or else from ``label``.
Format: https://huggingface.co/docs/datasets/image_dataset#imagefolder
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from assistant.vocabulary import vocabulary
from data.labels import label_of_class, labels_of
from data.manifest import Labels, Split
from data.sources import Item, Skipped, SourceError
from data.sources.folder import SPLITS, check_splits
from data.sources.tables import MISSING, UNNAMED, files_below, is_picture, table

TABLES = ("metadata.jsonl", "metadata.csv")
_CAPTIONS, _CLASSES = ("text", "caption"), ("label", "class")


@dataclass(frozen=True)
class _Line:
    """One row of a table and the folder that its paths start from."""

    folder: Path
    values: dict


def recognises(folder: Path) -> bool:
    return folder.is_dir() and bool(_tables(folder))


def items(folder: Path) -> Iterator[Item | Skipped]:
    """Pictures of ``folder`` in the order of its tables. Raises :class:`SourceError` where none can be read."""
    tables = _tables(folder)
    if not tables:
        raise SourceError(f"{folder} has neither {' nor '.join(TABLES)} that names its pictures.")
    lines = [line for path in tables for line in _lines(path)]
    if not lines:
        raise SourceError(f"{tables[0]} is empty; expected a picture's file_name and its labels a line.")
    found = [_item(line, folder) for line in lines]
    check_splits(found, folder)
    named = {item.path.resolve() for item in found} | {item.mask.resolve() for item in found if isinstance(item, Item) and item.mask}
    yield from found
    for file in files_below(folder):
        if is_picture(file) and file.resolve() not in named:
            yield Skipped(file, UNNAMED)


def licensed(folder: Path) -> bool:
    """Whether every row of the tables says what one may do with its picture."""
    return all(line.values.get("license") for path in _tables(folder) for line in _lines(path))


def _tables(folder: Path) -> list[Path]:
    return [path for name in TABLES for path in sorted([*folder.glob(name), *folder.glob(f"*/{name}")])]


def _lines(path: Path) -> Iterator[_Line]:
    if path.suffix == ".csv":
        yield from (_Line(path.parent, row) for row in table(path, ("file_name",)))
        return
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if line.strip():
            try:
                values = json.loads(line)
                if not isinstance(values["file_name"], str):
                    raise KeyError
            except (ValueError, KeyError, TypeError):
                raise SourceError(f'{path}, line {number}: expected a JSON object with "file_name". Mend or remove the line.') from None
            yield _Line(path.parent, values)


def _item(line: _Line, root: Path) -> Item | Skipped:
    values = {key: value for key, value in line.values.items() if value not in (None, "")}
    picture = line.folder / values["file_name"]
    if root.resolve() not in picture.resolve().parents:
        return Skipped(picture, "path that leaves the folder")
    if not picture.is_file():
        return Skipped(picture, MISSING)
    text = next((str(values[key]) for key in (*_CAPTIONS, *_CLASSES) if key in values), "")
    labels = _labels(values, text)
    if isinstance(labels, str):
        return Skipped(picture, labels)
    below = picture.resolve().relative_to(root.resolve())
    split = values.get("split") or (SPLITS.get(below.parts[0].lower()) if len(below.parts) > 1 else None)
    if split not in (None, *get_args(Split)):
        return Skipped(picture, f"split is none of {', '.join(get_args(Split))}: {split!r}")
    mask = values.get("mask_file_name")
    return Item(
        picture, labels, key=values.get("key"), group=_text(values, "group"), split=split, mask=line.folder / mask if mask else None,
        original_label=_text(values, "original_label") or (None if "rash" in values else text or None),
        captions=tuple(map(str, values["captions"])) if isinstance(values.get("captions"), list) else (),
        source=_text(values, "source"), license=_text(values, "license"),
        tone_estimated=values.get("tone_estimated") in (True, "True", "true"), ita=_number(values.get("ita")),
    )  # fmt: skip


def _labels(values: dict, text: str) -> Labels | str:
    """What a row says of its picture: its own columns before its caption before its class; or why it says nothing."""
    stated = {slot: str(values[slot]) for slot in Labels.model_fields if slot in values}
    strange = [f"{slot} {value!r}" for slot, value in stated.items() if slot != "rash" and value not in vocabulary().names(slot)]
    if strange:
        return f"no value of the vocabulary: {', '.join(strange)}"
    is_class = not any(key in values for key in _CAPTIONS)
    read = (label_of_class(text) if is_class else labels_of(text)) if text and "rash" not in stated else None
    try:
        return Labels(**{**(read.model_dump() if read else {}), **stated})
    except ValidationError:
        return f"caption names not exactly one known rash: {text[:80]!r}" if text else "no label: neither rash nor text nor label"


def _text(values: dict, key: str) -> str | None:
    return str(values[key]) if key in values else None


def _number(value) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
