"""Does a CLIP text encoder fit the model that it is to serve? Answered from configs and file headers, without torch.

The U-Net reads the last hidden state of the tower after its final layer norm, one feature a token, padding included. A tower
of the right width alone would run and draw noise, so one that is put in place of a base's own must be built as that is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from generation.errors import CheckpointError
from generation.files import Part, Tensor, read_json

#: What transformers takes for a text tower whose config does not say: configs of the hub hold only what differs.
DEFAULTS = {
    "vocab_size": 49408,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "eos_token_id": 49407,
}
#: What a tower must have in common with the base's own beside width and layers, with the words for it.
SHARED = {
    "num_attention_heads": "attention heads:",
    "hidden_act": "the activation",
}
#: Number types that weights are trained and kept in; smaller ones need a kernel of their own.
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
#: End token in the configs of OpenAI's CLIP models, where it is not the tokenizer's: transformers then takes the largest.
LEGACY_EOS = 2
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.")


def tower_config(part: Part) -> dict[str, Any]:
    """Config of the text tower, also out of a whole CLIP's, complete."""
    return {**DEFAULTS, **(part.config.get("text_config") or part.config)}


def check_weights(text: Part) -> None:
    """Every tensor that the config asks for is in the files, with its size, in a number type to compute in.

    Raises:
        CheckpointError
    """
    found = {name.removeprefix("text_model."): tensor for name, tensor in text.tensors().items()}
    wanted = _shapes(tower_config(text))
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        raise CheckpointError(
            f"{text.folder}: the weights do not match its config.json "
            f"({len(missing)} tensors are missing, such as {missing[0]})."
        )
    for name, shape in wanted.items():
        if found[name].shape != shape:
            raise CheckpointError(
                f"{text.folder}: the weights do not match its config.json ({name} is {_by(found[name])}, not {_by(shape)})."
            )
        if found[name].dtype not in DTYPES:
            raise CheckpointError(
                f"{text.folder} holds {found[name].dtype} numbers; save it as {', '.join(DTYPES.values())} and not quantised."
            )
    layers = 1 + max(int(layer[1]) for name in found if (layer := _LAYER.match(name)))
    if layers != tower_config(text)["num_hidden_layers"]:
        raise CheckpointError(
            f"{text.folder} holds {layers} layers, but its config.json says {tower_config(text)['num_hidden_layers']}."
        )


def check_instead(text: Part, own: Part, tokenizer: Path, own_tokenizer: Path, name: str, to_learn: bool = False) -> None:
    """A tower in place of the base's ``own``.

    Args:
        tokenizer: the one that goes with ``text``: beside it, or the base's own.
        name: what the base is called.
        to_learn: the U-Net will be taught it, and only what it cannot learn is refused.

    Raises:
        CheckpointError: with what to do.
    """
    config, base = tower_config(text), tower_config(own)
    again = f"train one from this base with `script2skin train clip --base {name}`"
    width, wanted = config["hidden_size"], base["hidden_size"]
    if width != wanted:
        raise CheckpointError(f"{text.folder} has text features of width {width}, but {name} expects {wanted}: {again}.")
    if tokenizer == own_tokenizer and config["vocab_size"] != base["vocab_size"]:
        raise CheckpointError(
            f"{text.folder} has embeddings for {config['vocab_size']} tokens and no tokenizer beside it, and {name}'s own has "
            f"{base['vocab_size']}: put the tokenizer that it was trained with beside it, or {again}."
        )
    limit, own_limit = (token_limit(*pair) for pair in ((text, tokenizer), (own, own_tokenizer)))
    if to_learn:
        return
    tune = f"{again}, or teach the U-Net this one with `script2skin train finetune training/recipes/cross_attention.yaml`"
    for key, words in SHARED.items():
        if config[key] != base[key]:
            raise CheckpointError(f"{text.folder} has {words} {config[key]}, but {name} expects {base[key]}: {tune}.")
    layers, wanted = config["num_hidden_layers"], base["num_hidden_layers"]
    if layers != wanted:
        raise CheckpointError(
            f"{text.folder} has {layers} layers, but {name} reads the last of {wanted}, after the final layer norm: {tune}."
        )
    if limit != own_limit:
        raise CheckpointError(
            f"{text.folder} reads {limit} tokens, but {name} was trained on {own_limit}, padding included: {tune}."
        )


