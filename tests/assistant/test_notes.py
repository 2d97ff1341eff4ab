"""Clinical notes: one for every condition, canonical, sourced, and free of advice."""

import re

import pytest
from pydantic import ValidationError

from assistant.frames import regions
from assistant.notes import Note, notes
from assistant.vocabulary import vocabulary

GOOD = {
    "rash": "acne",
    "about": "A disease of hair follicles.",
    "contagious": "Acne is not contagious.",
    "feels": "Some spots are tender.",
    "appearance": "Papules and pustules on oily skin.",
    "dark_skin": "Dark marks stay behind on brown skin.",
    "sites": "Face and back.",
    "areas": ["face"],
    "resembles": ["rosacea"],
    "sources": ["a book"],
}


def test_every_condition_has_one():
    assert tuple(sorted(notes())) == tuple(sorted(vocabulary().names("rash")))


@pytest.mark.parametrize("rash", vocabulary().names("rash"))
def test_describes_and_never_advises(rash):
    note = notes()[rash]
    text = " ".join((note.about, note.appearance, note.dark_skin, note.sites, note.feels))
    assert not re.search(r"\b(treat(?!ed)|cream|ointment|should|see a doctor|consult|cure|therapy)", text, re.I)
    assert not set("<>*_`[]$") & set(text)
    assert rash not in note.resembles
    assert vocabulary().typical_area(rash)


@pytest.mark.parametrize(
    "change",
    [
        {"rash": "measles"},
        {"areas": ["tongue"]},
        {"areas": ["face", "face"]},
        {"resembles": ["lupus"]},
        {"sources": []},
        {"advice": "Use a cream."},
        {"appearance": ""},
    ],
)
def test_a_wrong_note_is_refused(change):
    Note.model_validate(GOOD)
    with pytest.raises(ValidationError):
        Note.model_validate({**GOOD, **change})


def test_regions_are_canonical_and_no_part_is_its_own_whole():
    for whole, parts in regions().items():
        assert whole not in parts and set(parts) <= set(vocabulary().names("area"))
