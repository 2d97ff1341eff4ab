"""An encoder that needs no training: principal components of image patches, written into AutoencoderKL's weights.

On two cores an encoder is what takes longest to learn. On 40 held-out phantoms the 16 strongest components of 16×16
patches, lesions weighted up, give 33.1 dB (29.0 dB inside lesions) with a linear decoder, and 35.7 dB (29.6 dB) with the
convolutional one after 27 minutes. So the encoder *is* that projection, and training is left to the decoder, which learns
to draw what 16 numbers a patch leave open. Further training may move the encoder like any other weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from training.dataset import Images

#: Name of the file beside an autoencoder whose encoder is still the basis.
BASIS = "basis.safetensors"
#: Constant that keeps a group's norm from following the image; large beside latents of a few units.
ANCHOR = 20.0


@dataclass(frozen=True)
class Basis:
    """``rows`` (C, p, p, 3) and ``offset`` (C,): latent = Σ rows · pixels − offset, for pixels in [−1, 1]."""

    rows: torch.Tensor
    offset: torch.Tensor

    @property
    def patch(self) -> int:
        return self.rows.shape[1]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"rows": self.rows, "offset": self.offset}, path)

    @classmethod
    def load(cls, path: Path) -> Basis:
        return cls(**load_file(path))

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) in [−1, 1] → (N, C, H/p, W/p)."""
        weight = self.rows.permute(0, 3, 1, 2).to(pixels)
        return torch.nn.functional.conv2d(pixels, weight, -self.offset.to(pixels), stride=self.patch)


def fit(images: Images, indices: np.ndarray, patch: int, channels: int, lesion_weight: float, whiten: float) -> Basis:
    """Components of the patches of some images; a patch that is all lesion counts 1 + ``lesion_weight``.

    ``whiten`` 1 gives every channel variance 1, 0 keeps the variances' ratios; between them coarse channels stay stronger
    than fine ones, as low frequencies are in photographs. The mean variance over channels is 1 in any case.
    """
    mean, covariance = _moments(images, indices, patch, lesion_weight)
    variances, vectors = torch.linalg.eigh(covariance)
    variances, vectors = variances.flip(0)[:channels], vectors.flip(1)[:, :channels]
    scale = variances.clamp(min=1e-12) ** (-whiten / 2)
    scale /= (variances * scale**2).mean().sqrt()
    rows = (vectors * scale).T.float()
    return Basis(rows.reshape(channels, patch, patch, 3).contiguous(), rows @ mean.float())


def extend(basis: Basis, images: Images, indices: np.ndarray, channels: int, lesion_weight: float) -> Basis:
    """``basis`` and, after its own, the strongest components of what it leaves out, up to ``channels``.

    What its channels say stays as it was, so that a U-Net and a decoder that know them can go on. The new ones are scaled
    as the old ones are: by the power of the variance that fits those best.
    """
    mean, covariance = _moments(images, indices, basis.patch, lesion_weight)
    old = basis.rows.flatten(1).double()
    lengths = old.norm(dim=1)
    directions = old / lengths[:, None]
    known = torch.einsum("ci,ij,cj->c", directions, covariance, directions)
    slope, level = np.polyfit(known.log().numpy(), lengths.log().numpy(), 1)
    aside = torch.eye(len(covariance), dtype=torch.float64) - directions.T @ torch.linalg.pinv(directions.T)
    variances, vectors = torch.linalg.eigh(aside @ covariance @ aside)
    added = channels - len(old)
    variances, vectors = variances.flip(0)[:added].clamp(min=1e-12), vectors.flip(1)[:, :added]
    rows = ((vectors * np.exp(level) * variances**slope).T).float()
    return Basis(
        torch.cat([basis.rows, rows.view(added, *basis.rows.shape[1:])]), torch.cat([basis.offset, rows @ mean.float()])
    )


