"""Fairness: gaps that are there are shown, gaps of chance are not, and the worst-off tone comes first."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from data.manifest import Row, write
from training import fairness
from training.evaluate import app
from training.fidelity import FILE, PICTURES

TONES = ("very fair", "fair", "medium", "olive", "brown", "black")


def rows(wrong, each=40, source="generated", ita_of=lambda tone, number: None):
    """``each`` pictures of every tone, of which the first ``wrong[tone]`` show another rash."""
    return [
        {
            "source": source, "rash": "acne", "area": "chin", "tone": tone, "seen_rash": "eczema" if number < wrong.get(tone, 0) else "acne",
            "seen_area": "chin", "ita": ita_of(tone, number), **({"drawn_again": int(tone == "olive"), "stops": 0.0} if source == "generated" else {}),
        }
        for tone in TONES for number in range(each)
    ]  # fmt: skip


def of(found, measure):
    return next(one for one in found if one["measure"] == measure.name)


def test_the_worst_tone_comes_first_and_its_gap_is_shown():
    found = of(fairness.of_generator(rows({"black": 20, "brown": 4, "fair": 4})), fairness.RASH)
    assert next(iter(found["tones"])) == "black"
    assert found["tones"]["black"]["value"] == 0.5
    assert found["gap"]["value"] == 0.5 and found["gap"]["p"] < 0.01
    assert found["gap"]["interval"][0] > 0.3


def test_a_gap_of_chance_is_not_shown():
    wrong = np.random.default_rng(0).binomial(40, 0.2, size=6)
    found = of(fairness.of_generator(rows(dict(zip(TONES, map(int, wrong), strict=True)))), fairness.RASH)
    assert found["gap"]["value"] > 0.05 and found["gap"]["p"] > 0.1


def test_few_pictures_are_counted_and_not_compared():
    found = of(fairness.of_generator([*rows({}, each=20)[:100], *rows({"black": 2}, each=3)[-3:]]), fairness.RASH)
    assert found["too_few"] == {"black": 3} and "black" not in found["tones"]
    assert found["gap"]["value"] == 0
    assert "100 % for every tone" in fairness.sentence({**found, "gap": {**found["gap"], "p_corrected": 1}})


def test_less_is_better_for_degrees_and_for_drawing_again():
    found = fairness.of_generator(rows({}, ita_of=lambda tone, number: -20.0 if tone == "brown" else 20.0 if tone == "olive" else None))
    assert of(found, fairness.BAND)["tones"]["brown"]["value"] == 1
    assert of(found, fairness.OFF)["tones"].keys() == {"brown", "olive"}
    assert next(iter(of(found, fairness.AGAIN)["tones"])) == "olive"
    off = fairness.of_generator(rows({}, ita_of=lambda tone, number: 14.0 if tone == "brown" else 20.0))
    assert of(off, fairness.OFF)["tones"]["brown"]["value"] == 4


def test_held_out_phantoms_stand_beside_it():
    found = of(fairness.of_generator([*rows({"black": 10}), *rows({"black": 12}, source="phantom")]), fairness.RASH)
    assert found["phantoms"]["tones"]["black"]["value"] == 0.7
    assert "Held-out phantoms: gap 30 points" in fairness.sentence({**found, "gap": {**found["gap"], "p_corrected": 0.5}})


def test_balanced_accuracy_counts_every_condition_alike():
    told = [{"tone": "fair", "truth": "mole", "predicted": "mole"}] * 18 + [{"tone": "fair", "truth": "melanoma", "predicted": "mole"}] * 2
    plain, balanced = fairness.of_classifier(told)
    assert (plain["tones"]["fair"]["value"], balanced["tones"]["fair"]["value"]) == (0.9, 0.5)


def test_predictions_of_both_forms(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text("truth,predicted,tone\nmole,mole,fair\nmole,melanoma,black\nmole,mole,\n")
    assert [row["tone"] for row in fairness.predictions(path)] == ["fair", "black"]
    labels = [("mole", "fair"), ("seborrheic keratosis", "black"), ("mole", None), ("acne", "fair")]
    write(
        tmp_path,
        [Row(rash=r, tone=t, file_name=f"images/{i}.jpg", text="x", source="s", license="l", group=f"{i}", split="test") for i, (r, t) in enumerate(labels)],
    )
    path = tmp_path / "chances.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["image_id", "mole", "seborrheic_keratosis"], *([str(i), 0.4, 0.6] for i in range(5))])
    assert fairness.predictions(path, tmp_path) == [
        {"truth": "mole", "predicted": "seborrheic keratosis", "tone": "fair"},
        {"truth": "seborrheic keratosis", "predicted": "seborrheic keratosis", "tone": "black"},
    ]
    with pytest.raises(ValueError, match="--labelled"):
        fairness.predictions(path)
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="needs the columns"):
        fairness.predictions(tmp_path / "odd.csv")


def test_the_command(tmp_path):
    folder = tmp_path / "fidelity"
    folder.mkdir()
    missing = CliRunner().invoke(app, ["fairness", "--fidelity", str(folder)])
    assert missing.exit_code == 1 and "evaluate fidelity" in missing.output
    (folder / FILE).write_text(json.dumps({"model": {"name": "tiny"}}))
    (folder / PICTURES).write_text("".join(json.dumps(row) + "\n" for row in rows({"black": 20}, ita_of=lambda tone, number: 0.0)))
    told = CliRunner().invoke(app, ["fairness", "--fidelity", str(folder)])
    assert told.exit_code == 0, told.output
    assert "worst for **black**, 50 %" in told.output and "a difference between tones is shown" in told.output
    assert {"fairness.json", "fairness.md", "fairness.png"} <= {path.name for path in folder.iterdir()}
    assert CliRunner().invoke(app, ["fairness"]).exit_code == 1
