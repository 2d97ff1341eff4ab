"""Whole conversations, written as people talk, in ``conversations/*.yaml``.

A turn has ``say`` and any of: ``act``; ``draws`` (the exact requests, in order); ``assumed`` (slots, in order); ``ignored``;
``reply`` (pieces that the reply must hold, in any case); ``not`` (pieces that it must not hold).
A request is written ``COUNT RASH @ AREA on TONE [severity, size, number] #SEED``. The tone ``?`` is any tone. Seeds are
letters: the same letter is the same seed, ``#a+2`` is two further, another letter is another seed.
``draws`` makes the act ``generate``, if no other is given.
"""

import re
from pathlib import Path

import pytest
import yaml

from assistant import Conversation, Trained

FOLDER = Path(__file__).parent / "conversations"
REQUEST = re.compile(r"^(\d+) ([a-z ]+?) @ ([a-z ]+?) on ([a-z ]+|\?)(?: \[([a-z, ]+)\])?(?: #([a-z])(?:\+(\d+))?)?$")
KEYS = {"say", "act", "draws", "assumed", "ignored", "reply", "not"}


def stories():
    for path in sorted(FOLDER.glob("*.yaml")):
        for story in yaml.safe_load(path.read_text("utf-8")):
            yield pytest.param(story, id=f"{path.stem}: {story['name']}")


def compared(request, line, seeds):
    """``request`` written like ``line``, so that a difference shows; binds new seed letters."""
    match = REQUEST.match(line)
    assert match, f"not a request: {line}"
    _, _, _, tone, _, letter, further = match.groups()
    words = [word for word in (request.severity, request.size, request.number) if word]
    written = f"{request.count} {request.rash} @ {request.area} on {'?' if tone == '?' else request.tone}"
    written += f" [{', '.join(words)}]" if words else ""
    if letter:
        offset = int(further or 0)
        if letter not in seeds:
            assert request.seed - offset not in seeds.values(), f"{line}: not a new seed"
            seeds[letter] = request.seed - offset
        named = next((f"#{k}+{d}" for k, s in seeds.items() if 0 < (d := request.seed - s) < 100), f"#{request.seed}")
        written += (
            f" #{letter}{f'+{further}' if further else ''}" if seeds[letter] + offset == request.seed else f" {named}"
        )
    return written


@pytest.mark.parametrize("story", stories())
def test_story(story):
    trained = story.get("trained")
    conversation = Conversation(seed=story.get("seed", 7), trained=Trained(**trained) if trained else None)
    seeds = {}
    for expected in story["turns"]:
        assert expected.keys() <= KEYS, expected
        turn = conversation.say(expected["say"])
        about = f"{expected['say']!r} → {turn.reply}"
        draws = expected.get("draws", None if "act" not in expected else [])
        if draws is not None and expected.get("act") not in ("undo",):
            assert len(turn.requests) == len(draws), f"{about}\n{[(r.count, r.caption) for r in turn.requests]}"
        if draws:
            assert [compared(r, line, seeds) for r, line in zip(turn.requests, draws, strict=True)] == draws, about
        assert turn.act == expected.get("act", "generate"), about
        if "assumed" in expected:
            assert [a.slot for a in turn.assumed] == expected["assumed"], about
        if "ignored" in expected:
            assert turn.ignored == expected["ignored"], about
        for piece in expected.get("reply", []):
            assert piece.lower() in turn.reply.lower(), about
        for piece in expected.get("not", []):
            assert piece.lower() not in turn.reply.lower(), about


def test_enough_stories():
    assert sum(1 for _ in stories()) >= 40
