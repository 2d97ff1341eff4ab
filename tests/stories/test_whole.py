"""Whole sentences by people who did not know the parser, with what each of them asks for.

``asked``: act generate, and the requests with the slots that the sentence settles (a list where several values are right).
``answered`` and ``declined``: nothing is drawn.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from assistant import Conversation
from assistant.schema import VALUE_SLOTS

WHOLE = yaml.safe_load((Path(__file__).parent / "whole.yaml").read_text(encoding="utf-8"))


def fits(got: tuple, wanted: tuple) -> bool:
    return all(value == right or (isinstance(right, list) and value in right) for value, right in zip(got, wanted, strict=True))


@pytest.mark.parametrize("sentence", WHOLE["asked"], ids=lambda sentence: sentence["text"][:60])
def test_asked(sentence):
    turn = Conversation(seed=1).say(sentence["text"])
    assert turn.act == "generate", turn.reply
    settled = [slot for slot in VALUE_SLOTS if any(slot in wanted for wanted in sentence["requests"])]
    # tones or sites that the sentence leaves open may be spread: counted together
    counts: Counter = Counter()
    for request in turn.requests:
        counts[tuple(getattr(request, slot) for slot in settled)] += request.count
    got = sorted(((count, *values) for values, count in counts.items()), key=str)
    wanted = sorted(((r.get("count", 1), *(r.get(slot) for slot in settled)) for r in sentence["requests"]), key=str)
    assert len(got) == len(wanted) and all(map(fits, got, wanted)), f"{got}, not {wanted}"
    unasked = [slot for slot in ("severity", "size", "number") if slot not in settled and any(getattr(r, slot) for r in turn.requests)]
    assert not unasked


@pytest.mark.parametrize("act,text", [(act, text) for act in ("answered", "declined") for text in WHOLE[act]])
def test_answered_and_declined(act, text):
    turn = Conversation(seed=1).say(text)
    assert turn.act == {"answered": "answer", "declined": "refuse"}[act], turn.reply
    assert not turn.requests