def _moments(images: Images, indices: np.ndarray, patch: int, lesion_weight: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance of the patches of some images, in float64; lesions count 1 + ``lesion_weight``."""
    size = patch * patch * 3
    total, first, second = 0.0, torch.zeros(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64)
    for index in indices:
        pixels = _patches(torch.from_numpy(images.image(int(index)).astype(np.float32) / 127.5 - 1), patch)
        mask = images.mask(int(index))
        weight = torch.ones(len(pixels))
        if mask is not None:
            lesion = torch.from_numpy(mask.astype(np.float32) / 255)[..., None]
            weight += lesion_weight * _patches(lesion, patch).mean(1)
        total += weight.sum().item()
        first += (pixels * weight[:, None]).sum(0).double()
        second += ((pixels * weight[:, None]).T @ pixels).double()
    mean = first / total
    return mean, second / total - torch.outer(mean, mean)


def _patches(image: torch.Tensor, patch: int) -> torch.Tensor:
    """(H, W, C) → (patches, patch·patch·C), row by row."""
    h, w, c = image.shape
    return image.view(h // patch, patch, w // patch, patch, c).swapaxes(1, 2).reshape(-1, patch * patch * c)


@torch.no_grad()
def write_encoder(model: AutoencoderKL, basis: Basis) -> None:
    """Set the weights of ``model``'s encoder so that its latent mean is ``basis.encode`` (to about 1 % in bfloat16).

    Residual branches are zero, so the signal runs through shortcuts and strided convolutions alone. Each level keeps of
    its 2×2 blocks the directions that the basis needs (SVD). Before the last norm every channel stands as a pair ±x beside
    constants, so that the norm only scales, and SiLU(x) − SiLU(−x) = x undoes the activation.
    Raises ValueError when the basis does not fit the architecture.
    """
    encoder, widths = model.encoder, model.config.block_out_channels
    channels = len(basis.rows)
    if basis.patch != 2 ** (len(widths) - 1) or channels != model.config.latent_channels:
        raise ValueError(
            f"A basis of {channels} channels and {basis.patch}-pixel patches does not fit an autoencoder of "
            f"{model.config.latent_channels} channels and {2 ** (len(widths) - 1)} pixels."
        )
    _identity(encoder.conv_in.weight, 3)
    encoder.conv_in.bias.zero_()
    for module in encoder.modules():
        if hasattr(module, "conv2"):
            module.conv2.weight.zero_()
            module.conv2.bias.zero_()
        if getattr(module, "conv_shortcut", None) is not None:
            _identity(module.conv_shortcut.weight, module.conv_shortcut.in_channels)
            module.conv_shortcut.bias.zero_()
    needed = basis.rows.clone()
    for block, width in zip(encoder.down_blocks[:-1], widths[:-1], strict=True):
        directions, needed = _halve(needed, width)
        conv = block.downsamplers[0].conv
        conv.weight.zero_()
        conv.bias.zero_()
        depth = directions.shape[1] // 4
        conv.weight[: len(directions), :depth, :2, :2] = directions.view(-1, 2, 2, depth).permute(0, 3, 1, 2)
    _pair(encoder, basis.offset, model.config.norm_num_groups)
    model.quant_conv.bias.zero_()
    _identity(model.quant_conv.weight, 2 * channels)


def _halve(needed: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions (k ≤ width, 4·d) of 2×2 blocks that ``needed`` (C, h, w, d) asks for, and what it is in terms of them."""
    c, h, w, d = needed.shape
    blocks = needed.view(c, h // 2, 2, w // 2, 2, d).permute(0, 1, 3, 2, 4, 5).reshape(c, h // 2, w // 2, 4 * d)
    if h == 2:
        return blocks.reshape(c, 4 * d), torch.eye(c).view(c, 1, 1, c)
    if 4 * d <= width:
        return torch.eye(4 * d), blocks
    directions = torch.linalg.svd(blocks.reshape(-1, 4 * d), full_matrices=False).Vh[:width]
    return directions, blocks @ directions.T


def _pair(encoder: torch.nn.Module, offset: torch.Tensor, groups: int) -> None:
    """Last level and output: ±(x − offset) and anchors in each group of the norm, and their difference as the latent."""
    channels = len(offset)
    shortcut = encoder.down_blocks[-1].resnets[0].conv_shortcut
    norm, out = encoder.conv_norm_out, encoder.conv_out
    size = norm.num_channels // groups
    pairs = -(-channels // groups)
    if 2 * pairs + 2 > size or size % 2:
        raise ValueError(f"{channels} latent channels need groups of at least {2 * pairs + 2} channels, not {size}.")
    shortcut.weight.zero_()
    norm.weight.zero_()
    norm.bias.zero_()
    out.weight.zero_()
    out.bias.zero_()
    out.bias[channels:] = -12  # log-variance: the latent is its mean, give or take 0.0025
    sign = torch.tensor([1.0, -1.0]).repeat(size // 2)
    anchors = size - 2 * pairs
    for group in range(groups):
        shortcut.bias[group * size : (group + 1) * size] = ANCHOR * sign
        for slot in range(pairs):
            channel = group * pairs + slot
            for side, direction in ((0, 1.0), (1, -1.0)):
                place = group * size + 2 * slot + side
                if channel >= channels:
                    shortcut.bias[place] = 0
                    continue
                shortcut.weight[place, channel] = direction
                shortcut.bias[place] = -direction * offset[channel]
                norm.weight[place] = ANCHOR * (anchors / size) ** 0.5
                out.weight[channel, place, 1, 1] = direction


def _identity(weight: torch.Tensor, count: int) -> None:
    """Make a convolution pass its first ``count`` channels on."""
    weight.zero_()
    middle = weight.shape[2] // 2
    for i in range(count):
        weight[i, i, middle, middle] = 1
