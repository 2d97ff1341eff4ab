"""What a base draws by itself, for a fine-tuning that is not to forget it: DreamBooth's prior preservation.

Ruiz et al. 2023 (arXiv 2208.12242), section 3.3: images of the class, drawn before training, are learnt beside one's own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from tqdm import tqdm

from assistant.schema import ImageRequest
from assistant.vocabulary import vocabulary
from training import parallel
from training.base import Base
from training.dataset import Record, read_folder
from training.precision import mixed
from training.run import Strict, TrainingError


class Prior(Strict):
    """Pictures that the base draws of what it knows, learnt beside one's own."""

    images: int = Field(default=200, ge=1)
    #: Captions: "class", those of one's own images without the identifier, or "others", the base's other conditions at the same
    #: sites on the same tones.
    captions: Literal["class", "others"] = "class"
    #: How many of them are learnt beside each of one's own images.
    share: float = Field(default=1.0, gt=0, le=4)
    #: What it counts beside one's own images.
    weight: float = Field(default=1.0, gt=0)
    #: Learn the pictures ("images", as DreamBooth does), or what the base says of them under noise ("base"): that also keeps a
    #: student's few steps and its guidance.
    target: Literal["images", "base"] = "images"
    #: A folder of class images in place of drawn ones.
    folder: Path | None = None


def drawn_by_base(prior: Prior, base: Base, records: list[Record], identifier: str | None, folder: Path, seed: int) -> list[Record]:
    """Records of the class images: those of ``prior.folder``, or ``prior.images`` drawn into ``folder``; what is there is kept.

    Raises TrainingError where there is nothing to draw.
    """
    if prior.folder is not None:
        return [record for record in read_folder(prior.folder) if record.text]
    if prior.captions == "class" and identifier is None:
        raise TrainingError("A prior of the same class needs an identifier that tells one's own images from it; give one, or captions: others.")
    captions = class_captions(prior, base, records, seed)
    with parallel.one_after_another():
        if not parallel.rank():
            _draw(captions, base, folder, seed)
    return [Record(folder / f"{i:05d}.png", caption) for i, caption in enumerate(captions)]


def class_captions(prior: Prior, base: Base, records: list[Record], seed: int) -> list[str]:
    """One caption a class image."""
    random = np.random.default_rng((seed, 7))
    chosen = random.integers(len(records), size=prior.images)
    if prior.captions == "class":
        return [records[i].text for i in chosen]
    own = {record.values.get("rash") for record in records}
    trained = base.checkpoint.card.trained
    known = sorted(set(trained.rash if trained and trained.rash else vocabulary().names("rash")) - own)
    if not known:
        raise TrainingError("The data show every condition that the base knows: there are no others to keep in mind. Leave prior out.")
    asked = [{**records[i].values, "rash": known[n % len(known)]} for n, i in enumerate(chosen)]
    return [ImageRequest(count=1, seed=0, **{"area": "forearm", "tone": "medium", **values}).caption for values in asked]


@torch.inference_mode()
def _draw(captions: list[str], base: Base, folder: Path, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "captions.json"
    if told.exists() and json.loads(told.read_text()) != captions:
        raise TrainingError(f"{folder} holds pictures of other captions; delete it, or give another folder with --out.")
    told.write_text(json.dumps(captions))
    card = base.checkpoint.card
    missing = [i for i in range(len(captions)) if not (folder / f"{i:05d}.png").exists()]
    for start in tqdm(range(0, len(missing), 4), "Class images, four at a time", disable=None):
        some = missing[start : start + 4]
        with mixed(base.pipeline.device):
            drawn = base.pipeline(
                [captions[i] for i in some], num_inference_steps=card.steps, guidance_scale=card.guidance_scale,
                generator=[torch.Generator().manual_seed(seed * 100_003 + i) for i in some], output_type="np",
            ).images  # fmt: skip
        for i, picture in zip(some, drawn, strict=True):
            aside = folder / f".{i:05d}.png"
            Image.fromarray((picture * 255).round().astype(np.uint8)).save(aside, "PNG")
            aside.replace(folder / f"{i:05d}.png")
