"""LoRA adapters as diffusers, peft and kohya save them: merged as diffusers itself merges them, or refused before loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from assistant.schema import ImageRequest
from generation import CheckpointError, Generator
from generation.catalog import EMBEDDED
from generation.files import read_part
from generation.lora import Adapter, merge, read_adapter
from tests.models import Shape, write_pipeline

REQUEST = ImageRequest(count=1, rash="eczema", area="elbow", tone="fair", seed=3)
FILE = "pytorch_lora_weights.safetensors"
UNET_LAYERS = ["to_q", "to_v", "to_out.0", "conv1"]
TEXT_LAYERS = ["q_proj", "fc1"]


def pipeline_of(folder: Path) -> Any:
    import torch
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, dtype=torch.float32)


def save_adapter(model: Path, out: Path, **settings: Any) -> Path:
    """An adapter of U-Net and text encoder with random weights, made by peft and saved by diffusers."""
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipeline = pipeline_of(model)
    states, notes = {}, {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, layers in (("unet", UNET_LAYERS), ("text_encoder", TEXT_LAYERS)):
            config = LoraConfig(r=4, target_modules=layers, init_lora_weights=False, **settings)
            getattr(pipeline, name).add_adapter(config)
            states[f"{name}_lora_layers"] = convert_state_dict_to_diffusers(get_peft_model_state_dict(getattr(pipeline, name)))
            notes[f"{name}_lora_adapter_metadata"] = config.to_dict()
    StableDiffusionPipeline.save_lora_weights(out, **states, **notes)
    return out


def save_kohya(model: Path, out: Path) -> Path:
    """The same kind of adapter, named and with the alphas that kohya's scripts give: 2 for the U-Net, 1 for the text encoder."""
    random = np.random.default_rng(0)
    tensors = {}
    for part, before, alpha, endings in (("unet", "lora_unet", 2, UNET_LAYERS), ("text_encoder", "lora_te_text_model", 1, TEXT_LAYERS)):
        for name, tensor in read_part(model / part).tensors().items():
            layer = name.removeprefix("text_model.").removesuffix(".weight")
            if not name.endswith(".weight") or not layer.endswith(tuple(endings)):
                continue
            key = f"{before}_{layer.replace('.', '_')}"
            kernel = tensor.shape[2:]
            tensors[f"{key}.lora_down.weight"] = random.normal(size=(4, tensor.shape[1], *kernel)).astype(np.float32)
            tensors[f"{key}.lora_up.weight"] = random.normal(size=(tensor.shape[0], 4, *(1 for _ in kernel))).astype(np.float32)
            tensors[f"{key}.alpha"] = np.array(alpha, np.float32)
    out.mkdir(exist_ok=True)
    save_file(tensors, out / "any_name.safetensors")
    return out


def adapter_of(model: Path, given: Path, scale: float = 1.0) -> Adapter:
    return read_adapter(given, scale, read_part(model / "unet"), read_part(model / "text_encoder"), "tiny")


def weights(pipeline: Any) -> dict[str, np.ndarray]:
    parts = {"unet": pipeline.unet, "text_encoder": pipeline.text_encoder}
    return {f"{part}.{name}": value.numpy().copy() for part, model in parts.items() for name, value in model.state_dict().items()}


def ours(model: Path, given: Path, scale: float = 1.0) -> dict[str, np.ndarray]:
    pipeline = pipeline_of(model)
    merge(adapter_of(model, given, scale), {"unet": pipeline.unet, "text_encoder": pipeline.text_encoder})
    return weights(pipeline)


def theirs(model: Path, given: Path, scale: float = 1.0) -> dict[str, np.ndarray]:
    """What diffusers' own loader makes of it."""
    pipeline = pipeline_of(model)
    pipeline.load_lora_weights(given, weight_name=next(given.glob("*.safetensors")).name)
    pipeline.fuse_lora(lora_scale=scale)
    pipeline.unload_lora_weights()
    return weights(pipeline)


