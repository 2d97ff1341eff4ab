"""The way in: text → Turn, kept and taken up again, from any text whatever."""

import json
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assistant import Conversation, Trained
from assistant.caption import caption
from assistant.schema import MAX_IMAGES_PER_TURN, VALUE_SLOTS
from assistant.vocabulary import vocabulary

TALK = [
    "Generate a few images of eczema at the back of the neck on fair skin",
    "now on black skin",
    "the second one on brown skin",
    "what about psoriasis?",
    "another two",
    "more severe",
    "undo",
    "in every skin tone",
    "measles",
    "start over",
    "show me acne",
]


def said(*sentences, **options):
    conversation = Conversation(**{"seed": 3, **options})
    return conversation, [conversation.say(sentence) for sentence in sentences]


def test_importing_loads_neither_torch_nor_spacy():
    code = "import sys, assistant; from assistant.schema import Turn; print(sorted({'torch', 'diffusers', 'spacy'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_talking_loads_no_torch():
    code = "import sys; from assistant import Conversation; Conversation().say('acne'); print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )


def test_same_seed_same_turns():
    assert said(*TALK)[1] == said(*TALK)[1]
    assert said("acne", seed=4)[1][0].requests[0].seed == 4
    assert Conversation().say("acne").requests[0].seed != Conversation().say("acne").requests[0].seed


def test_seed_for_one_turn():
    conversation, _ = said("acne on the face, fair skin")
    assert conversation.say("eczema on the neck, black skin", seed=77).requests[0].seed == 77
    assert conversation.say("now on fair skin", seed=88).requests[0].seed == 77


@pytest.mark.parametrize("stop", range(len(TALK)))
def test_taken_up_again(stop):
    """A conversation that was written as JSON after any turn goes on as if it never was."""
    conversation, _ = said(*TALK[:stop])
    restored = Conversation.restore(json.loads(json.dumps(conversation.dump())))
    assert [restored.say(text) for text in TALK[stop:]] == [conversation.say(text) for text in TALK[stop:]]
    assert restored.dump() == conversation.dump()


def test_damaged_state_is_refused():
    conversation, _ = said("acne on the face, fair skin")
    for damage in ({"states": []}, {"seed": -1}, {"at": 5}, {"states": [{"frames": [{"rash": ["plague"]}]}], "at": 0}):
        with pytest.raises(ValidationError):
            Conversation.restore({**conversation.dump(), **damage})


def test_turn_survives_json():
    _, turns = said(*TALK)
    for turn in turns:
        again = type(turn).model_validate_json(turn.model_dump_json())
        assert again == turn
        assert all(request.caption == caption(request) for request in turn.requests)


def test_a_set_may_be_larger_than_a_turn():
    turn = Conversation(seed=1, limit=None).say("500 images of eczema on the neck on fair skin")
    assert [request.count for request in turn.requests] == [500]


def test_the_bulk_command_asks_for_the_same():
    """The sentence that the chat offers for the command line reads back into what was asked for."""
    for text in (
        "500 images of severe eczema on the back of the neck on fair skin",
        "60 images each of eczema and psoriasis in every skin tone",
        "100 pictures of acne",
    ):
        reply = Conversation(seed=1).say(text).reply
        offered = reply.split('"')[1]
        wanted = Conversation(seed=1, limit=None).say(text).requests
        assert Conversation(seed=1, limit=None).say(offered).requests == wanted


def every_suggestion(turn, conversation, depth=2):
    """(sentence, answer) of every suggestion, followed ``depth`` turns far, each from the same state."""
    state = conversation.dump()
    for sentence in turn.suggestions:
        follower = Conversation.restore(state, trained=conversation.trained)
        answer = follower.say(sentence)
        yield turn, sentence, answer
        if depth > 1:
            yield from every_suggestion(answer, follower, depth - 1)


LITTLE = Trained(
    rash=frozenset({"eczema", "acne"}), area=frozenset({"knee", "face", "hand"}), tone=frozenset({"fair", "black"})
)
OPENINGS = [
    "what can you do",
    "hello",
    "eczema",
    "3 images of psoriasis on the knee",
    "acne on black skin",
    "severe acne on very fair skin",
    "shingles and chickenpox on the chest, fair and black skin",
    "2 pictures",
    "two each of eczema and psoriasis on the elbow and the knee, fair skin",
    "acne on the face, the back, the chest and the jaw, brown skin",
    "on black skin",
    "measles",
    "acne on the tongue",
    "500 images of eczema",
    "0 images of acne",
    "what does rosacea look like?",
    "which conditions appear on the elbow?",
    "what is Fitzpatrick type IV?",
    "is this cancer?",
    "draw a cat",
    "",
    "start over",
    "undo",
]


