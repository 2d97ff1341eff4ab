"""Sources: each yields an :class:`Item` for a picture it can label and a :class:`Skipped` for a file it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.manifest import Labels, Split


@dataclass(frozen=True)
class Item:
    """A picture of a source, not yet opened."""

    path: Path
    labels: Labels
    #: Name of the picture in the set, without suffix; ``None``: a hash of its bytes, so that exact copies meet.
    key: str | None = None
    #: Patient, lesion or scene; ``None``: pictures that look the same (perceptual hash) are one group.
    group: str | None = None
    #: Official split of the source; ``None``: by group, see :mod:`data.splits`.
    split: Split | None = None
    #: Lesion mask of the same size, white on the lesion.
    mask: Path | None = None
    original_label: str | None = None
    #: The picture shows skin through a dermatoscope: nothing else, under a lamp of its own colour.
    dermoscopic: bool = False


@dataclass(frozen=True)
class Skipped:
    """A file that is not in the set, and why."""

    path: Path
    reason: str


class SourceError(ValueError):
    """A source that cannot be read at all; the message says what was found, what was expected and what to do."""
