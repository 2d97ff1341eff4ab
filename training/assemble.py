"""Finished parts → one folder in ``StableDiffusionPipeline`` layout, float16 safetensors, with ``script2skin.json``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from pydantic import Field, model_validator

from assistant.frames import Trained
from generation import rashes
from generation.catalog import Card, read_card, write_card
from generation.layout import weights_sha256
from training.clip import IMAGE_ENCODER
from training.dataset import Record, read_folder
from training.patches import BASIS
from training.run import Strict, load
from training.text import text_tower
from training.unet import Sampler, pipeline


class AssembleRecipe(Strict):
    kind: Literal["assemble"]
    out: Path
    name: str
    #: Runs to take the averaged weights of (one that is still going gives its last checkpoint), or a checkpoint's folder
    #: for a part that stays.
    unet: Path
    autoencoder: Path
    clip: Path
    #: Folders that the U-Net learnt from: what they hold is what the checkpoint may be asked for.
    data: tuple[Path, ...] = ()
    #: A checkpoint that this one draws like: whatever is not given here, its vocabulary too where there are no ``data``, is as on
    #: that one's card.
    like: Path | None = None
    #: Values of the data that it may not be asked for: learnt, and not yet to be told at sight.
    without: frozenset[str] = frozenset()
    steps: int = Field(default=20, ge=1)
    guidance_scale: float = 3.0
    guidance_by_rash: dict[str, float] = Field(default_factory=dict)
    guidance_rescale: float = 0.0
    #: The largest scale that the U-Net learnt, where it is told one; None: as large as anyone likes.
    guidance_most: float | None = None
    #: "ddim" for a student that leaps.
    sampler: Sampler = "ddpm"
    tone_tries: int = Field(default=0, ge=0, le=20)
    exposure: float = Field(default=0.0, ge=0, le=1)
    #: A checkpoint whose classifier is taken over, to look at what is drawn; ``like`` where that is given.
    classifier: Path | None = None
    rash_tries: int = Field(default=0, ge=0, le=20)
    shared_steps: int = Field(default=0, ge=0)
    shared_push: float = Field(default=0.0, ge=0, le=2)
    redrawn_steps: int = Field(default=0, ge=0)
    redrawn_by_rash: dict[str, int] = Field(default_factory=dict)
    license: str = "CC0-1.0"
    #: Larger weight files are split, so that every file fits where large ones are not taken.
    max_shard_size: str = "15MB"

    @model_validator(mode="after")
    def _says_what_it_knows(self) -> AssembleRecipe:
        if not self.data and not self.like:
            raise ValueError("give data, or like: a checkpoint says what it may be asked for")
        return self


def assemble(recipe: AssembleRecipe) -> Path:
    """Write ``recipe.out`` (replaced as a whole) and return it. Raises FileNotFoundError for a run without a checkpoint."""
    unet = load(UNet2DConditionModel, recipe.unet, "unet")
    autoencoder = load(AutoencoderKL, recipe.autoencoder, "vae")
    text_encoder, tokenizer = text_tower(recipe.clip)
    pipe = pipeline(unet, autoencoder, text_encoder, tokenizer, recipe.sampler).to(torch.float16)
    aside = recipe.out.with_name(f".{recipe.out.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    pipe.save_pretrained(aside, max_shard_size=recipe.max_shard_size)
    if (recipe.autoencoder / BASIS).exists():
        shutil.copy(recipe.autoencoder / BASIS, aside / BASIS)
    for images in (recipe.clip / IMAGE_ENCODER, recipe.clip / "final" / IMAGE_ENCODER):
        if images.is_dir():
            shutil.copytree(images, aside / IMAGE_ENCODER, dirs_exist_ok=True)
    classifier = recipe.classifier or recipe.like
    if classifier and (classifier / rashes.FOLDER).is_dir():
        shutil.copytree(classifier / rashes.FOLDER, aside / rashes.FOLDER)
    elif recipe.classifier:
        raise FileNotFoundError(f"{recipe.classifier} has no {rashes.FOLDER}/.")
    write_card(aside, _card(recipe, autoencoder.config.sample_size, weights_sha256(aside)))
    shutil.rmtree(recipe.out, ignore_errors=True)
    aside.rename(recipe.out)
    return recipe.out


def _card(recipe: AssembleRecipe, resolution: int, sha256: str) -> Card:
    """What the recipe says, over the card of the checkpoint that this one is like."""
    names = recipe.model_fields_set if recipe.like else AssembleRecipe.model_fields
    said = {name: value for name in Card.model_fields if name in names and (value := getattr(recipe, name)) is not None}
    if recipe.data:
        said["trained"] = vocabulary_of([record for folder in recipe.data for record in read_folder(folder)], recipe.without)
    like = dict(read_card(recipe.like)) if recipe.like else {}
    return Card(**{**like, **said, "resolution": resolution, "sha256": sha256})


def vocabulary_of(records: list[Record], without: frozenset[str] = frozenset()) -> Trained:
    """The values of each slot that occur in the data's training split, but for those ``without``.

    Raises ValueError for a value of ``without`` that the data do not have.
    """
    learnt = [record.values for record in records if record.split == "train"]
    found = {slot: {v[slot] for v in learnt if slot in v} for slot in ("rash", "area", "tone")}
    if strange := without.difference(*found.values()):
        raise ValueError(f"The data hold no {', '.join(sorted(strange))}; take it out of `without`.")
    return Trained(**{slot: values - without for slot, values in found.items()})
