"""A small CLIP, text and image tower from scratch, on the image–caption pairs that the U-Net will learn from.

Captions repeat, so every image of an equal caption is a positive (plain InfoNCE would push equal captions apart): the
target of a row is spread evenly over its positives. The text tower is what the pipeline uses; the image tower measures.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import Field
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from training import parallel, plots
from training.autoencoder import Source, gather
from training.dataset import Record, fingerprint
from training.precision import mixed
from training.run import Run, Schedule, StepRandom, Strict, pick_device
from training.text import MAX_TOKENS, canonical_captions, check_tokens, text_tower, tokens, train_tokenizer

SLOTS = ("rash", "area", "tone")


class Towers(Strict):
    text_width: int = 256
    text_layers: int = 4
    image_width: int = 192
    image_layers: int = 4
    image_size: int = Field(default=128, description="Side in pixels of what the image tower sees.")
    patch_size: int = 16

    def build(self, tokenizer: CLIPTokenizer) -> CLIPModel:
        text = {
            "vocab_size": len(tokenizer),
            "hidden_size": self.text_width,
            "intermediate_size": 4 * self.text_width,
            "num_hidden_layers": self.text_layers,
            "num_attention_heads": self.text_width // 64,
            "max_position_embeddings": MAX_TOKENS,
            "projection_dim": self.text_width,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }
        image = self.image_config(self.text_width)
        return CLIPModel(CLIPConfig(text_config=text, vision_config=image, projection_dim=self.text_width))

    def image_config(self, width: int) -> dict[str, int]:
        """Of an image tower whose embeddings are ``width`` wide."""
        return {
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            "hidden_size": self.image_width,
            "intermediate_size": 4 * self.image_width,
            "num_hidden_layers": self.image_layers,
            "num_attention_heads": max(1, self.image_width // 64),
            "projection_dim": width,
        }


class ClipRecipe(Strict):
    kind: Literal["clip"]
    run: Path
    data: tuple[Source, ...]
    device: str = "auto"
    schedule: Schedule
    towers: Towers = Towers()
    #: A checkpoint in diffusers' layout whose text tower is kept as it is (locked, as Zhai et al. 2022, arXiv 2111.07991, lock an
    #: image tower): what is learnt is an image tower for it.
    text: Path | None = None


class Pairs:
    """Small copies of captioned images, uint8 (N, 3, S, S), and the tokens of each distinct caption."""

    def __init__(self, records: list[Record], tokenizer: CLIPTokenizer, size: int) -> None:
        self.records = records
        self.texts = sorted({record.text for record in records})
        number = {text: i for i, text in enumerate(self.texts)}
        self.caption = np.array([number[record.text] for record in records])
        self.tokens = tokens(tokenizer, self.texts)
        with ThreadPoolExecutor() as pool:
            self.pixels = np.stack(list(pool.map(lambda record: self._small(record.path, size), records)))

    @staticmethod
    def _small(path: Path, size: int) -> np.ndarray:
        with Image.open(path) as file:
            return np.asarray(file.convert("RGB").resize((size, size), Image.Resampling.BOX)).transpose(2, 0, 1)

    def batch(self, indices: np.ndarray, random: StepRandom | None) -> torch.Tensor:
        """float32 in [-1, 1]; with ``random``, mirrored half of the time and shifted by up to 8 pixels."""
        pixels = self.pixels[indices]
        if random is not None:
            pixels = pixels.copy()
            for row in range(len(pixels)):
                shift = random.numpy.integers(-8, 9, 2)
                moved = np.roll(pixels[row], tuple(shift), (1, 2))
                pixels[row] = moved[:, :, :: random.numpy.choice((-1, 1))]
        return torch.from_numpy(pixels).float() / 127.5 - 1


def train(recipe: ClipRecipe) -> Run:
    device = pick_device(recipe.device)
    torch.manual_seed(recipe.schedule.seed)
    records = [record for record in gather(recipe.data)[0] if record.text]
    if recipe.text is None:
        captions = sorted({*canonical_captions(), *(record.text for record in records)})
        tokenizer = train_tokenizer(captions)
        check_tokens(tokenizer, captions)
        model = recipe.towers.build(tokenizer).to(device)
    else:
        model, tokenizer = for_text_tower(recipe.text, recipe.towers)
        model.to(device)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    learn = Pairs([r for r in records if r.split == "train"], tokenizer, recipe.towers.image_size)
    held_out = Pairs([r for r in records if r.split != "train"], tokenizer, recipe.towers.image_size)
    run = Run(recipe.run, recipe, recipe.schedule, model, fingerprint(records))

    def loss(step: int, random: StepRandom) -> dict[str, torch.Tensor]:
        chosen = random.numpy.choice(len(learn.records), recipe.schedule.batch, replace=False)
        captions, rows = np.unique(learn.caption[chosen], return_inverse=True)
        with mixed(device):
            out = model(
                input_ids=learn.tokens[captions].to(device), pixel_values=learn.batch(chosen, random).to(device)
            )
        return {"loss": contrastive(out.logits_per_image.float(), torch.from_numpy(rows).to(device))}

    run.fit(loss, lambda picture: validate(model, tokenizer, held_out, device, picture))
    with run.averaged():
        still = [name for name, value in model.named_parameters() if value.requires_grad and torch.equal(value, before[name])]
        if still:
            raise RuntimeError(f"{len(still)} weights did not move in training, among them {still[0]}.")
        with parallel.one_after_another():
            if not run.rank:
                export(model, tokenizer, recipe.run / "final")
                if recipe.text is not None:
                    export_image_encoder(model, recipe.run / "final" / IMAGE_ENCODER)
    return run


#: Folder of a checkpoint's image tower, as diffusers' pipelines name it.
IMAGE_ENCODER = "image_encoder"


def for_text_tower(checkpoint: Path, towers: Towers) -> tuple[CLIPModel, CLIPTokenizer]:
    """The frozen text tower of ``checkpoint`` beside a new image tower; a text's embedding is what the tower pools, unprojected."""
    text, tokenizer = text_tower(checkpoint)
    vision = CLIPVisionModelWithProjection(CLIPVisionConfig(**towers.image_config(text.config.hidden_size)))
    return joined(text, vision), tokenizer


