"""Labels and captions in other people's words → canonical values."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import yaml

from assistant.caption import read_caption
from assistant.vocabulary import vocabulary
from data.manifest import Labels

_CLASSES = Path(__file__).with_name("classes.yaml")
#: Words in a class folder's name that say nothing of the condition ("Eczema Photos").
_FILLERS = re.compile(r"\b(photos?|pictures?|images?|pics?)\b")


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


@lru_cache(maxsize=1)
def _classes() -> dict[str, str]:
    classes = yaml.safe_load(_CLASSES.read_text(encoding="utf-8"))
    strange = [rash for rash in classes.values() if rash not in vocabulary().names("rash")]
    if strange:
        raise ValueError(f"{_CLASSES.name} maps to {', '.join(strange)}, which the vocabulary does not have.")
    return classes
