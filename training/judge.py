"""A judge of pictures: which rash, which area, and where the lesion is; learnt from phantoms that no generator has seen.

A small ResNet (He et al. 2016, arXiv 1512.03385, from transformers) with one linear head a slot and, from all its stages, a
map of the lesion. Training pictures are blurred, shifted, scaled and relit at random, so that the judge looks at what is
drawn and not at how sharp it is: generated pictures are softer than phantoms.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from PIL import Image
from pydantic import Field
from torch import nn
from transformers import ResNetBackbone, ResNetConfig, ResNetForImageClassification

from generation import rashes
from training.autoencoder import Source, gather
from training.dataset import Images, Record, fingerprint
from training.precision import mixed
from training.run import Run, Schedule, StepRandom, Strict, load_averaged, pick_device

SLOTS = ("rash", "area")


class Judge(ModelMixin, ConfigMixin):
    """Pictures float (N, 3, S, S) in [-1, 1] → features (N, D), logits of each slot (N, classes), lesion logits (N, S/4, S/4)."""

    @register_to_config
    def __init__(
        self, rash: list[str], area: list[str], image_size: int = 128, widths: tuple[int, ...] = (32, 64, 128, 256)
    ) -> None:
        super().__init__()
        stages = [f"stage{i + 1}" for i in range(len(widths))]
        self.backbone = ResNetBackbone(
            ResNetConfig(
                embedding_size=widths[0], hidden_sizes=list(widths), depths=[1, 1, 2, 2][: len(widths)],
                layer_type="basic", out_features=stages,
            )
        )  # fmt: skip
        self.heads = nn.ModuleDict({"rash": nn.Linear(widths[-1], len(rash)), "area": nn.Linear(widths[-1], len(area))})
        self.lesion = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in widths)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        maps = self.backbone(pixels).feature_maps
        features = maps[-1].mean((2, 3))
        side = pixels.shape[-1] // 4
        parts = [
            F.interpolate(head(part), size=(side, side), mode="bilinear", align_corners=False)
            for head, part in zip(self.lesion, maps, strict=True)
        ]
        logits = {slot: head(features) for slot, head in self.heads.items()}
        return features, logits, torch.stack(parts).sum(0)[:, 0]


class JudgeRecipe(Strict):
    kind: Literal["judge"]
    run: Path
    #: Phantoms of another seed than the generator's.
    data: tuple[Source, ...]
    device: str = "auto"
    schedule: Schedule
    image_size: int = Field(default=128, ge=32)
    widths: tuple[int, ...] = (32, 64, 128, 256)
    #: A checkpoint's folder, where what tells conditions apart is to look at its pictures as they are drawn (`generation.rashes`).
    #: A judge that does so is no judge of that checkpoint any more: its phantoms must be others than those of the judge.
    out: Path | None = None


class Examples:
    """The pictures of ``data`` whose records ``fit``: those to learn from, in random batches, and those ``held_out``."""

    def __init__(self, data: tuple[Source, ...], size: int, fit: Callable[[Record], bool]) -> None:
        records, weights = gather(data)
        fitting = [i for i, record in enumerate(records) if fit(record)]
        self.records, weights = [records[i] for i in fitting], weights[fitting]
        self.images = Images(self.records, size)
        learn = np.array([record.split == "train" for record in self.records], bool)
        self.held_out = np.flatnonzero(~learn)
        self._chances = np.where(learn, weights, 0) / weights[learn].sum()

    def batch(self, random: StepRandom, count: int) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
        """Numbers (count,) of pictures drawn by weight; the pictures and their lesions, altered."""
        rows = random.numpy.choice(len(self.records), count, p=self._chances)
        return rows, *altered(*stacked(self.images, rows), random)


def train(recipe: JudgeRecipe) -> Run:
    device = pick_device(recipe.device)
    torch.manual_seed(recipe.schedule.seed)
    examples = Examples(recipe.data, recipe.image_size, lambda record: {*SLOTS} <= record.values.keys())
    records, images = examples.records, examples.images
    names = {slot: sorted({record.values[slot] for record in records}) for slot in SLOTS}
    labels = {slot: np.array([names[slot].index(record.values[slot]) for record in records]) for slot in SLOTS}
    model = Judge(**names, image_size=recipe.image_size, widths=recipe.widths).to(device, memory_format=torch.channels_last)
    model.save_config(recipe.run / "model")
    run = Run(recipe.run, recipe, recipe.schedule, model, fingerprint(records))

    def loss(step: int, random: StepRandom) -> dict[str, torch.Tensor]:
        rows, pixels, lesion = examples.batch(random, recipe.schedule.batch)
        lesion = F.avg_pool2d(lesion, 4)[:, 0]
        with mixed(device):
            _, logits, seen = model(pixels.to(device, memory_format=torch.channels_last))
        losses = {
            f"loss_{slot}": F.cross_entropy(logits[slot].float(), torch.from_numpy(labels[slot][rows]).to(device), label_smoothing=0.05)
            for slot in SLOTS
        }
        losses["loss_lesion"] = F.binary_cross_entropy_with_logits(seen.float(), lesion.to(device))
        return {"loss": sum(losses.values()), **losses}

    @torch.no_grad()
    def validate(picture: Path) -> dict[str, float]:
        rows = examples.held_out
        figures: dict[str, float] = {}
        if len(rows):
            opinion = Opinion(model, [images.image(i) for i in rows], device)
            for slot in SLOTS:
                figures[f"accuracy_{slot}"] = float((opinion.chosen[slot] == labels[slot][rows]).mean())
        return figures

    run.fit(loss, validate)
    if recipe.out and not run.rank:
        export(read(recipe.run, torch.device("cpu")), recipe.out)
    return run


def export(model: Judge, checkpoint: Path) -> None:
    """Write what tells conditions apart as a ``ResNetForImageClassification`` in float16, with what it is fed, into ``checkpoint``."""
    names = dict(enumerate(model.config.rash))
    config = ResNetConfig(
        **{**model.backbone.config.to_diff_dict(), "out_features": None, "out_indices": None},
        id2label=names, label2id={name: i for i, name in names.items()},
    )  # fmt: skip
    classifier = ResNetForImageClassification(config)
    classifier.resnet.load_state_dict(model.backbone.state_dict())
    classifier.classifier[1].load_state_dict(model.heads["rash"].state_dict())
    folder = checkpoint / rashes.FOLDER
    classifier.half().save_pretrained(folder)
    side = model.config.image_size
    fed = {
        "image_processor_type": "ConvNextImageProcessor", "do_resize": True, "size": {"shortest_edge": side}, "crop_pct": 1.0,
        "resample": Image.Resampling.LANCZOS, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    (folder / rashes.PREPARED).write_text(json.dumps(fed, indent=2) + "\n")


def stacked(images: Images, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (N, 3, S, S) in [-1, 1] and lesions (N, 1, S, S) in [0, 1]."""
    images.ready(rows)
    pixels = torch.from_numpy(np.stack([images.image(i) for i in rows])).permute(0, 3, 1, 2).float() / 127.5 - 1
    masks = [images.mask(i) for i in rows]
    empty = np.zeros((images.size, images.size), np.uint8)
    lesion = torch.from_numpy(np.stack([empty if mask is None else mask for mask in masks]))[:, None].float() / 255
    return pixels, lesion


