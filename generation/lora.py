"""LoRA adapters of this and of other tools: where each of their layers goes, and merging them.

A layer's weight W becomes W + s · (α / r) · B A (Hu et al. 2021, arXiv 2106.09685, section 4.1), with the rank r, and s the scale
that the user chose. Where a file says no α, it is r. Convolutions have a B of 1×1.

Read are

- diffusers' form, ``unet.<layer>.lora_A.weight``, with ``text_encoder.<layer>…`` beside it, and its older spellings,
- peft's own, ``base_model.model.<layer>.lora_A.weight``, with ``adapter_config.json`` beside it,
- kohya's, ``lora_unet_<layer with _ for .>.lora_down.weight``, with ``lora_te_…`` beside it.

Names and sizes are compared with the base's file headers, so an adapter for another model is refused before anything is loaded.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from generation.errors import CheckpointError
from generation.files import Part, Tensor, header, notes, read_json

#: Endings of the two factors' names, as spelled by diffusers and peft, by older diffusers, and by kohya.
DOWN = ("lora_A.weight", "lora_A.default.weight", "lora.down.weight", "lora_linear_layer.down.weight", "lora_down.weight")
UP = tuple(ending.replace("_A", "_B").replace("down", "up") for ending in DOWN)
ALPHA = "alpha"
#: What makes an adapter more than LoRA, by a part of a tensor's name.
OTHER_KINDS = {
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "lora_mid": "a decomposed convolution",
    "lora_B.bias": "a LoRA with biases",
}
MODELS = ("unet", "text_encoder")
#: Before the name of a layer, and whose layer it can be.
PREFIXES = (
    ("unet.", MODELS[:1]),
    ("text_encoder.", MODELS[1:]),
    ("base_model.model.", MODELS),
    ("lora_unet_", MODELS[:1]),
    ("lora_te_", MODELS[1:]),
    ("lora_te1_", MODELS[1:]),
    ("", MODELS),
)
#: Attention layers in diffusers before 0.20: ``attn1.processor.to_q_lora``, and ``self_attn.to_q_lora`` of a text encoder.
_UNET_ATTENTION = re.compile(r"\.processor\.to_(q|k|v|out)_lora$")
_TEXT_ATTENTION = re.compile(r"\.self_attn\.to_(q|k|v|out)_lora$")
#: Where diffusers notes peft's settings in the file.
SETTINGS = "lora_adapter_metadata"


class Factors(NamedTuple):
    """One layer's share of an adapter: names in the file of the two factors, and of α where it has its own."""

    down: str
    up: str
    alpha: str | None
    #: What the product of the factors is multiplied with where ``alpha`` is None.
    scale: float


@dataclass(frozen=True)
class Adapter:
    """An adapter that fits its base."""

    path: Path
    #: How strongly it counts, 1 by default.
    scale: float
    #: (model, layer) → its factors; the text encoder's layers are named without ``text_model.``.
    layers: dict[tuple[str, str], Factors]


def read_adapter(given: Path, scale: float, unet: Part, text_encoder: Part, name: str) -> Adapter:
    """Check an adapter against the models whose weights it changes.

    Args:
        given: a ``.safetensors`` file, or a folder with exactly one, or with such a folder ``lora/`` in it.
        scale: how strongly it counts, above 0 and up to 2.
        name: what the model is called.

    Raises:
        CheckpointError: it is none, is damaged, of a kind that is not read, or does not fit.
    """
    if not 0 < scale <= 2:
        raise CheckpointError(f"The scale of a LoRA adapter is {scale:g}; it must be above 0 and at most 2.")
    path = _file(given)
    tensors = header(path)
    if not tensors:
        raise CheckpointError(f"{path} is an empty LoRA adapter.")
    _check_kind(path, tensors)
    targets = {"unet": _layers(unet), "text_encoder": _layers(text_encoder)}
    found = _pairs(path, tensors, targets)
    for (model, layer), (down, up) in found.items():
        _check_sizes(path, name, layer, targets[model][layer], tensors[down], tensors[up])
    settings = _settings(path)
    layers = {}
    for (model, layer), (down, up) in found.items():
        alpha = f"{_split(down)[0]}.{ALPHA}"
        factor = _factor(settings.get(model, {}), layer, tensors[down].shape[0])
        layers[model, layer] = Factors(down, up, alpha if alpha in tensors else None, factor)
    return Adapter(path, scale, layers)


def merge(adapter: Adapter, models: dict[str, Any]) -> None:
    """Add an adapter to the weights of loaded models (``unet``, ``text_encoder``), in float32; of a model that is not given, nothing."""
    import torch
    from safetensors.torch import load_file

    tensors = load_file(adapter.path)
    modules = {
        (name, layer.removeprefix("text_model.")): module for name, model in models.items() for layer, module in model.named_modules()
    }
    with torch.no_grad():
        for place, factors in adapter.layers.items():
            if place[0] not in models:
                continue
            weight = modules[place].weight
            up, down = (tensors[key].float().flatten(1) for key in (factors.up, factors.down))
            scale = float(tensors[factors.alpha]) / len(down) if factors.alpha else factors.scale
            weight += adapter.scale * scale * (up @ down).reshape(weight.shape)


