"""Checkpoints that are whole or absent: written aside, manifest last, then renamed (a kill leaves the one before).

``<run>/checkpoints/00001200/`` holds ``state.pt`` (weights, EMA, optimizer) and ``manifest.json`` (step, seconds trained,
SHA-256 of the state). A folder without a manifest, or whose state does not match it, is passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch


def save(folder: Path, step: int, seconds: float, state: dict[str, Any], keep: int = 2) -> Path:
    """Write checkpoint ``step`` under ``folder`` and delete all but the newest ``keep``."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{step:08d}"
    aside = folder / f".{final.name}.{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    torch.save(state, aside / "state.pt")
    manifest = {"step": step, "seconds": seconds, "sha256": _sha256(aside / "state.pt")}
    (aside / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    shutil.rmtree(final, ignore_errors=True)
    aside.rename(final)
    for old in _finished(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def latest(folder: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(manifest, state) of the newest whole checkpoint under ``folder``; None where there is none."""
    for path in reversed(_finished(folder)):
        manifest = json.loads((path / "manifest.json").read_text())
        if _sha256(path / "state.pt") == manifest["sha256"]:
            return manifest, torch.load(path / "state.pt", map_location="cpu", weights_only=True)
    return None


def _finished(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and (p / "manifest.json").exists())


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
