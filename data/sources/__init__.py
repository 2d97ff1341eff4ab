"""Sources: each yields an :class:`Item` for a picture it can label and a :class:`Skipped` for a file or table row it cannot.

One file a form of download, each with ``NAME``, ``LICENSE``, ``recognises(path)`` and ``items(path)``; they are listed
in :mod:`data.sources.forms`.
"""

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
    #: Patient, lesion or case; ``None``: a group of its own. Look-alikes join groups either way, see :mod:`data.groups`.
    group: str | None = None
    #: Official split of the source; ``None``: by group, see :mod:`data.splits`.
    split: Split | None = None
    #: Lesion mask of the same size, white on the lesion.
    mask: Path | None = None
    original_label: str | None = None
    #: Captions in people's own words.
    captions: tuple[str, ...] = ()
    #: The picture shows skin through a dermatoscope: nothing else, under a lamp of its own colour.
    dermoscopic: bool = False
    #: What a row of a set keeps when it is imported into another: where it came from, and that its tone was measured.
    source: str | None = None
    license: str | None = None
    tone_estimated: bool = False
    ita: float | None = None


@dataclass(frozen=True)
class Skipped:
    """A file that is not in the set, and why. What stands before the first colon or bracket is the kind of reason."""

    path: Path
    reason: str


class SourceError(ValueError):
    """A source that cannot be read at all; the message says what was found, what was expected and what to do."""
