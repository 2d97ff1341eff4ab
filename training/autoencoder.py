"""The KL autoencoder: 256 px → a 16×16 latent whose reconstructions keep papules and scale.

The encoder starts as principal components of patches (``training.patches``) and needs no training; ``trains: decoder``
leaves it so, and latents can be cached before the decoder is ready. Loss: L1 + L1 of differences between neighbouring
pixels at three scales, both weighted up inside the lesion mask (a lesion is a few pixels among many of skin).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from pydantic import Field

from training import parallel, plots
from training.dataset import Images, Record, crops, fingerprint, read_folder
from training.norm import quicken
from training.patches import BASIS, Basis, fit, write_encoder
from training.precision import mixed
from training.run import Run, Schedule, StepRandom, Strict, load, pick_device


class Source(Strict):
    """A folder of images, and how often one of its images is drawn next to others'."""

    path: Path
    weight: float = Field(default=1.0, gt=0)


class Architecture(Strict):
    block_out_channels: tuple[int, ...] = (16, 32, 64, 128, 192)
    latent_channels: int = Field(default=16, ge=1)
    norm_num_groups: int = Field(default=8, ge=1)
    image_size: int = Field(default=256, ge=16)

    def build(self) -> AutoencoderKL:
        levels = len(self.block_out_channels)
        return AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=self.block_out_channels,
            layers_per_block=1,
            latent_channels=self.latent_channels,
            norm_num_groups=self.norm_num_groups,
            sample_size=self.image_size,
            scaling_factor=1.0,
            mid_block_add_attention=False,
        )


class AutoencoderRecipe(Strict):
    kind: Literal["autoencoder"]
    run: Path
    data: tuple[Source, ...]
    device: str = "auto"
    schedule: Schedule
    architecture: Architecture = Architecture()
    #: A checkpoint in diffusers' pipeline layout to go on from, in place of random weights and a fitted encoder.
    start: Path | None = None
    #: "decoder" leaves the encoder as fitted; "all" moves it too.
    trains: Literal["decoder", "all"] = "decoder"
    #: Images that the components are fitted to, and how far their variances are levelled (see ``training.patches.fit``).
    fit_images: int = Field(default=600, ge=1)
    whiten: float = Field(default=0.5, ge=0, le=1)
    #: Side of the square windows, in pixels; every eighth step takes whole images instead.
    crop: int = Field(default=96, ge=16)
    #: Standard deviation of noise on the latent: the U-Net's latents will not be exact either.
    latent_noise: float = Field(default=0.05, ge=0)
    kl_weight: float = Field(default=1e-6, ge=0)
    gradient_weight: float = Field(default=0.5, ge=0)
    #: A pixel inside a lesion counts 1 + this.
    lesion_weight: float = Field(default=3.0, ge=0)


