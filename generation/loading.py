"""From a checked layout to a ready pipeline on a device. Imports torch and diffusers when called, not before.

Precision: the text encoder, the latents and the scheduler stay in float32; the U-Net and the autoencoder run in
bfloat16 where the processor multiplies it natively. A scheduler that steps in bfloat16 rounds every step to three
digits, and noise drawn in bfloat16 is other noise: this way the same seed gives nearly the same picture on machines
with and without bfloat16.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from assistant.settings import settings
from generation import lora, offline, packing
from generation.errors import CheckpointError
from generation.files import Part
from generation.layout import Layout

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline


UNET = "UNet2DConditionModel"


def pick_device(device: str) -> str:
    """``auto`` is the first CUDA device, else the CPU. Raises `CheckpointError` for a device that is not there."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise CheckpointError(f"The device {device!r} cannot be used here; 'cpu' always can.") from error
    return device


def pick_dtype(device: str) -> torch.dtype:
    """bfloat16 where it is native (AVX512-BF16, AMX, CUDA from Ampere on), else float32; float16 on older CUDA.

    On a CPU with AVX512-BF16 it draws 256×256 images in two thirds of the time of float32 (``bench_generate.py``);
    elsewhere bfloat16 is emulated and slower.
    """
    import torch

    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device != "cpu":
        return torch.float32
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    native = any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
    return torch.bfloat16 if native else torch.float32


def named_dtype(name: str, device: str) -> torch.dtype:
    """``auto`` is `pick_dtype`; else float32, bfloat16 or float16."""
    import torch

    if name == "auto":
        return pick_dtype(device)
    if name not in ("float32", "bfloat16", "float16"):
        raise CheckpointError(f"There is no number type {name!r}; choose auto, float32, bfloat16 or float16.")
    return getattr(torch, name)


def load_pipeline(
    layout: Layout, device: str, dtype: torch.dtype, runtime: str = "torch", resolution: int | None = None,
    beside: dict[str, Any] | None = None,
) -> StableDiffusionPipeline:
    """Build the pipeline. No safety checker is loaded: its black images would pass for results, and the closed
    vocabulary of captions is what keeps requests to skin.

    ``runtime``: what the U-Net and the decoder run in on a CPU, "torch", "openvino", or "auto" for the latter where it is
    installed and the model is small (`generation.compiled`). A pipeline that is to be trained, or encodes, needs "torch".
    ``resolution``: side of the pictures that will be drawn, in pixels, where that is not what the U-Net was made for.
    ``beside``: gets what looks at pictures, "finder" and "classifier", where that runs in OpenVINO as well.

    Raises:
        CheckpointError: weights that do not match their config, an unusable scheduler or an adapter that fits nowhere.
    """
    offline.prepare()
    import diffusers
    import torch
    from transformers import CLIPTokenizer

    _silence()
    kept = _kept(layout, device, dtype, runtime, resolution or layout.resolution)
    try:
        tokenizer = CLIPTokenizer.from_pretrained(layout.tokenizer, local_files_only=True)
    except Exception as error:  # the tokenizers library raises bare Exception for a bad file
        raise CheckpointError(f"{layout.tokenizer} is damaged: {_reason(error)}.") from error
    tokenizer.model_max_length = layout.tokens
    if kept is not None and (kept.there or kept.make(again=runtime == "openvino")):
        configs = (getattr(diffusers, kind).load_config(part.folder) for kind, part in ((UNET, layout.unet), (layout.vae_class, layout.vae)))
        unet, vae, text_encoder, looks = kept.open(*configs)
        if beside is not None:
            beside |= looks
    else:
        unet, vae = load_parts(layout)
        text_encoder = load_text_encoder(layout)
    pipeline = diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=_scheduler(layout),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    try:
        pipeline.to(device)
    except torch.OutOfMemoryError as error:
        raise CheckpointError(f"The model does not fit into the memory of {device}; try --device cpu.") from error
    if isinstance(unet, getattr(diffusers, UNET)):
        run_in(unet, dtype)
        vae.to(dtype=dtype)
        if device == "cpu":  # convolutions are faster with the channels last in memory
            unet.to(memory_format=torch.channels_last)
            packing.pack(unet)
            vae.to(memory_format=torch.channels_last)
    return pipeline


