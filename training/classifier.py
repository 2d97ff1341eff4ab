"""A classifier of conditions (ResNet, MobileNetV2 or ViT, from transformers), trained for a set number of updates.

From scratch, or from weights that are at hand. The rate rises over the first twentieth of the updates and falls along a cosine;
the last weights are the result: no picture that is measured on decides when to stop. What an update learns from follows from
(seed, number of the update) alone. A folder of `save` is one of transformers' with ``classifier.json`` beside.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from PIL import Image, ImageOps
from pydantic import Field
from torch import nn
from transformers import AutoConfig, AutoModelForImageClassification, PreTrainedModel

from generation import hub
from generation.errors import CheckpointError
from training.arms import Material
from training.dataset import SUFFIXES
from training.learning import Order
from training.pairs import Fed
from training.precision import mixed
from training.run import Strict, TrainingError
from training.varied import USUAL, changed, changes

FILE = "classifier.json"
WEIGHTS = ("config.json", "model.safetensors", "preprocessor_config.json")
#: Families and what transformers calls them; sizes are those of the papers unless ``shape`` says otherwise.
FAMILIES = {"resnet": "resnet", "mobilenet": "mobilenet_v2", "vit": "vit"}
#: Mean and deviation of pixels for models without weights of their own.
PLAIN = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Architecture(Strict):
    family: Literal["resnet", "mobilenet", "vit"] | None = None
    #: Fields of the family's config in transformers, such as ``hidden_sizes``.
    shape: dict[str, Any] = Field(default_factory=dict)
    #: In place of a family: a folder, or ``owner/name@revision`` of a hub, with config.json and model.safetensors.
    pretrained: str | None = None
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)


class Fit(Strict):
    """How every classifier of an experiment learns."""

    updates: int = Field(ge=1)
    batch: int = Field(default=32, ge=2)
    #: Every class is drawn equally often; else as often as it is there.
    balanced: bool = True
    #: Pictures are never turned upside down.
    upright: bool = False
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)


def fed_of(architecture: Architecture, size: int) -> Fed:
    """How pixels are given to the model. Raises TrainingError for weights that are not at hand."""
    if architecture.pretrained:
        read = Fed.read(_weights(architecture.pretrained), size)
        return Fed(size, read.mean, read.std)  # scaled as for all others, so that all see the same pixels
    return Fed(size, *PLAIN)


def build(architecture: Architecture, classes: Sequence[str], size: int) -> PreTrainedModel:
    """The model, in float32. Raises TrainingError for a shape that is none, or weights that are not at hand."""
    names = dict(enumerate(classes))
    told = {"id2label": names, "label2id": {name: i for i, name in names.items()}}
    try:
        if architecture.pretrained:
            sized = {"image_size": size} if AutoConfig.from_pretrained(_weights(architecture.pretrained)).model_type == "vit" else {}
            model = AutoModelForImageClassification.from_pretrained(
                _weights(architecture.pretrained), ignore_mismatched_sizes=True, use_safetensors=True, dtype=torch.float32, **told, **sized
            )
        else:
            own = {"image_size": size} if architecture.family != "resnet" else {}
            if architecture.family == "mobilenet":
                own["classifier_dropout_prob"] = 0.2  # the paper keeps 0.8; transformers' default drops it
            model = AutoModelForImageClassification.from_config(
                AutoConfig.for_model(FAMILIES[architecture.family], **{**own, **architecture.shape}, **told)
            )
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.1  # MobileNetV2 has TensorFlow's 0.997, which here would keep the last batch alone
        with torch.no_grad():
            model.eval()(pixel_values=torch.zeros(1, 3, size, size))
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, StrictDataclassError) as error:
        raise TrainingError(f"The classifier {architecture.pretrained or architecture.family} cannot be made at {size} pixels: {error}") from error
    return model


def _weights(name: str) -> Path:
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    repository = hub.parse(name)
    try:
        if repository:
            return hub.fetch(name, *repository, WEIGHTS)
    except CheckpointError as error:
        raise TrainingError(str(error)) from error
    raise TrainingError(f"There are no weights {name!r}: give a folder, or owner/name@revision of a hub.")


def train(
    architecture: Architecture, fit: Fit, material: Material, classes: Sequence[str], fed: Fed, seed: int, device: torch.device,
    on_update: Callable[[int], None] = lambda done: None,
) -> tuple[PreTrainedModel, list[float]]:  # fmt: skip
    """The trained model, in evaluation mode, and the loss of each of ``fit.updates`` updates.

    Raises:
        TrainingError: the loss is no number.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model = build(architecture, classes, fed.size).to(device, memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(_decayed(model, architecture.weight_decay), lr=architecture.lr)
        order = Order(_chances(material.labels, len(classes), fit.balanced), fit.batch, seed)
        warm = max(1, fit.updates // 20)
        losses = []
        for update in range(fit.updates):
            for group in optimizer.param_groups:
                group["lr"] = architecture.lr * min(1, (update + 1) / warm) * 0.5 * (1 + math.cos(math.pi * update / fit.updates))
            pixels, labels = batch(material, order.rows(update), np.random.default_rng((seed, 11, update)), fed, fit.upright)
            with mixed(device):
                logits = model(pixel_values=pixels.to(device, memory_format=torch.channels_last)).logits
            loss = F.cross_entropy(logits.float(), labels.to(device), label_smoothing=fit.label_smoothing)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
            on_update(update + 1)
    told = torch.stack(losses).cpu().tolist()
    if not all(map(math.isfinite, told)):
        raise TrainingError(f"The loss was no number from update {[math.isfinite(x) for x in told].index(False)} on: lower lr of this classifier.")
    return model.eval(), told


def batch(material: Material, rows: np.ndarray, random: np.random.Generator, fed: Fed, upright: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels float (n, 3, S, S) as the model is fed, and labels (n,): copies as they were changed once, all changed as usual."""
    pixels = torch.from_numpy(material.pixels(rows)).float() / 255
    how = material.changes[rows]
    copies = np.flatnonzero(~np.isnan(how[:, 0]))
    if len(copies):
        pixels[copies] = changed(pixels[copies], how[copies])
    pixels = changed(pixels, changes(random, len(rows), USUAL, upright))
    return _normalised(pixels, fed), torch.from_numpy(material.labels[rows])


def _normalised(pixels: torch.Tensor, fed: Fed) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (fed.mean, fed.std))
    return (pixels - mean) / std


def _chances(labels: np.ndarray, classes: int, balanced: bool) -> np.ndarray:
    if not balanced:
        return np.ones(len(labels))
    return 1 / np.bincount(labels, minlength=classes)[labels]


def _decayed(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and the scales of norms do not."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


@torch.no_grad()
def probabilities(model: PreTrainedModel, pixels: np.ndarray, fed: Fed, device: torch.device, at_once: int = 64) -> np.ndarray:
    """float32 (N, classes) of uint8 ``pixels`` (N, 3, S, S)."""
    out = []
    for start in range(0, len(pixels), at_once):
        given = fed.normalised(np.array(pixels[start : start + at_once])).to(device, memory_format=torch.channels_last)
        out.append(model(pixel_values=given).logits.float().softmax(1).cpu().numpy())
    return np.concatenate(out)


# ── kept classifiers ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Classifier:
    """A trained model, its classes in the order of its probabilities, and how it is fed."""

    model: PreTrainedModel
    classes: tuple[str, ...]
    fed: Fed


def save(classifier: Classifier, folder: Path, **told: Any) -> None:
    """Write the model, in safetensors, and what is ``told`` of how it came about."""
    classifier.model.save_pretrained(folder)
    fed = classifier.fed
    said = {"classes": classifier.classes, "image_size": fed.size, "mean": fed.mean, "std": fed.std, "resample": int(fed.resample)}
    (folder / FILE).write_text(json.dumps({**said, **told}, indent=1) + "\n")


def read(folder: Path, device: torch.device) -> Classifier:
    """A classifier of `save`. Raises TrainingError where there is none."""
    try:
        told = json.loads((folder / FILE).read_text())
        fed = Fed(told["image_size"], tuple(told["mean"]), tuple(told["std"]), told["resample"])
        model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"{folder} holds no classifier ({error}): give a folder of `script2skin evaluate augmentation`, such as best/hybrid.") from error
    return Classifier(model.to(device, memory_format=torch.channels_last).eval(), tuple(told["classes"]), fed)


def predict(
    classifier: Classifier, images: Path, out: Path, device: torch.device, on_image: Callable[[int, int], None] = lambda done, total: None
) -> int:
    """Write probabilities of every picture in ``images`` to ``out``, a CSV with ``image_id`` (the file's name without its
    ending) and a column a class, sorted; returns how many.

    Raises:
        TrainingError: no picture, two of one name, or one that cannot be read.
    """
    paths = pictures_in(images)
    part = out.with_name(f".{out.name}.part")
    out.parent.mkdir(parents=True, exist_ok=True)
    with part.open("w", newline="", encoding="utf-8") as file, ThreadPoolExecutor() as pool:
        rows = csv.writer(file)
        rows.writerow(["image_id", *(name.replace(" ", "_") for name in classifier.classes)])
        done = 0
        for some in _some(paths, 64):
            pixels = np.stack(list(pool.map(lambda path: opened(path, classifier.fed), some)))
            for path, chances in zip(some, probabilities(classifier.model, pixels, classifier.fed, device), strict=True):
                rows.writerow([path.stem, *(f"{chance:.6f}" for chance in chances)])
            on_image(done := done + len(some), len(paths))
    part.replace(out)
    return done


def pictures_in(folder: Path) -> list[Path]:
    """Pictures in ``folder`` and below, sorted by name; ISIC's superpixels and masks are none. Raises TrainingError."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    paths = sorted((path for path in found if not path.stem.endswith(("_superpixels", "_segmentation"))), key=lambda path: path.stem)
    if not paths:
        raise TrainingError(f"No picture in {folder}: expected files ending in {', '.join(sorted(SUFFIXES))}.")
    for first, second in pairwise(paths):
        if first.stem == second.stem:
            raise TrainingError(f"{first} and {second} have the same name, which is what a prediction is called by; keep one.")
    return paths


def opened(path: Path, fed: Fed) -> np.ndarray:
    try:
        with Image.open(path) as file:
            upright = ImageOps.exif_transpose(file).convert("RGB")
        return np.asarray(ImageOps.fit(upright, (fed.size, fed.size), fed.resample)).transpose(2, 0, 1)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise TrainingError(f"{path} is no picture that can be read ({error}); remove it or give another folder.") from error


def _some(paths: list[Path], count: int) -> Iterator[list[Path]]:
    left = iter(paths)
    while part := list(islice(left, count)):
        yield part

