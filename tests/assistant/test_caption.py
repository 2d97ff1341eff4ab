"""Captions: made from canonical names only, read back into the same values."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from assistant.caption import caption, read_caption
from assistant.vocabulary import SLOTS, vocabulary

CAPTIONS = Path(__file__).parents[3] / "shared" / "data" / "script2skin_captions.jsonl"
#: Captions without a value in the vocabulary, and why.
UNREAD = {
    "eczema type of rash at the anal area on a fair skin": "no anal area in the vocabulary; buttock is the nearest",
    "eczema type of rash at the body area on a fair skin": "names no site",
}


def values(**slots):
    return SimpleNamespace(**{slot: slots.get(slot) for slot in SLOTS})


def test_canonical_form():
    assert caption(values(rash="eczema", area="back of the neck", tone="fair")) == (
        "eczema type of rash at the back of the neck area on a fair skin"
    )
    assert caption(values(rash="mole", area="back", tone="olive", severity="mild", size="large", number="single")) == (
        "mole type of lesion at the back area on an olive skin, mild, large, single"
    )


def test_only_canonical_names():
    with pytest.raises(ValueError, match="tummy"):
        caption(values(rash="eczema", area="tummy", tone="fair"))
    with pytest.raises(ValueError, match="<b>"):
        caption(values(rash="<b>", area="neck", tone="fair"))


def test_every_canonical_caption_reads_back():
    v = vocabulary()
    for rash, area, tone in itertools.product(*(v.names(s) for s in ("rash", "area", "tone"))):
        assert read_caption(caption(values(rash=rash, area=area, tone=tone))) == {"rash": rash, "area": area, "tone": tone}


def test_optional_values_read_back():
    v = vocabulary()
    optional = [(None, *v.names(s)) for s in ("severity", "size", "number")]
    for severity, size, number in itertools.product(*optional):
        said = {"rash": "acne", "area": "face", "tone": "olive", "severity": severity, "size": size, "number": number}
        assert read_caption(caption(values(**said))) == {s: x for s, x in said.items() if x}


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("acne type of rash on the fore head area on a fair skin", ("acne", "forehead", "fair")),
        ("acne type of rash on the nose area and cheek area on a fair skin", ("acne", ("nose", "cheek"), "fair")),
        ("tinea type of rash around the ear area on a black skin", ("tinea", "ear", "black")),
        ("A photo of severe psoriasis on the elbows of a dark-skinned patient", ("psoriasis", "elbow", "black")),
        ("vitiligo, hands, Fitzpatrick type V", ("vitiligo", "hand", "brown")),
    ],
)
def test_other_styles(text, slots):
    read = read_caption(text)
    assert (read["rash"], read["area"], read["tone"]) == slots


@pytest.mark.skipif(not CAPTIONS.exists(), reason="the 978 captions lie beside a project checkout only")
def test_all_978_captions_are_read_or_listed():
    captions = [json.loads(line)["caption"] for line in CAPTIONS.read_text("utf-8").splitlines()]
    assert len(captions) == 978
    unread = {c for c in captions if not {"rash", "area", "tone"} <= read_caption(c).keys()}
    assert unread == set(UNREAD)
