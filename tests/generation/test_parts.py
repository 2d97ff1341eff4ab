"""A fine-tuned text encoder and a LoRA adapter beside the base: they change the picture, or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from assistant.schema import ImageRequest
from generation import CheckpointError, Generator
from tests.models import Shape, write_pipeline

REQUEST = ImageRequest(count=1, rash="eczema", area="elbow", tone="fair", seed=3)


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pipeline(tmp_path_factory.mktemp("other") / "other", seed=1)


def first(generator: Generator):
    return next(generator.draw(REQUEST, steps=2))


def write_lora(unet: Path, out: Path, targets: str = "to_q", rank: int = 4, widen: int = 0) -> Path:
    """A LoRA adapter for every ``targets`` projection of the U-Net at ``unet``, with large random weights."""
    random = np.random.default_rng(0)
    weights = load_file(unet / "diffusion_pytorch_model.safetensors")
    tensors = {}
    for name, weight in weights.items():
        if name.endswith(f"{targets}.weight"):
            layer = "unet." + name.removesuffix(".weight")
            tensors[f"{layer}.lora_A.weight"] = random.normal(size=(rank, weight.shape[1] + widen)).astype(np.float32)
            tensors[f"{layer}.lora_B.weight"] = random.normal(size=(weight.shape[0], rank)).astype(np.float32)
    out.mkdir()
    save_file(tensors, out / "pytorch_lora_weights.safetensors")
    return out


def test_text_encoder_changes_the_picture_and_the_record(tiny_model: Path, other_model: Path, tiny_generator) -> None:
    base = first(tiny_generator)
    tuned = first(Generator.load(tiny_model, "cpu", text_encoder=other_model / "text_encoder"))
    assert tuned.png != base.png and np.asarray(tuned.image).tolist() != np.asarray(base.image).tolist()
    assert tuned.sidecar["model"]["sha256"] == base.sidecar["model"]["sha256"]
    assert len(tuned.sidecar["model"]["text_encoder_sha256"]) == 64


def test_the_stock_text_encoder_given_beside_draws_the_same(tiny_model: Path, tiny_generator) -> None:
    again = first(Generator.load(tiny_model, "cpu", text_encoder=tiny_model))
    assert np.array_equal(np.asarray(again.image), np.asarray(first(tiny_generator).image))


def test_lora_changes_the_picture_and_the_record(tiny_model: Path, tiny_generator, tmp_path: Path) -> None:
    lora = write_lora(tiny_model / "unet", tmp_path / "lora")
    adapted = first(Generator.load(tiny_model, "cpu", lora=lora))
    assert not np.array_equal(np.asarray(adapted.image), np.asarray(first(tiny_generator).image))
    assert len(adapted.sidecar["model"]["lora_sha256"]) == 64


@pytest.mark.parametrize("misfit", ["widths", "names", "base"])
def test_lora_that_does_not_fit_is_refused(tiny_model: Path, tmp_path: Path, misfit: str) -> None:
    if misfit == "base":
        big = write_pipeline(tmp_path / "big", Shape(unet_channels=(32, 64, 64)))
        lora = write_lora(big / "unet", tmp_path / "lora")
    else:
        lora = write_lora(tiny_model / "unet", tmp_path / "lora", widen=1 if misfit == "widths" else 0)
    if misfit == "names":
        path = lora / "pytorch_lora_weights.safetensors"
        save_file({name.replace("down_blocks", "side_blocks"): value for name, value in load_file(path).items()}, path)
    with pytest.raises(CheckpointError, match="does not fit this model") as caught:
        Generator.load(tiny_model, "cpu", lora=lora)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
