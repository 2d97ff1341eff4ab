"""Dialogue on hand-made parses: (state, ParsedTurn) → (state, Turn), without the parser."""

import pytest

from assistant.dialogue import HISTORY, History, State, respond
from assistant.frames import Frame, NoFurther, Trained, evenly, expand, merge, move, share, spread
from assistant.schema import ParsedTurn, Patch
from assistant.vocabulary import vocabulary

TONES = vocabulary().names("tone")


class Talk:
    """A conversation in which every utterance is given as parsed."""

    def __init__(self, **options):
        self.history = History(seed=100)
        self.options = options

    def __call__(self, *patches, intent="request", mode="new", **parsed):
        patches = [Patch(**patch) if isinstance(patch, dict) else patch for patch in patches]
        turn = ParsedTurn(text="", intent=intent, mode=mode, patches=tuple(patches), **parsed)
        self.history, answer = respond(self.history, turn, **self.options)
        return answer


def drawn(turn):
    return [(r.count, r.rash, r.area, r.tone, r.seed) for r in turn.requests]


ECZEMA = {"rash": ("eczema",), "area": ("neck",), "tone": ("fair",)}


@pytest.fixture
def talk():
    return Talk()


class TestNumbers:
    def test_share(self):
        assert share(7, 3) == [3, 2, 2]
        assert share(6, 3) == [2, 2, 2]
        assert share(2, 3) == [1, 1, 1]

    def test_evenly(self):
        assert evenly(TONES, 3) == ["fair", "olive", "black"]
        assert evenly(TONES, 6) == list(TONES)

    def test_spread(self):
        assert spread(2, TONES, seed=5) == [("fair", 1), ("brown", 1)]
        assert [n for _, n in spread(8, TONES, seed=5)] == [2, 2, 1, 1, 1, 1]
        assert {spread(1, TONES, seed)[0][0] for seed in range(6)} == set(TONES)

    def test_move(self):
        assert move("tone", ["fair", "brown"], 1) == ("medium", "black")
        assert move("tone", ["brown", "black"], 1) == ("black",)
        with pytest.raises(NoFurther):
            move("severity", ["mild"], -1)

    def test_seeds_wrap(self):
        requests, _ = expand(Frame(rash=("acne",), area=("face",), tone=("fair",), count=3, seed=2**32 - 1))
        assert requests[0].image_seeds() == [2**32 - 1, 0, 1]


class TestPatches:
    def test_not_mentioned_is_not_cleared(self):
        frame = Frame(rash=("acne",), severity=("severe",))
        assert merge(frame, Patch()).severity == ("severe",)
        assert merge(frame, Patch(severity=())).severity == ()

    def test_unset_severity_counts_as_moderate(self):
        assert merge(Frame(), Patch(severity_step=1)).severity == ("severe",)
        assert merge(Frame(), Patch(severity_step=-1)).severity == ("mild",)

    def test_excluded_until_named_again(self):
        frame = merge(Frame(rash=("acne",), area=("face", "chest")), Patch(excluded={"area": ("face",)}))
        assert (frame.area, frame.excluded) == (("chest",), {"area": ("face",)})
        assert merge(frame, Patch(area=("face",))).excluded == {}