def train(recipe: AutoencoderRecipe) -> Run:
    device = pick_device(recipe.device)
    torch.manual_seed(recipe.schedule.seed)
    records, weights = gather(recipe.data)
    images = Images(records, recipe.architecture.image_size)
    chances, held_out = drawn_and_held_out(records, weights)
    with parallel.one_after_another():
        basis = fitted(recipe, images, chances)
    if recipe.start is None:
        model = recipe.architecture.build()
        write_encoder(model, basis)
    else:
        model = load(AutoencoderKL, recipe.start, "vae").train().requires_grad_(True)
    if recipe.trains == "decoder":
        model.encoder.requires_grad_(False)
        model.quant_conv.requires_grad_(False)
    model = quicken(model, device)
    model.save_config(recipe.run / "model")
    run = Run(recipe.run, recipe, recipe.schedule, model, fingerprint(records))

    def loss(step: int, random: StepRandom) -> dict[str, torch.Tensor]:
        side, batch = recipe.crop, recipe.schedule.batch
        if step % 8 == 7:
            batch, side = max(1, batch * side**2 // images.size**2), images.size
        chosen = random.numpy.choice(len(records), batch, p=chances)
        drawn = crops(images, chosen, side, random.numpy)
        pixels = torch.from_numpy(drawn.pixels).to(device, memory_format=torch.channels_last)
        lesion = torch.from_numpy(drawn.lesion).to(device)
        with mixed(device):
            if recipe.trains == "decoder":
                latent, kl = basis.encode(pixels.float()), torch.zeros(())
            else:
                posterior = model.encode(pixels).latent_dist
                latent, kl = posterior.mean, posterior.kl().sum() / pixels.numel()
            noise = torch.randn(latent.shape, generator=random.torch).to(device)
            rebuilt = model.decode(latent.float() + recipe.latent_noise * noise).sample
        distance = reconstruction(rebuilt.float(), pixels, lesion, recipe.lesion_weight, recipe.gradient_weight)
        return {"loss": distance + recipe.kl_weight * kl, "kl": kl}

    run.fit(loss, lambda picture: validate(model, images, held_out, device, picture))
    return run


def fitted(recipe: AutoencoderRecipe, images: Images, chances: np.ndarray) -> Basis:
    """The encoder's basis: the run's own, that of ``start``, or one fitted to the data.

    Where the encoder stays as it is, the run keeps the basis beside its checkpoints, for whoever needs latents.
    """
    path = recipe.run / BASIS
    if path.exists():
        return Basis.load(path)
    if recipe.start is not None:
        basis = Basis.load(recipe.start / BASIS)
    else:
        random = np.random.default_rng(recipe.schedule.seed)
        some = random.choice(len(chances), min(recipe.fit_images, int((chances > 0).sum())), replace=False, p=chances)
        patch = 2 ** (len(recipe.architecture.block_out_channels) - 1)
        channels = recipe.architecture.latent_channels
        basis = fit(images, some, patch, channels, recipe.lesion_weight, recipe.whiten)
    if recipe.trains == "decoder":
        basis.save(path)
    return basis


def drawn_and_held_out(records: list[Record], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of each record to be drawn in training (N,), and the indices of the pictures kept for validation."""
    learn = np.array([record.split == "train" for record in records])
    chances = np.where(learn, weights, 0)
    return chances / chances.sum(), spread(np.flatnonzero(~learn), 24)


def gather(sources: tuple[Source, ...]) -> tuple[list[Record], np.ndarray]:
    """Records of all folders and the weight of each, unnormalised."""
    records: list[Record] = []
    weights: list[float] = []
    for source in sources:
        found = read_folder(source.path)
        records += found
        weights += [source.weight] * len(found)
    return records, np.array(weights)


def spread(indices: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` of ``indices``, spread over their order and so over the folders; a fixed choice."""
    if len(indices) <= count:
        return indices
    return indices[np.linspace(0, len(indices) - 1, count).round().astype(int)]


def reconstruction(
    rebuilt: torch.Tensor, pixels: torch.Tensor, lesion: torch.Tensor, lesion_weight: float, gradient_weight: float
) -> torch.Tensor:
    """Weighted L1 of values and of neighbour differences at scales 1, 2 and 4. (N, 3, H, W) in [-1, 1] → scalar."""
    error = rebuilt - pixels
    weight = 1 + lesion_weight * lesion
    total = (error.abs() * weight).mean() / weight.mean()
    for _ in range(3):
        for axis in (2, 3):
            along = weight.narrow(axis, 1, weight.shape[axis] - 1)
            total = total + gradient_weight * (error.diff(dim=axis).abs() * along).mean() / along.mean()
        error, weight = F.avg_pool2d(error, 2), F.avg_pool2d(weight, 2)
    return total


@torch.no_grad()
def validate(model: AutoencoderKL, images: Images, indices: np.ndarray, device: torch.device, out: Path) -> dict[str, float]:
    """Reconstruct whole images; originals above their reconstructions in ``out``; PSNR in dB, also inside lesions."""
    shown, psnr, lesion_psnr = [], [], []
    for index in indices:
        pixels = torch.from_numpy(images.image(index).copy()).permute(2, 0, 1)[None].to(device).float() / 127.5 - 1
        with mixed(device):
            rebuilt = model.decode(model.encode(pixels).latent_dist.mode()).sample.float().clamp(-1, 1)
        square = ((rebuilt - pixels) / 2).square().mean(1)[0].cpu().numpy()
        psnr.append(-10 * np.log10(square.mean()))
        mask = images.mask(index)
        if mask is not None and (mask > 127).sum() > 16:
            lesion_psnr.append(-10 * np.log10(square[mask > 127].mean()))
        shown.append(np.concatenate([images.image(index), plots.to_uint8(rebuilt.cpu().numpy())[0]]))
    plots.grid(np.stack(shown), 6, out)
    figures = {"psnr": float(np.mean(psnr))}
    return figures | ({"psnr_lesion": float(np.mean(lesion_psnr))} if lesion_psnr else {})
