"""The vocabulary as data: complete, consistent, and strict about mistakes."""

import shutil

import pytest

from assistant import vocabulary as package
from assistant.vocabulary import SLOTS, Vocabulary, VocabularyError, expand, plurals, vocabulary

RASHES = """acne, eczema, tinea, psoriasis, urticaria, vitiligo, rosacea, impetigo, shingles, chickenpox, pityriasis rosea,
lichen planus, contact dermatitis, seborrheic dermatitis, scabies, melasma, warts, melanoma, mole, seborrheic keratosis"""
AREAS = """scalp, forehead, face, cheek, eyelid, nose, lips, chin, jaw, beard, ear, neck, back of the neck, shoulder, armpit,
chest, back, lower back, stomach, waist, groin, genital, buttock, arm, upper arm, elbow, inner elbow, forearm, wrist, hand,
back of the hand, palm, fingers, between the fingers, thumb, nail, leg, thigh, knee, back of the knee, shin, calf, lower leg,
ankle, foot, sole, heel, toes, between the toes"""


def listed(text):
    return tuple(" ".join(name.split()) for name in text.split(","))


def test_canonical_names():
    v = vocabulary()
    assert v.names("rash") == listed(RASHES)
    assert v.names("area") == listed(AREAS)
    assert v.names("tone") == ("very fair", "fair", "medium", "olive", "brown", "black")
    assert v.names("severity") == ("mild", "moderate", "severe")
    assert v.names("size") == ("tiny", "large")
    assert v.names("number") == ("single", "multiple")


def test_lesions():
    assert [r for r in vocabulary().names("rash") if vocabulary().is_lesion(r)] == ["melanoma", "mole", "seborrheic keratosis"]


@pytest.mark.parametrize(
    ("slot", "said", "name"),
    [
        ("tone", "pale", "very fair"),
        ("tone", "light", "fair"),
        ("tone", "tan", "olive"),
        ("tone", "dark brown", "brown"),
        ("tone", "dark", "black"),
        ("area", "tummy", "stomach"),
        ("area", "feet", "foot"),
        ("area", "calves", "calf"),
        ("area", "backs of the hands", "back of the hand"),
        ("area", "antecubital fossa", "inner elbow"),
        ("rash", "hives", "urticaria"),
        ("rash", "ringworm", "tinea"),
        ("rash", "naevi", "mole"),
        ("rash", "seborrhoeic dermatitis", "seborrheic dermatitis"),
        ("rash", "giraffe", None),
    ],
)
def test_read(slot, said, name):
    assert vocabulary().read(slot, said) == name


def test_every_rash_has_a_code_a_site_and_a_note():
    for entry in vocabulary().entries["rash"].values():
        assert entry.codes["icd10"]
        assert entry.typical_area in vocabulary().names("area")
        assert entry.notes.endswith(".")


def test_every_tone_has_its_fitzpatrick_type_and_the_monk_scale_is_covered_once():
    tones = vocabulary().entries["tone"].values()
    assert [t.fitzpatrick for t in tones] == ["I", "II", "III", "IV", "V", "VI"]
    assert sorted(step for t in tones for step in t.monk) == list(range(1, 11))


def test_step_stops_at_the_ends():
    assert vocabulary().step("tone", "fair", 1) == "medium"
    assert vocabulary().step("tone", "brown", 5) == "black"
    assert vocabulary().step("severity", "mild", -1) == "mild"


def test_nearest():
    assert vocabulary().nearest("rash", "measles") is not None
    assert vocabulary().nearest("area", "temple") == "forehead"
    assert vocabulary().nearest("rash", "psoriasiss") == "psoriasis"
    assert vocabulary().nearest("area", "spleen") is None


def test_phrases_are_unambiguous():
    texts = [p.text for p in vocabulary().phrases]
    assert len(texts) == len(set(texts))
    assert {p.label for p in vocabulary().phrases} >= set(SLOTS)


def test_expand():
    assert expand("(a|b) c") == ["a c", "b c"]
    assert expand("x [y|z]") == ["x y", "x z", "x"]
    assert expand("[(one|a) step] darker") == ["one step darker", "a step darker", "darker"]
    with pytest.raises(VocabularyError):
        expand("(a|b")


def test_plurals():
    assert plurals("elbow") == ["elbows"]
    assert plurals("belly") == ["bellies"]
    assert "backs of the hands" in plurals("back of the hand")


# --- mistakes in the files are errors with the way out


@pytest.fixture
def folder(tmp_path):
    for path in package.HERE.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    return tmp_path


def rewritten(folder, name, old, new):
    path = folder / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("rash.yaml", "icd10: L70", "icd9: L70", "icd9"),
        ("rash.yaml", "name: psoriasis\n", "name: eczema\n", "twice"),
        ("rash.yaml", "[hives,", "[tummy, hives,", "stomach"),
        ("rash.yaml", "typical_area: face", "typical_area: moon", "moon"),
        ("area.yaml", "slot: area", "slot: rash", "slot"),
        ("tone.yaml", "values: [olive,", "values: [green,", "green"),
        ("compound.yaml", "area: foot", "area: hoof", "hoof"),
        ("outside.yaml", "  rosacea:", "  roses:", "roses"),
        ("severity.yaml", "slot: severity", "slot: [", "cannot be read"),
        ("cues.yaml", "  one: [image,", "  one: [(image,", "missing"),
    ],
)
def test_mistakes_are_errors(folder, name, old, new, message):
    with pytest.raises(VocabularyError, match=message):
        Vocabulary(rewritten(folder, name, old, new))


def test_the_copy_loads(folder):
    assert Vocabulary(folder).names("tone") == vocabulary().names("tone")


def test_phrases_are_few_enough_to_be_built_in_half_a_second():
    """19,700 took 0.41 s on two cores (bench_parser.py); one template with many alternatives can spell out forty thousand."""
    assert len(vocabulary().phrases) < 19_800
