"""Your own pictures: by class folder, with a caption beside each, or listed in a JSON-lines file.

- ``photos/Eczema Photos/17.jpg``: the folder's name is the label; ``photos/test/Eczema Photos/17.jpg`` states the split too
  (train, validation and test, as people name them);
- ``photos/17.jpg`` with ``photos/17.txt``: the caption, or several, a line each; they go before the folder's name;
- ``captions.jsonl`` (or a folder with one such file) with ``{"image": "17.jpg", "caption": "…"}`` a line, paths below
  the file's own folder. A line may also state rash, area, tone, severity, size, number, group, split and mask; what it
  states goes before its caption. Lines of one image, one after another, are captions of it.

A label is read with the vocabulary. One that it does not know is kept under its own name, in small letters;
a caption has to name one rash that it knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from data.labels import label_of_class, labels_of
from data.manifest import Labels, Split
from data.sources import Item, Skipped, SourceError
from data.sources.tables import UNNAMED, files_below, is_picture

#: Folders at the top that state the split of what is in them.
SPLITS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
_STATED = tuple(Labels.model_fields)
_LINE_KEYS = frozenset({"image", "caption", "group", "split", "mask", *_STATED})


def items(path: Path, group: re.Pattern[str] | None = None) -> Iterator[Item | Skipped]:
    """Pictures of a folder, in the order of their names, or of a JSON-lines file, in the order of its lines.

    ``group`` finds the patient in a file's path below ``path``: its first bracket, or else all that it matches.
    Raises :class:`SourceError` where there is nothing to read, or where a group is stated in two splits.
    """
    if path.is_dir():
        listing = _listing(path)
        return _listed(listing, group, rest=True) if listing else _tree(path, group)
    if path.is_file() and path.suffix.lower() in (".jsonl", ".ndjson"):
        return _listed(path, group)
    raise SourceError(f"{path} is neither a folder of pictures nor a .jsonl file of captions.")


def _listing(folder: Path) -> Path | None:
    """The one file of ``{"image": …}`` lines in ``folder``."""
    found = [file for suffix in ("jsonl", "ndjson") for file in sorted(folder.glob(f"*.{suffix}"))]
    if len(found) != 1:
        return None
    with found[0].open(encoding="utf-8-sig", errors="replace") as lines:
        return found[0] if '"image"' in lines.readline() else None


def _tree(root: Path, group: re.Pattern[str] | None) -> Iterator[Item | Skipped]:
    files = files_below(root)
    if not any(is_picture(file) for file in files):
        raise SourceError(f"{root} {'has no picture' if files else 'is empty'}; expected pictures in it or in folders named by their class.")
    pictures = {file.with_suffix("") for file in files if is_picture(file)}
    for file in files:
        if is_picture(file):
            yield _from_tree(file, root, group)
        elif file.suffix.lower() != ".txt" or file.with_suffix("") not in pictures:
            yield Skipped(file, "no picture")


def _from_tree(file: Path, root: Path, group: re.Pattern[str] | None) -> Item | Skipped:
    beside, below = file.with_suffix(".txt"), file.relative_to(root)
    split = SPLITS.get(below.parts[0].lower()) if len(below.parts) > 1 else None
    captions: tuple[str, ...] = ()
    if beside.is_file():
        text = beside.read_text(encoding="utf-8", errors="replace").strip()
        captions = tuple(line.strip() for line in text.splitlines() if line.strip())
        labels = labels_of(text) or (labels_of(captions[0]) if captions else None)
        if labels is None:
            return Skipped(file, f"caption names not exactly one known rash: {text[:80]!r}")
    elif len(below.parts) > (2 if split else 1):
        text = file.parent.name
        labels = label_of_class(text)
        if labels is None:
            return Skipped(file, f"folder names no class: {text!r}")
    else:
        return Skipped(file, "no label: neither a caption beside it nor a class folder around it")
    return Item(file, labels, group=_group(group, below), split=split, original_label=text, captions=captions)


def _listed(path: Path, group: re.Pattern[str] | None, rest: bool = False) -> Iterator[Item | Skipped]:
    """Pictures of the lines of ``path``; with ``rest`` also the pictures beside it that no line names, to be listed."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}.") from None
    if not lines:
        raise SourceError(f'{path} is empty; expected {{"image": "…", "caption": "…"}} a line.')
    found = _together([_from_line(line, path.parent, group) for line in lines])
    check_splits(found, path)
    named = {item.path.resolve() for item in found} | {item.mask.resolve() for item in found if isinstance(item, Item) and item.mask}
    if rest:
        found += [Skipped(file, UNNAMED) for file in files_below(path.parent) if is_picture(file) and file.resolve() not in named]
    return iter(found)


def _together(found: list[Item | Skipped]) -> list[Item | Skipped]:
    """Items of one image that follow each other and say the same of it become one, with the captions of all."""
    kept: list[Item | Skipped] = []
    for item in found:
        last = kept[-1] if kept else None
        alike = isinstance(item, Item) and isinstance(last, Item) and replace(item, captions=(), original_label=None) == replace(
            last, captions=(), original_label=None
        )  # fmt: skip
        if alike:
            kept[-1] = replace(last, captions=(*last.captions, *item.captions))
        else:
            kept.append(item)
    return kept


def _from_line(line: str, root: Path, group: re.Pattern[str] | None) -> Item | Skipped:
    try:
        stated = json.loads(line)
        image = root / stated["image"]
    except (ValueError, KeyError, TypeError):
        return Skipped(root / line[:80], 'line without {"image": "…"}')
    strange = sorted(stated.keys() - _LINE_KEYS)
    if strange:
        return Skipped(image, f"line with unknown keys: {', '.join(strange)}")
    if not image.is_file():
        return Skipped(image, "listed, but the picture is missing")
    if stated.get("split") not in (None, *get_args(Split)):
        return Skipped(image, f"split is none of {', '.join(get_args(Split))}: {stated['split']!r}")
    text = stated.get("caption") or ""
    read = labels_of(text) if text else None
    values = {key: stated[key] for key in _STATED if stated.get(key)}
    try:
        labels = Labels(**{**(read.model_dump() if read else {}), **values})
    except ValidationError:
        return Skipped(image, f"caption names not exactly one known rash: {text[:80]!r}")
    return Item(
        image, labels, group=stated.get("group") or _group(group, Path(stated["image"])), split=stated.get("split"),
        mask=root / stated["mask"] if stated.get("mask") else None, original_label=text or None, captions=(text,) if text else (),
    )  # fmt: skip


def check_splits(found: list[Item | Skipped], path: Path) -> None:
    """Raise :class:`SourceError` where ``path`` states one group of a source in two splits."""
    first: dict[tuple[str | None, str], str | None] = {}
    for item in found:
        if isinstance(item, Item) and item.group and first.setdefault((item.source, item.group), item.split) != item.split:
            raise SourceError(f"{path} has group {item.group!r} in two splits; state one split for all its lines, or none.")


def _group(pattern: re.Pattern[str] | None, path: Path) -> str | None:
    match = pattern.search(path.as_posix()) if pattern else None
    return next((part for part in match.groups() if part), match[0]) if match else None
