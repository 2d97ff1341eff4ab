"""The words the assistant knows, kept as data: one YAML file a slot, checked when loaded.

``vocabulary()`` gives the validated :class:`Vocabulary`. Unknown keys, duplicates inside a file and clashes between
slots (one phrase with two meanings) raise :class:`VocabularyError`, so a bad edit fails before any sentence is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from rapidfuzz import fuzz, process

HERE = Path(__file__).parent
SLOTS: tuple[str, ...] = ("rash", "area", "tone", "severity", "size", "number")

class VocabularyError(ValueError):
    """A vocabulary file is wrong: which file, which entry, and what to do."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(_Strict):
    """One canonical value of a slot with all the ways it is said."""

    name: str
    synonyms: tuple[str, ...] = ()
    #: Words for more than this value ("trunk" for chest): read as it, and said so.
    loose: tuple[str, ...] = ()
    #: Irregular plurals; regular ones are made by :func:`plurals`.
    plural: tuple[str, ...] = ()
    kind: Literal["rash", "lesion"] = "rash"
    icd10: str | None = None
    #: Read only as written here, in capitals ("AD"), and not in a sentence that is all in capitals.
    abbreviations: tuple[str, ...] = ()
    #: Canonical area drawn when none is said (rashes only).
    typical_area: str | None = None
    #: One sentence on what it is, for answers.
    notes: str = ""
    fitzpatrick: str | None = None
    #: Steps of the Monk skin tone scale, 1 (lightest) to 10.
    monk: tuple[int, ...] = ()
    #: Read as this tone only beside "skin", a word for a person or another tone.
    with_skin: tuple[str, ...] = ()
    #: Words for people: a hint of tone that gives way to a tone said of the skin.
    people: tuple[str, ...] = ()
    #: Countries and places after "from", said of a person: a hint as ``people``.
    countries: tuple[str, ...] = ()
    #: Read as this value only beside a rash or a lesion word.
    with_rash: tuple[str, ...] = ()

    @cached_property
    def codes(self) -> dict[str, str]:
        """Codes of outside systems, e.g. ``{"icd10": "L70"}``."""
        return {"icd10": self.icd10} if self.icd10 else {}

    def phrases(self) -> set[str]:
        """Every phrase that stands for this entry wherever it is said, plurals and articles included."""
        said = {self.name, *self.synonyms, *self.loose, *self.plural}
        said = {p for phrase in said for p in expand(phrase)}
        return {form for phrase in said for p in with_articles(phrase) for form in (p, *plurals(p))}


class _SlotFile(_Strict):
    slot: Literal["rash", "area", "tone", "severity", "size", "number"]
    entries: tuple[Entry, ...]
    groups: tuple[Group, ...] = ()


class Group(_Strict):
    """Words that name several values at once ("skin of colour")."""

    words: tuple[str, ...]
    values: tuple[str, ...]


class Compound(_Strict):
    """Words that name rash and place at once ("athlete's foot")."""

    rash: str
    area: str
    words: tuple[str, ...]
    #: Places that win over ``area`` when they are said besides ("… between the toes").
    also: tuple[str, ...] = ()
    #: Wider places that leave ``area`` as it is ("nail fungus on the foot").
    within: tuple[str, ...] = ()
    #: Whether the reading is to be said, since the words name no condition to a dermatologist ("nappy rash").
    loose: bool = False


class Phrase(NamedTuple):
    """One pattern for the span ruler: ``label`` is a slot or a cue, ``id`` what it stands for."""

    label: str
    id: str
    text: str


def expand(template: str) -> list[str]:
    """Spell out "(a|b) c" and "[a|b] c": round brackets choose one, square brackets choose one or none; they nest."""
    forms, rest = _alternatives(template, "")
    if rest:
        raise VocabularyError(f"{template!r} closes a bracket that it did not open.")
    return list(dict.fromkeys(" ".join(form.split()) for form in forms))


def _alternatives(text: str, closing: str) -> tuple[list[str], str]:
    """Forms of ``text`` up to the closing bracket, and what comes after it."""
    done: list[str] = []
    forms = [""]
    while text:
        char, text = text[0], text[1:]
        if char == closing:
            return [*done, *forms], text
        if char == "|" and closing:
            done, forms = [*done, *forms], [""]
        elif char in "([" and text:
            inner, text = _alternatives(text, ")" if char == "(" else "]")
            inner = [f" {i} " for i in inner] + ([""] if char == "[" else [])
            forms = [f + i for f in forms for i in inner]
        else:
            forms = [f + char for f in forms]
    if closing:
        raise VocabularyError(f"a {closing!r} is missing in a phrase of the vocabulary.")
    return [*done, *forms], ""