def altered(pixels: torch.Tensor, lesion: torch.Tensor, random: StepRandom) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirrored, shifted, scaled, turned a little, relit and blurred, each picture in its own way."""
    n = len(pixels)

    def between(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, generator=random.torch)

    turn, scale, mirror = between(-0.15, 0.15), between(0.85, 1.12), torch.where(between(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = turn.cos() / scale, turn.sin() / scale
    rows = [torch.stack([cos * mirror, -sin, between(-0.1, 0.1)], 1), torch.stack([sin * mirror, cos, between(-0.1, 0.1)], 1)]
    place = F.affine_grid(torch.stack(rows, 1), list(pixels.shape), align_corners=False)
    pixels = F.grid_sample(pixels, place, padding_mode="reflection", align_corners=False)
    lesion = F.grid_sample(lesion, place, padding_mode="zeros", align_corners=False)
    # one width of blur a batch: a convolution of its own for each picture costs more than the network
    width = float(between(0, 1)[0]) * 1.3 * pixels.shape[-1] / 128
    if width > 0.3:
        at = torch.arange(-3, 4).float()
        kernel = torch.exp(-(at**2) / (2 * width**2))
        kernel = (kernel / kernel.sum()).view(1, 1, 1, 7).repeat(3, 1, 1, 1)
        padded = F.pad(pixels, (3, 3, 3, 3), mode="reflect")
        pixels = F.conv2d(F.conv2d(padded, kernel, groups=3), kernel.transpose(2, 3), groups=3)
    contrast, light = between(0.85, 1.15).view(-1, 1, 1, 1), between(-0.12, 0.12).view(-1, 1, 1, 1)
    noise = 0.02 * torch.randn(pixels.shape, generator=random.torch)
    return pixels * contrast + light + noise, lesion


class Opinion:
    """What a judge says of uint8 pictures (S, S, 3): ``features`` (N, D) float32, ``chosen`` class numbers (N,) of each slot,
    ``lesion`` (N, S/4, S/4) chance of lesion."""

    @torch.no_grad()
    def __init__(self, model: Judge, pictures: list[np.ndarray], device: torch.device, at_once: int = 64) -> None:
        features, lesion = [], []
        chosen: dict[str, list[torch.Tensor]] = {slot: [] for slot in SLOTS}
        for start in range(0, len(pictures), at_once):
            pixels = torch.from_numpy(np.stack(pictures[start : start + at_once])).permute(0, 3, 1, 2).float() / 127.5 - 1
            told, logits, seen = model(pixels.to(device, memory_format=torch.channels_last))
            features.append(told.float().cpu())
            lesion.append(seen.float().sigmoid().cpu())
            for slot in SLOTS:
                chosen[slot].append(logits[slot].argmax(1).cpu())
        self.features = torch.cat(features).numpy()
        self.lesion = torch.cat(lesion).numpy()
        self.chosen = {slot: torch.cat(parts).numpy() for slot, parts in chosen.items()}


def read(run: Path, device: torch.device) -> Judge:
    """The judge of a finished run. Raises FileNotFoundError where there is none."""
    return load_averaged(Judge, run).to(device, memory_format=torch.channels_last)
