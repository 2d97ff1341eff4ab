import json
from pathlib import Path

import pytest

from data.labels import _SOURCES, label_map, label_of_class, labels_of, read_maps, row_text, tone_of_type
from data.manifest import Labels

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


def test_the_label_maps_of_all_sources_are_valid():
    for source in ("isic", "pad-ufes-20", "scin", "fitzpatrick17k"):
        assert label_map(source)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("MEL: melanoma", "MEL: melanom"), "isic: melanom is no rash of the vocabulary"),
        (("upper extremity: arm", "upper extremity: an arm"), "isic: an arm is no area of the vocabulary"),
        (("BCC: basal cell carcinoma", "BCC: nevus"), "isic: nevus is a rash of the vocabulary"),
        (("BKL: benign keratosis", "MEL: benign keratosis"), "isic: MEL is in `rash` and in `own`"),
        (("lesions:", "lesion:"), "lesion"),
    ],
)
def test_a_wrong_label_map_is_said(change, said, tmp_path):
    path = tmp_path / "labels.yaml"
    text = _SOURCES.read_text(encoding="utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        read_maps(path)


@pytest.mark.parametrize(("said", "tone"), [("1", "very fair"), ("3.0", "medium"), ("FST6", "black"), ("-1", None), ("", None), ("7", None), ("NONE_SELECTED", None)])
def test_fitzpatrick_types(said, tone):
    assert tone_of_type(said) == tone


def test_a_growth_under_its_own_name_is_a_lesion():
    assert row_text(Labels(rash="basal cell carcinoma", area="nose", tone="fair")) == "basal cell carcinoma type of lesion at the nose area on a fair skin"
    assert row_text(Labels(rash="granuloma annulare")) == "granuloma annulare type of rash"
