"""The decoder's last lesson: texture. A small critic of patches (as in VQGAN, Esser et al. 2021, arXiv 2012.09841).

L1 draws scale and papules that the latent leaves open as their blurred mean; against a critic they become sharp. The
encoder stays, so latents and a U-Net trained on them stay valid. Starts from a run of ``training.autoencoder``.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from pydantic import Field
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from training.autoencoder import Source, drawn_and_held_out, gather, reconstruction, validate
from training.dataset import Images, crops, fingerprint
from training.norm import quicken
from training.patches import BASIS, Basis
from training.precision import mixed
from training.run import Run, Schedule, StepRandom, Strict, load, pick_device


class SharpenRecipe(Strict):
    kind: Literal["sharpen"]
    run: Path
    #: What to start from: an autoencoder's run, or a checkpoint in diffusers' pipeline layout.
    autoencoder: Path
    data: tuple[Source, ...]
    device: str = "auto"
    schedule: Schedule
    crop: int = Field(default=96, ge=16)
    latent_noise: float = Field(default=0.05, ge=0)
    gradient_weight: float = Field(default=0.5, ge=0)
    lesion_weight: float = Field(default=3.0, ge=0)
    #: Length of the critic's gradient on the pixels as a share of the reconstruction's.
    critic_share: float = Field(default=0.4, ge=0)


class Sharpener(nn.Module):
    """What the run trains: a decoder and its critic."""

    def __init__(self, autoencoder: AutoencoderKL) -> None:
        super().__init__()
        autoencoder.requires_grad_(False)
        autoencoder.decoder.requires_grad_(True)
        autoencoder.post_quant_conv.requires_grad_(True)
        self.autoencoder = autoencoder
        widths = (3, 32, 64, 128)
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [spectral_norm(nn.Conv2d(a, b, 4, 2, 1)), nn.LeakyReLU(0.2)]
        self.critic = nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1)))


def train(recipe: SharpenRecipe) -> Run:
    device = pick_device(recipe.device)
    torch.manual_seed(recipe.schedule.seed)
    basis = Basis.load(recipe.autoencoder / BASIS)
    autoencoder = load(AutoencoderKL, recipe.autoencoder, "vae")
    model = quicken(Sharpener(autoencoder), device)
    records, weights = gather(recipe.data)
    images = Images(records, autoencoder.config.sample_size)
    chances, held_out = drawn_and_held_out(records, weights)
    autoencoder.save_config(recipe.run / "model")
    basis.save(recipe.run / BASIS)
    run = Run(recipe.run, recipe, recipe.schedule, model, fingerprint(records))

    def loss(step: int, random: StepRandom) -> dict[str, torch.Tensor]:
        chosen = random.numpy.choice(len(records), recipe.schedule.batch, p=chances)
        drawn = crops(images, chosen, recipe.crop, random.numpy)
        pixels = torch.from_numpy(drawn.pixels).to(device, memory_format=torch.channels_last)
        lesion = torch.from_numpy(drawn.lesion).to(device)
        latent = basis.encode(pixels)
        latent = latent + recipe.latent_noise * torch.randn(latent.shape, generator=random.torch).to(device)
        with mixed(device):
            rebuilt = model.autoencoder.decode(latent).sample
        distance = reconstruction(rebuilt.float(), pixels, lesion, recipe.lesion_weight, recipe.gradient_weight)
        with mixed(device):
            fooled = -model.critic(rebuilt).float().mean()
        pull = balanced_gradient(rebuilt, distance, fooled, recipe.critic_share)
        with mixed(device):
            real, fake = model.critic(pixels).float(), model.critic(rebuilt.detach()).float()
        hinge = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        descend = (rebuilt.float() * pull).sum()  # its gradient on the decoder is ``pull`` carried back
        return {
            "loss": descend + hinge,
            "loss_reconstruction": distance.detach(),
            "critic_hinge": hinge.detach(),
            "critic_real": real.detach().mean(),
            "critic_fake": fake.detach().mean(),
        }

    run.fit(loss, lambda picture: validate(model.autoencoder, images, held_out, device, picture))
    return run


def balanced_gradient(
    rebuilt: torch.Tensor, distance: torch.Tensor, fooled: torch.Tensor, share: float
) -> torch.Tensor:
    """Gradient on ``rebuilt`` of ``distance``, plus that of ``fooled`` scaled to ``share`` of its length."""
    towards, critic = (torch.autograd.grad(term, rebuilt, retain_graph=True)[0].float() for term in (distance, fooled))
    return towards + share * towards.norm() / (critic.norm() + 1e-12) * critic
