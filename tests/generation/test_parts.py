"""A fine-tuned text encoder beside the base: it changes the picture, or is refused with what to do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from assistant.schema import ImageRequest
from generation import CheckpointError, Generator
from generation.layout import read_layout
from tests.models import Shape, write_pipeline, write_tokenizer

REQUEST = ImageRequest(count=1, rash="eczema", area="elbow", tone="fair", seed=3)
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pipeline(tmp_path_factory.mktemp("other") / "other", seed=1)


@pytest.fixture
def tower(other_model: Path, tmp_path: Path) -> Path:
    """A copy of a text encoder without a tokenizer, to be damaged."""
    return Path(shutil.copytree(other_model / "text_encoder", tmp_path / "tuned"))


def first(generator: Generator):
    return next(generator.draw(REQUEST, steps=2))


def pixels(image) -> bytes:
    return np.asarray(image.image).tobytes()


# ── drawn with ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_text_encoder_changes_the_picture_and_the_record(tiny_model: Path, other_model: Path, tiny_generator) -> None:
    base = first(tiny_generator)
    tuned = first(Generator.load(tiny_model, "cpu", text_encoder=other_model / "text_encoder"))
    assert pixels(tuned) != pixels(base)
    assert tuned.sidecar["model"]["sha256"] == base.sidecar["model"]["sha256"]
    assert len(tuned.sidecar["model"]["text_encoder_sha256"]) == 64


def test_the_stock_text_encoder_given_beside_draws_the_same(tiny_model: Path, tiny_generator) -> None:
    again = first(Generator.load(tiny_model, "cpu", text_encoder=tiny_model))
    assert pixels(again) == pixels(first(tiny_generator))


def test_a_whole_clip_and_half_precision_give_their_text_tower(tiny_model: Path, tiny_generator, tmp_path: Path) -> None:
    """What ``script2skin train clip`` and the hub have: text and image tower in one file, with the tokenizer beside."""
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTextModel

    text = CLIPTextModel.from_pretrained(tiny_model / "text_encoder")
    image = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
    clip = CLIPModel(CLIPConfig(text_config=text.config.to_dict(), vision_config=image, projection_dim=32))
    getattr(clip.text_model, "text_model", clip.text_model).load_state_dict(getattr(text, "text_model", text).state_dict())
    clip.to(torch.bfloat16).save_pretrained(tmp_path / "clip/final/clip")
    shutil.copytree(tiny_model / "tokenizer", tmp_path / "clip/final/tokenizer")
    tuned = Generator.load(tiny_model, "cpu", text_encoder=tmp_path / "clip")
    near, base = (np.asarray(first(generator).image, float) for generator in (tuned, tiny_generator))
    assert np.abs(near - base).mean() < 4
    assert tuned._pipeline.text_encoder.dtype == torch.float32


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────────


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def rewrite(tower: Path, change: Callable) -> None:
    tensors = {name: change(name, value) for name, value in load_file(tower / WEIGHTS).items()}
    save_file({name: value for name, value in tensors.items() if value is not None}, tower / WEIGHTS)


def with_tokenizer(tower: Path, tokens: int = 77, **changes: object) -> None:
    write_tokenizer(tower / "tokenizer", tokens)
    edit(tower / "tokenizer/tokenizer_config.json", **changes)


AGAIN = "`script2skin train clip --base tiny`"
TUNE = "`script2skin train finetune training/recipes/cross_attention.yaml`"
MISFITS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "activation": (lambda t: edit(t / "config.json", hidden_act="gelu"), ("the activation gelu, but tiny expects quick_gelu", AGAIN)),
    "heads": (lambda t: edit(t / "config.json", num_attention_heads=8), ("attention heads: 8, but tiny expects 4", AGAIN)),
    "layers in file": (lambda t: edit(t / "config.json", num_hidden_layers=1), ("holds 2 layers, but its config.json says 1",)),
    "no tensor": (lambda t: rewrite(t, lambda n, v: None if "final_layer_norm" in n else v), ("2 tensors are missing",)),
    "tensor size": (lambda t: rewrite(t, lambda n, v: v[:-1] if "fc1.bias" in n else v), ("fc1.bias is 63, not 64",)),
    "int8": (lambda t: rewrite(t, lambda _, v: v.astype(np.int8)), ("holds I8 numbers; save it as float32, float16, bfloat16",)),
    "float64": (lambda t: rewrite(t, lambda _, v: v.astype(np.float64)), ("holds F64 numbers",)),
    "pickle": (lambda t: (t / WEIGHTS).rename(t / "pytorch_model.bin"), ("can run code",)),
    "image tower": (lambda t: edit(t / "config.json", architectures=["CLIPVisionModel"]), ("holds a CLIPVisionModel",)),
    "token limit": (lambda t: with_tokenizer(t, 40), ("reads 40 tokens, but tiny was trained on 77", TUNE)),
    "too many tokens": (lambda t: with_tokenizer(t, 100), ("up to 100 tokens, but the text encoder reads only 77",)),
    "added tokens": (lambda t: with_tokenizer(t, added_tokens_decoder={"5000": {"content": "<skin>"}}), ("5001 tokens, but",)),
    "no end token": (lambda t: with_tokenizer(t, eos_token="</s>"), ("does not have its own eos_token, </s>",)),
    "other end": (lambda t: with_tokenizer(t, eos_token="skin</w>"), ("they do not belong together",)),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_tower_that_does_not_fit_is_refused_with_what_to_do(tiny_model: Path, tower: Path, misfit: str) -> None:
    harm, words = MISFITS[misfit]
    read_layout(tiny_model, tower, name="tiny")
    harm(tower)
    with pytest.raises(CheckpointError) as caught:
        read_layout(tiny_model, tower, name="tiny")
    sentence = str(caught.value)
    assert all(word in sentence for word in words), sentence
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 500


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (Shape(text_layers=1), "1 layers, but tiny reads the last of 2, after the final layer norm"),
        (Shape(text_width=64), "width 64, but tiny expects 32"),
        (Shape(tokens=32), "up to 77 tokens, but the text encoder reads only 32"),
    ],
    ids=["penultimate", "width", "positions"],
)
def test_a_tower_of_another_shape_is_refused(tiny_model: Path, tmp_path: Path, shape: Shape, words: str) -> None:
    other = write_pipeline(tmp_path / "other", shape)
    tower = Path(shutil.copytree(other / "text_encoder", tmp_path / "tower"))
    with pytest.raises(CheckpointError, match=words):
        read_layout(tiny_model, tower, name="tiny")
    if shape.text_layers == 1:
        assert read_layout(tiny_model, tower, to_learn=True).tokens == 77, "a U-Net can be taught it"
    else:
        with pytest.raises(CheckpointError):
            read_layout(tiny_model, tower, to_learn=True)


def test_a_tower_with_another_vocabulary_needs_its_tokenizer(tiny_model: Path, tower: Path) -> None:
    size = json.loads((tower / "config.json").read_text())["vocab_size"]
    edit(tower / "config.json", vocab_size=size + 7)
    rewrite(tower, lambda n, v: np.pad(v, ((0, 7), (0, 0))) if n.endswith("token_embedding.weight") else v)
    with pytest.raises(CheckpointError, match=f"embeddings for {size + 7} tokens and no tokenizer beside it"):
        read_layout(tiny_model, tower, name="tiny")
    with_tokenizer(tower)
    assert read_layout(tiny_model, tower, name="tiny").tokenizer == tower / "tokenizer"


def test_checks_load_no_torch(tiny_model: Path, tower: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from generation.layout import read_layout\n"
        f"read_layout(Path({str(tiny_model)!r}), Path({str(tower)!r}))\n"
        "print(*{'torch', 'diffusers', 'transformers'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
