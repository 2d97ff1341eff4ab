"""Training the finder of lesions: it learns where they are, and says what it needs."""

from __future__ import annotations

import json

import pytest
from diffusers import UNet2DModel

from training.lesions import LesionsRecipe, train

SCHEDULE = {"minutes": 5, "batch": 8, "lr": 0.005, "optimizer": "adamw", "warmup_steps": 2, "ema": 0.5, "max_steps": 60}


def recipe(folder, run, **others):
    return LesionsRecipe(kind="lesions", run=run, data=[{"path": folder}], device="cpu", schedule=SCHEDULE, image_size=64, widths=(8, 16), **others)


def test_it_finds_what_it_has_learnt(labelled, tmp_path):
    train(recipe(labelled, tmp_path / "run", out=tmp_path / "finder"))
    figures = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert next(row["iou"] for row in reversed(figures) if "iou" in row) > 0.6
    assert list((tmp_path / "run" / "validation").glob("*.png"))
    assert UNet2DModel.from_pretrained(tmp_path / "finder").config.sample_size == 32


def test_pictures_without_masks_are_refused(labelled, tmp_path):
    rows = [json.loads(line) for line in (labelled / "metadata.jsonl").read_text().splitlines()]
    for row in rows:
        row["file_name"] = str(labelled / row["file_name"])
        del row["mask_file_name"]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(FileNotFoundError, match="masks"):
        train(recipe(tmp_path, tmp_path / "run"))