def with_articles(phrase: str) -> list[str]:
    """``phrase`` with and without an inner "the"; his, her, left … become "the" in :mod:`assistant.normalise`."""
    return [phrase, phrase.replace(" the ", " ", 1)] if " the " in phrase else [phrase]


def plurals(phrase: str) -> list[str]:
    """Regular English plurals of a phrase's last word, and of its head in "X of the Y". Over-generates harmlessly.

    "elbow" → "elbows"; "back of the hand" → "back of the hands", "backs of the hand", "backs of the hands".
    """
    if not phrase[-1:].isalpha() or (phrase.endswith("s") and not phrase.endswith("ss")):
        tail = phrase
    elif phrase.endswith("y") and phrase[-2:-1] not in "aeiou":
        tail = phrase[:-1] + "ies"
    elif phrase.endswith("oot"):
        tail = phrase[:-3] + "eet"
    elif phrase.endswith(("x", "z", "ch", "sh", "ss")):
        tail = phrase + "es"
    else:
        tail = phrase + "s"
    forms = [tail]
    if " of " in phrase:
        head, rest = phrase.split(" of ", 1)
        if not head.endswith("s") and " " not in head:
            forms += [f"{head}s of {rest}", f"{head}s of {tail.split(' of ', 1)[1]}"]
    return [f for f in forms if f != phrase]


