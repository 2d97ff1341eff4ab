"""A conversation: what was said so far, and the answer to the next sentence."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from assistant.coverage import Coverage, notice
from assistant.dialogue import History, chosen, respond
from assistant.frames import Trained
from assistant.parser import Parser
from assistant.schema import MAX_IMAGES_PER_TURN, Turn
from assistant.settings import settings


class Conversation:
    """Text in, :class:`~assistant.schema.Turn` out; no model is loaded.

    >>> turn = Conversation(seed=1).say("two images of eczema at the back of the neck on fair skin")
    >>> turn.requests[0].caption
    'eczema type of rash at the back of the neck area on a fair skin'

    ``seed`` is that of the first image (default: the setting, else drawn); the same seed and sentences give the same
    turns. ``trained`` is the vocabulary of the checkpoint (None: all of it) and may be changed between turns.
    ``coverage`` counts the checkpoint's training pictures: where few stand behind what is drawn, the reply says so.
    ``limit`` is the largest number of images a turn (None: any number).
    """

    def __init__(
        self,
        seed: int | None = None,
        trained: Trained | None = None,
        history: History | None = None,
        limit: int | None = MAX_IMAGES_PER_TURN,
        coverage: Coverage | None = None,
    ):
        if seed is None:
            seed = settings().seed
        if seed is None:
            seed = random.SystemRandom().getrandbits(32)
        self.history = history or History(seed=seed)
        self.trained = trained
        self.limit = limit
        self.coverage = coverage
        self._parse = Parser().parse

    def say(self, text: str, seed: int | None = None) -> Turn:
        """Answer one utterance. ``seed`` is used where the request would draw a new one."""
        parsed = self._parse(text)
        if choice := chosen(self.history.state, parsed):
            parsed = self._parse(choice)
        before = self.history.state.requests
        self.history, turn = respond(self.history, parsed, trained=self.trained, limit=self.limit, seed=seed)
        if turn.act == "generate" and (few := notice(turn.requests, self.coverage, before)):
            turn = turn.model_copy(update={"reply": f"{turn.reply} {few}"})
        return turn

    def dump(self) -> dict[str, Any]:
        """All that is needed to go on later, as JSON values."""
        return self.history.model_dump(mode="json", round_trip=True)

    @classmethod
    def restore(cls, state: Mapping[str, Any], trained: Trained | None = None) -> Conversation:
        """Take up a conversation from :meth:`dump`. Raises pydantic's ValidationError when ``state`` is damaged."""
        return cls(trained=trained, history=History.model_validate(state))