def assert_equal(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    assert some.keys() == others.keys()
    for name, value in some.items():
        np.testing.assert_allclose(value, others[name], atol=1e-5, rtol=1e-4, err_msg=name)


def changed(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> set[str]:
    return {name for name in some if not np.array_equal(some[name], others[name])}


@pytest.fixture(scope="module")
def saved(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(tiny_model, tmp_path_factory.mktemp("lora") / "saved", lora_alpha=8)


@pytest.fixture(scope="module")
def kohya(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_kohya(tiny_model, tmp_path_factory.mktemp("lora") / "kohya")


# ── merged as others merge them ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_weights_are_those_that_diffusers_makes(tiny_model: Path, saved: Path, scale: float) -> None:
    merged = ours(tiny_model, saved, scale)
    assert_equal(merged, theirs(tiny_model, saved, scale))
    touched = changed(merged, weights(pipeline_of(tiny_model)))
    assert len(touched) == len(adapter_of(tiny_model, saved).layers)
    assert {name.split(".")[0] for name in touched} == {"unet", "text_encoder"}


def test_kohyas_weights_are_those_that_diffusers_makes_and_the_text_encoder_is_not_forgotten(tiny_model: Path, kohya: Path) -> None:
    """diffusers 0.42 beside transformers 5 reads of kohya's text encoder layers only some, so those are worked out here."""
    base, merged, wanted = weights(pipeline_of(tiny_model)), ours(tiny_model, kohya), theirs(tiny_model, kohya)
    unet = {name for name in merged if name.startswith("unet.")}
    assert_equal({name: merged[name] for name in unet}, {name: wanted[name] for name in unet})
    assert len(changed(merged, base)) == len(adapter_of(tiny_model, kohya).layers)
    factors = load_file(kohya / "any_name.safetensors")
    name = "encoder.layers.1.self_attn.q_proj"
    up, down = (factors[f"lora_te_text_model_{name.replace('.', '_')}.lora_{side}.weight"] for side in ("up", "down"))
    key = next(key for key in base if key.endswith(f"{name}.weight"))
    np.testing.assert_allclose(merged[key], base[key] + up @ down / 4, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [{"lora_alpha": 2, "use_rslora": True}, {"lora_alpha": 4, "alpha_pattern": {"to_v": 12}}, {"lora_alpha": 4, "rank_pattern": {"to_q": 2}}],
    ids=["rslora", "alpha_pattern", "rank_pattern"],
)
def test_what_peft_was_told_is_kept_to(tiny_model: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    given = save_adapter(tiny_model, tmp_path / "lora", **settings)
    assert_equal(ours(tiny_model, given), theirs(tiny_model, given))


def test_half_the_scale_is_half_the_way(tiny_model: Path, saved: Path) -> None:
    base, half, full = weights(pipeline_of(tiny_model)), ours(tiny_model, saved, 0.5), ours(tiny_model, saved)
    for name, value in half.items():
        np.testing.assert_allclose(value, (base[name] + full[name]) / 2, atol=1e-5, err_msg=name)


def test_pefts_own_folder_and_older_spellings_are_read(tiny_model: Path, saved: Path, tmp_path: Path) -> None:
    from peft import LoraConfig

    tensors = {name: value for name, value in load_file(saved / FILE).items() if name.startswith("unet.")}
    (tmp_path / "peft").mkdir()
    save_file({name.replace("unet.", "base_model.model.", 1): v for name, v in tensors.items()}, tmp_path / "peft/adapter_model.safetensors")
    LoraConfig(r=4, lora_alpha=8).save_pretrained(tmp_path / "peft")
    (tmp_path / "old").mkdir()
    renamed = {}
    for name, value in tensors.items():
        name = name.replace("lora_A.weight", "lora.down.weight").replace("lora_B.weight", "lora.up.weight")
        for layer in ("q", "v", "out"):
            name = name.replace(f".to_{layer}.lora.", f".processor.to_{layer}_lora.").replace(f".to_{layer}.0.lora.", f".processor.to_{layer}_lora.")
        renamed[name] = value
    save_file(renamed, tmp_path / "old/old.safetensors")
    peft, old = adapter_of(tiny_model, tmp_path / "peft"), adapter_of(tiny_model, tmp_path / "old")
    assert peft.layers.keys() == old.layers.keys() == {place for place in adapter_of(tiny_model, saved).layers if place[0] == "unet"}
    assert {factors.scale for factors in peft.layers.values()} == {2.0}
    assert {factors.scale for factors in old.layers.values()} == {1.0}, "no alpha was kept then"


# ── drawn with them ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_adapter_changes_the_picture_and_the_record(tiny_model: Path, tiny_generator: Generator, saved: Path) -> None:
    base = next(tiny_generator.draw(REQUEST, steps=2))
    full = next(Generator.load(tiny_model, "cpu", lora=saved).draw(REQUEST, steps=2))
    half = next(Generator.load(tiny_model, "cpu", lora=saved / FILE, lora_scale=0.5).draw(REQUEST, steps=2))
    pictures = [np.asarray(image.image).tobytes() for image in (base, half, full)]
    assert len(set(pictures)) == 3
    assert half.sidecar["model"]["lora_sha256"] == full.sidecar["model"]["lora_sha256"]
    assert half.sidecar["model"]["lora_scale"] == 0.5
    assert "lora_scale" not in full.sidecar["model"] and "lora_sha256" not in base.sidecar["model"]


@pytest.mark.parametrize("form", [save_adapter, save_kohya])
def test_adapters_of_every_form_find_their_place_in_the_embedded_checkpoint(tmp_path: Path, form: Any) -> None:
    given = form(EMBEDDED, tmp_path / "lora")
    merged = changed(ours(EMBEDDED, given), weights(pipeline_of(EMBEDDED)))
    assert len(merged) == len(adapter_of(EMBEDDED, given).layers) > 30


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────────


def rewrite(given: Path, out: Path, change: Any) -> Path:
    out.mkdir()
    tensors = load_file(given / FILE)
    save_file(dict(filter(None, (change(name, value) for name, value in tensors.items()))), out / FILE)
    return out


MISFITS = {
    "names": (lambda n, v: (n.replace("down_blocks", "side_blocks"), v), "made for another architecture"),
    "widths": (lambda n, v: (n, np.concatenate([v, v], 1) if n.endswith("to_q.lora.down.weight") else v), "train one for it with `script2skin train lora --base tiny`"),
    "half": (lambda n, v: None if n.endswith("attn1.to_q.lora.up.weight") else (n, v), "lacks one of its two factors"),
    "dora": (lambda n, v: (n.replace("lora_A.weight", "lora_magnitude_vector"), v), "DoRA, which is not read here"),
    "loha": (lambda n, v: (n.replace("lora_A", "hada_w1_a"), v), "LoHa, which is not read here"),
    "sdxl": (lambda n, v: (n.replace("text_encoder.", "text_encoder_2."), v), "two text encoders"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_is_one_sentence_from_the_header(tiny_model: Path, saved: Path, tmp_path: Path, misfit: str) -> None:
    change, words = MISFITS[misfit]
    with pytest.raises(CheckpointError, match=words) as caught:
        adapter_of(tiny_model, rewrite(saved, tmp_path / "lora", change))
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".") and len(str(caught.value)) < 500


def test_an_adapter_for_another_base_is_refused(tiny_model: Path, saved: Path, tmp_path: Path) -> None:
    big = write_pipeline(tmp_path / "big", Shape(unet_channels=(32, 64, 64)))
    with pytest.raises(CheckpointError, match="does not fit this model"):
        Generator.load(tiny_model, "cpu", lora=save_adapter(big, tmp_path / "lora"))
    with pytest.raises(CheckpointError, match="does not fit this model"):
        Generator.load("embedded", "cpu", lora=saved)


@pytest.mark.parametrize("scale", [0.0, -1.0, 2.5, float("nan")])
def test_a_scale_out_of_range_is_refused(tiny_model: Path, saved: Path, scale: float) -> None:
    with pytest.raises(CheckpointError, match="must be above 0 and at most 2"):
        adapter_of(tiny_model, saved, scale)