class Vocabulary:
    """All entries, the phrases that stand for them, and the order of the scales.

    >>> vocabulary().entry("rash", "tinea").typical_area
    'foot'
    """

    def __init__(self, folder: Path = HERE, own: tuple[Entry, ...] = ()):
        """``own``: conditions beyond the vocabulary, see :mod:`assistant.vocabulary.own`."""
        files = {slot: _read(folder / f"{slot}.yaml", _SlotFile) for slot in SLOTS}
        #: Names of the conditions that are not the project's.
        self.own = frozenset(entry.name for entry in own)
        files["rash"] = files["rash"].model_copy(update={"entries": (*files["rash"].entries, *own)})
        for slot, file in files.items():
            if file.slot != slot:
                raise VocabularyError(f"{slot}.yaml says slot {file.slot!r}; write 'slot: {slot}' or rename the file.")
        self.entries: dict[str, dict[str, Entry]] = {}
        for slot, file in files.items():
            by_name: dict[str, Entry] = {}
            for entry in file.entries:
                if entry.name in by_name:
                    raise VocabularyError(f"{slot}.yaml has {entry.name!r} twice; merge the two entries.")
                by_name[entry.name] = entry
            self.entries[slot] = by_name
        self.groups: dict[str, tuple[Group, ...]] = {slot: file.groups for slot, file in files.items() if file.groups}
        self.compounds = tuple(_model(Compound, c, "compound.yaml") for c in _yaml(folder / "compound.yaml"))
        self.outside: dict[str, dict[str, list[str]]] = _yaml(folder / "outside.yaml")
        self.cues: dict[str, dict[str, list[str]]] = _yaml(folder / "cues.yaml")
        self.words: dict[str, frozenset[str]] = {name: frozenset(words) for name, words in _yaml(folder / "words.yaml").items()}
        self._check_references()
        self.phrases: tuple[Phrase, ...] = tuple(self._phrases())

    # --- looking things up

    def names(self, slot: str) -> tuple[str, ...]:
        """Canonical names of a slot, in file order (for tone and severity: along the scale)."""
        return tuple(self.entries[slot])

    def entry(self, slot: str, name: str) -> Entry:
        return self.entries[slot][name]

    def is_lesion(self, rash: str) -> bool:
        """Whether the caption says "type of lesion" (melanoma, mole, seborrheic keratosis)."""
        return self.entries["rash"][rash].kind == "lesion"

    @cached_property
    def loose(self) -> frozenset[str]:
        """Words that stand for more than the value they are read as."""
        words = {word for entries in self.entries.values() for entry in entries.values() for word in entry.loose}
        return frozenset(words | {word for compound in self.compounds if compound.loose for word in compound.words})

    def typical_area(self, rash: str) -> str:
        """The site drawn when none was said."""
        return self.entries["rash"][rash].typical_area or "face"

    def step(self, slot: str, name: str, steps: int) -> str:
        """The value ``steps`` further along the scale of ``tone`` or ``severity``; stops at its ends."""
        scale = self.names(slot)
        return scale[min(max(scale.index(name) + steps, 0), len(scale) - 1)]

    def nearest(self, slot: str, text: str) -> str | None:
        """The canonical name to offer for a word outside the vocabulary; None if nothing is near."""
        text = text.lower().strip()
        for name, words in self.outside.get(slot, {}).items():
            if text in words:
                return name or None
        said = {p.text: p.id for p in self.phrases if p.label == slot}
        if text in said:
            return said[text]
        best = process.extractOne(text, said.keys(), scorer=fuzz.ratio, score_cutoff=75)
        return said[best[0]] if best else None

    def compound(self, word: str) -> Compound:
        """The compound whose first word is ``word``."""
        return next(c for c in self.compounds if c.words[0] == word)

    def read(self, slot: str, text: str) -> str | None:
        """The canonical name of an exact phrase ("tummy" → "stomach"); None if it is no phrase of the slot."""
        return self._by_phrase.get((slot, " ".join(text.lower().split())))

    # --- building

    @cached_property
    def _by_phrase(self) -> dict[tuple[str, str], str]:
        return {(p.label, p.text): p.id for p in self.phrases if p.label in SLOTS}

    def _check_references(self) -> None:
        areas, rashes = self.entries["area"], self.entries["rash"]
        for entry in rashes.values():
            if entry.typical_area not in areas:
                raise VocabularyError(f"rash.yaml: typical_area {entry.typical_area!r} of {entry.name!r} is no area of area.yaml.")
        for c in self.compounds:
            strange = {c.rash} - set(rashes) | {c.area, *c.also, *c.within} - set(areas)
            if strange:
                raise VocabularyError(f"compound.yaml: {c.words[0]!r} points at {sorted(strange)}, which the vocabulary does not have.")
        for slot, outside in self.outside.items():
            for name in outside:
                if name and name not in self.entries[slot]:
                    raise VocabularyError(f"outside.yaml: {name!r} is no {slot} of the vocabulary.")
        for slot, groups in self.groups.items():
            for value in (v for g in groups for v in g.values):
                if value not in self.entries[slot]:
                    raise VocabularyError(f"{slot}.yaml: group value {value!r} is no {slot} of the vocabulary.")

    def _phrases(self) -> Iterator[Phrase]:
        """Every phrase once. Words of two slots are a clash; a slot's own phrase wins over a cue or an outside word."""
        owner: dict[str, tuple[str, str]] = {}

        def claim(label: str, id_: str, text: str) -> Iterator[Phrase]:
            text = " ".join(text.lower().split())
            if text not in owner:
                owner[text] = (label, id_)
                yield Phrase(label, id_, text)
            elif owner[text] != (label, id_):
                other = owner[text]
                raise VocabularyError(f"{text!r} stands for {label} {id_!r} and for {other[0]} {other[1]!r}; keep one.")

        for c in self.compounds:
            for word in c.words:
                yield from claim("compound", f"{c.rash}|{c.area}|{c.words[0]}", word)
        for slot, by_name in self.entries.items():
            for entry in by_name.values():
                for text in sorted(entry.phrases()):
                    yield from claim(slot, entry.name, text)
                for text in entry.countries:
                    yield from claim(f"{slot}_from", entry.name, f"from {text}")
                for kind in ("with_skin", "people", "with_rash"):
                    for text in getattr(entry, kind):
                        for t in expand(text):
                            yield from claim(f"{slot}_{kind}", entry.name, t)
            for group in self.groups.get(slot, ()):
                for text in group.words:
                    yield from claim(slot, "|".join(group.values), text)
        taken = set(owner)
        for slot, outside in self.outside.items():
            for name, words in outside.items():
                for word in words:
                    for text in {word, *plurals(word)} - taken:
                        yield from claim(f"outside_{slot}", name, text)
        taken = set(owner)
        for label, ids in self.cues.items():
            for id_, templates in ids.items():
                for text in {t for template in templates for t in expand(template)} - taken:
                    yield from claim(label, id_, text)


def _yaml(path: Path):
    try:
        # the base loader keeps every scalar a string: "no" and "on" are words here, not booleans
        return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except (OSError, yaml.YAMLError) as error:
        raise VocabularyError(f"{path.name} cannot be read: {error}") from error


def _model(model: type[BaseModel], raw, name: str):
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise VocabularyError(f"{name}: {error}") from error


def _read(path: Path, model: type[BaseModel]):
    return _model(model, _yaml(path), path.name)


@lru_cache(maxsize=64)
def words(name: str) -> frozenset[str]:
    """A list of single words that a rule looks at, from ``words.yaml``."""
    return vocabulary().words[name]


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """The vocabulary that ships with the project and the conditions of one's own, loaded once."""
    from assistant.vocabulary.own import read

    return Vocabulary(own=read())


_SlotFile.model_rebuild()
__all__ = ["SLOTS", "Compound", "Entry", "Group", "Phrase", "Vocabulary", "VocabularyError", "expand", "plurals", "vocabulary", "words"]
