"""Does a folder hold a complete Stable Diffusion pipeline whose parts fit together? Answered without torch.

Everything is read from the JSON configs and from the headers of the safetensors files, so a bad checkpoint is
refused in milliseconds, before a gigabyte is loaded or a step is run.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from generation.errors import CheckpointError

MODELS = ("unet", "vae", "text_encoder")
#: Classes that StableDiffusionPipeline runs with, by component of ``model_index.json``.
CLASSES = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL", "AutoencoderTiny"),
    "text_encoder": ("CLIPTextModel", "CLIPTextModelWithProjection", "CLIPModel"),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
}
#: Weights that unpickle arbitrary code when they are loaded.
UNSAFE = (".bin", ".ckpt", ".pt", ".pth", ".pkl")


@dataclass(frozen=True)
class Part:
    """One model of the pipeline: its folder, config and weight files."""

    folder: Path
    config: dict
    weights: tuple[Path, ...]
    #: "fp16" when only ``*.fp16.safetensors`` is there.
    variant: str | None

    @property
    def sha256(self) -> str:
        return _sha256({path.name: path for path in self.weights})


@dataclass(frozen=True)
class Layout:
    """A pipeline folder that passed every check, perhaps with another text encoder and a LoRA adapter beside it."""

    unet: Part
    vae: Part
    text_encoder: Part
    tokenizer: Path
    scheduler: Path
    vae_class: str
    #: Token limit of the text encoder, with its start and end token.
    tokens: int
    #: Side of the square image that the U-Net was made for, in pixels.
    resolution: int
    lora: Path | None = None


def read_layout(folder: Path, text_encoder: Path | None = None, lora: Path | None = None) -> Layout:
    """Read and check a pipeline folder, with a fine-tuned text encoder or a LoRA adapter in its place if given.

    Args:
        folder: diffusers' ``StableDiffusionPipeline`` layout.
        text_encoder: a folder with ``config.json`` and ``model.safetensors`` of a CLIP text (or full CLIP) model, or a
            folder that holds such a ``text_encoder/``; a ``tokenizer/`` beside it replaces the pipeline's own.
        lora: a ``.safetensors`` file, or a folder with exactly one.

    Raises:
        CheckpointError: something is missing, damaged, unsafe, or the parts do not fit.
    """
    index = _read_json(folder / "model_index.json", "it is not a diffusers pipeline folder")
    if index.get("_class_name") != "StableDiffusionPipeline":
        raise CheckpointError(f"{folder} holds a {index.get('_class_name')}; StableDiffusionPipeline is needed.")
    for component, classes in CLASSES.items():
        found = (index.get(component) or [None, None])[1]
        if found not in classes:
            raise CheckpointError(f"{folder}: its {component} is a {found}; {' or '.join(classes)} is needed.")
    text_folder, tokenizer = _text_folders(folder, text_encoder)
    unet, vae, text = (_part(path) for path in (folder / "unet", folder / "vae", text_folder))
    scheduler = folder / "scheduler"
    _read_json(scheduler / "scheduler_config.json", "the scheduler's config is missing")
    tokens = _check_text(text, tokenizer, unet)
    resolution = _check_latents(unet, vae)
    adapter = _lora_file(lora) if lora else None
    return Layout(unet, vae, text, tokenizer, scheduler, index["vae"][1], tokens, resolution, adapter)


def weights_sha256(folder: Path) -> str:
    """Hash of a pipeline folder: sha256 over "relative path, space, sha256 of the file, newline", sorted by path.

    It covers the safetensors files of the U-Net, the autoencoder and the text encoder.
    """
    return _sha256({f"{name}/{path.name}": path for name in MODELS for path in _part(folder / name).weights})


def file_sha256(path: Path) -> str:
    """sha256 of a file, hexadecimal; cached as long as size and time of change stay the same."""
    status = path.stat()
    return _file_sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _file_sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sha256(files: dict[str, Path]) -> str:
    lines = "".join(f"{name} {file_sha256(path)}\n" for name, path in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _read_json(path: Path, otherwise: str) -> dict:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist: {otherwise}.") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: it is not JSON.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} is damaged: it is not a JSON object.")
    return value


def _part(folder: Path) -> Part:
    config = _read_json(folder / "config.json", "the checkpoint is not complete")
    every = sorted(folder.glob("*.safetensors"))
    plain = [path for path in every if ".fp16." not in path.name and ".non_ema." not in path.name]
    half = [path for path in every if ".fp16." in path.name]
    weights = plain or half
    if not weights:
        unsafe = sorted(path.name for path in folder.glob("*") if path.suffix in UNSAFE)
        if unsafe:
            raise CheckpointError(
                f"{folder} holds only {unsafe[0]}, which can run code when it is loaded; save the model as safetensors."
            )
        raise CheckpointError(f"{folder} has no .safetensors file: the checkpoint is not complete.")
    _check_shards(folder, weights)
    for path in weights:
        header(path)
    return Part(folder, config, tuple(weights), None if plain else "fp16")


def _check_shards(folder: Path, weights: list[Path]) -> None:
    """Every shard that an index names must be there."""
    for index in folder.glob("*.safetensors.index.json"):
        named = set(_read_json(index, "").get("weight_map", {}).values())
        missing = named - {path.name for path in weights}
        if missing and not (".fp16." in index.name and ".fp16." not in weights[0].name):
            raise CheckpointError(f"{folder} lacks {min(missing)}: the checkpoint is not complete.")


def header(path: Path) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor in a safetensors file; the file's length is checked against its header."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or cut short: {_first_line(error)}.") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _text_folders(folder: Path, text_encoder: Path | None) -> tuple[Path, Path]:
    """Folders of the text encoder and of the tokenizer that belongs to it."""
    if text_encoder is None:
        return folder / "text_encoder", folder / "tokenizer"
    if not text_encoder.is_dir():
        raise CheckpointError(f"There is no text encoder folder {str(text_encoder)!r}.")
    nested = text_encoder / "text_encoder"
    encoder = nested if nested.is_dir() else text_encoder
    kind = (_read_json(encoder / "config.json", "it is not a text encoder").get("architectures") or ["?"])[0]
    if kind not in CLASSES["text_encoder"]:
        raise CheckpointError(f"{encoder} holds a {kind}; {' or '.join(CLASSES['text_encoder'])} is needed.")
    tokenizers = [path for path in (text_encoder / "tokenizer", encoder) if (path / "tokenizer_config.json").exists()]
    return encoder, tokenizers[0] if tokenizers else folder / "tokenizer"


def _check_text(text: Part, tokenizer: Path, unet: Part) -> int:
    """Text encoder against U-Net and tokenizer; returns the token limit."""
    config = text.config.get("text_config") or text.config
    width, wanted = config.get("hidden_size"), unet.config.get("cross_attention_dim")
    if width != wanted:
        raise CheckpointError(
            f"{text.folder} gives text features of width {width}, but the U-Net's cross-attention expects {wanted}."
        )
    positions = config.get("max_position_embeddings", 77)
    tokens = _read_json(tokenizer / "tokenizer_config.json", "the tokenizer is missing").get("model_max_length", positions)
    if tokens > positions:
        raise CheckpointError(f"{tokenizer} makes up to {tokens} tokens, but the text encoder reads only {positions}.")
    words = _vocabulary_size(tokenizer)
    if words > config.get("vocab_size", 49408):
        raise CheckpointError(
            f"{tokenizer} has {words} tokens, but the text encoder has embeddings for {config.get('vocab_size')} only."
        )
    return tokens


def _vocabulary_size(tokenizer: Path) -> int:
    """One more than the largest token number."""
    if (tokenizer / "vocab.json").exists():
        vocabulary = _read_json(tokenizer / "vocab.json", "")
    else:
        file = _read_json(tokenizer / "tokenizer.json", "the tokenizer's vocabulary is missing")
        vocabulary = (file.get("model") or {}).get("vocab") or {}
    numbers = [number for number in vocabulary.values() if isinstance(number, int)]
    if not numbers:
        raise CheckpointError(f"{tokenizer} is damaged: its vocabulary is empty.")
    return max(numbers) + 1


def _check_latents(unet: Part, vae: Part) -> int:
    """U-Net against autoencoder; returns the side of the image in pixels."""
    channels = vae.config.get("latent_channels")
    for key in ("in_channels", "out_channels"):
        if unet.config.get(key) != channels:
            raise CheckpointError(
                f"{unet.folder} has {key}={unet.config.get(key)}, but the autoencoder's latents have {channels} channels."
            )
    side = unet.config.get("sample_size")
    levels = vae.config.get("block_out_channels")
    if not isinstance(side, int) or not levels:
        raise CheckpointError(f"{unet.folder} does not say the size of its latents (sample_size).")
    return side * 2 ** (len(levels) - 1)


def _lora_file(lora: Path) -> Path:
    files = [lora] if lora.is_file() else sorted(lora.glob("*.safetensors"))
    if len(files) != 1 or files[0].suffix != ".safetensors":
        raise CheckpointError(f"{lora} is not a LoRA adapter: one .safetensors file is needed, and {len(files)} were found.")
    if not header(files[0]):
        raise CheckpointError(f"{files[0]} is an empty LoRA adapter.")
    return files[0]
