"""More latent channels for a checkpoint that is trained already: what it knows stays, and there is room for detail.

Sixteen numbers for 16×16 pixels left eyes, papules and scale smeared, however well the U-Net guessed them. The encoder's basis
gets further components (`training.patches.extend`); decoder and U-Net take them in through weights that start at 0, so that
the new checkpoint draws what the old one drew until it is trained: `autoencoder` and `unet` with ``start``.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from pydantic import Field
from torch import nn

from generation.catalog import CARD, read_card, write_card
from generation.layout import weights_sha256
from training.autoencoder import Architecture, Source, drawn_and_held_out, gather
from training.dataset import Images
from training.guided import like
from training.patches import BASIS, Basis, extend, write_encoder
from training.run import Strict, load


class WidenRecipe(Strict):
    kind: Literal["widen"]
    #: In diffusers' pipeline layout, with the basis of its encoder.
    checkpoint: Path
    out: Path
    latent_channels: int = Field(default=32, ge=1)
    data: tuple[Source, ...]
    fit_images: int = Field(default=600, ge=1)
    lesion_weight: float = Field(default=3.0, ge=0)
    seed: int = 0
    max_shard_size: str = "15MB"


def widen(recipe: WidenRecipe) -> Path:
    """Write ``recipe.out`` (replaced as a whole, float16) and return it. Raises ValueError when it would have no more channels."""
    autoencoder = load(AutoencoderKL, recipe.checkpoint, "vae")
    if recipe.latent_channels <= autoencoder.config.latent_channels:
        raise ValueError(f"{recipe.checkpoint} has {autoencoder.config.latent_channels} latent channels already.")
    records, weights = gather(recipe.data)
    chances, _ = drawn_and_held_out(records, weights)
    random = np.random.default_rng(recipe.seed)
    some = random.choice(len(records), min(recipe.fit_images, int((chances > 0).sum())), replace=False, p=chances)
    images = Images(records, autoencoder.config.sample_size)
    basis = extend(Basis.load(recipe.checkpoint / BASIS), images, some, recipe.latent_channels, recipe.lesion_weight)
    aside = recipe.out.with_name(f".{recipe.out.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name in ("model_index.json", CARD, "scheduler", "tokenizer", "text_encoder"):
        copy = shutil.copytree if (recipe.checkpoint / name).is_dir() else shutil.copy
        copy(recipe.checkpoint / name, aside / name)
    unet = wider_unet(load(UNet2DConditionModel, recipe.checkpoint, "unet"), recipe.latent_channels)
    for name, part in (("vae", wider_autoencoder(autoencoder, basis)), ("unet", unet)):
        part.half().save_pretrained(aside / name, max_shard_size=recipe.max_shard_size)
    basis.save(aside / BASIS)
    write_card(aside, read_card(aside).model_copy(update={"sha256": weights_sha256(aside)}))
    shutil.rmtree(recipe.out, ignore_errors=True)
    aside.rename(recipe.out)
    return recipe.out


@torch.no_grad()
def wider_autoencoder(autoencoder: AutoencoderKL, basis: Basis) -> AutoencoderKL:
    """An autoencoder whose encoder is ``basis`` and whose decoder does not heed the channels that ``autoencoder`` lacks."""
    kept = autoencoder.config
    shape = Architecture(
        block_out_channels=tuple(kept.block_out_channels),
        latent_channels=len(basis.rows),
        norm_num_groups=kept.norm_num_groups,
        image_size=kept.sample_size,
    )
    wide = shape.build()
    write_encoder(wide, basis)
    wide.decoder.load_state_dict({**autoencoder.decoder.state_dict(), "conv_in.weight": wide.decoder.conv_in.weight})
    _spread(autoencoder.decoder.conv_in, wide.decoder.conv_in)
    _spread(autoencoder.post_quant_conv, wide.post_quant_conv)
    for channel in range(kept.latent_channels, len(basis.rows)):
        wide.post_quant_conv.weight[channel, channel] = 1
    return wide


@torch.no_grad()
def wider_unet(unet: UNet2DConditionModel, channels: int) -> UNet2DConditionModel:
    """A U-Net that says 0 of its new channels and does not heed them."""
    wide = like(unet, in_channels=channels, out_channels=channels)
    own = wide.state_dict()
    wide.load_state_dict({name: value if value.shape == own[name].shape else own[name] for name, value in unet.state_dict().items()})
    _spread(unet.conv_in, wide.conv_in)
    _spread(unet.conv_out, wide.conv_out)
    return wide


def _spread(narrow: nn.Conv2d, wide: nn.Conv2d) -> None:
    """The weights of one convolution in a wider one, whose others are 0."""
    out, into = narrow.weight.shape[:2]
    wide.weight.zero_()
    wide.bias.zero_()
    wide.weight[:out, :into] = narrow.weight
    wide.bias[:out] = narrow.bias
