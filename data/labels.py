"""Labels and captions in other people's words → canonical values."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from assistant.caption import caption, compose, read_caption
from assistant.vocabulary import vocabulary
from data.manifest import Labels

_HERE = Path(__file__).parent
_CLASSES = _HERE / "classes.yaml"
_SOURCES = _HERE / "sources" / "labels.yaml"
#: Words in a class folder's name that say nothing of the condition ("Eczema Photos").
_FILLERS = re.compile(r"\b(photos?|pictures?|images?|pics?)\b")


class LabelMap(BaseModel):
    """What the labels of one source are here; see ``data/sources/labels.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rash: dict[str, str]
    own: dict[str, str]
    area: dict[str, str | None]

    def name(self, label: str) -> str | None:
        """Rash of the vocabulary, or the source's own name for it; ``None`` for a label that the file does not have."""
        return self.rash.get(label) or self.own.get(label)


class _Maps(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: dict[str, LabelMap]
    lesions: tuple[str, ...]


def labels_of(text: str) -> Labels | None:
    """What a caption in any style says; ``None`` where it names no rash of the vocabulary, or more than one.

    Of several areas or tones the first is kept.
    """
    values = read_caption(text)
    if not isinstance(values.get("rash"), str):
        return None
    return Labels(**{slot: value if isinstance(value, str) else value[0] for slot, value in values.items()})


def label_of_class(name: str) -> Labels | None:
    """What the name of a class folder says: a canonical rash, or its own words in small letters; ``None`` without letters.

    >>> label_of_class("Atopic Dermatitis Photos").rash
    'eczema'
    >>> label_of_class("Vascular_Tumors").rash
    'vascular tumors'
    """
    words = " ".join(_FILLERS.sub(" ", re.sub(r"[\W_]+", " ", name.lower().replace("'", ""))).split())
    if not re.search(r"[^\W\d_]", words):
        return None
    for compound in vocabulary().compounds:
        if words in compound.words:
            return Labels(rash=compound.rash, area=compound.area)
    return Labels(rash=vocabulary().read("rash", words) or _classes().get(words, words))


def row_text(labels: Labels) -> str:
    """Canonical caption of what is known; a rash that the vocabulary does not have stands in it under its own name."""
    if labels.rash in vocabulary().names("rash"):
        return caption(labels)
    return compose(labels, "lesion" if labels.rash in _maps().lesions else "rash")


@lru_cache(maxsize=1)
def _tones() -> dict[int, str]:
    roman = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6}
    return {roman[entry.fitzpatrick]: name for name, entry in vocabulary().entries["tone"].items() if entry.fitzpatrick}


def tone_of_type(fitzpatrick: str) -> str | None:
    """Canonical tone of a Fitzpatrick type as tables write it ("3", "3.0", "FST3"); ``None`` for anything else ("-1", "").

    >>> tone_of_type("FST6")
    'black'
    """
    match = re.fullmatch(r"(?:FST)?([1-6])(?:\.0+)?", fitzpatrick.strip())
    return _tones()[int(match[1])] if match else None


def label_map(source: str) -> LabelMap:
    """The map of one source. Raises ``ValueError`` for a file that names what the vocabulary does not have."""
    return _maps().sources[source]


@lru_cache(maxsize=1)
def _maps() -> _Maps:
    return read_maps(_SOURCES)


def read_maps(path: Path) -> _Maps:
    """The checked label maps of ``path``. Raises ``ValueError`` that names the file, the source and the word."""
    try:
        maps = _Maps.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name}: {error}") from None
    words = vocabulary()
    for source, each in maps.sources.items():
        _refuse(path, source, [rash for rash in each.rash.values() if rash not in words.names("rash")], "no rash of the vocabulary")
        _refuse(path, source, [area for area in each.area.values() if area and area not in words.names("area")], "no area of the vocabulary")
        _refuse(path, source, [name for name in each.own.values() if words.read("rash", name)], "a rash of the vocabulary: move it to `rash`")
        _refuse(path, source, sorted(each.rash.keys() & each.own.keys()), "in `rash` and in `own`")
    _refuse(path, "lesions", [name for name in maps.lesions if words.read("rash", name)], "a rash of the vocabulary: leave it out")
    return maps


def _refuse(path: Path, where: str, strange: list[str], why: str) -> None:
    if strange:
        raise ValueError(f"{path.name}, {where}: {', '.join(strange)} is {why}.")


@lru_cache(maxsize=1)
def _classes() -> dict[str, str]:
    classes = yaml.safe_load(_CLASSES.read_text(encoding="utf-8"))
    _refuse(_CLASSES, "classes", [rash for rash in classes.values() if rash not in vocabulary().names("rash")], "no rash of the vocabulary")
    return classes