def _file(given: Path) -> Path:
    inside = given / "lora"
    folder = inside if inside.is_dir() else given
    files = [given] if given.is_file() else sorted(folder.glob("*.safetensors"))
    if len(files) != 1 or files[0].suffix != ".safetensors":
        raise CheckpointError(f"{given} is not a LoRA adapter: one .safetensors file is needed, and {len(files)} were found.")
    return files[0]


def _check_kind(path: Path, tensors: dict[str, Tensor]) -> None:
    for part, kind in OTHER_KINDS.items():
        if any(part in key for key in tensors):
            raise CheckpointError(f"{path} is {kind}, which is not read here; save it as a plain LoRA, or merge it into its model.")
    if any(key.startswith("lora_te2_") or key.startswith("text_encoder_2.") for key in tensors):
        raise CheckpointError(f"{path} was made for a model with two text encoders, such as SDXL; here there is one.")


def _layers(part: Part) -> dict[str, tuple[int, ...]]:
    """Layer → shape of its weight."""
    return {
        key.removeprefix("text_model.").removesuffix(".weight"): tensor.shape
        for key, tensor in part.tensors().items()
        if key.endswith(".weight") and len(tensor.shape) > 1
    }


def _pairs(
    path: Path, tensors: dict[str, Tensor], targets: dict[str, dict[str, tuple[int, ...]]]
) -> dict[tuple[str, str], tuple[str, str]]:
    """(model, layer) → names of its two factors. Raises `CheckpointError` when a layer has no place or a factor is missing."""
    places = {(model, name): layer for model, layers in targets.items() for layer in layers for name in (layer, layer.replace(".", "_"))}
    found: dict[tuple[str, str], dict[str, str]] = {}
    strange = []
    for key in tensors:
        if key.endswith(f".{ALPHA}"):
            continue
        stem, side = _split(key)
        models, name = _layer(stem)
        model = next((model for model in models if (model, name) in places), None)
        if side and model:
            found.setdefault((model, places[model, name]), {})[side] = key
        else:
            strange.append(key)
    if strange:
        raise CheckpointError(
            f"The LoRA adapter {path} does not fit this model: {len(strange)} of its {len(tensors)} tensors have no place in it, "
            f"such as {min(strange)}; it was made for another architecture."
        )
    halves = [layer for (_, layer), sides in found.items() if len(sides) != 2]
    if halves or not found:
        raise CheckpointError(f"{path} is damaged: {halves[0] if halves else 'every layer'} lacks one of its two factors.")
    return {place: (sides["down"], sides["up"]) for place, sides in found.items()}


def _split(key: str) -> tuple[str, str]:
    """Name of a tensor → (what is before the factor's name, "down" or "up"); "" for neither."""
    for side, endings in (("down", DOWN), ("up", UP)):
        for ending in endings:
            if key.endswith(f".{ending}"):
                return key.removesuffix(f".{ending}"), side
    for side in ("down", "up"):  # diffusers before 0.20
        if key.endswith(f"_lora.{side}.weight"):
            return key.removesuffix(f".{side}.weight"), side
    return key, ""


def _layer(stem: str) -> tuple[tuple[str, ...], str]:
    """(models it can be of, layer); kohya's layers keep their ``_``."""
    prefix, models = next(pair for pair in PREFIXES if stem.startswith(pair[0]))
    layer = stem.removeprefix(prefix).removeprefix("text_model.").removeprefix("text_model_")
    layer = _TEXT_ATTENTION.sub(r".self_attn.\1_proj", _UNET_ATTENTION.sub(r".to_\1", layer))
    return models, f"{layer}.0" if layer.endswith(".to_out") else layer


def _check_sizes(path: Path, name: str, layer: str, weight: tuple[int, ...], down: Tensor, up: Tensor) -> None:
    rank = down.shape[0]
    inner, outer = math.prod(down.shape[1:]), up.shape[0]
    if len(up.shape) < 2 or math.prod(up.shape[1:]) != rank or (outer, inner) != (weight[0], math.prod(weight[1:])):
        raise CheckpointError(
            f"The LoRA adapter {path} does not fit this model: for {layer} it is {outer}×{inner}, and the model's is "
            f"{weight[0]}×{math.prod(weight[1:])}; train one for it with `script2skin train lora --base {name}`."
        )


def _factor(settings: dict[str, Any], layer: str, rank: int) -> float:
    """α / r as peft's settings have it, or α / √r where they say that it was trained so (rsLoRA, arXiv 2312.03732)."""
    own = settings.get("alpha_pattern") or {}
    alpha = next((value for name, value in own.items() if f".{layer}".endswith(f".{name}")), settings.get("lora_alpha") or rank)
    return float(alpha) / (math.sqrt(rank) if settings.get("use_rslora") else rank)


def _settings(path: Path) -> dict[str, dict[str, Any]]:
    """Model → peft's settings, from the file's own notes or the ``adapter_config.json`` beside it; nothing for either by default."""
    noted = notes(path).get(SETTINGS)
    beside = path.with_name("adapter_config.json")
    if noted is None:
        return dict.fromkeys(MODELS, read_json(beside, "")) if beside.exists() else {}
    try:
        values = json.loads(noted)
        by_model = {model: {key.removeprefix(f"{model}."): value for key, value in values.items()} for model in MODELS}
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: its {SETTINGS} is no JSON object.") from error
    return by_model
