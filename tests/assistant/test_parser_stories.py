"""Single sentences, written as people talk, in ``tests/stories/requests*.yaml``, and all that is read from each.

A sentence has ``say`` and everything that differs from a plain new request: ``patches`` (slot → name, or list of names;
``[]`` is a cleared slot), ``intent``, ``topic``, ``mode``, ``first``, ``targets``, ``dropped``, ``repaired``, ``ignored``, ``unknown``,
``problems``. "every tone" and "every rash" stand for all names of the slot.
"""

from pathlib import Path

import pytest
import yaml

from assistant.parser import Parser
from assistant.vocabulary import SLOTS, vocabulary

FOLDER = Path(__file__).parents[1] / "stories"
KEYS = {"say", "patches", "intent", "topic", "mode", "first", "targets", "dropped", "repaired", "ignored", "unknown", "problems"}


def sentences():
    for path in sorted(FOLDER.glob("requests*.yaml")):
        for sentence in yaml.safe_load(path.read_text("utf-8")):
            yield pytest.param(sentence, id=sentence["say"])


def names(value):
    if isinstance(value, str) and value.startswith("every "):
        return vocabulary().names(value.removeprefix("every "))
    return tuple(value) if isinstance(value, list) else (value,)


def expected(patch):
    return {
        slot: {s: names(v) for s, v in value.items()} if slot == "excluded" else names(value) if slot in SLOTS else value
        for slot, value in patch.items()
    }


@pytest.mark.parametrize("sentence", list(sentences()))
def test_sentence(sentence):
    assert sentence.keys() <= KEYS, sentence
    parsed = Parser().parse(sentence["say"])
    assert [p.model_dump(exclude_unset=True) for p in parsed.patches] == [expected(p) for p in sentence.get("patches", [])]
    assert parsed.intent == sentence.get("intent", "request")
    assert parsed.mode == sentence.get("mode", "new")
    assert parsed.topic == sentence.get("topic")
    assert parsed.first == sentence.get("first")
    assert parsed.dropped == tuple(sentence.get("dropped", ()))
    assert parsed.targets == tuple(sentence.get("targets", ()))
    assert dict(parsed.repaired) == sentence.get("repaired", {})
    assert parsed.ignored == tuple(sentence.get("ignored", ()))
    assert parsed.unknown == tuple(tuple(u) for u in sentence.get("unknown", ()))
    assert parsed.problems == tuple(sentence.get("problems", ()))


def test_enough_sentences():
    assert sum(1 for _ in sentences()) >= 150
