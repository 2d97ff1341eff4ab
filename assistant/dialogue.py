"""Dialogue: (history, what was parsed) → (new history, answer). Pure functions over frozen values.

    ParsedTurn ──drafted──▶ Frames (what was said, merged) ──expand──▶ ImageRequests ──▶ Turn

Every change of state is a new entry of the history, so undo and redo only move a pointer. A turn that changes nothing
(a question, a greeting, a refusal, the same request again) leaves the history as it is.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from itertools import compress

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from assistant import answers, recall, wording
from assistant.frames import (
    Frame,
    NoFurther,
    Trained,
    evenly,
    expand,
    images,
    known,
    merge,
    nearest,
    share,
    total,
)
from assistant.regions import wholes_of
from assistant.replies import assumptions, described, left_over, listed, quoted, readings
from assistant.schema import MAX_IMAGES_PER_TURN, MIDDLE, VALUE_SLOTS, Assumption, ImageRequest, ParsedTurn, Patch, Turn
from assistant.suggestions import after_images, for_newcomers
from assistant.vocabulary import vocabulary

#: States kept for undo; chosen by eye.
HISTORY = 200
#: Fields of a patch that change what is there, and mean nothing by themselves.
STEPS = {"tone_step", "count_factor", "count_step"}
NOTHING_LEFT = "That would leave no image. Which condition would you like to see?"


class State(BaseModel):
    """Where a conversation stands."""

    model_config = ConfigDict(frozen=True)

    #: What was last drawn: as said, and as complete requests.
    frames: tuple[Frame, ...] = ()
    requests: tuple[ImageRequest, ...] = ()
    assumed: tuple[Assumption, ...] = ()
    #: The request in full that it came from, so that its repetition is known; empty after a follow-up.
    said: str = ""
    #: Skin tones that were last named.
    tone: tuple[str, ...] = ()
    #: A request that waits for something ("on black skin": which condition?).
    pending: tuple[Frame, ...] = ()
    #: The slot that it waits for.
    waits: str = ""
    #: Answers that were offered to choose from; "the second one" then means the second of them.
    choices: tuple[str, ...] = ()
    #: What a "yes" draws ("Shall I draw chickenpox instead?").
    offer: tuple[Frame, ...] = ()
    #: How many seeds were drawn so far.
    draws: int = 0
    #: Whether a child was spoken of since the conversation began anew.
    child: bool = False


class History(BaseModel):
    """All states of a conversation and which of them is current; immutable."""

    model_config = ConfigDict(frozen=True)

    #: Of the conversation: its first request is drawn from it, later seeds derive from it.
    seed: int = Field(ge=0, lt=2**32)
    states: tuple[State, ...] = Field(default=(State(),), min_length=1)
    at: int = Field(default=0, ge=0)
    #: Conditions last asked about and not drawn since: "what does psoriasis look like?", "where does it appear?".
    about: tuple[str, ...] = ()
    #: Tones that were named there: "what does chickenpox look like on brown skin?", "show it on the face".
    about_tone: tuple[str, ...] = ()
    #: Sites that were named there: "I have a rash on my ankle, what is it?", "show what scabies looks like there".
    about_area: tuple[str, ...] = ()
    #: The slot whose values the last answer listed: what "all of them" then means.
    listed: str = ""

    @field_validator("about", mode="before")
    @classmethod
    def one_condition(cls, about: object) -> object:
        """Conversations stored before several could be asked about hold one name."""
        return ((about,) if about else ()) if isinstance(about, str) else about

    @model_validator(mode="after")
    def points_at_a_state(self) -> History:
        if self.at >= len(self.states):
            raise ValueError(f"state {self.at} of {len(self.states)} does not exist")
        return self

    @property
    def state(self) -> State:
        return self.states[self.at]

    def push(self, state: State) -> History:
        """With ``state`` as the newest; the same state again changes nothing, and what was undone is forgotten."""
        if state == self.state:
            return self
        states = (*self.states[: self.at + 1], state)[-HISTORY:]
        return self.model_copy(update={"states": states, "at": len(states) - 1, "about": (), "about_tone": (), "about_area": (), "listed": ""})

    def unasked(self) -> History:
        """With what was asked last no longer waiting for an answer: "no thanks". A "yes" after all still takes the offer."""
        state = self.state.model_copy(update={"pending": (), "waits": "", "choices": ()})
        return self.model_copy(update={"states": (*self.states[: self.at], state)})

    def move(self, steps: int) -> History:
        """Undo (-1) or redo (+1); at the end of the history it stays."""
        return self.model_copy(update={"at": min(max(self.at + steps, 0), len(self.states) - 1)})

    def draw_seed(self) -> int:
        """The next seed; the first one is the conversation's own."""
        draws = self.state.draws
        return self.seed if draws == 0 else random.Random(f"{self.seed}/{draws}").getrandbits(32)


class Ask(Exception):
    """Something must be asked before anything can be drawn.

    ``pending`` waits for the slot ``waits``; ``offer`` is what a "yes" draws.
    """

    def __init__(
        self,
        reply: str,
        suggestions: Sequence[str] = (),
        waits: str = "",
        pending: tuple[Frame, ...] | None = None,
        offer: tuple[Frame, ...] = (),
    ):
        super().__init__(reply)
        self.reply, self.suggestions, self.waits = reply, list(suggestions), waits
        self.pending, self.offer = pending, offer


def chosen(state: State, parsed: ParsedTurn) -> str | None:
    """The offered answer that "the first" points at, as a sentence; None when it points at no offer."""
    if not (state.waits and state.choices and len(parsed.targets) == 1) or any(p.model_fields_set for p in parsed.patches):
        return None
    place = counted(parsed.targets[0], len(state.choices))
    return state.choices[place - 1] if 1 <= place <= len(state.choices) else None