class TestMissing:
    def test_rash_is_asked_and_the_rest_remembered(self, talk):
        turn = talk({"tone": ("black",), "count": 2})
        assert turn.act == "clarify" and not turn.requests and turn.suggestions
        assert drawn(talk({"rash": ("eczema",)})) == [(2, "eczema", "inner elbow", "black", 100)]

    def test_typical_area_is_said(self, talk):
        turn = talk({"rash": ("psoriasis",), "tone": ("fair",)})
        assert [(a.slot, a.value) for a in turn.assumed] == [("area", "elbow")]
        assert "elbow" in turn.reply

    def test_excluded_area_is_not_assumed_nor_its_parts(self, talk):
        turn = talk({"rash": ("acne",), "tone": ("fair",), "excluded": {"area": ("face",)}})
        assert turn.requests[0].area == "back"

    def test_tone_is_spread_from_one_seed(self, talk):
        turn = talk({"rash": ("acne",), "area": ("face",), "count": 3})
        assert drawn(turn) == [(1, "acne", "face", tone, 100) for tone in ("fair", "olive", "black")]
        assert [a.slot for a in turn.assumed] == ["tone"]

    def test_spread_leaves_out_what_was_excluded(self, talk):
        turn = talk({"rash": ("acne",), "area": ("face",), "count": 6, "excluded": {"tone": ("fair",)}})
        assert "fair" not in {r.tone for r in turn.requests}
        assert sum(r.count for r in turn.requests) == 6

    def test_tone_of_the_conversation(self, talk):
        talk(ECZEMA)
        turn = talk({"rash": ("acne",)})
        assert turn.requests[0].tone == "fair"
        assert [(a.slot, a.value) for a in turn.assumed] == [("tone", "fair"), ("area", "face")]

    def test_one_image_of_the_tones_of_the_conversation(self, talk):
        talk({**ECZEMA, "tone": ("fair", "black")})
        assert sum(r.count for r in talk({"rash": ("acne",), "count": 1}).requests) == 1
        assert {r.tone for r in talk({"rash": ("melasma",), "count": 2}).requests} <= {"fair", "black"}

    def test_an_assumed_tone_is_not_the_tone_of_the_conversation(self, talk):
        talk({"rash": ("acne",), "area": ("face",)})
        assert [a.slot for a in talk({"rash": ("eczema",), "area": ("neck",)}).assumed] == ["tone"]
        assert talk.history.state.tone == ()


