"""Does a folder hold a complete Stable Diffusion pipeline whose parts fit together? Answered without torch.

Everything is read from the JSON configs and from the headers of the safetensors files, so a bad checkpoint is
refused in milliseconds, before a gigabyte is loaded or a step is run. What a text encoder must be is in `generation.tower`,
what an adapter must be in `generation.lora`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from generation import lora as adapters
from generation import rashes, tower
from generation.errors import CheckpointError
from generation.files import Part, read_json, read_part, sha256_of

MODELS = ("unet", "vae", "text_encoder")
#: Classes that StableDiffusionPipeline runs with, by component of ``model_index.json``.
CLASSES = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL", "AutoencoderTiny"),
    "text_encoder": ("CLIPTextModel", "CLIPTextModelWithProjection", "CLIPModel"),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
}


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
    lora: adapters.Adapter | None = None
    #: What tells conditions apart on this checkpoint's own pictures; an adapter or another text encoder may draw others.
    classifier: Part | None = None


def read_layout(
    folder: Path,
    text_encoder: Path | None = None,
    lora: Path | None = None,
    lora_scale: float = 1.0,
    name: str | None = None,
    to_learn: bool = False,
) -> Layout:
    """Read and check a pipeline folder, with a fine-tuned text encoder or a LoRA adapter in its place if given.

    Args:
        folder: diffusers' ``StableDiffusionPipeline`` layout.
        text_encoder: a folder with ``config.json`` and ``model.safetensors`` of a CLIP text (or full CLIP) model, or a
            folder that holds such a ``text_encoder/``; a ``tokenizer/`` beside it replaces the pipeline's own.
        lora: a ``.safetensors`` file, or a folder with exactly one.
        lora_scale: how strongly it counts, above 0 and up to 2.
        name: what the model is called in sentences for people; its folder by default.
        to_learn: the U-Net is to be taught the text encoder, which may then be of another build, though not of another width.

    Raises:
        CheckpointError: something is missing, damaged, unsafe, or the parts do not fit.
    """
    index = read_json(folder / "model_index.json", "it is not a diffusers pipeline folder")
    if index.get("_class_name") != "StableDiffusionPipeline":
        raise CheckpointError(f"{folder} holds a {index.get('_class_name')}; StableDiffusionPipeline is needed.")
    for component, classes in CLASSES.items():
        found = (index.get(component) or [None, None])[1]
        if found not in classes:
            raise CheckpointError(f"{folder}: its {component} is a {found}; {' or '.join(classes)} is needed.")
    unet, vae, own = (read_part(folder / part) for part in MODELS)
    scheduler = folder / "scheduler"
    read_json(scheduler / "scheduler_config.json", "the scheduler's config is missing")
    text, tokenizer = own, folder / "tokenizer"
    if text_encoder is not None:
        text, tokenizer = _text_encoder(text_encoder, tokenizer)
        tower.check_weights(text)
        tower.check_instead(text, own, tokenizer, folder / "tokenizer", name or str(folder), to_learn)
    tokens = _check_text(text, tokenizer, unet)
    resolution = _check_latents(unet, vae)
    adapter = adapters.read_adapter(lora, lora_scale, unet, text, name or str(folder)) if lora else None
    classifier = None if adapter or text_encoder else rashes.find(folder)
    return Layout(unet, vae, text, tokenizer, scheduler, index["vae"][1], tokens, resolution, adapter, classifier)


def weights_sha256(folder: Path) -> str:
    """Hash of a pipeline folder: sha256 over "relative path, space, sha256 of the file, newline", sorted by path.

    It covers the safetensors files of the U-Net, the autoencoder and the text encoder.
    """
    return sha256_of({f"{name}/{path.name}": path for name in MODELS for path in read_part(folder / name).weights})


def _text_encoder(given: Path, own_tokenizer: Path) -> tuple[Part, Path]:
    """The text encoder in a folder, and the tokenizer that belongs to it: in it, beside it, or else the base's own."""
    if not given.is_dir():
        raise CheckpointError(f"There is no text encoder folder {str(given)!r}.")
    # a text encoder by itself, one in a pipeline or a run, and the whole CLIP of `script2skin train clip`
    folders = [folder for folder in (given, given / "text_encoder", given / "clip") if (folder / "config.json").exists()]
    folder = folders[0] if folders else given
    kind = (read_json(folder / "config.json", "it is not a text encoder").get("architectures") or ["?"])[0]
    if kind not in CLASSES["text_encoder"]:
        raise CheckpointError(f"{folder} holds a {kind}; {' or '.join(CLASSES['text_encoder'])} is needed.")
    places = (given / "tokenizer", folder, folder.parent / "tokenizer")
    return read_part(folder), next((place for place in places if (place / "tokenizer_config.json").exists()), own_tokenizer)


def _check_text(text: Part, tokenizer: Path, unet: Part) -> int:
    """Text encoder against U-Net and tokenizer; returns the token limit."""
    width, wanted = tower.tower_config(text)["hidden_size"], unet.config.get("cross_attention_dim")
    if width != wanted:
        raise CheckpointError(
            f"{text.folder} gives text features of width {width}, but the U-Net's cross-attention expects {wanted}."
        )
    return tower.token_limit(text, tokenizer)


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
