import json

import pytest
import torch
from transformers import CLIPModel

from training.clip import ClipRecipe, Towers, contrastive, train, with_value
from training.dataset import read_folder
from training.run import Schedule


def test_equal_captions_are_positives():
    """Two images of one caption: best when both match its column, and pushing one away costs."""
    caption = torch.tensor([0, 0, 1])
    right = torch.tensor([[9.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    wrong = torch.tensor([[9.0, 0.0], [0.0, 9.0], [0.0, 9.0]])
    assert contrastive(right, caption) < 0.4 < contrastive(wrong, caption)
    floor = 0.5 * (2 / 2 * torch.log(torch.tensor(2.0))) / 2  # a caption of two images cannot name one of them
    assert contrastive(right, caption).item() == pytest.approx(floor.item(), abs=0.01)


def test_another_value_in_the_caption(labelled):
    record = read_folder(labelled)[0]
    assert with_value(record, "tone", "olive") == "acne type of rash at the face area on an olive skin"


def test_towers_learn_and_are_written(labelled, tmp_path):
    recipe = ClipRecipe(
        kind="clip",
        run=tmp_path,
        data=[{"path": labelled}],
        device="cpu",
        schedule=Schedule(minutes=5, max_steps=25, batch=16, lr=0.002, warmup_steps=3, ema=0.5),
        towers=Towers(text_width=64, text_layers=1, image_width=64, image_layers=1, image_size=32, patch_size=8),
    )
    train(recipe)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["accuracy_tone"] == 1
    assert rows[1]["loss"] < rows[0]["loss"]
    assert CLIPModel.from_pretrained(tmp_path / "final" / "clip").config.text_config.eos_token_id == 1
