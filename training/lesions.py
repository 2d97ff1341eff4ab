"""The finder of lesions in `generation.lesions`, learnt from phantoms, whose masks say where the lesion is.

A small U-Net (Ronneberger et al. 2015, arXiv 1505.04597; diffusers' `UNet2DModel`, without attention). Training pictures are altered
as for `training.judge`, since generated pictures are softer than phantoms. Its loss is cross-entropy plus Dice (Milletari et
al. 2016, arXiv 1606.04797): many lesions cover a hundredth of the picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import UNet2DModel
from PIL import Image
from pydantic import Field

from generation.lesions import logits
from training.autoencoder import Source
from training.dataset import fingerprint
from training.judge import Examples, stacked
from training.precision import mixed
from training.run import Run, Schedule, StepRandom, Strict, load_averaged, pick_device


class LesionsRecipe(Strict):
    kind: Literal["lesions"]
    run: Path
    #: Phantoms, with their masks.
    data: tuple[Source, ...]
    device: str = "auto"
    schedule: Schedule
    image_size: int = Field(default=128, ge=32, multiple_of=32)
    widths: tuple[int, ...] = (16, 32, 48, 64)
    #: Where to write the finished finder, in float16.
    out: Path | None = None


def build(widths: tuple[int, ...], image_size: int) -> UNet2DModel:
    """The network, for `generation.lesions.logits`: it works on blocks of 2×2 pixels, in a quarter of the time."""
    return UNet2DModel(
        sample_size=image_size // 2, in_channels=12, out_channels=4, layers_per_block=1, block_out_channels=widths,
        down_block_types=("DownBlock2D",) * len(widths), up_block_types=("UpBlock2D",) * len(widths),
        norm_num_groups=8, add_attention=False,
    )  # fmt: skip


def train(recipe: LesionsRecipe) -> Run:
    device = pick_device(recipe.device)
    torch.manual_seed(recipe.schedule.seed)
    examples = Examples(recipe.data, recipe.image_size, lambda record: record.mask is not None)
    records, images = examples.records, examples.images
    if not records:
        raise FileNotFoundError("None of the data has masks of lesions; phantoms have: script2skin data phantoms.")
    model = build(recipe.widths, recipe.image_size).to(device, memory_format=torch.channels_last)
    model.save_config(recipe.run / "model")
    run = Run(recipe.run, recipe, recipe.schedule, model, fingerprint(records))

    def loss(step: int, random: StepRandom) -> dict[str, torch.Tensor]:
        _, pixels, lesion = examples.batch(random, recipe.schedule.batch)
        with mixed(device):
            seen = logits(model, pixels.to(device))
        seen, lesion = seen.float(), lesion.to(device)
        entropy = F.binary_cross_entropy_with_logits(seen, lesion)
        chance = seen.sigmoid()
        overlap = (2 * (chance * lesion).sum((1, 2, 3)) + 1) / ((chance + lesion).sum((1, 2, 3)) + 1)
        dice = (1 - overlap).mean()
        return {"loss": entropy + 0.3 * dice, "loss_entropy": entropy, "loss_dice": dice}

    @torch.no_grad()
    def validate(picture: Path) -> dict[str, float]:
        rows = examples.held_out
        if not len(rows):
            return {}
        both: dict[str, list[float]] = {}
        shown = []
        for start in range(0, len(rows), 64):
            pixels, lesion = stacked(images, rows[start : start + 64])
            seen = logits(model, pixels.to(device)).float().cpu() > 0
            true = lesion > 0.5
            shared, either = (seen & true).sum((1, 2, 3)), (seen | true).sum((1, 2, 3))
            for k, row in enumerate(rows[start : start + 64]):
                both.setdefault(records[row].values.get("rash", ""), []).append(float(shared[k] / either[k]) if either[k] else 1.0)
            if start == 0:
                shown = [images.image(i) for i in rows[:16]], true[:16, 0].numpy(), seen[:16, 0].numpy()
        Image.fromarray(np.concatenate([np.concatenate([image, _red(image, is_), _red(image, said)]) for image, is_, said in zip(*shown, strict=True)], 1)).save(picture)
        figures = {f"iou {name}": float(np.mean(each)) for name, each in sorted(both.items())}
        return {"iou": float(np.mean([value for each in both.values() for value in each])), **figures}

    run.fit(loss, validate)
    if recipe.out:
        load_averaged(UNet2DModel, recipe.run).half().save_pretrained(recipe.out)
    return run


def _red(image: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """``image`` (S, S, 3) with ``lesion`` (S, S) in red."""
    shown = image.copy()
    shown[lesion] = shown[lesion] // 2 + np.array([127, 0, 0], np.uint8)
    return shown