class TestFollowUps:
    def test_tone_keeps_seed_and_all_else(self, talk):
        talk({**ECZEMA, "count": 3, "severity": ("mild",)})
        turn = talk({"tone": ("black",)}, mode="modify")
        assert drawn(turn) == [(3, "eczema", "neck", "black", 100)]
        assert turn.requests[0].severity == "mild"

    def test_new_request_differing_in_tone_only_keeps_the_seed(self, talk):
        talk(ECZEMA)
        assert drawn(talk({**ECZEMA, "tone": ("black",)})) == [(1, "eczema", "neck", "black", 100)]

    def test_new_request_draws_a_new_seed_and_drops_the_rest(self, talk):
        talk({**ECZEMA, "severity": ("severe",)})
        request = talk({"rash": ("acne",)}).requests[0]
        assert (request.area, request.severity) == ("face", None)
        assert request.seed != 100

    def test_assumed_area_moves_with_the_rash_and_a_said_one_stays(self, talk):
        talk({"rash": ("psoriasis",), "tone": ("fair",)})
        assert talk({"rash": ("acne",)}, mode="modify").requests[0].area == "face"
        talk({"area": ("knee",)}, mode="modify")
        assert talk({"rash": ("eczema",)}, mode="modify").requests[0].area == "knee"

    def test_another_two(self, talk):
        talk({**ECZEMA, "count": 3})
        assert drawn(talk({"count": 2}, mode="add")) == [(2, "eczema", "neck", "fair", 103)]
        assert drawn(talk({"count": 1}, mode="add")) == [(1, "eczema", "neck", "fair", 105)]
        assert drawn(talk(mode="add")) == [(1, "eczema", "neck", "fair", 106)]

    def test_adding_another_tone_keeps_the_seed(self, talk):
        talk(ECZEMA)
        assert drawn(talk({"tone": ("black",)}, mode="add")) == [(1, "eczema", "neck", "black", 100)]

    def test_second_one(self, talk):
        talk({**ECZEMA, "count": 3})
        assert drawn(talk({"tone": ("black",)}, mode="modify", targets=(2,))) == [(1, "eczema", "neck", "black", 101)]

    def test_targets_count_over_all_requests(self, talk):
        talk({**ECZEMA, "tone": ("fair", "black"), "count": 4})
        assert drawn(talk(mode="modify", targets=(3, -1))) == [
            (1, "eczema", "neck", "black", 100),
            (1, "eczema", "neck", "black", 101),
        ]

    @pytest.mark.parametrize("target", [0, 3, -3])
    def test_target_beyond(self, talk, target):
        talk({**ECZEMA, "count": 2})
        before = talk.history
        assert talk({"tone": ("black",)}, mode="modify", targets=(target,)).act == "clarify"
        assert talk.history == before

    def test_compare(self, talk):
        talk(ECZEMA)
        assert drawn(talk({"tone": ("black",)}, mode="compare")) == [
            (1, "eczema", "neck", "fair", 100),
            (1, "eczema", "neck", "black", 100),
        ]

    def test_more_like_the_second_one_has_not_been_seen(self, talk):
        talk({**ECZEMA, "count": 4})
        assert drawn(talk({"count": 2}, mode="add", targets=(2,))) == [(2, "eczema", "neck", "fair", 104)]

    def test_darker_from_nothing(self, talk):
        assert talk({"rash": ("acne",), "tone_step": 1}).requests[0].tone == "brown"
        assert talk({"rash": ("eczema",), "tone_step": 1}).requests[0].tone == "black"
        assert Talk()({"rash": ("acne",), "tone_step": -1}).requests[0].tone == "fair"

    def test_another_tone_is_matched_to_the_images_shown(self, talk):
        talk({"rash": ("acne",), "area": ("cheek",), "tone": ("fair",), "count": 3})
        assert {r.matched for r in talk({"tone": ("black",)}, mode="modify").requests} == {"fair"}
        assert [(r.tone, r.matched) for r in talk({"tone": ("fair", "brown")}, mode="modify").requests] == [("fair", None), ("brown", "fair")]
        assert {r.matched for r in talk({"severity": ("severe",), "tone": ("black",)}, mode="modify").requests} == {None}, "another lesion"

    def test_one_lesion_on_several_tones_is_drawn_on_the_middle_one(self, talk):
        acne = {"rash": ("acne",), "area": ("chin",)}
        turn = talk({**acne, "tone": ("black", "fair", "olive")})
        assert [(r.tone, r.matched) for r in turn.requests] == [("black", "olive"), ("fair", "olive"), ("olive", None)]
        assert {r.matched for r in Talk(limit=None)({**acne, "tone": ("black", "fair")}).requests} == {None}, "a set to learn from"

    def test_compare_two_tones_of_the_same(self, talk):
        talk({**ECZEMA, "tone": ("olive",)})
        turn = talk({"tone": ("fair", "black")}, mode="compare")
        assert drawn(turn) == [(1, "eczema", "neck", "fair", 100), (1, "eczema", "neck", "black", 100)]

    def test_compare_with_both_sides_named(self, talk):
        talk(ECZEMA)
        turn = talk({"rash": ("acne", "rosacea"), "area": ("cheek",)}, mode="compare")
        assert [r.rash for r in turn.requests] == ["acne", "rosacea"]

    def test_every_tone_from_the_same_seed(self, talk):
        talk(ECZEMA)
        assert drawn(talk({"tone": TONES}, mode="modify")) == [(1, "eczema", "neck", tone, 100) for tone in TONES]

    def test_one_tone_after_a_spread_is_no_repetition(self, talk):
        talk({"rash": ("acne",), "area": ("face",), "count": 3})
        assert drawn(talk({"tone": ("black",)}, mode="modify")) == [(3, "acne", "face", "black", 100)]

    def test_darker_from_an_assumed_tone(self, talk):
        tone = talk({"rash": ("acne",), "area": ("face",)}).requests[0].tone
        assert talk({"tone_step": 1}, mode="modify").requests[0].tone == TONES[TONES.index(tone) + 1]

    def test_darker_than_black(self, talk):
        talk({**ECZEMA, "tone": ("black",)})
        turn = talk({"tone_step": 1}, mode="modify")
        assert turn.act == "clarify" and not turn.requests and "darkest" in turn.reply

    def test_several_clauses(self, talk):
        turn = talk(
            {"rash": ("acne",), "area": ("chin",)}, {"rash": ("warts",), "area": ("thumb",), "tone": ("olive",)}
        )
        assert [(r.rash, r.tone) for r in turn.requests] == [("acne", "olive"), ("warts", "olive")]

    def test_a_clause_without_a_rash_leans_on_the_one_before(self, talk):
        turn = talk({**ECZEMA, "count": 2}, {"area": ("hand",), "count": 1})
        assert [(r.count, r.rash, r.area) for r in turn.requests] == [(2, "eczema", "neck"), (1, "eczema", "hand")]


