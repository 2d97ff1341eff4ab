"""The page of a study through Streamlit's own AppTest."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from study.answers import of_reader
from study.page import keys
from study.plan import make
from tests.study.sets import write_set

PAGE = Path(__file__).parents[2] / "study" / "page.py"


@pytest.fixture
def study(tmp_path, monkeypatch):
    labels = [("acne", "fair"), ("eczema", "black")]
    photos, drawn = (write_set(tmp_path / name, labels, form, 64) for name, form in (("photos", "jpg"), ("drawn", "png")))
    study = make(tmp_path / "study", photos, drawn, images=4, side=64)
    monkeypatch.setenv("SCRIPT2SKIN_STUDY", str(study.folder))
    st.cache_resource.clear()
    yield study
    st.cache_resource.clear()


def opened(reader=None):
    at = AppTest.from_file(str(PAGE), default_timeout=60)
    if reader:
        at.query_params["reader"] = reader
    return run(at)


def run(at):
    at.run()
    assert not at.exception, at.exception
    return at


def button(at, label):
    return next(found for found in at.button if found.label == label)


def click(at, label):
    button(at, label).click()
    return run(at)


def answered(at, kind="Synthetic", diagnosis="Acne"):
    click(click(at, kind), diagnosis)
    return click(at, "Next picture")


def progress(at):
    return at.get("progress")[0].proto.text


def test_a_reader_signs_in_answers_and_comes_to_the_end(study):
    at = opened()
    at.text_input(key="code").set_value("Anna")
    click(at, "Begin")
    assert at.query_params["reader"] in ("anna", ["anna"])
    assert progress(at) == "Picture 1 of 4" and len(at.get("image")) + len(at.get("imgs")) == 1
    for _ in range(4):
        answered(at)
    assert at.title[0].value == "That was the last picture"
    said = of_reader(study.answers, "anna")
    assert [answer.picture for answer in said] == [shown.id for shown in study.order("anna")]
    assert {(answer.said, answer.diagnosis) for answer in said} == {("synthetic", "acne")}


def test_next_waits_for_both_answers(study):
    at = opened("anna")
    assert button(at, "Next picture").disabled
    click(at, "Real photograph")
    assert button(at, "Next picture").disabled
    click(at, "Cannot tell")
    assert not button(at, "Next picture").disabled
    click(at, "Synthetic")  # another mind, before it is sent
    click(at, "Next picture")
    assert [(answer.said, answer.diagnosis) for answer in of_reader(study.answers, "anna")] == [("synthetic", "cannot tell")]


def test_a_reader_goes_on_where_they_stopped_and_another_is_not_disturbed(study):
    anna, ben = opened("anna"), opened("ben")
    answered(anna)
    answered(ben, "Real photograph")
    assert progress(opened("anna")) == "Picture 2 of 4"
    assert [len(of_reader(study.answers, reader)) for reader in ("anna", "ben")] == [1, 1]


def test_the_page_names_no_file_set_or_kind(study):
    at = opened("anna")
    words = " ".join([*(m.value for m in at.markdown), *(c.value for c in at.caption), *(b.label for b in at.button)])
    for secret in (*(shown.id for shown in study.pictures), "photos", "drawn", "fair", "black", str(study.folder)):
        assert secret not in words


def test_a_bad_code_and_a_missing_study_are_sentences(study, monkeypatch):
    at = opened()
    at.text_input(key="code").set_value("../key")
    click(at, "Begin")
    assert "A code has" in at.error[0].value
    monkeypatch.setenv("SCRIPT2SKIN_STUDY", str(study.folder / "nothing"))
    assert "holds no study" in opened("anna").error[0].value.replace("\\", "")


def test_an_answer_that_cannot_be_kept_is_said_and_the_picture_stays(study):
    study.answers.write_text("a file in the way")
    at = answered(opened("anna"))
    assert "could not be kept" in at.error[0].value
    assert progress(at) == "Picture 1 of 4"


def test_every_diagnosis_has_a_key_of_its_own():
    found = keys(["chickenpox", "rosacea", "acne", "cannot tell", "something else"])
    assert found == {"chickenpox": "h", "rosacea": "o", "acne": "a", "cannot tell": "n", "something else": "s"}
