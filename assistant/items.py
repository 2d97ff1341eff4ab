"""One recognised phrase of a sentence, and small helpers to look around in a list of them."""

from __future__ import annotations

from collections.abc import Iterable

from assistant.vocabulary import SLOTS

VALUE_LABELS = frozenset(SLOTS)
#: Words that carry no meaning for a request: looked through when two phrases are compared for adjacency.
FILLER = frozenset({"adverb", "side"})


class Item:
    """A phrase: ``label`` (a slot, a cue or "word"), ``id`` (canonical value or cue), ``text`` as typed.

    Values may be several ("skin of colour"). ``negated`` marks what was named in order to be left out, ``hint`` a tone
    read off a word for people, ``implied`` the compound word that a place was read off ("athlete's foot").
    """

    __slots__ = ("hint", "id", "implied", "label", "negated", "number", "text")

    def __init__(self, label: str, id_: str, text: str, number: float | None = None, *, hint: bool = False, implied: str = ""):
        self.label, self.id, self.text, self.number = label, id_, text, number
        self.hint, self.implied, self.negated = hint, implied, False

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self.id.split("|"))

    @property
    def is_value(self) -> bool:
        return self.label in VALUE_LABELS

    def drop(self, label: str = "adverb") -> None:
        """Take the meaning away; the item stays as a word that is looked through."""
        self.label, self.id = label, ""

    def __repr__(self) -> str:
        return f"{self.label}:{self.id or self.text}" + ("!" if self.negated else "")


def next_index(items: list[Item], k: int, skip: Iterable[str] = FILLER) -> int | None:
    """Index of the next item after ``k`` whose label is not skipped; None at the end."""
    for j in range(k + 1, len(items)):
        if items[j].label not in skip:
            return j
    return None


def prev_index(items: list[Item], k: int, skip: Iterable[str] = FILLER) -> int | None:
    for j in range(k - 1, -1, -1):
        if items[j].label not in skip:
            return j
    return None


def label_at(items: list[Item], k: int | None) -> str:
    return items[k].label if k is not None and 0 <= k < len(items) else ""
