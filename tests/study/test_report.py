"""The report on planted readers: one who always knows, a coin, two who agree."""

import pytest
from typer.testing import CliRunner

from study import report
from study.answers import Answer, add, of_reader
from study.cli import app
from study.plan import StudyError, make
from tests.study.sets import write_set

LABELS = [(rash, tone) for rash in ("acne", "eczema") for tone in ("fair", "black") for _ in range(6)]


@pytest.fixture
def study(tmp_path):
    """48 pictures, 6 real and 6 synthetic of each rash × tone."""
    photos, drawn = (write_set(tmp_path / name, LABELS, form, 64) for name, form in (("photos", "jpg"), ("drawn", "png")))
    return make(tmp_path / "study", photos, drawn, images=48, side=64)


def answer(study, reader, said, diagnosis=lambda shown, number: shown.rash):
    """``reader`` goes through the study; ``said`` and ``diagnosis`` tell from picture and number (from 0, in key order)."""
    for number, shown in enumerate(study.pictures):
        add(study.answers, reader, Answer(picture=shown.id, said=said(shown, number), diagnosis=diagnosis(shown, number), seconds=4))


def alternating(shown, number):
    return ("real", "synthetic")[number % 2]


def test_a_reader_who_always_knows(study):
    answer(study, "anna", lambda shown, number: shown.kind)
    found = report.figures(study)["all"]
    assert (found["told"]["share"], found["told"]["of"]) == (1, 48)
    assert found["told"]["interval"][0] == pytest.approx(0.926, abs=1e-3)
    assert found["told"]["p"] == pytest.approx(2 / 2**48)
    assert found["sensitivity"]["share"] == found["specificity"]["share"] == 1
    assert found["diagnosis"]["difference"]["difference"] == 0
    text = report.write(study, study.folder)
    assert "better than chance" in text and "nothing to compare" in text
    assert {"report.md", "report.json", "readers.png", "groups.png"} <= {path.name for path in study.folder.iterdir()}


def test_a_coin_is_not_told_from_chance(study):
    ordered = sorted(study.pictures, key=lambda shown: (shown.kind, shown.id))
    coin = {shown.id: ("real", "synthetic")[number % 2] for number, shown in enumerate(ordered)}
    answer(study, "coin", lambda shown, number: coin[shown.id], lambda shown, number: "cannot tell")
    found = report.figures(study)
    assert found["all"]["told"]["share"] == found["all"]["sensitivity"]["share"] == found["all"]["specificity"]["share"] == 0.5
    assert found["all"]["diagnosis"]["real"]["share"] == 0
    assert "not told from chance" in report.markdown(found)


def test_everything_called_synthetic_is_sensitive_and_not_specific(study):
    answer(study, "anna", lambda shown, number: "synthetic")
    found = report.figures(study)["all"]
    assert (found["sensitivity"]["share"], found["specificity"]["share"], found["told"]["share"]) == (1, 0, 0.5)


def test_two_who_agree_are_one_witness(study):
    answer(study, "anna", alternating)
    answer(study, "ben", alternating)
    found = report.figures(study)
    pair = found["all"]["agreement"]["said"]["pairs"]["anna, ben"]
    assert (pair["pictures"], pair["kappa"]) == (48, 1)
    assert found["all"]["told"]["interval"] == pytest.approx(found["readers"]["anna"]["told"]["interval"], abs=0.01)
    assert found["all"]["told"]["p"] is None


def test_kappa_of_two_and_of_three_readers_by_hand(study):
    # of 48 pictures: anna and ben agree on 36, each says real 24 times; chance agreement is 1/2, so kappa is (3/4 − 1/2) / (1/2)
    answer(study, "anna", lambda shown, number: ("real", "synthetic")[number % 2])
    answer(study, "ben", lambda shown, number: ("real", "synthetic")[(number + (number < 12)) % 2])
    answer(study, "cleo", lambda shown, number: ("real", "synthetic")[number % 2])
    agreement = report.figures(study)["all"]["agreement"]["said"]
    assert agreement["pairs"]["anna, ben"]["kappa"] == pytest.approx(0.5)
    assert agreement["pairs"]["anna, cleo"]["kappa"] == 1
    # 36 pictures agree fully and 12 two of three (1/3): observed 5/6, by chance 1/2, so kappa is 2/3
    assert agreement["all"]["kappa"] == pytest.approx(2 / 3)


def test_the_tone_that_is_told_most_readily_comes_first_and_few_pictures_say_nothing(study):
    answer(study, "anna", lambda shown, number: shown.kind if shown.tone == "black" else "real")
    found = report.figures(study)
    assert list(found["tone"]) == ["black", "fair"]
    assert (found["tone"]["black"]["told"]["share"], found["tone"]["fair"]["told"]["share"]) == (1, 0.5)
    assert found["tone"]["fair"]["sensitivity"]["share"] == 0
    few = [g for g in report.by([report.Given("anna", s, a) for s, a in seen(study, 8)], "rash", 0).values()]
    assert all(group["told"] is None for group in few)


def seen(study, most):
    known = {shown.id: shown for shown in study.pictures}
    return [(known[a.picture], a) for a in of_reader(study.answers, "anna")[:most]]


def test_a_drop_in_diagnosis_from_real_to_synthetic(study):
    answer(study, "anna", alternating, lambda shown, number: shown.rash if shown.kind == "real" else "something else")
    found = report.figures(study)["all"]["diagnosis"]
    assert (found["real"]["share"], found["synthetic"]["share"], found["difference"]["difference"]) == (1, 0, 1)
    assert found["difference"]["interval"][0] > 0.7
    assert "real ones are diagnosed better" in report.markdown(report.figures(study))


def test_nobody_has_answered(study):
    with pytest.raises(StudyError, match="Nobody has answered"):
        report.figures(study)


def test_the_command(study, tmp_path):
    answer(study, "anna", lambda shown, number: shown.kind)
    told = CliRunner().invoke(app, ["report", str(study.folder), "--out", str(tmp_path / "out")])
    assert told.exit_code == 0 and "better than chance" in told.output
    assert (tmp_path / "out" / "report.md").exists()
    again = CliRunner().invoke(app, ["--out", str(study.folder), "--no-page"])
    assert again.exit_code == 0 and "48 pictures" in again.output and "24 of them of one tone too" in again.output
    assert CliRunner().invoke(app, ["--real", "x", "--out", "y"]).exit_code == 2