class TestCounts:
    def test_shared_over_combinations(self, talk):
        turn = talk({**ECZEMA, "tone": ("fair", "olive", "black"), "count": 7})
        assert [r.count for r in turn.requests] == [3, 2, 2]

    def test_shared_over_clauses(self, talk):
        turn = talk({**ECZEMA, "count": 3}, {"rash": ("acne",), "tone": ("fair",)})
        assert [r.count for r in turn.requests] == [2, 1]

    def test_each(self, talk):
        turn = talk({**ECZEMA, "tone": ("fair", "black"), "count": 2, "each": True})
        assert [r.count for r in turn.requests] == [2, 2]

    def test_each_over_clauses(self, talk):
        turn = talk({**ECZEMA, "count": 2, "each": True}, {"rash": ("acne",), "tone": ("fair",)})
        assert [r.count for r in turn.requests] == [2, 2]

    def test_every_tone_shares_an_earlier_count(self, talk):
        talk({**ECZEMA, "count": 12})
        turn = talk({"tone": TONES, "each": True}, mode="modify")
        assert [r.count for r in turn.requests] == [2] * 6

    def test_too_few_is_said(self, talk):
        turn = talk({**ECZEMA, "tone": TONES, "count": 3})
        assert [r.count for r in turn.requests] == [1] * 6
        assert [a.slot for a in turn.assumed] == ["count"] and "6" in turn.reply

    @pytest.mark.parametrize("count", [21, 500, 10**30])
    def test_too_many_then_twenty(self, talk, count):
        turn = talk({**ECZEMA, "count": count})
        assert turn.act == "clarify" and not turn.requests
        assert "script2skin generate" in turn.reply and "--out" in turn.reply
        assert drawn(talk({"count": 20})) == [(20, "eczema", "neck", "fair", 100)]

    def test_twenty_of_all_combinations(self, talk):
        everything = {"rash": vocabulary().names("rash"), "tone": TONES}
        assert talk(everything).act == "clarify"
        turn = talk({"count": 20})
        assert sum(r.count for r in turn.requests) == 20
        assert {r.tone for r in turn.requests} == set(TONES)

    def test_no_limit_for_sets(self):
        turn = Talk(limit=None)({**ECZEMA, "count": 500})
        assert turn.requests[0].count == 500

    @pytest.mark.parametrize("problem", ["count_zero", "count_negative", "count_fraction"])
    def test_strange_count_is_asked_again(self, talk, problem):
        turn = talk(ECZEMA, problems=(problem,))
        assert turn.act == "clarify" and "how many" in turn.reply.lower()
        assert drawn(talk({"count": 2})) == [(2, "eczema", "neck", "fair", 100)]


