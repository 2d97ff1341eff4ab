"""One recognised phrase of a sentence, and small helpers to look around in a list of them."""

from __future__ import annotations

from collections.abc import Iterable

from assistant.vocabulary import SLOTS

VALUE_LABELS = frozenset(SLOTS)
#: Words that carry no meaning for a request: looked through when two phrases are compared for adjacency.
FILLER = frozenset({"adverb", "side"})


class Item:
    """A phrase: ``label`` (a slot, a cue of ``vocabulary/cues.yaml``, or "word"), ``id`` (canonical value or cue).

    ``text`` is as typed, ``said`` in lower case. Several values are joined by "|" ("skin of colour"). ``negated`` marks
    what was named in order to be left out, ``hint`` a tone read off a word for people, ``implied`` the compound word
    that a place was read off ("athlete's foot"). ``number`` is set for numbers and counts.
    """

    __slots__ = ("hint", "id", "implied", "label", "negated", "number", "said", "text")

    def __init__(self, label: str, id_: str, text: str, number: float | None = None, *, implied: str = ""):
        self.label, self.id, self.text, self.number, self.implied = label, id_, text, number, implied
        self.said = text.lower()
        self.hint = self.negated = False

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self.id.split("|"))

    @property
    def is_value(self) -> bool:
        return self.label in VALUE_LABELS

    def become(self, label: str, id_: str = "") -> None:
        self.label, self.id = label, id_

    def drop(self) -> None:
        """Take the meaning away; the item stays as a word that is looked through."""
        self.become("adverb")

    def __repr__(self) -> str:
        return f"{self.label}:{self.id or self.text}" + ("!" if self.negated else "")


def next_index(items: list[Item], k: int, skip: Iterable[str] = FILLER) -> int | None:
    """Index of the next item after ``k`` whose label is not skipped; None at the end."""
    for j in range(k + 1, len(items)):
        if items[j].label not in skip:
            return j
    return None


def prev_index(items: list[Item], k: int, skip: Iterable[str] = FILLER) -> int | None:
    """Index of the last item before ``k`` whose label is not skipped; None at the start."""
    for j in range(k - 1, -1, -1):
        if items[j].label not in skip:
            return j
    return None


def sentence_end(items: list[Item], k: int) -> int:
    """Index of the next full stop, colon or the like from ``k`` on; the number of items when there is none."""
    return next((j for j in range(k, len(items)) if items[j].label == "conj" and items[j].id == "stop"), len(items))


def label_at(items: list[Item], k: int | None) -> str:
    """Label at ``k``; "" outside the sentence."""
    return items[k].label if k is not None and 0 <= k < len(items) else ""


def id_at(items: list[Item], k: int | None) -> str:
    return items[k].id if k is not None and 0 <= k < len(items) else ""


def said_at(items: list[Item], k: int | None) -> str:
    """Text at ``k`` in lower case; "" outside the sentence."""
    return items[k].said if k is not None and 0 <= k < len(items) else ""