def joined(text: CLIPTextModel, vision: CLIPVisionModelWithProjection) -> CLIPModel:
    """Both towers as one CLIP, the text tower and its projection, the identity, frozen."""
    width = text.config.hidden_size
    scale = getattr(vision.config, "logit_scale_init_value", None) or CLIPConfig().logit_scale_init_value
    text_config = {**text.config.to_dict(), "projection_dim": width}
    config = CLIPConfig(text_config=text_config, vision_config=vision.config.to_dict(), projection_dim=width, logit_scale_init_value=scale)
    model = CLIPModel(config)
    model.text_model.load_state_dict(text.state_dict())
    model.vision_model.load_state_dict(vision.vision_model.state_dict())
    model.visual_projection.load_state_dict(vision.visual_projection.state_dict())
    torch.nn.init.eye_(model.text_projection.weight)
    model.text_model.requires_grad_(False)
    model.text_projection.requires_grad_(False)
    return model


def export_image_encoder(model: CLIPModel, folder: Path) -> None:
    """The image tower in float16 with its projection, scale and what it is fed, for a checkpoint's folder."""
    config = model.config.vision_config
    config.logit_scale_init_value = model.logit_scale.item()
    vision = CLIPVisionModelWithProjection(config)
    vision.vision_model.load_state_dict(model.vision_model.state_dict())
    vision.visual_projection.load_state_dict(model.visual_projection.state_dict())
    vision.half().save_pretrained(folder)
    side = config.image_size
    fed = {
        "image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": side},
        "resample": Image.Resampling.BOX, "do_center_crop": True, "crop_size": {"height": side, "width": side}, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(fed, indent=2) + "\n")


