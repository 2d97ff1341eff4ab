"""The pipeline that a fine-tuning starts from, checked before anything is run, and how it puts noise on a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from generation import catalog, loading
from generation.catalog import Checkpoint
from generation.layout import Layout, read_layout
from training.patches import BASIS
from training.run import TrainingError


@dataclass
class Base:
    """Models in float32, frozen, on the CPU."""

    checkpoint: Checkpoint
    layout: Layout
    pipeline: StableDiffusionPipeline

    @property
    def unet(self) -> UNet2DConditionModel:
        return self.pipeline.unet

    @property
    def vae(self) -> AutoencoderKL:
        return self.pipeline.vae

    @property
    def text_encoder(self) -> CLIPTextModel:
        return self.pipeline.text_encoder

    @property
    def tokenizer(self) -> CLIPTokenizer:
        return self.pipeline.tokenizer

    @property
    def basis(self) -> Path:
        """The encoder as one projection, where the checkpoint has it."""
        return self.checkpoint.folder / BASIS


def read_base(model: str, text_encoder: str | None = None, to_learn: bool = False) -> Base:
    """``model`` as `generation.find` takes it, with another text tower in place of its own if given (a folder or a run's).

    ``to_learn``: the U-Net is about to learn to read that tower, which need not be built as the stock one then.

    Raises:
        CheckpointError: it is not at hand, damaged, or its parts do not fit.
        TrainingError: it can draw, but not be learnt from.
    """
    checkpoint = catalog.find(model)
    if checkpoint.base is not None:
        raise TrainingError(
            f"{model} is {checkpoint.made_of}. Start from {checkpoint.base.name}, or from a run that trained the whole U-Net."
        )
    tower = catalog.find_text_encoder(text_encoder) if text_encoder else None
    layout = read_layout(checkpoint.folder, tower, name=checkpoint.name, to_learn=to_learn)
    if layout.vae_class != "AutoencoderKL":
        raise TrainingError(f"{model} has an {layout.vae_class}, which draws latents but does not make them as training needs; take one with an AutoencoderKL.")
    pipeline = loading.load_pipeline(layout, "cpu", torch.float32)
    return Base(checkpoint, layout, pipeline)


class Noise:
    """How a base puts noise on latents, and what its U-Net is to say of them."""

    def __init__(self, base: Base, device: torch.device, snr_gamma: float | None = None) -> None:
        config = dict(base.pipeline.scheduler.config)
        scheduler = DDPMScheduler.from_config({name: value for name, value in config.items() if not name.startswith("_")})
        self.alphas = scheduler.alphas_cumprod.to(device)
        self.predicts = scheduler.config.prediction_type
        if self.predicts not in ("epsilon", "v_prediction"):
            raise TrainingError(f"{base.checkpoint.name} predicts {self.predicts}; only epsilon and v_prediction can be trained.")
        self.weights = snr_weights(self.alphas, self.predicts, snr_gamma)

    def __len__(self) -> int:
        return len(self.alphas)

    def over(self, clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x_t = √ᾱ·x + √(1−ᾱ)·ε, and the target: ε, or v = √ᾱ·ε − √(1−ᾱ)·x (Salimans & Ho 2022, arXiv 2202.00512)."""
        alpha = self.alphas[times].view(-1, 1, 1, 1)
        signal, spread = alpha.sqrt(), (1 - alpha).sqrt()
        target = noise if self.predicts == "epsilon" else signal * noise - spread * clean
        return signal * clean + spread * noise, target


def snr_weights(alphas: torch.Tensor, predicts: str, gamma: float | None) -> torch.Tensor:
    """What a timestep counts (T,): 1 without ``gamma``, else min-SNR-γ (Hang et al. 2023, arXiv 2303.09556).

    That counts the error of x at most γ. In terms of ε it is min(SNR, γ)/SNR; in terms of v it is min(SNR, γ)/(SNR + 1), which is 0
    at a last step without signal, where sampling starts. There SNR + 1, the weight that v has by itself, is cut off in place of SNR:
    min(SNR + 1, γ)/(SNR + 1).
    """
    if gamma is None:
        return torch.ones_like(alphas)
    snr = alphas / (1 - alphas)
    if predicts == "epsilon":
        return snr.clamp(max=gamma) / snr.clamp(min=1e-8)
    if alphas.min() < 1e-6:
        return (snr + 1).clamp(max=gamma) / (snr + 1)
    return snr.clamp(max=gamma) / (snr + 1)