def respond(
    history: History,
    parsed: ParsedTurn,
    *,
    trained: Trained | None = None,
    limit: int | None = MAX_IMAGES_PER_TURN,
    seed: int | None = None,
) -> tuple[History, Turn]:
    """Answer one utterance.

    ``trained``: vocabulary of the checkpoint (None: all of it). ``limit``: images a turn (None: any number).
    ``seed``: used where a new one would be drawn.
    """
    parsed = wording.meant(parsed, sum(request.count for request in history.state.requests), history.state.waits)
    accepted = parsed.intent == "social" and parsed.topic == "yes" and bool(history.state.offer)
    states = history.states[: history.at + 1]
    if parsed.intent in ("request", "off_topic", "social") and (earlier := recall.first_set(states, parsed) or recall.earlier_ones(states, parsed)):
        return shown_again(history, earlier, trained)
    if parsed.intent in ("request", "question"):
        parsed = recall.short_name(states, parsed)
        parsed = recall.the_other_way(states, parsed)
    shown = history.state.requests
    if (
        (parsed.intent == "social" and recall.swapped(shown, parsed))
        or (parsed.intent == "off_topic" and recall.extreme(shown, parsed))
        or ((history.about or shown) and recall.bare_show(parsed))
        or recall.steps_on(states, parsed)
    ):
        parsed = parsed.model_copy(update={"intent": "request", "mode": "modify", "topic": None})
    if parsed.intent == "request" and wording.REAL.search(parsed.text) and not any(patch.area or patch.tone for patch in parsed.patches):
        return history, answers.answer(parsed.model_copy(update={"intent": "help"}), shown, history.about, trained)[0]
    if parsed.intent == "request" or accepted:
        return requested(history, starting_from(history, parsed.first), parsed, trained, limit, seed)
    if parsed.intent == "undo":
        return undo(history, trained, parsed.steps)
    if parsed.intent in ("redo", "reset"):
        return MOVES[parsed.intent](history, trained)
    if parsed.intent == "question" and parsed.topic == "choice" and history.state.requests:
        return history, answers.why(history.state.requests, history.state.assumed, trained)
    if parsed.intent == "question" and parsed.topic == "drawn":
        drawn = [state.requests for state in history.states[: history.at + 1] if state.requests]
        meant = drawn[0 if "first" in parsed.text.lower() else -1] if drawn else ()
        return history, answers.drawn(meant, trained, parsed.text)
    about = history.about
    if parsed.intent == "question" and parsed.topic == "difference" and not any(patch.model_fields_set for patch in parsed.patches):
        about = two_last(history)
    if parsed.intent == "social" and parsed.topic == "no" and history.state.waits:
        history = history.unasked()
    turn, about = answers.answer(parsed, history.state.requests, about, trained)
    asked = answers.slots_asked(parsed.text) if parsed.topic == "vocabulary" else []
    tones = tuple(dict.fromkeys(tone for patch in parsed.patches for tone in patch.tone)) if about else ()
    areas = tuple(dict.fromkeys(area for patch in parsed.patches for area in patch.area))
    spoken_of = {"about": about, "about_tone": tones, "about_area": areas, "listed": asked[0] if len(asked) == 1 else ""}
    return history.model_copy(update=spoken_of), turn


def two_last(history: History) -> tuple[str, ...]:
    """The conditions that "the difference between the two" is about: asked about, or drawn last and before that."""
    rashes = list(history.about)
    for state in reversed(history.states[: history.at + 1]):
        if len(set(rashes)) > 1:
            break
        rashes = [*(request.rash for request in state.requests), *rashes]
    return tuple(dict.fromkeys(rashes))


# ── undo, redo, start over ──────────────────────────────────────────────────────────────────────────────────────


def undo(history: History, trained: Trained | None, steps: int = 1) -> tuple[History, Turn]:
    if history.at == 0:
        return history, standing(history, "There is nothing to undo.", trained, moved=False)
    done = min(steps, history.at)
    history = history.move(-done)
    return history, standing(history, "Undone." if done == 1 else f"Undone, {done} steps.", trained)


def redo(history: History, trained: Trained | None) -> tuple[History, Turn]:
    if history.at == len(history.states) - 1:
        return history, standing(history, "There is nothing to redo.", trained, moved=False)
    history = history.move(+1)
    return history, standing(history, "Redone.", trained)


def reset(history: History, trained: Trained | None) -> tuple[History, Turn]:
    history = history.push(State(draws=history.state.draws))
    return history, Turn(
        act="reset", reply="A fresh start. Which condition would you like to see?", suggestions=for_newcomers(trained)
    )


MOVES: dict[str, Callable[[History, Trained | None], tuple[History, Turn]]] = {
    "redo": redo,
    "reset": reset,
}


def standing(history: History, lead: str, trained: Trained | None, moved: bool = True) -> Turn:
    """Where the conversation stands after a move; the restored requests come along, nothing is to be drawn."""
    requests = history.state.requests
    where = f"{'We are back at' if moved else 'What stands is'} {described(requests)}." if requests else "There is no image yet."
    if history.state.pending and requests:
        where += " What I asked then still waits for an answer."
    suggestions = after_images(requests, trained) if requests else for_newcomers(trained)
    return Turn(act="undo", requests=list(requests), reply=f"{lead} {where}", suggestions=suggestions)


def starting_from(history: History, first: str | None) -> State:
    """The state that a request builds on: "undo that and show the knee" builds on the one before."""
    if first == "undo":
        before = history.move(-1).state
        if history.state.requests and not before.requests:
            return history.state  # "scratch that, make it the shoulder" after the first request
        return before.model_copy(update={"draws": history.state.draws})
    return State(draws=history.state.draws) if first == "reset" else history.state


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────


def shown_again(history: History, earlier: State, trained: Trained | None) -> tuple[History, Turn]:
    """An earlier state as the newest one."""
    history = history.push(earlier.model_copy(update={"draws": history.state.draws}))
    reply, suggestions = f"Back to {described(earlier.requests)}.", after_images(earlier.requests, trained)
    return history, Turn(act="generate", requests=list(earlier.requests), reply=reply, suggestions=suggestions)