def load_parts(layout: Layout) -> tuple[Any, Any]:
    """U-Net, with the layout's LoRA in it, and autoencoder, in float32. Raises `CheckpointError`."""
    import diffusers

    unet, vae = read_model(getattr(diffusers, UNET), layout.unet), load_autoencoder(layout)
    if layout.lora:
        lora.merge(layout.lora, {"unet": unet})
    return unet, vae


def load_text_encoder(layout: Layout) -> Any:
    """With the layout's LoRA in it, in float32. Raises `CheckpointError`."""
    from transformers import CLIPTextModel

    text_encoder = read_model(CLIPTextModel, layout.text_encoder)
    if layout.lora:
        lora.merge(layout.lora, {"text_encoder": text_encoder})
    return text_encoder


def load_autoencoder(layout: Layout) -> Any:
    """In float32. Raises `CheckpointError`."""
    import diffusers

    return read_model(getattr(diffusers, layout.vae_class), layout.vae)


def _kept(layout: Layout, device: str, dtype: torch.dtype, runtime: str, resolution: int) -> Any:
    """Where the compiled model is kept, or is to be; None where torch draws."""
    import torch

    if runtime == "torch" or device != "cpu" or dtype not in (torch.float32, torch.bfloat16):
        return None
    from generation import compiled

    return compiled.Kept(layout, settings().home, resolution, dtype) if compiled.wanted(runtime, layout) else None


def run_in(unet: Any, dtype: torch.dtype) -> None:
    """Let the U-Net compute in ``dtype`` while everything around it stays in float32."""
    import torch

    if dtype == torch.float32:
        return

    def lower(_module: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        def cast(value: Any) -> Any:
            return value.to(dtype) if torch.is_tensor(value) and value.is_floating_point() else value

        return (cast(args[0]), *args[1:]), {name: cast(value) for name, value in kwargs.items()}

    def raise_again(_module: Any, _args: tuple, output: Any) -> Any:
        return tuple(value.float() for value in output)

    unet.to(dtype=dtype)
    unet.register_forward_pre_hook(lower, with_kwargs=True)
    unet.register_forward_hook(raise_again)


def read_model(kind: Any, part: Part) -> Any:
    """Load one model; weights that the config needs and the file lacks are an error, not random numbers."""
    arguments = {"variant": part.variant} if part.variant else {}
    try:
        model, info = kind.from_pretrained(
            part.folder,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **arguments,
        )
    except Exception as error:  # OSError, ValueError, RuntimeError, KeyError, TypeError: all mean the same here
        raise CheckpointError(f"{part.folder} cannot be loaded: {_reason(error)}.") from error
    missing = sorted(name for name in info["missing_keys"] if not name.endswith("position_ids"))
    if missing or info.get("mismatched_keys"):
        raise CheckpointError(
            f"{part.folder}: the weights do not match its config.json "
            f"({len(missing)} tensors are missing, such as {missing[0]})."
            if missing
            else f"{part.folder}: the weights do not match its config.json (sizes differ)."
        )
    return model.float().eval().requires_grad_(False)


def _scheduler(layout: Layout) -> Any:
    import json

    import diffusers

    name = json.loads((layout.scheduler / "scheduler_config.json").read_bytes()).get("_class_name")
    kind = getattr(diffusers, str(name), None)
    if kind is None or not hasattr(kind, "scale_model_input"):
        raise CheckpointError(f"{layout.scheduler}: a {name} does not run in StableDiffusionPipeline.")
    try:
        return kind.from_pretrained(layout.scheduler, local_files_only=True)
    except Exception as error:
        raise CheckpointError(f"{layout.scheduler} cannot be loaded: {_reason(error)}.") from error


def _silence() -> None:
    """The libraries' loading bars and deprecation notes are not for a person in a chat."""
    import diffusers
    import transformers

    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers")


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".:")
