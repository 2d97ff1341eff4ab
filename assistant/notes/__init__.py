"""Short clinical notes, one YAML file a condition: what questions about a condition are answered from.

They describe; they never advise. Every note has its sources. The files are validated when they are loaded.
"""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from assistant.vocabulary import vocabulary


class Note(BaseModel):
    """What a lecturer would say about a condition in four sentences."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rash: str
    #: What it is.
    about: str = Field(min_length=10, max_length=240)
    #: Shape, border, surface and colour on light skin.
    appearance: str = Field(min_length=20, max_length=320)
    #: What differs on brown and black skin.
    dark_skin: str = Field(min_length=20, max_length=320)
    #: Whether it passes from one person to another, and how.
    contagious: str = Field(min_length=10, max_length=200)
    #: What someone who has it feels.
    feels: str = Field(min_length=10, max_length=200)
    #: Where it is seen.
    sites: str = Field(min_length=10, max_length=240)
    #: The same as canonical areas, the most typical first.
    areas: tuple[str, ...] = Field(min_length=1)
    #: Conditions of the vocabulary that it is mistaken for, the closest first.
    resembles: tuple[str, ...] = Field(min_length=1)
    sources: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def canonical(self) -> Note:
        for slot, values in (("rash", (self.rash, *self.resembles)), ("area", self.areas)):
            strange = [value for value in values if value not in vocabulary().names(slot)]
            if strange or len(set(values)) != len(values):
                raise ValueError(
                    f"the note on {self.rash} has unknown or repeated values of {slot}: {strange or values}"
                )
        return self


@lru_cache(maxsize=1)
def notes() -> dict[str, Note]:
    """Note of every condition of the vocabulary, by canonical name.

    Raises ValueError when a condition has no note, or two, or a note does not fit the vocabulary.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    paths = sorted((p for p in files(__package__).iterdir() if p.name.endswith(".yaml")), key=lambda p: p.name)
    loaded = [Note.model_validate(yaml.load(path.read_text("utf-8"), loader)) for path in paths]
    by_rash = {note.rash: note for note in loaded}
    expected = set(vocabulary().names("rash")) - vocabulary().own
    if len(by_rash) != len(loaded) or set(by_rash) != expected:
        raise ValueError(
            f"notes and vocabulary differ: {sorted(expected ^ set(by_rash)) or 'a condition has two notes'}"
        )
    return {**by_rash, **{rash: _of_ones_own(rash) for rash in sorted(vocabulary().own)}}


def _of_ones_own(rash: str) -> Note:
    """What there is to say of a condition beyond the vocabulary: what its entry says."""
    entry, nothing = vocabulary().entry("rash", rash), ""
    return Note.model_construct(
        rash=rash, about=entry.notes or "A condition of your own; there are no notes on it.", appearance=nothing, dark_skin=nothing,
        contagious=nothing, feels=nothing, sites=nothing, areas=(entry.typical_area,), resembles=(), sources=("your own data",),
    )  # fmt: skip


def usual_areas(rash: str, among: Container[str]) -> list[str]:
    """Areas where a condition of the vocabulary is typically seen, the most typical first, as far as they are ``among`` those."""
    return [area for area in notes()[rash].areas if area in among]