def requested(
    history: History, state: State, parsed: ParsedTurn, trained: Trained | None, limit: int | None, seed: int | None
) -> tuple[History, Turn]:
    """Answer a request on top of ``state``; what comes of it is one entry of the history."""
    seed = seed if parsed.seed is None else parsed.seed
    extra = [*readings(parsed.repaired), *left_over(parsed.ignored, parsed.unknown)]
    extra += [answers.NOT_REAL.strip()] if wording.REAL.search(parsed.text) else []
    extra += [f"Drawn from seed {parsed.seed}."] if parsed.seed is not None else []
    extra += [f"{quoted(word)} says little about skin; I took {tone}." for word, tone in parsed.people_tones[:2]]
    if clear := kept_clear(parsed):
        extra.append(f"I cannot keep the {listed(clear)} clear of it.")
    if parsed.returns and (earlier := drawn_before(history, parsed)):
        return shown_again(history, earlier, trained)
    child = state.child or bool(wording.CHILD.search(parsed.text))
    said = in_full(parsed)
    if said and said == state.said and not state.pending and still_holds(state, trained, seed):
        return history.push(state), again(state, parsed, extra, trained)
    try:
        frames, carried = state.offer, []
        if parsed.intent == "request":
            try:
                meant = recalled(history, state, parsed)
                if meant is not None:
                    frames, parsed = meant, parsed.model_copy(update={"problems": ()})
                else:
                    parsed, note = in_context(history, state, parsed, trained)
                    extra += note
                    about = {"rash": history.about, "area": history.about_area if history.about else (), "tone": history.about_tone}
                    frames, carried = drafted(state, parsed, about, keep_seed=seed is None)
            except NoFurther as end:
                raise Ask(answers.end_of_scale(end.slot, end.value)) from None
        # "each" says something of a number only; without one a repeated request would not be the same
        frames = tuple(frame.change(each=False) if frame.each and frame.count is None else frame for frame in frames)
        if parsed.seed is not None:
            frames = tuple(frame.change(seed=parsed.seed) for frame in frames)
        check(frames, parsed, trained, limit, child)
    except Ask as ask:
        # more clauses than images in a turn can never be drawn: not worth keeping
        if ask.pending is not None and len(ask.pending) <= MAX_IMAGES_PER_TURN:
            history = history.push(
                state.model_copy(
                    update={
                        "pending": ask.pending, "waits": ask.waits, "offer": ask.offer, "choices": tuple(ask.suggestions),
                        "child": child,
                    }
                )
            )
        suggestions = ask.suggestions or after_images(state.requests, trained)
        told = left_over(parsed.ignored, ()) if ask.waits == "rash" and not parsed.unknown else []
        reply = " ".join([ask.reply, *told, *([] if parsed.problems else readings(parsed.repaired))])
        return history, Turn(act="clarify", reply=reply, suggestions=suggestions, ignored=list(parsed.ignored))

    fresh = history.draw_seed() if seed is None else seed
    draws = state.draws + any(frame.seed is None for frame in frames)
    frames = tuple(frame.change(seed=fresh) if frame.seed is None else frame for frame in frames)
    requests, assumed = complete(frames, trained, limit)
    requests = matched(requests, state.requests, among=limit is not None)
    if parsed.plural:  # nobody asked for three
        assumed = [assumption for assumption in assumed if assumption.slot != "count"]
    assumed = [*carried, *assumed]
    after = State(
        frames=frames,
        requests=tuple(requests),
        assumed=tuple(assumed),
        said=said,
        tone=last_named(frames, parsed, state),
        draws=draws,
        child=child,
    )
    if frames == state.frames and tuple(requests) == state.requests:
        after = state.model_copy(update={"pending": (), "waits": "", "choices": (), "offer": ()})
        if wording.LOOKS.search(parsed.text.lower()):  # of what is in view: in words
            asked = parsed.model_copy(update={"intent": "question", "topic": "appearance"})
            return history.push(after), answers.answer(asked, requests, history.about, trained)[0]
        return history.push(after), again(state, parsed, extra, trained)
    if parsed.intent == "request" and parsed.topic:  # "what causes vitiligo, and show it on a hand": the question has its answer too
        question = parsed.model_copy(update={"intent": "question"})
        extra.append("\n\n" + answers.answer(question, requests, history.about, trained)[0].reply)
    news = [assumption for assumption in assumed if assumption not in state.assumed]
    return history.push(after), Turn(
        act="generate",
        requests=requests,
        assumed=assumed,
        ignored=parsed.unused,
        reply=" ".join([understood(requests, state), *assumptions(news), *extra]),
        suggestions=after_images(requests, trained),
    )


def recalled(history: History, state: State, parsed: ParsedTurn) -> tuple[Frame, ...] | None:
    """Frames of an utterance that is about images shown before, as a whole; None for every other one."""
    if state.pending or state is not history.state:
        return None
    states = history.states[: history.at + 1]
    if (meant := recall.others_too(states, parsed)) is not None:
        return meant
    if (meant := recall.swapped(state.requests, parsed)) is not None:
        return meant
    if (meant := recall.extreme(state.requests, parsed)) is not None:
        return meant
    if (meant := recall.whole_set(states, parsed) or recall.gathered(states, parsed)) is not None:
        return equals_counted(follow_up(meant, parsed.patches or (Patch(),)))
    if (meant := recall.first_changed(states, parsed)) is not None:
        return follow_up(meant, tuple(patch.without({"count"}) for patch in parsed.patches))
    if (meant := recall.one_after_the_other(states, parsed)) is not None:
        return follow_up(meant, parsed.patches)
    if len(history.about) < 2 and (meant := recall.together(states, parsed)) is not None:
        return follow_up(meant, parsed.patches) if any(patch.count for patch in parsed.patches) else meant
    if len(parsed.patches) == 1 and (parts := recall.half_changed(state.requests, parsed)):
        stay, change = parts
        return (*stay, *(merge(base, parsed.patches[0].without({"count", "count_factor"}), base.tone) for base in change))
    return None


def kept_clear(parsed: ParsedTurn) -> list[str]:
    """Parts of a named site that are to be left out ("on the face, but not the nose")."""
    parts = wholes_of()
    out = [a for p in parsed.patches for a in p.excluded.get("area", ()) if set(parts.get(a, ())) & set(p.area)]
    return list(dict.fromkeys(out))


def in_context(history: History, state: State, parsed: ParsedTurn, trained: Trained | None) -> tuple[ParsedTurn, list[str]]:
    """The utterance with what only the conversation can tell filled in, and what is to be said about it."""
    patches = parsed.patches
    if (every := recall.every_listed(history.listed, patches, parsed, trained)) is not None:
        patches = every
    if (two := recall.both(history.states[: history.at + 1], patches, parsed)) is not None:
        patches = two
    patches = recall.nearly_named(state.requests, patches, parsed)
    patches = recall.other_tones(state.requests, patches, parsed)
    patches, note = recall.own_area(history.states[: history.at + 1], patches, parsed), []
    patches = recall.there(state.requests, history.about_area, patches, parsed)
    if (same := recall.same_site(state.requests, patches, parsed)) is not None:
        patches, note = same, ["Left and right are not told apart."]
    if (step := recall.further(history.states[: history.at + 1], parsed)) is not None:
        return parsed.model_copy(update={"patches": (step,), "mode": "modify"}), note
    return parsed.model_copy(update={"patches": patches}), note


