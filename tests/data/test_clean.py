"""The quality filter on planted faults: each is set aside for its own reason, dark skin no sooner than fair, and all comes back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from data import artefacts, clean, manifest
from data.clean import Found, Reason, Usual, of_pictures, sharpness_limit
from data.cli import app
from data.faults import FAULTS, NEAR_COPY, WRONG_LABEL, plant
from data.manifest import Row
from tests.data.pictures import BROWN, FAIR, skin


def row(name: str, **values) -> Row:
    given = {"rash": "eczema", "area": "elbow", "tone": "fair", "text": "x", "source": "drawn", "license": "CC0-1.0", "group": name, "split": "train"}
    return Row(file_name=name, **{**given, **values})


def written(folder, count: int, **values):
    """A set of ``count`` clean pictures, half of them on brown skin."""
    rows = []
    for number in range(count):
        tone, colour = (("fair", FAIR), ("brown", BROWN))[number % 2]
        skin(number, colour, side=128).save(folder / f"{number:03d}.png")
        rows.append(row(f"{number:03d}.png", tone=tone, **values))
    manifest.write(folder, rows)
    return rows


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("colour", [FAIR, BROWN])
def test_a_fault_is_found_on_any_skin(fault, colour):
    rng = np.random.default_rng(4)
    pictures = [FAULTS[fault](skin(number, colour, side=256), rng) for number in range(3)]
    found = of_pictures([(row(str(number)), artefacts.measures(picture)) for number, picture in enumerate(pictures)])
    named = [any(reason.reason == fault for reason in found.get(str(number), ())) for number in range(3)]
    assert sum(named) >= 2, found


@pytest.mark.parametrize("colour", [FAIR, BROWN])
def test_clean_skin_stays(colour):
    measured = [(row(str(number)), artefacts.measures(skin(number, colour, side=256))) for number in range(6)]
    assert of_pictures(measured) == {}


def test_hair_belongs_on_a_scalp():
    picture = FAULTS["hair"](skin(0, side=256), np.random.default_rng(0))
    measured = artefacts.measures(picture)
    reasons = {area: {r.reason for rs in of_pictures([(row("a", area=area), measured)]).values() for r in rs} for area in ("elbow", "scalp")}
    assert "hair" in reasons["elbow"] and "hair" not in reasons["scalp"]


def test_blur_is_told_from_what_is_usual():
    rng = np.random.default_rng(0)
    soft, sharp = rng.normal(-1.3, 0.15, 200), rng.normal(-0.5, 0.15, 200)
    assert sharpness_limit(soft) < -1.6 < sharpness_limit(sharp) < -0.8
    with_blurred = [*sharp, *rng.normal(-2, 0.1, 20)]
    assert sharpness_limit(with_blurred) == pytest.approx(sharpness_limit(sharp), abs=0.1)


def test_a_cast_is_told_at_the_lightness_of_the_skin():
    """Dark skin is redder than fair skin; the colour that is usual on it is cast on fair skin."""
    rng = np.random.default_rng(0)
    light = rng.uniform(25, 85, 120)
    measured = [{"light": at, "red": 1.1 - 0.009 * at + rng.normal(0, 0.03), "blue": -0.4 + rng.normal(0, 0.04), "skin": 0.8} for at in light]
    measured += [{"light": at, "red": 0.1, "blue": 0.6, "skin": 0.8} for at in light[:12]]  # a tenth of them under a lamp
    usual = Usual(measured)
    away = np.array([usual.away(each) for each in measured])
    assert away[:120].max() < clean.CAST < away[120:].min()
    assert usual.away({"light": 80, "red": 1.1 - 0.009 * 25, "blue": -0.4, "skin": 0.8}) > clean.CAST
    assert usual.away({**measured[0], "skin": 0.01}) > clean.CAST


def test_planted_faults_are_where_they_are_said_to_be(tmp_path):
    for number in range(24):
        skin(number, side=64).save(tmp_path / f"{number}.png")
    manifest.write(tmp_path, [row(f"{number}.png", rash=("eczema", "acne")[number % 2]) for number in range(24)])
    planted = plant(tmp_path, tmp_path / "out", 2, seed=1)
    kinds = sorted(planted.values())
    assert kinds == sorted([*FAULTS, WRONG_LABEL, NEAR_COPY] * 2)
    rows = {each.file_name: each for each in manifest.read(tmp_path / "out")}
    assert len(rows) == 24 + 2 and planted.keys() < rows.keys()
    for number in range(24):
        name = f"images/{number:06d}.png"
        same = np.array_equal(np.asarray(Image.open(tmp_path / "out" / name)), np.asarray(Image.open(tmp_path / manifest.read(tmp_path)[number].file_name)))
        assert same == (planted.get(name) not in FAULTS)
        if planted.get(name) == WRONG_LABEL:
            assert rows[name].rash != manifest.read(tmp_path)[number].rash
    with pytest.raises(ValueError, match="need 36 or more"):
        plant(tmp_path, tmp_path / "more", 3)


def test_copies_of_each_other_and_of_training_pictures(tmp_path):
    from tests.data.test_lookalikes import textured

    drawn, learnt = tmp_path / "drawn", tmp_path / "learnt"
    for folder in (drawn, learnt):
        folder.mkdir()
    for number in range(4):
        textured(number).save(drawn / f"{number}.png")
    textured(0).resize((150, 150)).save(drawn / "again.png")
    textured(1).resize((150, 150)).save(drawn / "tone.png")
    textured(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(learnt / "of-3.png")
    rows = [row(f"{number}.png") for number in range(4)] + [row("again.png"), row("tone.png", text="y", group="1.png")]
    manifest.write(learnt, [row("of-3.png")])
    found = clean.copies(drawn, rows, [learnt], set(), lambda *_: None)
    assert {name: (reason.reason, reason.of) for name, reason in found.items()} == {
        "again.png": ("near-copy", "0.png"), "3.png": ("near-copy of a training picture", "of-3.png"),
    }  # fmt: skip
    spoilt = clean.copies(drawn, rows, [], {"0.png"}, lambda *_: None)
    assert set(spoilt) == {"0.png"}, "of two copies the one that can be kept is kept"


def test_set_aside_and_brought_back(tmp_path):
    rows = written(tmp_path, 6)
    (tmp_path / "masks").mkdir()
    skin(0).convert("L").save(tmp_path / "masks" / "001.png")
    rows[1] = rows[1].model_copy(update={"mask_file_name": "masks/001.png"})
    manifest.write(tmp_path, rows)
    (tmp_path / "001.json").write_text("{}")
    before = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    found = Found([], {"001.png": [Reason("blurred", -2.0, -1.5)], "003.png": [Reason("blurred", -2.0, -1.5), Reason("text", 7, 5)]})
    clean.set_aside(tmp_path, found)
    assert [each.file_name for each in manifest.read(tmp_path)] == ["000.png", "002.png", "004.png", "005.png"]
    for name in ("001.png", "001.json", "masks/001.png", "003.png"):
        assert not (tmp_path / name).exists() and (tmp_path / "discarded" / name).exists()
    lines = [json.loads(line) for line in (tmp_path / "discarded" / "discarded.jsonl").read_text().splitlines()]
    assert lines[0]["row"]["file_name"] == "001.png" and lines[0]["reasons"] == [{"reason": "blurred", "score": -2.0, "limit": -1.5, "of": None}]
    assert clean.restore(tmp_path, ["blurred"]) == 1 and (tmp_path / "001.png").exists() and not (tmp_path / "003.png").exists()
    assert clean.restore(tmp_path) == 1
    after = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: data for name, data in after.items() if name.parts[0] != "discarded"} == before


def test_what_is_set_aside_is_not_loaded(tmp_path):
    datasets = pytest.importorskip("datasets")
    written(tmp_path, 4)
    clean.set_aside(tmp_path, Found([], {"001.png": [Reason("text", 7, 5)]}))
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path), cache_dir=str(tmp_path / ".cache"))["train"]
    assert len(loaded) == 3


def test_the_command(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    written(folder, 8)
    Image.new("RGB", (128, 128), "black").save(folder / "003.png")
    (folder / "005.png").write_bytes(b"no picture")
    told = CliRunner().invoke(app, ["clean", str(folder), "--dry-run"])
    assert told.exit_code == 0 and "6 pictures stay, 2 would be set aside." in told.stdout
    assert "003.png: blank (0, limit 2)" in told.stdout and (folder / "003.png").exists()
    done = CliRunner().invoke(app, ["clean", str(folder), "--sheets", str(tmp_path / "sheets")])
    assert done.exit_code == 0 and "1: blank" in done.stdout and "1: not readable" in done.stdout
    assert not (folder / "003.png").exists() and {path.name for path in (tmp_path / "sheets").iterdir()} == {"kept.jpg", "discarded.jpg"}
    again = CliRunner().invoke(app, ["clean", str(folder)])
    assert "6 pictures stay, 0 set aside" in again.stdout
    back = CliRunner().invoke(app, ["clean", str(folder), "--restore"])
    assert "2 pictures are back" in back.stdout and len(manifest.read(folder)) == 8
    assert CliRunner().invoke(app, ["clean", str(folder), "--reason", "text"]).exit_code == 2
    assert CliRunner().invoke(app, ["clean", str(tmp_path / "none")]).exit_code == 1
