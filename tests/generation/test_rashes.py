"""What a picture shows is looked at as it is drawn: one that came out as another condition is drawn once more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from assistant.schema import ImageRequest
from generation import CheckpointError, Generator, find, rashes
from generation.generator import NEXT_TRY
from tests.generation.test_generator import FAIR, OLIVE, in_colour
from tests.models import write_classifier
from training.judge import Judge, export

REQUEST = ImageRequest(count=3, rash="eczema", area="back of the neck", tone="fair", seed=41)


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A checkpoint with a classifier that knows acne and eczema."""
    return write_classifier(Path(shutil.copytree(tiny_model, tmp_path / "model")), sees="acne")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Chances of eczema that the classifier gives the pictures, one after the other; 1 when there are none left."""
    told: list[float] = []

    def chances(_classifier: rashes.Classifier, _rgb: np.ndarray) -> dict[str, float]:
        eczema = told.pop(0) if told else 1.0
        return {"acne": 1 - eczema, "eczema": eczema}

    monkeypatch.setattr(rashes.Classifier, "chances", chances)
    return told


def test_the_classifier_says_what_the_judge_says(tmp_path):
    torch.manual_seed(1)
    judge = Judge(["acne", "eczema", "warts"], ["face"], image_size=64, widths=(8, 16, 16)).eval()
    export(judge, tmp_path)
    classifier = rashes.read(rashes.find(tmp_path))
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    with torch.no_grad():
        logits = judge(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1)[1]["rash"][0]
    chances = classifier.chances(picture)
    assert list(chances) == ["acne", "eczema", "warts"] and sum(chances.values()) == pytest.approx(1, abs=1e-5)
    assert list(chances.values()) == pytest.approx(logits.softmax(0).tolist(), abs=0.02)


def test_a_picture_of_another_condition_is_drawn_again_and_its_record_says_so(model, monkeypatch, seen):
    generator = Generator.load(model, "cpu")
    drawn = in_colour(generator, monkeypatch, {41 + n + t * NEXT_TRY: FAIR for n in range(3) for t in range(3)})
    seen[:] = [0.9, 0.1, 0.8, 0.4]
    first, second, third = generator.draw(REQUEST)
    assert drawn == [41, 42, 42 + NEXT_TRY, 43]
    assert first.sidecar["seen_rash"] == {"rash": "eczema", "chance": 0.9, "as_asked": True, "drawn_again": 0}
    assert second.sidecar["seen_rash"] == {"rash": "eczema", "chance": 0.8, "as_asked": True, "drawn_again": 1}
    assert second.sidecar["measured_tone"]["drawn_again"] == 0 and second.passes_for is None
    assert third.sidecar["seen_rash"]["rash"] == "eczema", "not the likeliest by far, and still likely"
    assert len(first.sidecar["model"]["rash_classifier_sha256"]) == 64


def test_the_likeliest_of_all_tries_is_kept_and_says_what_it_passes_for(model, monkeypatch, seen):
    generator = Generator.load(model, "cpu")
    drawn = in_colour(generator, monkeypatch, {41 + t * NEXT_TRY: FAIR for t in range(4)})
    seen[:] = [0.1, 0.2, 0.05]
    (image,) = generator.draw(REQUEST, indices=[0], rash_tries=2)
    assert drawn == [41, 41 + NEXT_TRY, 41 + 2 * NEXT_TRY] and image.passes_for == "acne"
    assert image.sidecar["seen_rash"] == {"rash": "acne", "chance": 0.2, "as_asked": False, "drawn_again": 1}


def test_tone_and_condition_are_tried_for_together(model, monkeypatch, seen):
    generator = Generator.load(model, "cpu")
    drawn = in_colour(generator, monkeypatch, {41: OLIVE, 41 + NEXT_TRY: FAIR, 41 + 2 * NEXT_TRY: FAIR})
    seen[:] = [0.9, 0.1, 0.9]
    (image,) = generator.draw(REQUEST, indices=[0], tone_tries=1)
    assert drawn == [41, 41 + NEXT_TRY, 41 + 2 * NEXT_TRY]
    assert image.sidecar["measured_tone"]["drawn_again"] == 1 and image.sidecar["seen_rash"]["drawn_again"] == 1


def test_it_is_not_asked_where_it_cannot_know(model, tiny_model, seen):
    generator = Generator.load(model, "cpu")
    seen[:] = [0.0] * 9
    (image,) = generator.draw(REQUEST.model_copy(update={"rash": "psoriasis"}), indices=[0])
    (unasked,) = generator.draw(REQUEST, indices=[0], rash_tries=0)
    other = Generator.load(model, "cpu", text_encoder=tiny_model)  # may draw what this classifier has never seen
    (instead,) = other.draw(REQUEST, indices=[0], rash_tries=3)
    for each in (image, unasked, instead):
        assert "seen_rash" not in each.sidecar and "rash_tries" not in each.sidecar["sampling"]
    assert len(seen) == 9 and "rash_classifier_sha256" not in other.model


def test_a_damaged_classifier_is_refused_in_words(model):
    weights = model / rashes.FOLDER / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-64])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        Generator.load(model, "cpu")
    weights.write_bytes(whole)
    (model / rashes.FOLDER / rashes.PREPARED).write_text("{}")
    with pytest.raises(CheckpointError, match="image_mean"):
        next(Generator.load(model, "cpu").draw(REQUEST))


def test_the_embedded_checkpoint_looks_at_what_it_draws():
    checkpoint = find("embedded")
    assert checkpoint.card.rash_tries >= 1
    told = json.loads((checkpoint.folder / rashes.FOLDER / "config.json").read_text())
    assert checkpoint.card.trained.rash <= set(told["label2id"])
    generator = Generator.load("embedded", "cpu")
    asked = [ImageRequest(count=1, rash=rash, area=area, tone="fair", seed=5) for rash, area in (("psoriasis", "elbow"), ("vitiligo", "hand"), ("acne", "face"))]
    for request in asked:
        (image,) = generator.draw(request)
        assert image.sidecar["seen_rash"]["rash"] == request.rash and image.sidecar["seen_rash"]["chance"] > 0.3
