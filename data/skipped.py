"""``skipped.jsonl`` of a set: every file that its imports left out, one JSON object a line: ``source``, ``path``, ``reason``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from data.sources import Skipped

FILE = "skipped.jsonl"


def kind_of(reason: str) -> str:
    """A reason without its particulars."""
    return reason.split(":")[0].split(" (")[0]


def read(folder: Path) -> list[dict[str, str]]:
    """``source``, ``path`` and ``reason`` of every file that was left out; empty where nothing was imported."""
    path = folder / FILE
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def write(folder: Path, source: str, skipped: Iterable[tuple[str, Skipped]]) -> None:
    """List ``skipped``, each with its source, in place of what ``source`` left out before; other sources' lines stay."""
    entries = [entry for entry in read(folder) if entry["source"] != source]
    entries += [{"source": name, "path": str(skip.path), "reason": skip.reason} for name, skip in skipped]
    half = folder / f".{FILE}.tmp"
    half.write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries), encoding="utf-8")
    half.replace(folder / FILE)