def last_named(frames: Sequence[Frame], parsed: ParsedTurn, state: State) -> tuple[str, ...]:
    """Tones that later requests take over: those said last, not one that "another" took from the image before."""
    if parsed.mode == "add" and not any(patch.tone or patch.tone_step for patch in parsed.patches):
        return state.tone
    return tuple(dict.fromkeys(tone for frame in frames for tone in frame.tone)) or state.tone


def drawn_before(history: History, parsed: ParsedTurn) -> State | None:
    """The last state in which just the conditions were drawn that an utterance names, and nothing else."""
    if len(parsed.patches) != 1 or parsed.patches[0].model_fields_set != {"rash"}:
        return None
    wanted = set(parsed.patches[0].rash)
    earlier = history.states[: history.at]
    return next((s for s in reversed(earlier) if s.requests and {r.rash for r in s.requests} == wanted), None)


def in_full(parsed: ParsedTurn) -> str:
    """A request that stands by itself, as a key; empty for anything else."""
    if parsed.mode != "new" or parsed.targets or parsed.problems or not any(patch.rash for patch in parsed.patches):
        return ""
    return "|".join(patch.model_dump_json(exclude_unset=True) for patch in parsed.patches)


def still_holds(state: State, trained: Trained | None, seed: int | None) -> bool:
    """Whether what was drawn would be drawn just so again: no other seed is asked for, and the checkpoint knows it all."""
    if seed is not None and any(frame.seed != seed for frame in state.frames):
        return False
    return trained is None or all(trained.knows(s, getattr(r, s)) for r in state.requests for s in VALUE_SLOTS)


def again(state: State, parsed: ParsedTurn, extra: Sequence[str], trained: Trained | None) -> Turn:
    """Answer to what is already there."""
    text = f"The same again, from the same seed: {described(state.requests)}."
    return Turn(
        act="generate",
        requests=list(state.requests),
        assumed=list(state.assumed),
        ignored=parsed.unused,
        reply=" ".join([text, *extra]),
        suggestions=after_images(state.requests, trained),
    )


def drafted(
    state: State, parsed: ParsedTurn, about: dict[str, tuple[str, ...]], keep_seed: bool
) -> tuple[tuple[Frame, ...], list[Assumption]]:
    """What was said, merged with what it follows up; frames of a new request have no seed yet.

    ``about`` was asked about, slot by slot: with nothing else to follow up, "show it on the face" means that.
    ``keep_seed``: a request in full that differs from the last one in tone only keeps its seed.
    Also says which tone was carried over from the conversation. Raises :class:`Ask`.
    """
    patches = parsed.patches or (Patch(),)
    named = any(patch.rash for patch in patches)
    mode = parsed.mode
    if mode == "new" and not state.pending and recall.goes_on(state.requests, patches, parsed):
        mode = "modify"
        state = state.model_copy(update={"frames": tuple(frame.change(tone=drawn_tones(frame)) for frame in state.frames)})
    if parsed.plural and mode == "modify" and state.frames and not state.pending and any(patch.model_fields_set - {"count"} for patch in patches):
        patches = tuple(patch.without({"count"}) for patch in patches)  # "severe cases": as many as there are
    if mode == "modify" and not state.pending and state.frames and all(f.number == ("single",) for f in state.frames) and wording.SEVERAL_ONES.search(parsed.text):
        patches = tuple(patch.without({"count"}).model_copy(update={"number": ("multiple",)}) for patch in patches)  # "several smaller ones"
    both = wording.BOTH.search(parsed.text)
    if (mode == "compare" or both) and len(about["rash"]) > 1 and not named and (both or not any(patch.model_fields_set for patch in patches)):
        patches, mode = tuple(patch.model_copy(update={"rash": about["rash"]}) for patch in patches), "modify"  # "how does it differ from psoriasis?", "show both"
    if mode == "compare" and self_contained(patches):
        mode = "modify" if not named or joins_in(state, patches) else "new"
    compares_already = len({request.rash for request in state.requests}) > 1 or len({r.tone for r in state.requests}) > 1
    if mode == "compare" and not named and not parsed.keeps and compares_already:
        mode = "modify"  # "now compare on the elbow"
    steps = all(patch.model_fields_set <= STEPS for patch in patches) and any(patch.model_fields_set for patch in patches)
    if steps and not (state.frames or state.pending or about["rash"] or parsed.unknown):
        waiting, _ = afresh(state, patches, Frame())
        raise Ask("There is no image yet to change. Which condition would you like to see?", (), "rash", waiting)
    if parsed.dropped:
        bases, mode = pointed_at(state, others(state, parsed.dropped)), "modify"
    elif parsed.targets and not (named and not state.requests):  # "the first picture should show hives on the thigh, the second …"
        bases = pointed_at(state, parsed.targets)
    elif state.frames and not state.pending and mode == "modify" and (edited := edited_in_place(state, parsed)):
        return edited, []
    elif state.frames and not state.pending and (picked := selected(state, parsed, mode)):
        bases, patches = picked
    elif state.pending and continues(state, patches, mode) and not (mode == "compare" and parsed.keeps and named and state.frames):
        bases, mode = state.pending, "modify"
    elif state.frames and not (mode == "new" and named):
        bases = state.frames
    else:
        frames, carried = afresh(state, patches, Frame() if named else Frame(**about))
        return same_seed_if_comparable(state, frames) if keep_seed else frames, carried
    if mode == "new":
        mode = "modify"
    if mode == "add" and not parsed.keeps:  # "3 more" of one image whose tone was chosen for it
        tones = tuple({request.tone for request in state.requests})
        bases = tuple(base if base.tone or len(tones) > 1 else base.change(tone=tones) for base in bases)
    if mode == "modify" and len(patches) == 1 and not (patches[0].each or parsed.targets) and patches[0].model_fields_set - {"count"} and 0 < (patches[0].count or 0) < len(bases):
        bases = bases[-patches[0].count :]  # "one picture on the nose" after some on fair and some on black skin
    more = max(((patch.count or 0) * (sum(base.combinations() for base in bases) if patch.each else 1) for patch in patches), default=0) > total(bases)
    if mode == "modify" and more and all((patch.each or patch.model_fields_set - {"count", "each"}) and not patch.tone for patch in patches):
        bases = tuple(with_tone_shown(base) for base in bases)  # "more severe then, 2 pics" of one image: on the skin that is seen
    merged = follow_up(bases, patches)
    if recall.halves(parsed) and total(merged) > total(bases) and not any(patch.count for patch in patches):
        merged = tuple(shared_out([frame.change(each=False) for frame in merged], total(bases)))
    if mode == "add" and parsed.keeps and any(getattr(patch, slot) for patch in patches for slot in VALUE_SLOTS):
        mode = "compare"
    if mode == "add" and not parsed.keeps and shown_already(state, merged):
        merged = unseen(merged, state.frames)  # "two more of the darkest one"
    elif [f.values() for f in merged] == [f.values() for f in bases] and (
        mode == "add" or wording.REJECTED.search(parsed.text) or wording.VARIATIONS.search(parsed.text)
    ):
        merged = unseen(merged, state.frames if parsed.targets else bases)  # "the olive ones are not convincing, do them again"
    if mode == "compare" and parsed.keeps:
        merged = as_many_of(bases, merged)
    if mode == "compare" and not (parsed.mode == "add" and total(merged) <= MAX_IMAGES_PER_TURN < total(bases) + total(merged)):
        merged = (*bases, *merged)  # "contact dermatitis too" after twelve images: those of before are there already
    return unique(merged), []


