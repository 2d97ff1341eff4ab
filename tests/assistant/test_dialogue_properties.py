"""Whatever is parsed, in whatever order: complete requests of canonical values, exact undo, and no crash."""

from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.dialogue import History, respond
from assistant.frames import Trained
from assistant.schema import MAX_IMAGES_PER_TURN, VALUE_SLOTS, ParsedTurn, Patch
from assistant.vocabulary import vocabulary

NAMES = {slot: vocabulary().names(slot) for slot in VALUE_SLOTS}


def some(slot, most=3):
    return st.lists(st.sampled_from(NAMES[slot]), max_size=most, unique=True).map(tuple)


@st.composite
def patches(draw):
    fields = draw(st.fixed_dictionaries({}, optional={slot: some(slot) for slot in VALUE_SLOTS}))
    fields |= draw(st.fixed_dictionaries({}, optional={"count": st.none() | st.integers(1, 25), "each": st.booleans()}))
    fields |= draw(
        st.fixed_dictionaries({}, optional={"tone_step": st.integers(-2, 2), "severity_step": st.integers(-1, 1)})
    )
    if draw(st.integers(0, 5)) == 0:
        fields["tone"] = NAMES["tone"]
    if draw(st.integers(0, 5)) == 0:
        fields["excluded"] = out = {slot: draw(some(slot)) for slot in ("area", "tone", "rash")}
        for slot in out:  # the parser hands on no value that the same sentence leaves out
            fields[slot] = tuple(v for v in fields.get(slot, ()) if v not in out[slot])
            if not fields[slot]:
                del fields[slot]
    return Patch(**fields)


requests = st.builds(
    ParsedTurn,
    text=st.just(""),
    intent=st.just("request"),
    patches=st.lists(patches(), max_size=3).map(tuple),
    mode=st.sampled_from(["new", "modify", "add", "compare"]),
    targets=st.lists(st.integers(-3, 6), max_size=2).map(tuple),
    ignored=st.lists(st.text(max_size=20), max_size=2).map(tuple),
    unknown=st.lists(
        st.sampled_from([("rash", "measles", "urticaria"), ("area", "tongue", "lips"), ("area", "everywhere", None)]),
        max_size=1,
    ).map(tuple),
    problems=st.lists(
        st.sampled_from(["count_zero", "contradiction:tone", "too_long", "something new"]), max_size=1
    ).map(tuple),
)
others = st.builds(
    ParsedTurn,
    text=st.just(""),
    intent=st.sampled_from(
        ["question", "help", "undo", "redo", "reset", "diagnosis", "person", "social", "off_topic", "empty"]
    ),
    patches=st.lists(patches(), max_size=2).map(tuple),
    topic=st.sampled_from([None, "appearance", "site", "tone", "cause", "vocabulary", "something new"]),
)
turns = requests | requests | requests | others
some_trained = st.none() | st.builds(
    Trained,
    rash=st.frozensets(st.sampled_from(NAMES["rash"])),
    area=st.frozensets(st.sampled_from(NAMES["area"])),
    tone=st.frozensets(st.sampled_from(NAMES["tone"])),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(turns, max_size=6), some_trained, st.integers(0, 2**32 - 1))
def test_any_sequence(sequence, trained, seed):
    history = History(seed=seed)
    for parsed in sequence:
        before = history
        history, turn = respond(history, parsed, trained=trained)
        assert turn.reply
        if turn.act == "generate":
            assert 1 <= sum(request.count for request in turn.requests) <= MAX_IMAGES_PER_TURN
            for request in turn.requests:
                for slot in VALUE_SLOTS:
                    value = getattr(request, slot)
                    assert value in NAMES[slot] or (value is None and slot in ("severity", "size", "number"))
                    assert trained is None or parsed.mode == "compare" or value is None or trained.knows(slot, value)
            assert history.state.requests == tuple(turn.requests)
        elif turn.act != "undo":
            assert not turn.requests
        if parsed.intent not in ("undo", "redo") and history.states != before.states:
            undone, _ = respond(history, ParsedTurn(text="undo", intent="undo"))
            assert undone.state == before.state
            redone, _ = respond(undone, ParsedTurn(text="redo", intent="redo"))
            assert redone == history
    assert History.model_validate_json(history.model_dump_json(round_trip=True)) == history


@settings(max_examples=150, deadline=None)
@given(st.lists(turns, max_size=4), patches(), st.sampled_from(["new", "modify"]))
def test_repetition_changes_nothing(sequence, patch, mode):
    """Steps and additions go on when they are repeated; a request said in full, or a change to a value, does not."""
    patch = patch.model_copy(update={"tone_step": 0, "severity_step": 0})
    parsed = ParsedTurn(text="", intent="request", patches=(patch,), mode=mode)
    history = History(seed=1)
    for earlier in sequence:
        history, _ = respond(history, earlier)
    if history.state.pending:  # then the request completes what was said before, and is not complete by itself
        history, _ = respond(history, ParsedTurn(text="", intent="reset"))
    history, first = respond(history, parsed)
    again, second = respond(history, parsed)
    assert second.act == first.act
    if first.act == "generate":
        assert second.requests == first.requests
        assert again == history
