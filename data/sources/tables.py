"""What downloads made of a table and a heap of pictures have in common."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from data.sources import Skipped, SourceError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
MISSING = "in the table, but the picture is missing"
UNNAMED = "picture that no table names"


def table(path: Path, columns: Iterable[str] = ()) -> list[dict[str, str]]:
    """Rows of a CSV file with a header, values without outer blanks. Raises :class:`SourceError` that names lacking columns."""
    with _opened(path) as lines:
        reader = csv.DictReader(lines, restval="")
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            word = "columns" if len(missing) > 1 else "column"
            raise SourceError(f"{path} lacks the {word} {', '.join(sorted(missing))}; it has {', '.join(reader.fieldnames or ()) or 'none'}.")
        return [{key: value.strip() for key, value in row.items() if key is not None} for row in _rows(reader, path)]


def pairs(path: Path) -> list[tuple[str, str]]:
    """Rows of a CSV file of two columns without a header."""
    with _opened(path) as lines:
        return [(row[0].strip(), row[1].strip()) for row in _rows(csv.reader(lines), path) if len(row) >= 2]


def _opened(path: Path):
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from None


def _rows(reader, path: Path):
    try:
        yield from reader
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is no CSV file that can be read: {error}.") from None


def is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


def files_below(root: Path) -> list[Path]:
    """Every file below ``root`` in the order of names, links to folders followed by no one. Hidden files are not looked at.

    Raises :class:`SourceError` for a folder that may not be read: it would be lost in silence.
    """

    def refuse(error: OSError) -> None:
        raise SourceError(f"{error.filename} cannot be read: {error.strerror}.")

    found: list[Path] = []
    for folder, folders, names in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found)


class Pictures:
    """The pictures below a folder, found by the stem of their name, and those that nobody has asked for."""

    def __init__(self, *roots: Path, leave: tuple[str, ...] = ()):
        """``leave``: endings of stems that are companions of a picture and no pictures of the set ("_superpixels")."""
        files = [file for root in roots if root.is_dir() for file in files_below(root) if is_picture(file)]
        self._all = [file for file in files if not leave or not file.stem.endswith(leave)]
        self._by_stem: dict[str, Path] = {}
        for file in self._all:
            self._by_stem.setdefault(file.stem, file)
        self._taken: set[Path] = set()

    def take(self, *stems: str) -> Path | None:
        """The picture of the first of ``stems`` that there is."""
        found = next((self._by_stem[stem] for stem in stems if stem in self._by_stem), None)
        if found:
            self._taken.add(found)
        return found

    def rest(self) -> Iterator[Skipped]:
        """Pictures that were never taken, in the order of their names."""
        return (Skipped(file, UNNAMED) for file in self._all if file not in self._taken)

    def __len__(self) -> int:
        return len(self._all)


def find(root: Path, *names: str) -> Path | None:
    """The first file or folder of ``names`` in ``root`` or in a folder of it: archives are unpacked this way and that."""
    for name in names:
        found = [root / name, *sorted(root.glob(f"*/{name}"))]
        for path in found:
            if path.exists():
                return path
    return None


def pictures_of(folder: Path, names: Iterable[str], leave: tuple[str, ...] = ()) -> Pictures:
    """The pictures in the folders ``names`` of a download, or anywhere below it where none of them is there.

    Raises :class:`SourceError` for tables without a picture.
    """
    names = tuple(names)
    roots = [root for name in names if (root := find(folder, name)) and root.is_dir()]
    pictures = Pictures(*roots or [folder], leave=leave)
    if not len(pictures):
        raise SourceError(f"{folder} has the labels but no picture; expected pictures in {' or '.join(names) or 'it'}.")
    return pictures
