"""Sets that are broken down into parts: every part is drawn as often as was said, and nothing besides."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import yaml

from assistant import Conversation
from assistant.vocabulary import vocabulary

FORMS = yaml.safe_load((Path(__file__).parent.parent / "stories" / "breakdowns.yaml").read_text(encoding="utf-8"))
WORDS = ("zero", "one", "two", "three")
#: Sites that are no part of another one.
AREAS = ("neck", "elbow", "knee", "chest", "back", "scalp", "forearm", "hand", "chin", "cheek", "wrist", "shin", "foot", "shoulder", "forehead")
SENTENCES = 4


def drawn(choice: random.Random) -> dict[str, str | int]:
    chosen: dict[str, str | int] = {"h": (half := choice.randint(1, 3)) * 2, "h2": half, "1": 1, "2": 2}
    for letter, names in (("r", vocabulary().names("rash")), ("a", AREAS), ("t", vocabulary().names("tone")), ("s", vocabulary().names("severity"))):
        chosen |= {f"{letter}{i}": name for i, name in enumerate(choice.sample(list(names), 3))}
    counts = [choice.randint(1, 3) for _ in range(3)]
    chosen |= {f"n{i}": n for i, n in enumerate(counts)} | {f"w{i}": WORDS[n] for i, n in enumerate(counts)}
    return chosen | {"n01": sum(counts[:2]), "n012": sum(counts)}


@pytest.mark.parametrize("form", FORMS, ids=[form["say"] for form in FORMS])
def test_parts_are_drawn_as_they_are_counted(form):
    choice = random.Random(form["say"])
    for _ in range(SENTENCES):
        chosen = drawn(choice)
        text = form["say"].format(**chosen)
        wanted: Counter = Counter()
        for part in form["images"]:
            count, rash, area, tone, *severity = (chosen.get(name, name) for name in part.split())
            wanted[rash, area, tone, severity[0] if severity else None] += count
        if wanted.total() > 20:
            continue
        turn = Conversation(seed=1).say(text)
        got: Counter = Counter()
        for request in turn.requests:
            got[request.rash, request.area, request.tone, request.severity] += request.count
        assert got == wanted, text
