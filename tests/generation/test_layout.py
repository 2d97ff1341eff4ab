"""Every way a checkpoint can be wrong ends in one sentence, before torch has loaded a weight."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from generation import CheckpointError, Generator, weights_sha256
from generation.layout import read_layout
from tests.models import Shape, write_pipeline

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model to be damaged."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def wrong_length_in_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**40) + path.read_bytes()[8:])


def only_pickle(folder: Path) -> None:
    for path in folder.glob("*.safetensors"):
        path.rename(path.with_name("diffusion_pytorch_model.bin"))


def without_vocabulary(folder: Path) -> None:
    (folder / "vocab.json").unlink()
    (folder / "tokenizer.json").unlink()


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "no index": (lambda m: (m / "model_index.json").unlink(), "not a diffusers pipeline folder"),
    "index is no JSON": (lambda m: (m / "model_index.json").write_bytes(b"\xff\xfe{"), "damaged"),
    "other pipeline": (lambda m: edit(m / "model_index.json", _class_name="FluxPipeline"), "holds a FluxPipeline"),
    "other U-Net": (lambda m: edit(m / "model_index.json", unet=["diffusers", "UNet3D"]), "its unet is a UNet3D"),
    "no U-Net": (lambda m: shutil.rmtree(m / "unet"), "not complete"),
    "no weights": (lambda m: (m / UNET).unlink(), "no .safetensors file"),
    "cut short": (lambda m: cut_short(m / UNET), "damaged or cut short"),
    "empty weights": (lambda m: (m / UNET).write_bytes(b""), "damaged or cut short"),
    "header lies": (lambda m: wrong_length_in_header(m / UNET), "damaged or cut short"),
    "pickle": (lambda m: only_pickle(m / "vae"), "can run code"),
    "no scheduler": (lambda m: shutil.rmtree(m / "scheduler"), "scheduler's config is missing"),
    "no vocabulary": (lambda m: without_vocabulary(m / "tokenizer"), "vocabulary is missing"),
    "text width": (lambda m: edit(m / "unet/config.json", cross_attention_dim=768), "expects 768"),
    "latent channels": (lambda m: edit(m / "vae/config.json", latent_channels=16), "latents have 16 channels"),
    "tokenizer too long": (lambda m: edit(m / "tokenizer/tokenizer_config.json", model_max_length=512), "only 77"),
    "tokenizer too rich": (lambda m: edit(m / "text_encoder/config.json", vocab_size=20), "embeddings for 20 only"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_sentence(model: Path, damage: str) -> None:
    harm, words = DAMAGES[damage]
    read_layout(model)
    harm(model)
    with pytest.raises(CheckpointError) as caught:
        read_layout(model)
    sentence = str(caught.value)
    assert words in sentence
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400


def test_what_layout_reads(tiny_model: Path) -> None:
    layout = read_layout(tiny_model)
    assert (layout.resolution, layout.tokens) == (32, 77)


def test_weights_that_lack_a_tensor_are_refused_not_made_up(model: Path) -> None:
    tensors = load_file(model / UNET)
    del tensors["conv_in.weight"]
    save_file(tensors, model / UNET)
    with pytest.raises(CheckpointError, match=r"do not match its config\.json.*conv_in\.weight|cannot be loaded"):
        Generator.load(model, "cpu")


def test_text_encoder_that_lacks_a_tensor_is_refused_not_made_up(model: Path) -> None:
    path = model / "text_encoder/model.safetensors"
    tensors = load_file(path)
    del tensors[next(name for name in tensors if name.endswith("q_proj.weight"))]
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=r"do not match its config\.json"):
        Generator.load(model, "cpu")


def test_weights_of_other_sizes_are_refused(model: Path) -> None:
    tensors = load_file(model / UNET)
    tensors["conv_in.weight"] = np.zeros((64, 4, 3, 3), np.float32)
    save_file(tensors, model / UNET)
    with pytest.raises(CheckpointError, match="unet"):
        Generator.load(model, "cpu")


def test_scheduler_that_does_not_run_here(model: Path) -> None:
    edit(model / "scheduler/scheduler_config.json", _class_name="FlowMatchEulerDiscreteScheduler")
    with pytest.raises(CheckpointError, match="FlowMatchEulerDiscreteScheduler does not run"):
        Generator.load(model, "cpu")


def test_hash_covers_weights_and_nothing_else(model: Path) -> None:
    before = weights_sha256(model)
    (model / "README.md").write_text("a model card")
    assert weights_sha256(model) == before
    tensors = load_file(model / UNET)
    tensors["conv_in.bias"] += 1
    save_file(tensors, model / UNET)
    assert weights_sha256(model) != before


def test_card_with_another_hash_is_refused(model: Path) -> None:
    (model / "script2skin.json").write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(CheckpointError, match="was changed"):
        Generator.load(model, "cpu")


def test_half_precision_variant_is_found(model: Path) -> None:
    for name in ("unet", "vae"):
        path = next((model / name).glob("*.safetensors"))
        save_file({k: v.astype(np.float16) for k, v in load_file(path).items()}, path.with_name("diffusion_pytorch_model.fp16.safetensors"))
        path.unlink()
    generator = Generator.load(model, "cpu", dtype="float32")
    assert str(generator._pipeline.unet.dtype) == "torch.float32"


@pytest.fixture(scope="module")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pipeline(tmp_path_factory.mktemp("wide") / "wide", Shape(text_width=64))


def test_text_encoder_beside_the_base_must_fit(tiny_model: Path, wide_model: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"width 64, but .* expects 32"):
        read_layout(tiny_model, text_encoder=wide_model / "text_encoder")
    with pytest.raises(CheckpointError, match="no text encoder folder"):
        read_layout(tiny_model, text_encoder=tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="is not a text encoder"):
        read_layout(tiny_model, text_encoder=tmp_path)


def test_lora_must_be_one_safetensors_file(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="0 were found"):
        read_layout(tiny_model, lora=tmp_path)
    (tmp_path / "pytorch_lora_weights.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        read_layout(tiny_model, lora=tmp_path)
