import json
from pathlib import Path

import pytest

from data.labels import label_of_class, labels_of

CAPTIONS = Path(__file__).parents[3] / "shared" / "data" / "script2skin_captions.jsonl"

#: The folders of Dermnet's public copy with what they are here; mixed ones keep their own name.
DERMNET = {
    "Acne and Rosacea Photos": "acne and rosacea",
    "Atopic Dermatitis Photos": "eczema",
    "Bullous Disease Photos": "bullous disease",
    "Eczema Photos": "eczema",
    "Melanoma Skin Cancer Nevi and Moles": "melanoma skin cancer nevi and moles",
    "Poison Ivy Photos and other Contact Dermatitis": "contact dermatitis",
    "Psoriasis pictures Lichen Planus and related diseases": "psoriasis lichen planus and related diseases",
    "Systemic Disease": "systemic disease",
    "Urticaria Hives": "urticaria",
    "Vasculitis Photos": "vasculitis",
}


@pytest.mark.parametrize(("folder", "rash"), DERMNET.items())
def test_dermnet(folder, rash):
    assert label_of_class(folder).rash == rash


@pytest.mark.parametrize(
    ("name", "rash"),
    [("ringworm", "tinea"), ("LICHEN_PLANUS", "lichen planus"), ("seborrheic-keratosis", "seborrheic keratosis"), ("nevus", "mole")],
)
def test_synonyms_and_spellings(name, rash):
    assert label_of_class(name).rash == rash


def test_a_name_of_rash_and_place_sets_both():
    labels = label_of_class("athletes_foot")
    assert (labels.rash, labels.area) == ("tinea", "foot")


@pytest.mark.parametrize("name", ["", "123", "__", "photos"])
def test_no_class_without_letters(name):
    assert label_of_class(name) is None


def test_captions_of_any_style():
    labels = labels_of("A photo of severe hives on the back of a dark-skinned patient")
    assert (labels.rash, labels.area, labels.tone, labels.severity) == ("urticaria", "back", "black", "severe")
    assert labels_of("a cat on a sofa") is None


def test_two_conditions_are_no_label():
    assert labels_of("eczema and psoriasis on the elbow, fair skin") is None


@pytest.mark.skipif(not CAPTIONS.exists(), reason="the captions of the first study are not beside this checkout")
def test_captions_of_the_first_study_are_labels():
    captions = {json.loads(line)["caption"] for line in CAPTIONS.read_text(encoding="utf-8").splitlines()}
    unread = sorted(text for text in captions if labels_of(text) is None)
    assert len(captions) == 83
    assert not unread
