"""Sentences put together from phrases of people who did not know the parser: each is read into what its phrases say.

The phrases stand in ``tests/stories/phrases.yaml``. Any background, opening, patient and ending may go with any request, so a
word that means something in one of them and nothing in another is found out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from assistant import Conversation
from assistant.schema import VALUE_SLOTS

PHRASES = yaml.safe_load((Path(__file__).parent.parent / "stories" / "phrases.yaml").read_text(encoding="utf-8"))
BATCHES, SENTENCES = 12, 150


@dataclass
class Composed:
    """A sentence and the values that are right: a set for each slot, and how many images (None: not said)."""

    text: str = ""
    count: int | None = None
    values: dict[str, set] = field(default_factory=lambda: {slot: {None} for slot in VALUE_SLOTS})
    #: Slots of which every value must be there, not one of them.
    all_of: set[str] = field(default_factory=set)

    def say(self, phrase: str | dict) -> Composed:
        said = phrase if isinstance(phrase, str) else phrase["text"]
        self.text += said if not self.text or said.startswith((",", ".", ";")) else f" {said}"
        if isinstance(phrase, dict):
            for slot, value in {**phrase, **phrase.get("slots", {})}.items():
                if slot in ("tones", "areas"):
                    self.values[slot[:-1]], self.count = set(value), phrase.get("count")
                    self.all_of.add(slot[:-1])
                elif slot == "count":
                    self.count = value
                elif slot in self.values:
                    self.values[slot] = set(value) if isinstance(value, list) else {value}
        return self


def composed(choice: random.Random) -> Composed:
    def one(kind: str, **wanted: bool) -> str | dict:
        rows = PHRASES[kind]
        return choice.choice([r for r in rows if all(bool(r.get(k)) is v for k, v in wanted.items())] if wanted else rows)

    s = Composed()
    form = choice.randrange(8)
    if form in (1, 6):
        s.say(one("prefaces"))
    if form == 6:
        s.say(one("whole_counts"))
    elif form != 4:
        s.say(one("openers"))
        if form not in (5, 7):
            s.say(one("counts"))
    else:
        s.count = 1
    if form != 4 and choice.random() < 0.4:
        s.say(one("looks", after=False))
    rash = one("rashes")
    s.say(rash)
    if form == 7 and "area" not in rash:
        s.say(one("several_areas"))
    elif "area" not in rash:
        s.say(one("areas"))
    if form in (2, 3):
        s.say(choice.choice(("of", "in", "on"))).say(one("people" if form == 2 else "origin"))
    if form == 5:
        s.say(one("plural_tones"))
    elif form != 3:
        s.say(one("tones"))
    if form in (4, 6) and all(s.values[slot] == {None} for slot in ("severity", "size", "number")) and choice.random() < 0.6:
        s.say(one("looks", after=True))
    if form != 4 and choice.random() < 0.4:
        s.say(one("tails"))
    return s


def wrong(s: Composed) -> str:
    """What is read wrongly, "" when nothing is."""
    turn = Conversation(seed=1).say(s.text)
    if turn.act != "generate":
        return f"{turn.act}: {turn.reply[:120]}"
    for slot, right in s.values.items():
        got = {getattr(request, slot) for request in turn.requests}
        if got != right if slot in s.all_of else not got <= right or (slot == "area" and len(got) > 1):
            return f"{slot} {got}"
    total = sum(request.count for request in turn.requests)
    each_tone_once = s.count == 1 and total == len(s.values["tone"])  # "a picture on skin types 2 or 3"
    return f"count {total}" if s.count is not None and total != s.count and not each_tone_once else ""


@pytest.mark.parametrize("batch", range(BATCHES))
def test_composed_sentences_are_read_as_their_phrases_say(batch):
    choice = random.Random(batch)
    sentences = [composed(choice) for _ in range(SENTENCES)]
    failed = [f"{problem} | {s.text}" for s in sentences if (problem := wrong(s))]
    assert not failed, "\n".join(failed)
