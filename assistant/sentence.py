"""A sentence after reading: its phrases, the patches they make, and short questions about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from assistant.items import Item
from assistant.schema import Patch
from assistant.vocabulary import SLOTS


@dataclass
class Sentence:
    items: list[Item]
    patches: tuple[Patch, ...]
    #: (slot, as typed, nearest) of words outside the vocabulary.
    unknown: tuple[tuple[str, str, str | None], ...]
    #: Images pointed at.
    targets: tuple[int, ...]

    @cached_property
    def labels(self) -> set[str]:
        return {i.label for i in self.items}

    def has(self, label: str, *ids: str) -> bool:
        """Whether there is an item with this label (and one of these ids)."""
        return any(i.label == label and (not ids or i.id in ids) for i in self.items)

    def of(self, label: str) -> list[Item]:
        return [i for i in self.items if i.label == label]

    def index(self, label: str) -> int:
        """Where the label first stands; the number of items when nowhere."""
        return next((k for k, i in enumerate(self.items) if i.label == label), len(self.items))

    @cached_property
    def plain_phrases(self) -> list[str]:
        """What is said, phrase by phrase, but for greetings, joins and interjections."""
        return [i.said for i in self.items if i.label not in ("conj", "social", "interjection")]

    @cached_property
    def plainly(self) -> str:
        return " ".join(self.plain_phrases)

    @cached_property
    def opening(self) -> str:
        """What a sentence begins with, but for greetings, joins and interjections."""
        return "".join(self.plain_phrases[:1])

    @cached_property
    def asks(self) -> bool:
        """Whether there is a verb of asking ("show", "I need")."""
        return "request" in self.labels

    @cached_property
    def strange(self) -> bool:
        """Whether there are words that stand for nothing here."""
        return "word" in self.labels

    @cached_property
    def named(self) -> bool:
        """Whether a value of any slot is named."""
        return any(getattr(p, slot) for p in self.patches for slot in SLOTS)

    @cached_property
    def valued(self) -> bool:
        """Whether anything is said about a request."""
        return any(p.model_fields_set for p in self.patches) or bool(self.unknown) or bool(self.targets) or "dropped" in self.labels
