"""The parser beyond single stories: what must not change the reading, and what must hold for any text."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import normalise as normalise_module
from assistant.normalise import MAX_CHARS, normalise
from assistant.parser import Parser
from assistant.typos import Repair, is_english
from assistant.vocabulary import vocabulary

REQUESTS = [
    "3 images of severe eczema on the elbow on fair skin",
    "psoriasis and acne on the face, brown and black skin",
    "two large moles on the back of a pale man",
    "a picture of athlete's foot on olive skin",
    "eczema on the neck and psoriasis on the knee in every skin tone",
]


def read(text):
    parsed = Parser().parse(text)
    return parsed.intent, parsed.mode, [p.model_dump(exclude_unset=True) for p in parsed.patches]


# --- invariance


@pytest.mark.parametrize("text", REQUESTS)
@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.title,
        lambda t: t + "!!!",
        lambda t: t + ".",
        lambda t: "  " + t.replace(" ", "   ") + "\n",
        lambda t: t.replace(" ", "\u00a0"),
        lambda t: "Please " + t + ", thank you",
        lambda t: "Could you please show me " + t + "?",
        lambda t: "Hi, I'd like to see " + t + " for my lecture tomorrow, thanks",
        lambda t: "Good morning! Would you be so kind as to generate " + t,
        lambda t: f"<p>{t}</p>",
        lambda t: f"**{t}**",
        lambda t: "\u200b" + t + "\ufeff 🙂",
        lambda t: "“" + t + "”",
    ],
)
def test_case_punctuation_politeness_and_markup_change_nothing(text, change):
    assert read(change(text)) == read("show me " + text)


@pytest.mark.parametrize(
    "text",
    [
        "severe eczema on the elbow on fair skin",
        "on fair skin, severe eczema on the elbow",
        "on the elbow, on fair skin: eczema, severe",
        "elbow eczema, severe, fair skin",
        "fair skin with severe eczema on the elbow",
        "eczema, elbow, fair, severe",
        "a fair-skinned elbow with severe eczema",
    ],
)
def test_order_of_words(text):
    patch = Parser().parse("show " + text).patches[0]
    assert (patch.rash, patch.area, patch.tone, patch.severity) == (("eczema",), ("elbow",), ("fair",), ("severe",))


@pytest.mark.parametrize(("slot", "names"), [(s, vocabulary().names(s)) for s in ("rash", "area", "tone", "severity", "size", "number")])
def test_every_canonical_name_is_read(slot, names):
    for name in names:
        skin = " skin" if slot == "tone" else ""
        assert getattr(Parser().parse(f"show {name}{skin}").patches[0], slot) == (name,), name


@pytest.mark.parametrize("swap", range(3))
def test_swapped_letters_are_put_right(swap):
    words = ["eczema", "psoriasis", "urticaria", "melanoma", "vitiligo", "shoulder", "forehead", "stomach"]
    for word in words:
        at = 1 + swap
        typo = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        if typo != word:
            parsed = Parser().parse(f"show {typo}")
            assert parsed.repaired == ((typo, word),)


def test_valid_words_are_never_repaired():
    repair = Repair(frozenset({"nail", "palm", "back", "face", "chin", "mole", "tinea", "acne", "shin"}))
    for word in ["hail", "pale", "black", "fact", "thin", "hole", "mule", "ache", "acre", "skin", "spin", "trail", "bank"]:
        assert is_english(word)
        assert repair(word) is None


# --- any text


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_text(text):
    first = Parser().parse(text)
    assert first.text == text
    assert first == Parser().parse(text)


WORDS = sorted({w for p in vocabulary().phrases for w in p.text.split()} | {"3", "-1", "2.5", ",", ".", ";", "?", "xyzzy"})


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
def test_any_row_of_known_words(text):
    parsed = Parser().parse(text)
    for patch in parsed.patches:
        assert patch.count is None or patch.count > 0
        for slot in ("rash", "area", "tone", "severity", "size", "number"):
            assert set(getattr(patch, slot)) <= set(vocabulary().names(slot))
    assert 0 not in parsed.targets


@given(st.text(max_size=500))
@settings(deadline=None)
def test_normalised_text_is_one_bounded_line(text):
    clean = normalise(text).text
    assert "\n" not in clean
    assert len(clean) <= 4 * MAX_CHARS


@given(st.text(st.characters(exclude_categories=["Nd"]), max_size=60) | st.lists(st.sampled_from(
    ["Tuesday", "the", "fourth", ",", "2", "st", "on", "twice", ":", "once", "in", "how", "many", "=", "-", "seed", "x", "ish", "F", "/", "H.", "zoster", "1.", "tinea", "o'clock", "half", "past", "nine"]
), max_size=9).map(" ".join))
def test_patterns_that_need_a_digit_do_nothing_without_one(text):
    text = "".join(c for c in text if not c.isdigit())
    for number in normalise_module._ALL.chosen - normalise_module._PLAIN.chosen:
        pattern = normalise_module._SUBS[number][0]
        assert not pattern.search(text), pattern.pattern


def test_a_pattern_is_tried_where_what_it_needs_stands():
    """The index finds every need, also one that another one begins with."""
    for index in (normalise_module._ALL, normalise_module._PLAIN):
        for need, numbers in index.of.items():
            tried = [pattern for pattern, _ in index.patterns(f"x {need} x")]
            assert all(normalise_module._SUBS[n][0] in tried for n in numbers)
        needs = {number: normalise_module._SUBS[number][2] for number in index.chosen - index.always}
        for text in ("the one", "too many of those as it gets", "what we lack is one of each"):
            tried = {pattern for pattern, _ in index.patterns(text)}
            assert all((normalise_module._SUBS[n][0] in tried) == any(need in text for need in some) for n, some in needs.items())


@pytest.mark.parametrize("text", ["a" * 100_000, "eczema " * 15_000, "<b>" * 33_000, "[](" * 33_000, "1,000 " * 20_000, "\x00\xff" * 50_000])
def test_huge_text_is_cut(text):
    assert "too_long" in Parser().parse(text).problems


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "?!", "🙂🙂", "\x00\x01\x02", "<br>", "---"])
def test_nothing_readable(text):
    assert Parser().parse(text).intent == "empty"


@pytest.mark.parametrize(
    "text",
    [
        "покажи мне экзему на локте",
        "显示手臂上的湿疹",
        "أرني صورة للأكزيما",
        "Zeig mir bitte ein Bild von Ekzem auf dem Ellbogen",
        "muéstrame una imagen de la piel con sarpullido en el codo",
        "montre moi une image avec de la peau s'il vous plaît",
    ],
)
def test_other_languages_are_noticed(text):
    assert "other_language" in Parser().parse(text).problems


# --- cost


def test_the_parser_does_not_import_torch():
    code = "import sys; from assistant.parser import Parser; Parser().parse('eczema'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
