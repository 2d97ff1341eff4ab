"""What readers said: one file a reader, one JSON line an answer, only ever added to.

An answer stands: there is no way back to a picture, as in a reading room where the report has gone out. If a line for the
same picture comes twice (two tabs), the first one counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from study.plan import StudyError

#: A reader's code is a file's name too.
_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class Answer(BaseModel):
    """One reader's answer on one picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    picture: str
    said: Literal["real", "synthetic"]
    diagnosis: str = Field(min_length=1)
    #: From when the picture was shown to when the answer was given.
    seconds: float = Field(ge=0)
    #: UTC.
    time: str = ""


def code_of(typed: str) -> str:
    """A reader's code as it is kept: lower case. Raises `StudyError` for one that is none."""
    code = typed.strip().lower()
    if not _CODE.fullmatch(code):
        raise StudyError("A code has 1 to 32 letters (a to z), digits, - and _, and begins with a letter or digit.")
    return code


def add(folder: Path, reader: str, answer: Answer) -> bool:
    """Write an answer to disk before returning; False where this reader has answered on the picture before. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{reader}.jsonl"
    with FileLock(folder / f".{reader}.lock"):
        if any(there.picture == answer.picture for there in of_reader(folder, reader)):
            return False
        stamped = answer.model_copy(update={"time": datetime.now(timezone.utc).isoformat(timespec="seconds")})
        with path.open("ab") as file:
            if file.tell() and not path.read_bytes().endswith(b"\n"):
                file.write(b"\n")  # a crash cut the last line off
            file.write(stamped.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    return True


def of_reader(folder: Path, reader: str) -> list[Answer]:
    """A reader's answers in the order given, the first for each picture; a line that a crash cut in two is left out."""
    path = folder / f"{reader}.jsonl"
    if not path.exists():
        return []
    found: dict[str, Answer] = {}
    for line in path.read_bytes().splitlines():
        try:
            answer = Answer.model_validate_json(line)
        except ValidationError:
            continue
        found.setdefault(answer.picture, answer)
    return list(found.values())


def of_all(folder: Path, pictures: Iterable[str]) -> dict[str, dict[str, Answer]]:
    """reader → picture → answer, readers by name; only pictures of the study, and only readers who answered."""
    known = set(pictures)
    readers = sorted(path.stem for path in folder.glob("*.jsonl"))
    said = {r: {a.picture: a for a in of_reader(folder, r) if a.picture in known} for r in readers}
    return {reader: answers for reader, answers in said.items() if answers}
