"""Conditions of one's own, beyond the vocabulary: those that one's own photographs have taught a model.

``<home>/conditions.yaml`` lists them, an `Entry` each, in the form of ``rash.yaml``'s entries. A fine-tuning adds what its data
name; synonyms, a typical area and a note can be added by hand.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from assistant.settings import settings
from assistant.vocabulary import Entry, Vocabulary, VocabularyError, _model, _yaml, vocabulary

HEAD = "# Conditions beyond the vocabulary that can be asked for in the chat: name, synonyms, typical_area, kind (rash or lesion), notes.\n"


def path() -> Path:
    return settings().home / "conditions.yaml"


def read() -> tuple[Entry, ...]:
    """The entries of the file; none where there is no file. Raises VocabularyError, naming the file, where it is wrong."""
    if not path().is_file():
        return ()
    listed = _yaml(path()) or []
    if not isinstance(listed, list):
        raise VocabularyError(f"{path()} is no list of conditions; each begins with \"- name: \".")
    entries = tuple(_model(Entry, entry, str(path())) for entry in listed)
    try:
        Vocabulary(own=entries)
    except VocabularyError as error:
        raise VocabularyError(f"{path()}: {error}") from None
    return entries


def can_be_asked_for(name: str) -> bool:
    """Whether a sentence can hold ``name`` without meaning anything else: a data set's "acne and rosacea" names two conditions."""
    said = vocabulary().phrases
    words = " ".join(name.lower().split())
    inside = any(re.search(rf"\b{re.escape(phrase.text)}\b", words) for phrase in said if phrase.label in ("rash", "area", "tone", "compound"))
    return not inside and re.fullmatch(r"[a-z][a-z '-]{2,40}", words) is not None and not re.search(r"\b(and|or|other|others|with)\b", words)


def add(name: str, typical_area: str, kind: str = "rash") -> bool:
    """Add a condition to the file, unless it is known or cannot be asked for by its name; returns whether it can be now.

    A chat that is open knows it when it is started again.
    """
    if name in vocabulary().names("rash"):
        return True
    entries = read()
    if name in {entry.name for entry in entries}:
        return True
    if not can_be_asked_for(name):
        return False
    entry = {"name": name, "typical_area": typical_area, "kind": kind}
    try:
        Vocabulary(own=(*entries, Entry(**entry)))
    except VocabularyError:
        return False
    path().parent.mkdir(parents=True, exist_ok=True)
    before = path().read_text(encoding="utf-8") if path().exists() else HEAD
    aside = path().with_name(f".{path().name}.new")
    aside.write_text(before.rstrip("\n") + "\n" + yaml.safe_dump([entry], sort_keys=False), encoding="utf-8")
    aside.replace(path())
    return True
