"""The one manifest every source ends in: a folder that ``datasets.load_dataset("imagefolder")`` reads.

    set/
      metadata.jsonl     one JSON object a line, one line an image: a :class:`Row`
      images/…           8-bit RGB, no EXIF, upright
      masks/…            optional 8-bit lesion masks (0 skin, 255 lesion), same size as their image
      skipped.jsonl      what its imports left out, and why (:mod:`data.skipped`)

``load_dataset`` puts all rows in one split of its own ("train"); ours is the column ``split``.
Columns ending in ``file_name`` load as pictures (``image``, ``mask``).
Format: https://huggingface.co/docs/datasets/image_dataset#imagefolder
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

FILE = "metadata.jsonl"
Split = Literal["train", "validation", "test"]


class Labels(BaseModel):
    """What is known about a picture, in canonical names; ``None`` is *not known* and never guessed.

    The fields have the names that :func:`assistant.caption.caption` reads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rash: str = Field(min_length=1)
    area: str | None = None
    tone: str | None = None
    severity: str | None = None
    size: str | None = None
    number: str | None = None


class Row(Labels):
    """One image of a set."""

    #: Path of the image below the set's folder, with forward slashes.
    file_name: str
    #: What the text encoder is trained on: the canonical caption.
    text: str = Field(min_length=1)
    #: Where the image comes from ("phantom", "isic2017", …) and what one may do with it (SPDX name where there is one).
    source: str = Field(min_length=1)
    license: str = Field(min_length=1)
    #: Patient, lesion or scene. Images of one group are never in two splits.
    group: str = Field(min_length=1)
    split: Split
    #: True where ``tone`` was measured on the picture (see :mod:`generation.ita`) and nobody stated it.
    tone_estimated: bool = False
    #: Individual typology angle of the lesion-free skin, in degrees, where it was measured.
    ita: float | None = None
    #: Lesion mask below the set's folder.
    mask_file_name: str | None = None
    #: The label or caption in the words of the source, where it differs from ours.
    original_label: str | None = None
    #: What else was said of it, in the source's own words: a text tower may learn from these beside ``text``.
    captions: tuple[str, ...] = ()

    @field_validator("file_name", "mask_file_name")
    @classmethod
    def _stays_in_folder(cls, value: str | None) -> str | None:
        if value is not None:
            path = PurePosixPath(value)
            if not value or "\\" in value or path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{value!r} is no path below the set's folder; give one such as images/0001.png")
        return value


class ManifestError(ValueError):
    """A metadata.jsonl that cannot be used; the message names the line and what to do."""


def write(folder: Path, rows: Iterable[Row]) -> Path:
    """Write ``metadata.jsonl`` of ``folder``, sorted by file name, in one step (old or new, never half of it).

    Raises :class:`ManifestError` for a file named twice and for a group in two splits.
    """
    ordered = sorted(rows, key=lambda row: row.file_name)
    _check(ordered)
    # A column of nulls only has no type that `datasets` could load a picture from; the same of empty lists and of text.
    leave_out = {name for name in ("mask_file_name", "captions") if not any(getattr(row, name) for row in ordered)}
    folder.mkdir(parents=True, exist_ok=True)
    target, half = folder / FILE, folder / f".{FILE}.tmp"
    with half.open("w", encoding="utf-8") as lines:
        for row in ordered:
            lines.write(json.dumps(row.model_dump(exclude=leave_out), ensure_ascii=False) + "\n")
        lines.flush()
        os.fsync(lines.fileno())
    half.replace(target)
    return target


def read(folder: Path) -> list[Row]:
    """All rows of ``folder``; an empty list where it has no manifest yet. Raises :class:`ManifestError`."""
    path = folder / FILE
    rows = list(iterate(path)) if path.exists() else []
    _check(rows)
    return rows


def iterate(path: Path) -> Iterator[Row]:
    """The rows of one JSON-lines file, one at a time. Raises :class:`ManifestError` at the first bad line."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield Row.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"])) or "the line"
                raise ManifestError(f"{path}, line {number}: {where}: {first['msg']}. Mend or remove the line.") from None


def _check(rows: list[Row]) -> None:
    seen: set[str] = set()
    splits: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        if row.file_name in seen:
            raise ManifestError(f"{row.file_name} is listed twice; keep one of the two rows.")
        seen.add(row.file_name)
        splits[row.source, row.group].add(row.split)
    for (source, group), found in splits.items():
        if len(found) > 1:
            raise ManifestError(
                f"group {group!r} of {source} is in the splits {' and '.join(sorted(found))}; a group belongs to one."
            )
