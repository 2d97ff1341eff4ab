"""Conversations of ``written/``: typed by readers of DESIGN.md who had never seen the program, with what each turn is to give.

A line is ``{"turns": [{"say", "act", "draws"}]}``. ``act`` is one act or several that are right. ``draws`` groups the images
wanted: ``n`` of a combination; a rash, area or tone that is left out is free, a severity, size or number that is left out
must be empty, and a list holds all values that are right (``null``: empty).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant import Conversation
from assistant.schema import ImageRequest

FREE, EMPTY = ("rash", "area", "tone"), ("severity", "size", "number")


def conversations():
    for path in sorted((Path(__file__).parent / "written").glob("*.jsonl")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            yield pytest.param(json.loads(line)["turns"], id=f"{path.stem}-{number}")


def several(value) -> list:
    return value if isinstance(value, list) else [value]


def fits(image: ImageRequest, group: dict) -> bool:
    free = all(slot not in group or getattr(image, slot) in several(group[slot]) for slot in FREE)
    return free and all(getattr(image, slot) in several(group.get(slot)) for slot in EMPTY)


def share_out(images: list[ImageRequest], groups: list[dict]) -> bool:
    """Whether every image belongs to a group and every group gets as many as it wants."""
    wanted = [several(group.get("n", 1)) for group in groups]
    got = [0] * len(groups)

    def place(k: int) -> bool:
        if k == len(images):
            return all(n in right for n, right in zip(got, wanted, strict=True))
        for j, group in enumerate(groups):
            if got[j] < max(wanted[j]) and fits(images[k], group):
                got[j] += 1
                if place(k + 1):
                    return True
                got[j] -= 1
        return False

    return place(0)


def right(turn, wanted: dict) -> bool:
    acts = several(wanted["act"])
    act = "answer" if turn.act in ("undo", "reset") else turn.act
    if act not in acts or act != "generate" or not wanted.get("draws"):
        return act in acts
    images = [request for request in turn.requests for _ in range(request.count)]
    # equal images stand together, so that a wrong answer is found out soon
    return share_out(sorted(images, key=lambda r: r.model_dump_json()), wanted["draws"])


@pytest.mark.parametrize("turns", conversations())
def test_conversation(turns):
    conversation = Conversation(seed=1)
    for wanted in turns:
        turn = conversation.say(wanted["say"])
        assert right(turn, wanted), f"{wanted['say']}\n  wanted {wanted['act']} {wanted.get('draws', '')}\n  got {turn.act} {turn.requests}"