@pytest.mark.parametrize("trained", [None, LITTLE], ids=["everything", "little"])
@pytest.mark.parametrize("opening", OPENINGS)
def test_every_suggestion_is_understood(opening, trained):
    conversation = Conversation(seed=3, trained=trained)
    turn = conversation.say(opening)
    assert 1 <= len(turn.suggestions) <= 4
    for before, sentence, answer in every_suggestion(turn, conversation):
        assert answer.act in ("generate", "answer"), f"after {before.reply!r}: {sentence!r} → {answer.reply!r}"
        assert not answer.ignored, f"{sentence!r} leaves {answer.ignored}"


@pytest.mark.parametrize("rash", vocabulary().names("rash"))
def test_suggestions_for_every_condition(rash):
    conversation = Conversation(seed=3)
    turn = conversation.say(f"{rash} on fair skin")
    assert turn.act == "generate"
    for _, sentence, answer in every_suggestion(turn, conversation, depth=1):
        assert answer.act in ("generate", "answer"), f"{sentence!r} → {answer.reply!r}"


FRAGMENTS = [
    *(
        "eczema",
        "psoriasis",
        "athlete's foot",
        "mole",
        "on the elbow",
        "at the back of the neck",
        "fair skin",
        "black skin",
    ),
    *(
        "3 images of",
        "a dozen",
        "two each",
        "severe",
        "milder",
        "darker",
        "now",
        "same but",
        "another two",
        "the second one",
    ),
    *(
        "compare with",
        "undo",
        "redo",
        "start over",
        "not on the face",
        "every skin tone",
        "and",
        ",",
        "what about",
        "?",
        "0",
        "-3",
    ),
    *("<b>", "**", "[x](http://y.z)", "$a$", "`", "\x00", "\u202e", "皮膚", "🙂", "1e9", "½", "\n"),
]
texts = st.text(max_size=80) | st.lists(st.sampled_from(FRAGMENTS), max_size=8).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=1, max_size=4))
def test_any_text(sentences):
    conversation = Conversation(seed=3)
    names = {slot: vocabulary().names(slot) for slot in VALUE_SLOTS}
    for text in sentences:
        before = conversation.history
        turn = conversation.say(text)
        assert turn.reply
        assert not set("<>$\x00\u202e🙂") & set(turn.reply.replace("script2skin", "")), turn.reply
        if turn.act == "generate":
            assert 1 <= sum(request.count for request in turn.requests) <= MAX_IMAGES_PER_TURN
            for request in turn.requests:
                for slot in VALUE_SLOTS:
                    assert getattr(request, slot) in (*names[slot], *([None] if slot in VALUE_SLOTS[3:] else []))
        elif turn.act != "undo":
            assert not turn.requests
        if turn.act in ("generate", "clarify", "reset") and conversation.history != before:
            conversation.say("undo")
            assert conversation.history.state == before.state
            conversation.say("redo")


@settings(max_examples=30, deadline=None)
@given(texts, st.sampled_from(["2 images of eczema on the neck on fair skin", "acne", "psoriasis in every skin tone"]))
@example("ATHLAT FOOT<0ATHLAT FOOT:ECZEM", "acne")
@example("1FOOT:0ATHLAT FOOT", "acne")
def test_repeating_a_request_changes_nothing(first, request):
    conversation = Conversation(seed=3)
    conversation.say(first)
    if conversation.history.state.pending:  # then the request completes what was said before, and is not complete alone
        conversation.say("start over")
    once = conversation.say(request)
    history = conversation.history
    twice = conversation.say(request)
    assert twice.requests == once.requests and twice.act == once.act
    assert conversation.history == history


def test_huge_text_is_answered():
    for text in ("a" * 100_000, "eczema " * 15_000, "(" * 100_000, "\x00" * 100_000, "9" * 5_000 + " images of acne"):
        turn = Conversation(seed=1).say(text)
        assert turn.reply and len(turn.reply) < 2_000 and len(str(turn.ignored)) < 2_000