def export(model: CLIPModel, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Both towers and the tokenizer, as transformers loads them."""
    model.save_pretrained(folder / "clip")
    tokenizer.save_pretrained(folder / "tokenizer")


def contrastive(logits: torch.Tensor, caption: torch.Tensor) -> torch.Tensor:
    """Symmetric cross-entropy with several positives (as SupCon, Khosla et al. 2020, arXiv 2004.11362).

    ``logits`` (images, distinct captions) and ``caption`` (images,), the column of each image's own. An image has one
    positive column; a caption's target is spread evenly over its images.
    """
    own = F.one_hot(caption, logits.shape[1]).float()
    to_text = F.cross_entropy(logits, caption)
    to_image = F.cross_entropy(logits.T, own.T / own.T.sum(1, keepdim=True))
    return (to_text + to_image) / 2


@torch.no_grad()
def validate(
    model: CLIPModel, tokenizer: CLIPTokenizer, pairs: Pairs, device: torch.device, out: Path
) -> dict[str, float]:
    """Recall at 1 and 10 both ways (an equal caption is a hit), and for each slot how often the image's own value wins.

    For a slot, an image is compared with its caption in all values of that slot that the data have. ``out`` shows five
    images found for each of eight captions.
    """
    images, texts = embed(model, pairs, device)
    scores = images @ texts.T
    rank = (scores > scores.gather(1, torch.from_numpy(pairs.caption)[:, None])).sum(1)
    own = torch.from_numpy(pairs.caption)[None] == torch.arange(len(pairs.texts))[:, None]
    best = scores.T.argsort(1, descending=True)
    hits = own.gather(1, best)
    figures = {
        "recall_image_to_text_1": (rank < 1).float().mean().item(),
        "recall_image_to_text_10": (rank < 10).float().mean().item(),
        "recall_text_to_image_1": hits[:, 0].float().mean().item(),
        "recall_text_to_image_10": hits[:, :10].any(1).float().mean().item(),
    }
    for slot in SLOTS:
        figures[f"accuracy_{slot}"] = slot_accuracy(model, tokenizer, pairs, images, slot, device)
    some = np.linspace(0, len(pairs.texts) - 1, 8).round().astype(int)
    found = pairs.pixels[best[some, :5].numpy().ravel()].transpose(0, 2, 3, 1)
    plots.grid(found, 5, out)
    out.with_suffix(".json").write_text(json.dumps([pairs.texts[i] for i in some], indent=1) + "\n")
    return figures


def embed(model: CLIPModel, pairs: Pairs, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit embeddings of the images (N, D) and of the distinct captions (T, D)."""
    images = [
        model.get_image_features(pixel_values=pairs.batch(rows, None).to(device)).pooler_output
        for rows in np.array_split(np.arange(len(pairs.records)), max(1, len(pairs.records) // 128))
    ]
    return F.normalize(torch.cat(images), dim=1).cpu(), text_embeddings(model, pairs.tokens, device)


def text_embeddings(model: CLIPModel, ids: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Unit embeddings (N, D) of token rows (N, MAX_TOKENS)."""
    parts = [model.get_text_features(input_ids=part.to(device)).pooler_output for part in ids.split(256)]
    return F.normalize(torch.cat(parts), dim=1).cpu()


def slot_accuracy(
    model: CLIPModel, tokenizer: CLIPTokenizer, pairs: Pairs, images: torch.Tensor, slot: str, device: torch.device
) -> float:
    """Share of images that score highest with their own value of ``slot`` in their caption; of 100 images; NaN without labels."""
    values = sorted({record.values[slot] for record in pairs.records if slot in record.values})
    rows = [i for i, record in enumerate(pairs.records) if {*SLOTS} <= {*record.values}][:100]
    if not rows:
        return float("nan")
    right = 0
    for row in rows:
        record = pairs.records[row]
        variants = [with_value(record, slot, value) for value in values]
        scores = images[row] @ text_embeddings(model, tokens(tokenizer, variants), device).T
        right += values[int(scores.argmax())] == record.values[slot]
    return right / len(rows)


def with_value(record: Record, slot: str, value: str) -> str:
    """The caption of ``record`` with another value of one slot."""
    from assistant.schema import ImageRequest

    return ImageRequest(count=1, seed=0, **{**record.values, slot: value}).caption
