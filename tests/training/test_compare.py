import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from assistant.notes import notes
from generation import Generator
from tests.models import write_pipeline
from training import compare
from training.evaluate import app
from training.fidelity import Pictures
from training.judge import Judge


def test_requests_take_sites_and_tones_in_turn():
    requests = compare.asked(["eczema", "acne"], 3, seed=1)
    assert [r.rash for r in requests] == ["eczema"] * 3 + ["acne"] * 3
    assert [r.area for r in requests[:3]] == [notes()["eczema"].areas[i % len(notes()["eczema"].areas)] for i in range(3)]
    assert len({r.tone for r in requests[:3]}) == 3 and len({r.seed for r in requests}) == 6
    with pytest.raises(ValueError, match="eczma: not in the vocabulary"):
        compare.asked(["eczma"], 1, 0)


def test_two_models_side_by_side_and_what_is_there_is_kept(tmp_path):
    models = {name: Generator.load(write_pipeline(tmp_path / name, seed=seed)) for seed, name in enumerate(("one", "other"))}
    requests = compare.asked(["acne"], 2, seed=0)
    judge = Judge(["acne", "eczema"], ["face", *notes()["acne"].areas], image_size=32, widths=(8, 8))
    report = compare.compare(models, requests, tmp_path / "out", judge, torch.device("cpu"))
    assert set(report["figures"]) == {"one", "other"} and report["figures"]["one"]["of_each"].keys() == {"acne"}
    drawn = sorted((tmp_path / "out").rglob("*.png"))
    assert len(drawn) == 4 and Image.open(tmp_path / "out" / "comparison.jpg").width > 2 * 192
    before = [path.stat().st_mtime_ns for path in drawn]
    compare.compare(models, requests, tmp_path / "out")
    assert [path.stat().st_mtime_ns for path in drawn] == before
    assert "look at the sheet" in compare.table(json.loads((tmp_path / "out" / "comparison.json").read_text()))


def test_figures_say_how_often_each_condition_was_seen():
    class Told(Judge):
        """Sees the condition in the picture's red."""

        def forward(self, pixels):
            red = pixels[:, 0].mean((1, 2))
            rash = torch.stack([red, -red], 1)
            return pixels.mean((2, 3)), {"rash": rash, "area": torch.ones(len(pixels), 1)}, torch.zeros(len(pixels), 8, 8)

    judge = Told(["acne", "eczema"], ["face"], image_size=32, widths=(8, 8))
    light, dark = (np.full((32, 32, 3), skin, np.uint8) for skin in ((230, 190, 170), (70, 45, 35)))
    labels = [{"rash": rash, "area": "face", "tone": "fair"} for rash in ("acne", "acne", "eczema")]
    told = compare.figures(Pictures([light, dark, dark], labels), judge, torch.device("cpu"))
    assert told["rash"] == pytest.approx(2 / 3) and told["of_each"] == {"acne": 0.5, "eczema": 1.0} and told["area"] == 1
    other = {**told, "rash": 1.0, "of_each": {"acne": 1.0, "eczema": 1.0}}
    table = compare.table({"images": 3, "figures": {"before": told, "after": other}})
    assert "| acne | 50% | 100% |" in table and "66.7%" in table


def test_a_model_that_is_not_there_is_one_sentence(tmp_path):
    result = CliRunner().invoke(app, ["compare", "embedded", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1 and "There is no model folder" in result.output and "Traceback" not in result.output
