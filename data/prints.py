"""``.fingerprints.npz`` of a set: what its pictures are recognised by, so that later sources are compared without opening them again.

Hidden, since ``datasets`` would take a file with this ending for an archive of pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from data.lookalikes import Print

FILE = ".fingerprints.npz"


@dataclass(frozen=True)
class Known:
    """A picture of the set."""

    print: Print
    #: Patient, lesion or case in the words of its source, before look-alikes joined it to others.
    own_group: str


def write(folder: Path, known: dict[str, Known], embedding: str) -> None:
    """Write what is ``known`` by file name, in one step. ``embedding``: the name of the one that made the vectors."""
    names = sorted(known)
    half = folder / f"{FILE}.tmp"
    with half.open("wb") as file:
        np.savez_compressed(
            file,
            embedding=np.array(embedding),
            file_name=np.array(names, dtype=np.str_),
            own_group=np.array([known[name].own_group for name in names], dtype=np.str_),
            sha256=np.array([known[name].print.sha256 for name in names], dtype=np.str_),
            phash=np.array([known[name].print.phash for name in names], dtype=np.uint64),
            vector=np.stack([known[name].print.vector for name in names]) if names else np.zeros((0, 0), np.uint8),
        )
    half.replace(folder / FILE)


def read(folder: Path, embedding: str) -> dict[str, Known]:
    """What is known by file name; empty where there is no file, where it is damaged, or where another embedding made it."""
    try:
        with np.load(folder / FILE, allow_pickle=False) as file:
            if str(file["embedding"]) != embedding:
                return {}
            columns = [file[name] for name in ("file_name", "own_group", "sha256", "phash", "vector")]
    except (OSError, ValueError, KeyError, BadZipFile, EOFError):
        return {}
    return {
        str(name): Known(Print(str(sha), int(phash), vector), str(own))
        for name, own, sha, phash, vector in zip(*columns, strict=True)
    }
