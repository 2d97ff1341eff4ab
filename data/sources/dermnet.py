"""Dermnet as people know it from Kaggle: 23 folders of conditions in ``train/`` and in ``test/``.

Class folders like any other (:mod:`data.sources.folder`), known by their names, so that set and licence are named
right. Most of the 23 mix conditions of the vocabulary ("Acne and Rosacea Photos") and keep their own name. Patients
were not published; ``train`` and ``test`` share pictures, of which those in ``train`` are left out and listed. The
pictures are Dermnet's, under the terms of its site: ask before you use them for anything but looking.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import yaml

from data.sources import Item, Skipped, SourceError, folder

NAME = "dermnet"
LICENSE = "LicenseRef-Dermnet-site-terms"
#: So many of the 23 names make it Dermnet: copies with a few folders removed are common.
ENOUGH = 8

_CLASSES = Path(__file__).with_name("dermnet.yaml")


def recognises(path: Path) -> bool:
    return _root(path) is not None


def items(path: Path) -> Iterator[Item | Skipped]:
    """Pictures of ``path`` in the order of their names. Raises :class:`SourceError` for what is no Dermnet."""
    root = _root(path)
    if root is None:
        raise SourceError(f"{path} is no Dermnet: expected train/ and test/ with its 23 folders, such as 'Acne and Rosacea Photos'.")
    return folder.items(root)


def _root(path: Path) -> Path | None:
    """``path`` or the folder in it that has the classes, below ``train`` and ``test`` or not."""
    for root in (path, *(sorted(each for each in path.iterdir() if each.is_dir()) if path.is_dir() else ())):
        for classes in (root / "train", root / "test", root):
            if classes.is_dir() and len(_names() & {each.name.lower() for each in classes.iterdir()}) >= ENOUGH:
                return root
    return None


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(name.lower() for name in yaml.safe_load(_CLASSES.read_text(encoding="utf-8")))