def shown_already(state: State, frames: Sequence[Frame]) -> bool:
    """Whether frames that were narrowed down to some of what is shown would draw one of its images again."""
    if len(frames) != 1 or len(state.frames) != 1 or frames[0].values() == state.frames[0].values() or not frames[0].rash or frames[0].seed is None:
        return False
    alone = {"count": 1, "matched": None}
    return {i.model_copy(update=alone) for i in images(expand(frames[0], limit=None)[0])} & {i.model_copy(update=alone) for i in images(state.requests)} != set()


def continues(state: State, patches: Sequence[Patch], mode: str) -> bool:
    """Whether an utterance answers what was asked, rather than changing the last request or starting anew."""
    answered = any(patch.mentions(state.waits) for patch in patches) or not state.frames
    if any(patch.rash for patch in patches):
        return state.waits == "rash" or (mode != "new" and answered)
    return answered


def joins_in(state: State, patches: Sequence[Patch]) -> bool:
    """ "compare eczema and psoriasis" where eczema was drawn on the neck: both are wanted there."""
    shown = {request.rash for request in state.requests}
    named = {rash for patch in patches for rash in patch.rash}
    return len(patches) == 1 and bool(shown) and shown <= named and patches[0].model_fields_set == {"rash"}


def self_contained(patches: Sequence[Patch]) -> bool:
    """ "compare eczema and psoriasis" names both sides itself."""
    return len(patches) > 1 or any(len(getattr(patches[0], slot)) > 1 for slot in VALUE_SLOTS)


def afresh(state: State, patches: Sequence[Patch], blank: Frame) -> tuple[tuple[Frame, ...], list[Assumption]]:
    """Frames of a request that starts from ``blank``: later clauses lean on earlier ones, a missing tone comes from the
    conversation."""
    frames: list[Frame] = []
    for patch in patches:
        base = frames[-1].change(count=None, each=False) if frames and not patch.rash else blank
        frames.append(merge(base, patch, state.tone))
    first_rash = next((frame.rash for frame in frames if frame.rash), ())
    frames = [frame if frame.rash else frame.change(rash=first_rash) for frame in frames]
    frames = with_tones_of_neighbours(frames, patches)
    frames = share_count(frames, patches)
    frames, carried = with_tone_of_conversation(frames, patches, state)
    return unique(frames), carried


def with_tones_of_neighbours(frames: list[Frame], patches: Sequence[Patch]) -> list[Frame]:
    """ "eczema on the elbow and psoriasis on the knee on black skin": a clause without a tone takes the nearest one."""
    said = [i for i, frame in enumerate(frames) if frame.tone]
    if not said:
        return frames
    result = []
    for i, (frame, patch) in enumerate(zip(frames, patches, strict=True)):
        if not frame.tone and not patch.mentions("tone"):
            nearest = frames[min(said, key=lambda j, i=i: (abs(i - j), j > i))].tone
            taken = frame.change(tone=nearest)
            # "tinea on the buttock, then the same on type V": another tone than that, or there would be one image of the two
            twice = any(taken.values() == frames[j].values() for j in said)
            frame = frame.change(excluded={**frame.excluded, "tone": nearest}) if twice else taken
        result.append(frame)
    return result