class TestUnknown:
    def test_unknown_rash_is_not_drawn(self, talk):
        talk(ECZEMA)
        turn = talk(mode="modify", unknown=(("rash", "measles", "urticaria"),))
        assert turn.act == "clarify" and "measles" in turn.reply and "urticaria" in turn.reply
        assert drawn(talk({"rash": ("urticaria",)})) == [(1, "urticaria", "neck", "fair", 100)]

    def test_yes_takes_the_offer_and_no_does_not(self, talk):
        talk(mode="modify", unknown=(("rash", "measles", "urticaria"),))
        assert talk(intent="social", topic="no").act == "answer"
        assert talk(intent="social", topic="yes").requests[0].rash == "urticaria"
        assert talk(intent="social", topic="yes").act == "answer"

    def test_yes_to_twenty(self, talk):
        talk({**ECZEMA, "count": 50})
        assert drawn(talk(intent="social", topic="yes")) == [(20, "eczema", "neck", "fair", 100)]

    def test_unknown_area_is_asked(self, talk):
        turn = talk({"rash": ("acne",), "tone": ("fair",)}, unknown=(("area", "tongue", "lips"),))
        assert turn.act == "clarify" and "lips" in turn.reply
        assert drawn(talk({"area": ("lips",)})) == [(1, "acne", "lips", "fair", 100)]

    def test_an_unknown_word_beside_a_known_one_is_said(self, talk):
        turn = talk(ECZEMA, unknown=(("rash", "measles", "urticaria"),))
        assert turn.act == "generate" and "measles" in turn.reply

    def test_ignored_and_repaired_are_said(self, talk):
        turn = talk(ECZEMA, ignored=("gorgeous",), repaired=(("exzema", "eczema"),))
        assert turn.ignored == ["gorgeous"] and "gorgeous" in turn.reply and "exzema" in turn.reply

    def test_contradiction_is_asked(self, talk):
        turn = talk({"rash": ("tinea",), "tone": ("fair",)}, problems=("contradiction:area",))
        assert turn.act == "clarify" and not turn.requests
        assert drawn(talk({"area": ("scalp",)})) == [(1, "tinea", "scalp", "fair", 100)]

    @pytest.mark.parametrize("slot", ["rash", "tone", "severity", "size", "number"])
    def test_contradiction_offers_values_of_that_slot(self, talk, slot):
        suggestions = talk({"rash": ("tinea",)}, problems=(f"contradiction:{slot}",)).suggestions
        assert suggestions and all(any(n in s.lower() for n in vocabulary().names(slot)) for s in suggestions)

    @pytest.mark.parametrize("intent", ["request", "empty", "off_topic"])
    def test_too_long_is_said(self, talk, intent):
        turn = talk(intent=intent, problems=("too_long",), repaired=(("eczem", "eczema"),))
        assert turn.act == "clarify" and "too long" in turn.reply and "eczem" not in turn.reply

    def test_user_text_cannot_render(self, talk):
        nasty = "<b>x</b> [a](http://e.vil) www.e.vil **y** $z$ :smile: `c` # h | t"
        turn = talk(ECZEMA, ignored=(nasty,))
        quoted = turn.reply[turn.reply.index("“") :]
        assert not set("<>[]()*$:`#|/\\_~&") & set(quoted) and "www." not in quoted


class TestTrained:
    LITTLE = Trained(
        rash=frozenset({"eczema", "acne"}), area=frozenset({"knee", "face", "hand"}), tone=frozenset({"fair", "black"})
    )

    @pytest.mark.parametrize(
        ("patch", "nearest"),
        [
            ({"rash": ("psoriasis",), "tone": ("fair",)}, "eczema"),
            ({"rash": ("eczema",), "area": ("shin",), "tone": ("fair",)}, "knee"),
            ({"rash": ("eczema",), "area": ("knee",), "tone": ("brown",)}, "black"),
        ],
    )
    def test_outside_is_said_and_the_nearest_offered(self, patch, nearest):
        turn = Talk(trained=self.LITTLE)(patch)
        assert turn.act == "clarify" and not turn.requests
        assert "not trained" in turn.reply and nearest in turn.reply
        assert any(nearest in suggestion.lower() for suggestion in turn.suggestions)

    def test_gaps_are_filled_from_what_it_knows(self):
        turn = Talk(trained=self.LITTLE)({"rash": ("eczema",), "count": 2})
        assert [(r.area, r.tone) for r in turn.requests] == [("hand", "fair"), ("hand", "black")]