def token_limit(text: Part, tokenizer: Path) -> int:
    """How many tokens a caption may have, start and end among them; what the tokenizer makes, the tower must take.

    Raises:
        CheckpointError
    """
    config = tower_config(text)
    positions = config["max_position_embeddings"]
    said = read_json(tokenizer / "tokenizer_config.json", "the tokenizer is missing")
    tokens = said.get("model_max_length", positions)
    if tokens > positions:
        raise CheckpointError(f"{tokenizer} makes up to {tokens} tokens, but the text encoder reads only {positions}.")
    numbers = _vocabulary(tokenizer, said)
    words = max(numbers.values()) + 1
    if words > config["vocab_size"]:
        raise CheckpointError(
            f"{tokenizer} has {words} tokens, but the text encoder has embeddings for {config['vocab_size']} only."
        )
    _check_special(tokenizer, said, numbers, config["eos_token_id"])
    return tokens


def _check_special(tokenizer: Path, said: dict[str, Any], numbers: dict[str, int], end: Any) -> None:
    """A caption is framed by start and end and filled up with padding: each must be a token, and the tower must know the end."""
    listed = tokenizer / "special_tokens_map.json"
    said = {**said, **(read_json(listed, "") if listed.exists() else {})}
    default = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    for kind, usual in default.items():
        token = said.get(kind) or usual
        token = token.get("content") if isinstance(token, dict) else token
        if token not in numbers:
            raise CheckpointError(f"{tokenizer} does not have its own {kind}, {token}: it is not the tokenizer of a CLIP.")
        if kind == "eos_token" and end not in (numbers[token], LEGACY_EOS):
            raise CheckpointError(
                f"{tokenizer} ends a caption with token {numbers[token]}, but the text encoder's end is {end}: they do not "
                "belong together."
            )


def _vocabulary(tokenizer: Path, said: dict[str, Any]) -> dict[str, int]:
    """Token → number, with those that were added later."""
    whole = tokenizer / "tokenizer.json"
    later: dict[str, Any] = {}
    if (tokenizer / "vocab.json").exists():
        vocabulary = read_json(tokenizer / "vocab.json", "")
    else:
        file = read_json(whole, "the tokenizer's vocabulary is missing")
        vocabulary = (file.get("model") or {}).get("vocab") or {}
        later = {token.get("content"): token.get("id") for token in file.get("added_tokens") or []}
    if (tokenizer / "added_tokens.json").exists():
        later |= read_json(tokenizer / "added_tokens.json", "")
    later |= {token.get("content"): int(number) for number, token in (said.get("added_tokens_decoder") or {}).items()}
    numbers = {token: number for token, number in {**vocabulary, **later}.items() if isinstance(number, int)}
    if not numbers:
        raise CheckpointError(f"{tokenizer} is damaged: its vocabulary is empty.")
    return numbers


def _shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor of a CLIP text tower, as transformers names them, without ``text_model.``."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    square, vector = (width, width), (width,)
    shapes = {
        "embeddings.token_embedding.weight": (config["vocab_size"], width),
        "embeddings.position_embedding.weight": (config["max_position_embeddings"], width),
        "final_layer_norm.weight": vector,
        "final_layer_norm.bias": vector,
    }
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= {f"{layer}.self_attn.{part}.weight": square, f"{layer}.self_attn.{part}.bias": vector}
        for norm in ("layer_norm1", "layer_norm2"):
            shapes |= {f"{layer}.{norm}.weight": vector, f"{layer}.{norm}.bias": vector}
        shapes |= {f"{layer}.mlp.fc1.weight": (inner, width), f"{layer}.mlp.fc1.bias": (inner,)}
        shapes |= {f"{layer}.mlp.fc2.weight": (width, inner), f"{layer}.mlp.fc2.bias": vector}
    return shapes


def _by(shape: Tensor | tuple[int, ...]) -> str:
    return "×".join(map(str, shape.shape if isinstance(shape, Tensor) else shape))