def with_tone_of_conversation(
    frames: list[Frame], patches: Sequence[Patch], state: State
) -> tuple[list[Frame], list[Assumption]]:
    if not state.tone:
        return frames, []
    carried, result = [], []
    for frame, patch in zip(frames, patches, strict=True):
        tones = tuple(t for t in state.tone if t not in frame.excluded.get("tone", ()))
        if frame.tone or patch.mentions("tone") or not tones:
            result.append(frame)
            continue
        tones = tuple(evenly(tones, min(len(tones), max(1, (frame.count or 1) // frame.combinations()))))
        carried.append(Assumption(slot="tone", value=", ".join(tones), why="from earlier in this conversation"))
        result.append(frame.change(tone=tones))
    return result, list(dict.fromkeys(carried))


def same_seed_if_comparable(state: State, frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """A request that repeats the last one, but for the tone, keeps its seed: the images can then be compared."""

    def bare(frame: Frame) -> Frame:
        return frame.change(seed=None, tone=())

    if len(frames) == len(state.frames) and all(bare(a) == bare(b) for a, b in zip(frames, state.frames, strict=True)):
        return tuple(a.change(seed=b.seed) for a, b in zip(frames, state.frames, strict=True))
    return frames


def share_count(frames: Sequence[Frame], patches: Sequence[Patch]) -> list[Frame]:
    """Share out a count that was said once, with the first of several clauses; with "each" it is for every clause."""
    first, *others = patches
    if not others or first.count is None or any(patch.count for patch in others):
        return list(frames)
    if first.each:
        return [frame.change(count=first.count, each=True) for frame in frames]
    return shared_out(frames, first.count)


def shared_out(frames: Sequence[Frame], count: int) -> list[Frame]:
    """``count`` images over all combinations of all frames."""
    shares = share(count, sum(frame.combinations() for frame in frames))
    result, at = [], 0
    for frame in frames:
        result.append(frame.change(count=sum(shares[at : at + frame.combinations()])))
        at += frame.combinations()
    return result


def pointed_at(state: State, targets: Sequence[int]) -> tuple[Frame, ...]:
    """The images that "the second one" means, each as a frame of its own with that image's seed."""
    shown = list(images(state.requests))
    if not shown:
        raise Ask("There is no image yet to point at. Which condition would you like to see?")
    targets = [counted(target, len(shown)) for target in targets]
    beyond = [target for target in targets if not 1 <= target <= len(shown)]
    if beyond:
        there = "only one image" if len(shown) == 1 else f"only {len(shown)} images"
        raise Ask(f"The last answer had {there}. Which one do you mean?")
    return tuple(frame_of(state, shown[target - 1]) for target in targets)


def counted(target: int, shown: int) -> int:
    """A target as a number from 1: one that counts from the end, or the middle of ``shown`` images."""
    if target == MIDDLE:
        return (shown + 1) // 2
    return target if target >= 0 else shown + 1 + target


def frame_of(state: State, request: ImageRequest) -> Frame:
    """What was drawn as a frame of its own, from the same seed; a site that was never said stays unsaid."""
    said = {slot: (value,) if (value := getattr(request, slot)) else () for slot in VALUE_SLOTS}
    if not any(frame.area for frame in state.frames):
        said["area"] = ()
    return Frame(**said, excluded=state.frames[0].excluded, count=request.count, seed=request.seed)


def others(state: State, dropped: Sequence[int]) -> tuple[int, ...]:
    """The images that are left when some are dropped. Raises :class:`Ask` when none is."""
    shown = sum(request.count for request in state.requests)
    gone = {counted(target, shown) for target in dropped}
    left = tuple(n for n in range(1, shown + 1) if n not in gone)
    if not left:
        raise Ask(NOTHING_LEFT)
    return left


def pointing(state: State, patch: Patch, slots: Sequence[str]) -> tuple[list[bool], Patch]:
    """Which requests the patch's values of ``slots`` point at, and what else it says; values not all shown point at none."""
    shown = {slot: {getattr(r, slot) for r in state.requests} for slot in slots}
    at = {slot: values for slot in slots if (values := set(getattr(patch, slot))) and values <= shown[slot]}
    return [all(getattr(r, slot) in at[slot] for slot in at) for r in state.requests], patch.without(at)


def parted(hits: Sequence[bool]) -> bool:
    """Whether some are meant and some are not: only then was something pointed at."""
    return any(hits) and not all(hits)


def edited_in_place(state: State, parsed: ParsedTurn) -> tuple[Frame, ...]:
    """ "make the acne severe" where acne and tinea were drawn, "make the wrist ones severe": each patch changes what it
    points at. Nothing when one of them points at nothing, or at all."""
    by_rash = bool(parsed.patches) and all(patch.rash for patch in parsed.patches)
    by_place = parsed.edits and parsed.selects and len(parsed.patches) == 1
    found = [pointing(state, patch, ("rash",) if by_rash else ("area", "tone")) for patch in parsed.patches]
    others_stay = parsed.edits or len(found) > 1  # "severe tinea" is about tinea alone
    if not (by_rash or by_place) or (parsed.selects and not parsed.edits) or not all(parted(hits) for hits, _ in found):
        return ()
    if not by_rash and not found[0][1].model_fields_set:
        return ()
    result = []
    for i, request in enumerate(state.requests):
        base = frame_of(state, request)
        for hits, rest in found:
            base = merge(base, rest, base.tone) if hits[i] else base
        result += [base] if others_stay or found[0][0][i] else []
    return unique(result)


def selected(state: State, parsed: ParsedTurn, mode: str) -> tuple[tuple[Frame, ...], tuple[Patch, ...]] | None:
    """Of what was shown, what the values point at ("just the psoriasis", "the black one", "without the psoriasis", "one more
    of the eczema"), and the patch that remains. None when they ask for a change."""
    if len(parsed.patches) != 1:
        return None
    (patch,) = parsed.patches
    if mode == "add" and not parsed.keeps and not patch.model_fields_set - {"rash", "area", "count", "each"}:
        hits, rest = pointing(state, patch, ("rash", "area"))
    elif mode == "modify" and patch.excluded and not any(getattr(patch, slot) for slot in VALUE_SLOTS):
        hits = [all(getattr(r, s) not in values for s, values in patch.excluded.items()) for r in state.requests]
        rest = patch.without({"excluded"})
    elif mode == "modify" and patch.model_fields_set == {"tone"} and not any(frame.tone for frame in state.frames) and not wording.ONES.search(parsed.text.lower()):
        return None  # "only on fair skin" after tones that nobody asked for: as many, on that
    elif mode == "modify" and parsed.selects:
        hits, rest = pointing(state, patch, VALUE_SLOTS)
    else:
        return None
    if not parted(hits):
        return None
    frames = whole_frames(state, hits) or tuple(frame_of(state, r) for r in compress(state.requests, hits))
    if patch.excluded and not rest.excluded:  # they remember what is left out, as all other frames do
        frames = tuple(merge(frame, Patch(excluded=patch.excluded)) for frame in frames)
    return frames, (rest,)


def whole_frames(state: State, hits: Sequence[bool]) -> tuple[Frame, ...]:
    """The frames that just those requests came from, so that tones that were never said stay unsaid; none where they do not fit."""
    wanted = {request.model_copy(update={"matched": None}) for request in compress(state.requests, hits)}
    kept = []
    for frame in state.frames:
        mine = set(expand(frame, limit=None)[0]) if frame.rash and frame.seed is not None else set()
        if mine & wanted:
            kept.append(frame)
            if not mine <= wanted:
                return ()
            wanted -= mine
    return () if wanted else tuple(kept)


def follow_up(bases: Sequence[Frame], patches: Sequence[Patch]) -> tuple[Frame, ...]:
    """Every patch on every base; a count that the patch says is shared out over the bases."""
    result: list[Frame] = []
    for patch in patches:
        patch = of_those_there(patch, bases)
        # "swap psoriasis for tinea", and not "on every tone but black"
        named = {slot for slot in VALUE_SLOTS if getattr(patch, slot) and patch.excluded.get(slot) and {*getattr(patch, slot), *patch.excluded[slot]} != set(known(slot, None))}
        meant = [base for base in bases if any(set(getattr(base, s)) & set(patch.excluded[s]) for s in named)]
        if named and not meant and any(all(set(getattr(patch, s)) <= set(getattr(base, s)) for s in named) for base in bases):
            result += bases  # what goes is gone, and what comes is there: said again, it changes nothing
            continue
        meant = meant or bases
        if len(meant) < len(bases) or any(len(getattr(base, slot)) > 1 for slot in named for base in meant):
            # a base that names no value of the slot takes what comes, as it does when the same is said again
            result += distinct([exchanged(b, patch) if b in meant else b if any(getattr(b, s) for s in named) else merge(b, patch) for b in bases])
            continue
        merged = [merge(base, patch, drawn_tones(base) if patch.tone_step else ()) for base in bases]
        if patch.count is not None:
            merged = distinct(merged)
        if patch.count_factor:
            merged = multiplied(merged, patch.count_factor)
        if patch.count_step:
            merged = fewer(merged, -patch.count_step)
        if patch.count is not None and not patch.each and len(merged) > 1:
            merged = shared_out(merged, patch.count)
        if not patch.mentions("count"):
            merged = as_many_each(bases, merged)
        result += merged
    return tuple(result)


def as_many_each(bases: Sequence[Frame], merged: Sequence[Frame]) -> list[Frame]:
    """Three images on fair skin, then "on brown and black": three on each, as far as a turn goes."""
    grown = []
    for base, frame in zip(bases, merged, strict=True):
        stepped = base.seed is not None and base.rash and not base.tone and frame.tone
        before, now = (base.change(tone=drawn_tones(base)) if stepped and len(frame.tone) > 1 else base).combinations(), frame.combinations()
        counts = frame.count is not None and frame.count == base.count and not frame.each
        grown.append(frame.change(count=frame.count // before * now) if counts and frame.count >= before and now > before else frame)
    return grown if total(grown) <= MAX_IMAGES_PER_TURN else list(merged)


def as_many_of(bases: Sequence[Frame], merged: Sequence[Frame]) -> tuple[Frame, ...]:
    """Three images on each of two tones, then "type III too": three of that as well, and not the six of both."""
    if len(bases) != len(merged):
        return tuple(merged)
    result = []
    for base, frame in zip(bases, merged, strict=True):
        before, now = base.combinations(), frame.combinations()
        shared = frame.count is not None and frame.count == base.count and not frame.each and now < before
        result.append(frame.change(count=max(1, frame.count // before * now)) if shared else frame)
    return tuple(result)


def of_those_there(patch: Patch, bases: Sequence[Frame]) -> Patch:
    """ "three for each site" where several sites were drawn: those, and not every site there is."""
    several = {s for s in VALUE_SLOTS if len({v for base in bases for v in getattr(base, s)}) > 1}
    every = {s for s in several if patch.each and set(getattr(patch, s)) == set(known(s, None))}
    return patch.without(every) if every else patch


def exchanged(frame: Frame, patch: Patch) -> Frame:
    """ "swap psoriasis for tinea" where there is more than psoriasis: in the place of what goes stands what comes."""
    fields = {}
    for slot in VALUE_SLOTS:
        out, new = patch.excluded.get(slot, ()), getattr(patch, slot)
        if new and set(out) & set(getattr(frame, slot)):
            fields[slot] = tuple(dict.fromkeys(v for old in getattr(frame, slot) for v in (new if old in out else (old,))))
        elif new:
            fields[slot] = new
    return merge(frame.change(**fields), patch.model_copy(update=fields))


def distinct(frames: Sequence[Frame]) -> list[Frame]:
    """Frames that differ in what is seen; of those that do not, the first."""
    return list({tuple(frame.values().items()): frame for frame in reversed(frames)}.values())[::-1]


def multiplied(frames: Sequence[Frame], factor: float) -> list[Frame]:
    """``factor`` times as many images, rounded up, from the same seeds on. Raises :class:`Ask` for fewer than one of each."""
    if factor < 1 and total(frames) <= sum(frame.combinations() for frame in frames):
        raise Ask("One image is the fewest that I can draw." if len(frames) == 1 else "One image of each is the fewest.")
    return [frame.change(count=max(1, math.ceil(factor * total((frame,))))) for frame in frames]


def fewer(frames: Sequence[Frame], by: int) -> list[Frame]:
    """``by`` images fewer, shared out anew. Raises :class:`Ask` when not one of each would be left."""
    left = total(frames) - by
    if left < 1:
        raise Ask(NOTHING_LEFT)
    if left < sum(frame.combinations() for frame in frames):
        raise Ask("One image of each is the fewest.")
    return shared_out([frame.change(each=False) for frame in frames], left)


def with_tone_shown(frame: Frame) -> Frame:
    """The frame on the one tone that it was drawn on, where nobody named it."""
    tones = drawn_tones(frame)
    return frame.change(tone=tones) if len(tones) == 1 and not frame.tone else frame


def drawn_tones(frame: Frame) -> tuple[str, ...]:
    """Tones that a frame was drawn on, said or not."""
    if not frame.rash or frame.seed is None:
        return frame.tone
    return tuple(dict.fromkeys(request.tone for request in expand(frame, limit=None)[0]))


def unseen(frames: Sequence[Frame], shown: Sequence[Frame]) -> tuple[Frame, ...]:
    """``frames`` from seeds that go on where those of ``shown`` end ("another two")."""
    ends = [(frame.seed + (frame.count or 1)) % 2**32 for frame in shown]
    if len(ends) == len(frames) and set(ends) & {frame.seed for frame in shown}:  # single images in a row: beyond the last
        by = max(ends) - min(frame.seed for frame in shown)
        ends = [(frame.seed + by) % 2**32 for frame in shown]
    if len(ends) != len(frames):
        ends = [max(ends)] * len(frames)
    return tuple(frame.change(seed=end) for frame, end in zip(frames, ends, strict=True))


def unique(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    result: list[Frame] = []
    for frame in frames:
        if frame not in result:
            result.append(frame)
    return tuple(result)


def equals_counted(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Frames that a change made equal as one of as many images: "all of them in black" of five on five tones."""
    alike: list[list[Frame]] = []
    for frame in frames:
        same = next((some for some in alike if some[0].change(count=None) == frame.change(count=None)), None)
        alike.append([frame]) if same is None else same.append(frame)
    return tuple(some[0] if len(some) == 1 else some[0].change(count=total(some)) for some in alike)


def complete(
    frames: Sequence[Frame], trained: Trained | None, limit: int | None
) -> tuple[list[ImageRequest], list[Assumption]]:
    """Requests and assumptions of all frames, equal ones once (the larger count holds)."""
    by_content: dict[ImageRequest, ImageRequest] = {}
    assumed: list[Assumption] = []
    for frame in frames:
        requests, because = expand(frame, trained, limit)
        assumed += because
        for request in requests:
            key = request.model_copy(update={"count": 1})
            if key not in by_content or by_content[key].count < request.count:
                by_content[key] = request
    return list(by_content.values()), list(dict.fromkeys(assumed))


# ── what must be asked first ────────────────────────────────────────────────────────────────────────────────────


def check(frames: tuple[Frame, ...], parsed: ParsedTurn, trained: Trained | None, limit: int | None, child: bool) -> None:
    """Raises :class:`Ask` when the frames cannot be drawn as they are; ``child``: one was spoken of."""
    if child and any("genital" in frame.area for frame in frames):
        raise Ask("I do not draw the genital area of children. Another body site?", answers.sites_of(lacking(frames, "area")[0], trained))

    for problem in parsed.problems:
        slot = answers.slot_of_problem(problem)
        raise Ask(*answers.problem(problem, frames[0], trained), slot, lacking(frames, slot) if slot else None)
    for slot, typed, near in parsed.unknown:
        if slot in VALUE_SLOTS and not any(getattr(patch, slot) for patch in parsed.patches):
            rest = lacking(frames, slot)
            near = drawable(slot, near, trained)
            ruled_out = rest[0].excluded.get(slot, ())
            if near in ruled_out:  # "not hives, measles"
                near = next((other for other in nearest(slot, near, trained, many=9) if other not in ruled_out), None)
            offer = tuple(frame.change(**{slot: (near,)}) for frame in rest) if near else ()
            raise Ask(*answers.not_in_vocabulary(slot, typed, near, rest[0], trained), slot, rest, offer)
    if trained is not None and (strange := untrained(frames, trained)):
        slot = next(iter(strange))
        rest = tuple(fitting(frame, trained, replace=False) for frame in frames)
        offer = tuple(fitting(frame, trained, replace=True) for frame in frames)
        raise Ask(*answers.not_trained(strange, offer, trained), slot, rest, offer)
    if not all(frame.rash for frame in frames) and re.search(r"\b(?:healthy|unaffected|lesion[ -]free) skin\b", parsed.text.lower()):
        raise Ask("Healthy skin by itself I do not draw; name a condition.", for_newcomers(trained), "rash", frames)
    if not all(frame.rash for frame in frames):
        raise Ask(*answers.which_condition(frames[0], trained), "rash", frames)
    if limit is not None and (wanted := total(frames)) > limit and not capped(frames, limit):
        offer = (frames[0].change(count=limit),) if len(frames) == 1 and not frames[0].each else ()
        raise Ask(*answers.too_many(wanted, limit, frames, bool(offer)), "count", frames, offer)


def lacking(frames: Sequence[Frame], slot: str) -> tuple[Frame, ...]:
    return tuple(frame.change(**{slot: None if slot == "count" else ()}) for frame in frames)


def drawable(slot: str, value: str | None, trained: Trained | None) -> str | None:
    """``value`` if it can be drawn, else its nearest neighbour that can."""
    if value is None or value in known(slot, trained):
        return value
    return next(iter(nearest(slot, value, trained, many=1)), None)


def untrained(frames: Sequence[Frame], trained: Trained) -> dict[str, list[str]]:
    """Values, by slot, that the checkpoint has not learnt."""
    values = {
        slot: list(dict.fromkeys(v for frame in frames for v in getattr(frame, slot) if not trained.knows(slot, v)))
        for slot in VALUE_SLOTS
    }
    return {slot: strange for slot, strange in values.items() if strange}


def fitting(frame: Frame, trained: Trained, replace: bool) -> Frame:
    """``frame`` without what the checkpoint does not know; a slot that would be empty gets the nearest value instead."""
    fields = {}
    for slot, said in frame.values().items():
        kept = tuple(value for value in said if trained.knows(slot, value))
        if said and not kept and replace:
            kept = tuple(nearest(slot, said[0], trained, many=1))
        fields[slot] = kept
    return frame.change(**fields)


def capped(frames: Sequence[Frame], limit: int) -> bool:
    """Exactly as many images as a turn may have, for more combinations than that: an even choice is drawn."""
    return len(frames) == 1 and frames[0].count == limit and not frames[0].each


# ── what is said about it ───────────────────────────────────────────────────────────────────────────────────────


def matched(requests: Sequence[ImageRequest], before: Sequence[ImageRequest], among: bool) -> list[ImageRequest]:
    """``requests``, each matched to what was drawn ``before`` of the same seeds with another tone and all else alike.

    ``among``: else to the one among them that is alike and has the middle tone. Not so in a set that is to be learnt from, where one
    picture in six tones would be little more than one picture, and takes twice the time.
    """

    def lesion(r: ImageRequest) -> tuple:
        return r.rash, r.area, r.severity, r.size, r.number

    tones, out = vocabulary().names("tone"), []
    for request in requests:
        alike = [r for r in before if lesion(r) == lesion(request) and request.seed in r.image_seeds()]
        same = next((r for r in alike if r.tone == request.tone), None)
        of = None
        if alike:
            of = same.matched if same else alike[0].matched or alike[0].tone
        elif among:
            together = sorted({r.tone for r in requests if lesion(r) == lesion(request) and r.seed == request.seed}, key=tones.index)
            of = together[(len(together) - 1) // 2]
        out.append(request.model_copy(update={"matched": None if of == request.tone else of}))
    return out


def differ_in_looks(now: Sequence[ImageRequest], before: Sequence[ImageRequest]) -> bool:
    """Whether the same condition at the same site is seen in another way, so that there is something to compare."""

    def looks(requests: Sequence[ImageRequest]) -> set[tuple]:
        return {(r.rash, r.area, r.tone, r.severity, r.size, r.number) for r in requests}

    return looks(now) != looks(before) and {(r.rash, r.area) for r in now} <= {(r.rash, r.area) for r in before}


def understood(requests: Sequence[ImageRequest], state: State) -> str:
    """First sentence of the answer to a request."""
    text = described(requests)
    now, before = ({seed for request in asked for seed in request.image_seeds()} for asked in (requests, state.requests))
    compared = state.requests and now <= before and differ_in_looks(requests, state.requests)
    return f"{text[0].upper()}{text[1:]}.{' Same seed as before, so that you can compare.' if compared else ''}"