class TestHistory:
    def test_undo_restores_exactly_and_redo_too(self, talk):
        talk(ECZEMA)
        before = talk.history.state
        talk({"tone": ("black",), "count": 2}, mode="modify")
        after = talk.history.state
        turn = talk(intent="undo")
        assert turn.act == "undo" and talk.history.state == before
        assert tuple(turn.requests) == before.requests
        talk(intent="redo")
        assert talk.history.state == after

    def test_undo_with_nothing(self, talk):
        assert talk(intent="undo").act == "undo"
        assert talk(intent="redo").act == "undo"
        assert talk.history == History(seed=100)

    def test_repetition_changes_nothing_but_is_answered(self, talk):
        first = talk({**ECZEMA, "count": 2})
        before = talk.history
        again = talk({**ECZEMA, "count": 2})
        assert talk.history == before and again.requests == first.requests and again.act == "generate"

    def test_another_seed_or_model_is_no_repetition(self, talk):
        talk(ECZEMA)
        talk.options["seed"] = 7
        assert drawn(talk(ECZEMA))[0][-1] == 7
        assert drawn(talk({"tone": ("black",)}, mode="modify"))[0][-1] == 7
        talk.options = {"trained": Trained(rash={"eczema"}, area={"neck"}, tone={"fair"})}
        assert talk({**ECZEMA, "tone": ("black",)}).act == "clarify"

    def test_start_over_can_be_undone(self, talk):
        talk(ECZEMA)
        assert talk(intent="reset").act == "reset"
        assert talk.history.state.requests == ()
        assert talk({"tone": ("black",)}, mode="modify").act == "clarify"
        talk(intent="undo")
        talk(intent="undo")
        assert talk.history.state.requests[0].rash == "eczema"

    @pytest.mark.parametrize("first", ["undo", "reset"])
    def test_a_command_before_the_request_is_one_step(self, talk, first):
        talk({**ECZEMA, "severity": ("mild",)})
        talk({"tone": ("black",)}, mode="modify")
        before = talk.history.state
        turn = talk({"area": ("knee",), "rash": ("acne",)}, mode="modify", first=first)
        assert turn.requests[0].tone == "fair" if first == "undo" else [a.slot for a in turn.assumed] == ["tone"]
        talk(intent="undo")
        assert talk.history.state == before

    def test_history_is_bounded(self):
        history = History(seed=1)
        for i in range(HISTORY + 50):
            history = history.push(State(draws=i + 1))
        assert len(history.states) == HISTORY and history.state.draws == HISTORY + 50

    def test_survives_storage(self, talk):
        talk({**ECZEMA, "count": 2})
        talk({"tone": ("black",)}, mode="modify")
        restored = History.model_validate_json(talk.history.model_dump_json(round_trip=True))
        assert restored == talk.history
        talk.history = restored
        assert drawn(talk(mode="modify", targets=(2,))) == [(1, "eczema", "neck", "black", 101)]


class TestNoImages:
    @pytest.mark.parametrize("intent", ["diagnosis", "person", "off_topic"])
    def test_refused(self, talk, intent):
        talk(ECZEMA)
        before = talk.history
        turn = talk(intent=intent)
        assert turn.act == "refuse" and not turn.requests and turn.suggestions
        assert talk.history == before

    def test_diagnosis_points_to_a_doctor(self, talk):
        assert "doctor" in talk(intent="diagnosis").reply

    @pytest.mark.parametrize("intent", ["help", "social"])
    def test_answered(self, talk, intent):
        turn = talk(intent=intent)
        assert turn.act == "answer" and turn.suggestions

    def test_empty(self, talk):
        assert talk(intent="empty").act == "clarify"

    @pytest.mark.parametrize(
        ("topic", "piece"), [("appearance", "silvery"), ("site", "elbows"), ("tone", "iolaceous"), (None, "disease")]
    )
    def test_question(self, talk, topic, piece):
        turn = talk({"rash": ("psoriasis",)}, intent="question", topic=topic)
        assert turn.act == "answer" and piece in turn.reply

    def test_question_about_what_was_drawn(self, talk):
        talk(ECZEMA)
        assert "Eczema" in talk(intent="question", topic="appearance").reply

    def test_what_was_asked_about_can_be_shown(self, talk):
        talk({"rash": ("psoriasis",)}, intent="question", topic="appearance")
        assert "elbows" in talk(intent="question", topic="site").reply
        assert talk({"tone": ("black",)}).requests[0].rash == "psoriasis"
        talk({"rash": ("acne",)}, intent="question")
        assert talk({"tone": ("fair",)}, mode="modify").requests[0].rash == "psoriasis"
        assert "Psoriasis" in talk(intent="question", topic="appearance").reply

    def test_question_about_a_tone_of_what_was_drawn(self, talk):
        talk(ECZEMA)
        reply = talk({"tone": ("black",)}, intent="question", topic="appearance").reply
        assert "Eczema" in reply and reply.index("dark skin") < reply.index("light skin")

    def test_question_about_nothing(self, talk):
        assert talk(intent="question", topic="appearance").act == "clarify"

    def test_question_about_an_area_a_tone_and_the_vocabulary(self, talk):
        assert "psoriasis" in talk({"area": ("elbow",)}, intent="question").reply
        assert "IV" in talk({"tone": ("olive",)}, intent="question").reply
        assert "lichen planus" in talk(intent="question", topic="vocabulary").reply
