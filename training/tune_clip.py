"""Contrastive fine-tuning of a CLIP on captioned images, whole or through LoRA, and how much it helps retrieval.

The loss is that of `training.clip`: captions that are true of an image are all positives, so that equal captions are not
pushed apart. A step may be larger than what fits into memory or one process: embeddings are taken without gradients first,
the loss's gradient for each of them is worked out once, and the parts then go through the towers again with it (Gao et al.
2021, arXiv 2101.06983). One process with a batch of 8 × 4 learns what four with 8 × 1 do.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from peft import get_peft_model
from pydantic import Field
from torch import nn
from transformers import CLIPModel, CLIPTokenizer, CLIPVisionModelWithProjection

from generation import catalog
from training import finished, parallel, plots
from training.autoencoder import Source, gather
from training.clip import IMAGE_ENCODER, export, export_image_encoder, joined
from training.dataset import Record, fingerprint
from training.learning import Lasting, Learning, LoRA, Order, features, share
from training.pairs import CaptionedImages, Fed, learnable
from training.precision import Precision, mixed
from training.run import Losses, Run, StepRandom, Strict, TrainingError, Watch, pick_device
from training.text import text_part, text_tower

#: CLIP's scale of logits is kept below this (Radford et al. 2021, arXiv 2103.00020, section 2.5).
MOST_SCALE = 100.0
CUTS = (1, 5, 10)


#: Mean over conditions of the share of their images whose first caption found is true.
BY_CONDITION = "recall_by_condition"


class TuneClipRecipe(Strict):
    kind: Literal["clip-tune"]
    run: Path
    #: A checkpoint with both towers ("embedded"), or a CLIPModel: a folder, or a hub repository as owner/name@revision.
    base: str = "embedded"
    #: The pipeline that the text tower is for; ``base`` itself where that is one. Its stock tower is what ``base`` started from.
    pipeline: str | None = None
    data: tuple[Source, ...]
    device: str = "auto"
    schedule: Lasting
    #: Adapters in place of all weights; they are merged into the towers at the end.
    lora: LoRA | None = None
    towers: Literal["both", "text", "image"] = "both"
    #: Weight of how far the text tower strays from the stock one, so that a U-Net that was trained with that still understands it.
    keep_near: float = Field(default=0.0, ge=0)
    #: Every condition is learnt from as often as the others, however many images there are of it, and the run is watched by the mean
    #: over conditions: else the best that a tower can do where most are moles is to call everything a mole.
    balanced: bool = False
    #: Learn from every caption of an image, or from its canonical one.
    every_caption: bool = True
    #: Validations without better retrieval before it ends.
    patience: int = Field(default=3, ge=1)
    gradient_checkpointing: bool = False
    #: "auto" computes in bfloat16 where that is quick.
    precision: Precision = "auto"


@dataclass
class ClipBase:
    """A CLIP to start from, what it is fed, and the pipeline that its text tower belongs to."""

    model: CLIPModel
    tokenizer: CLIPTokenizer
    fed: Fed
    pipeline: str | None
    #: The folder of a checkpoint whose image tower lies beside it, None for a plain CLIPModel.
    checkpoint: Path | None


def read_base(name: str, pipeline: str | None) -> ClipBase:
    """Raises TrainingError or CheckpointError with what is wrong with ``name`` and what to do."""
    folder = finished.clip_folder(name)
    if (folder / "text_encoder").is_dir():
        if not (folder / IMAGE_ENCODER).is_dir():
            raise TrainingError(
                f"{name} has a text tower and no image tower to compare it with ({IMAGE_ENCODER}/). Give the CLIP that its text tower is "
                "from, such as --base openai/clip-vit-large-patch14@<commit> for Stable Diffusion 1.5, and this as --pipeline."
            )
        text, tokenizer = text_tower(folder)
        vision = CLIPVisionModelWithProjection.from_pretrained(folder / IMAGE_ENCODER, dtype=torch.float32)
        model = joined(text, vision)
        return ClipBase(model, tokenizer, Fed.read(folder / IMAGE_ENCODER, vision.config.image_size), pipeline or name, folder)
    kind = (json.loads((folder / "config.json").read_text()).get("architectures") or ["?"])[0]
    if kind != "CLIPModel":
        raise TrainingError(f"{name} holds a {kind}; a CLIPModel with both towers is needed.")
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    tokenizer.model_max_length = min(tokenizer.model_max_length, model.config.text_config.max_position_embeddings)
    if pipeline is None and (Path(name) / "final").is_dir() and (made := catalog.find(name).base):
        pipeline = made.name if made.name in catalog.known() else str(made.folder)  # a run goes on for the same pipeline
    return ClipBase(model, tokenizer, Fed.read(folder, model.config.vision_config.image_size), pipeline, None)


def train(recipe: TuneClipRecipe) -> Run:
    device = pick_device(recipe.device)
    torch.manual_seed(recipe.schedule.seed)
    base = read_base(recipe.base, recipe.pipeline)
    records, weights = gather(recipe.data)
    weight = {record.path: value for record, value in zip(records, weights, strict=True)}
    records = learnable(records, base.tokenizer, every_caption=recipe.every_caption)
    check(records)
    cache = recipe.run / "images"
    learn, held_out = (
        CaptionedImages([r for r in records if (r.split == "train") is train], base.tokenizer, base.fed, cache, recipe.every_caption)
        for train in (True, False)
    )
    recipe = fitting(recipe, len(learn))
    model = prepared(base.model, recipe).to(device)
    stock = copy.deepcopy(base.model.text_model).to(device).eval().requires_grad_(False) if recipe.keep_near else None
    before = retrieval(base.model.to(device).eval(), held_out, device)
    learning = Learning(clip=model)
    start = learning.sampled()
    schedule, epoch = recipe.schedule.over(len(learn))
    each = np.array([weight[record.path] for record in learn.records])
    order = Order(balanced(each, learn.records) if recipe.balanced else each, schedule.together, schedule.seed)
    watch = Watch(figure=BY_CONDITION if recipe.balanced and BY_CONDITION in before.figures() else "recall_mean", patience=recipe.patience)
    finished.pin(recipe.run, data=fingerprint(records), base=recipe.base)
    run = Run(recipe.run, recipe, schedule, learning, fingerprint(records), watch, schedule.together, epoch)

    def loss(step: int, _: StepRandom) -> Losses:
        model.train()
        return step_losses(model, learn, order.rows(step), step, recipe, stock, device)

    def validate(picture: Path) -> dict[str, float]:
        found = retrieval(model, held_out, device)
        found_images(held_out, found, picture)
        return found.figures()

    run.fit(loss, validate)
    with run.averaged(), parallel.one_after_another():
        learning.check_moved(start)
        if not run.rank:
            finish(recipe, base, model, run, before, retrieval(model, held_out, device), held_out)
    return run


def balanced(weights: np.ndarray, records: list[Record]) -> np.ndarray:
    """``weights`` (N,) so that every condition has the same sum; images that name none count as one condition."""
    rashes = np.array([record.values.get("rash") or "" for record in records])
    sums = {rash: weights[rashes == rash].sum() for rash in np.unique(rashes)}
    return weights / np.array([sums[rash] for rash in rashes]) * weights.sum() / len(sums)


def check(records: list[Record]) -> None:
    """Raises TrainingError where a contrast cannot be learnt or measured."""
    learn = [record for record in records if record.split == "train"]
    texts = {text for record in learn for text in record.captions}
    if len(texts) < 2:
        raise TrainingError(
            f"All {len(learn)} images have the same caption, {min(texts)!r}: a contrast needs at least two. "
            "Add another condition, or let the captions say more."
        )
    held_out = len(records) - len(learn)
    if held_out < 2:
        raise TrainingError(f"{held_out} captioned images are held out (split validation or test); retrieval needs at least two.")


def fitting(recipe: TuneClipRecipe, count: int) -> TuneClipRecipe:
    """The recipe with a step that is no larger than the ``count`` images there are."""
    schedule = recipe.schedule
    if schedule.together <= count:
        return recipe
    batch = max(1, count // (schedule.accumulate * parallel.world()))
    print(f"{count} images are fewer than the {schedule.together} of a step; schedule.batch is {batch} in place of {schedule.batch}.", flush=True)
    return recipe.model_copy(update={"schedule": schedule.model_copy(update={"batch": batch})})


def prepared(model: CLIPModel, recipe: TuneClipRecipe) -> nn.Module:
    """``model``, or a copy with adapters, of which what the recipe names learns."""
    towers = {"text": ("text_model", "text_projection"), "image": ("vision_model", "visual_projection")}
    chosen = tuple(part for name in towers if recipe.towers in ("both", name) for part in towers[name])
    fixed = {name for name, value in model.text_projection.named_parameters("text_projection") if not value.requires_grad}
    if recipe.lora is None:
        model = copy.deepcopy(model)
        for name, value in model.named_parameters():
            value.requires_grad_((name.startswith(chosen) or name == "logit_scale") and name not in fixed)
    else:
        config = recipe.lora.config(model)
        config.target_modules = {name for name in config.target_modules if name.startswith(chosen)}
        model = get_peft_model(copy.deepcopy(model), config)
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    return model


def step_losses(
    model: nn.Module, learn: CaptionedImages, rows: np.ndarray, step: int, recipe: TuneClipRecipe, stock: nn.Module | None, device: torch.device
) -> Iterator[dict[str, torch.Tensor]]:
    """The losses of the parts of one step, whose gradients add up to that of the contrast among all of ``rows``."""
    random = StepRandom(recipe.schedule.seed, step)
    captions, true = learn.said(rows, random.numpy)
    images = learn.images(rows, random)
    world = parallel.world()
    padded = np.concatenate([captions, captions[: -len(captions) % world]])  # as many in every process
    batch = recipe.schedule.batch
    image_parts = list(share(images).split(batch))
    text_parts = list(torch.from_numpy(share(padded)).split(batch))
    forward = Forward(model, learn, device, (recipe.schedule.seed, step), recipe.precision)
    true = torch.from_numpy(true).to(device)
    if world == len(image_parts) == len(text_parts) == 1:
        image, text = forward.images(image_parts[0], 0), forward.texts(text_parts[0], 0)
        loss = contrast(image, text, forward.scale(), true)
        strayed = near(recipe, forward, text_parts[0], stock)
        yield {"loss": loss.detach(), "descend": loss + recipe.keep_near * strayed.get("strayed", 0), **strayed}
        return
    with torch.no_grad():
        image = parallel.gathered(torch.cat([forward.images(part, i) for i, part in enumerate(image_parts)]))
        text = parallel.gathered(torch.cat([forward.texts(part, i) for i, part in enumerate(text_parts)]))
    scale = forward.scale()
    leaves = [image.requires_grad_(), text.requires_grad_(), scale.detach().requires_grad_()]
    whole = contrast(leaves[0], leaves[1][: len(captions)], leaves[2], true)
    whole.backward()
    yield {"loss": whole.detach(), "descend": scale * leaves[2].grad if scale.requires_grad else None}
    to_image, to_text = (list(share(leaf.grad).split(batch)) for leaf in leaves[:2])
    if recipe.towers != "text":
        for i, (part, gradient) in enumerate(zip(image_parts, to_image, strict=True)):
            yield {"descend": (forward.images(part, i) * gradient).sum() * world}
    if recipe.towers != "image":
        for i, (part, gradient) in enumerate(zip(text_parts, to_text, strict=True)):
            strayed = {name: value * len(part) / len(share(padded)) for name, value in near(recipe, forward, part, stock).items()}
            descend = (forward.texts(part, i) * gradient).sum() * world + recipe.keep_near * strayed.get("strayed", 0)
            yield {"descend": descend, **strayed}


def near(recipe: TuneClipRecipe, forward: Forward, part: torch.Tensor, stock: nn.Module | None) -> dict[str, torch.Tensor]:
    """How far the text tower has strayed from the stock one, where that counts."""
    return {} if stock is None or recipe.towers == "image" else {"strayed": forward.strayed(part, stock)}


class Forward:
    """Parts of a step through the towers, the same twice over: dropout's randomness follows from the part."""

    def __init__(
        self, model: nn.Module, learn: CaptionedImages, device: torch.device, seed: tuple[int, int], precision: Precision = "auto"
    ) -> None:
        self.model, self.learn, self.device, self.seed, self.precision = model, learn, device, seed, precision

    def _with_seed(self, kind: int, part: int) -> None:
        torch.manual_seed(int(np.random.SeedSequence((*self.seed, parallel.rank(), kind, part)).generate_state(1)[0]))

    def images(self, pixels: torch.Tensor, part: int) -> torch.Tensor:
        """Unit embeddings float32 (N, D)."""
        self._with_seed(0, part)
        with mixed(self.device, self.precision):
            return F.normalize(features(self.model.get_image_features, pixel_values=pixels.to(self.device)).float(), dim=1)

    def texts(self, captions: torch.Tensor, part: int) -> torch.Tensor:
        self._with_seed(1, part)
        with mixed(self.device, self.precision):
            given = self.learn.tokens[captions].to(self.device)
            return F.normalize(features(self.model.get_text_features, input_ids=given).float(), dim=1)

    def scale(self) -> torch.Tensor:
        return self.model.logit_scale.exp().clamp(max=MOST_SCALE)

    def strayed(self, captions: torch.Tensor, stock: nn.Module) -> torch.Tensor:
        """Mean square of what the text tower says otherwise than ``stock``, of what that says: 0 where they agree."""
        given = self.learn.tokens[captions].to(self.device)
        with mixed(self.device, self.precision):
            with torch.no_grad():
                then = stock(input_ids=given).last_hidden_state.float()
            now = self.model.text_model(input_ids=given).last_hidden_state.float()
        return (now - then).square().mean() / then.square().mean()


def contrast(image: torch.Tensor, text: torch.Tensor, scale: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Symmetric cross-entropy of unit embeddings (N, D) and (C, D), where ``true`` (N, C) says which captions fit which images:
    the target of a row, and of a column, is spread evenly over what fits (SupCon, Khosla et al. 2020, arXiv 2004.11362)."""
    logits = scale * image @ text.T
    fits = true.float()
    to_text = F.cross_entropy(logits, fits / fits.sum(1, keepdim=True))
    to_image = F.cross_entropy(logits.T, (fits / fits.sum(0)).T)
    return (to_text + to_image) / 2


@dataclass
class Retrieval:
    """How well held-out images and captions find each other: ``rank`` (N,) of the first caption that is true of an image, from 0;
    ``first`` (T,) of the first image that fits a caption; ``best`` (T, 5) images found for each."""

    rank: np.ndarray
    first: np.ndarray
    best: np.ndarray
    #: Condition of every image, where it is known.
    rashes: list[str | None]

    def figures(self) -> dict[str, float]:
        """Recall at 1, 5 and 10 both ways, and their mean; with several conditions also the mean of their recalls at 1."""
        ways = {"image_to_text": self.rank, "text_to_image": self.first}
        recalls = {f"recall_{way}_{cut}": float((ranks < cut).mean()) for way, ranks in ways.items() for cut in CUTS}
        found = [of["recall_1"] for of in self.by(self.rashes).values()]
        by_condition = {BY_CONDITION: float(np.mean(found))} if len(found) > 1 else {}
        return {**recalls, "recall_mean": float(np.mean(list(recalls.values()))), **by_condition}

    def by(self, values: list[str | None]) -> dict[str, dict[str, float]]:
        """Image → text recall at 1 and how many images, for each of ``values`` (one an image)."""
        told = sorted({value for value in values if value})
        rows = {value: [i for i, own in enumerate(values) if own == value] for value in told}
        return {value: {"recall_1": float((self.rank[rows[value]] < 1).mean()), "images": len(rows[value])} for value in told}


@torch.no_grad()
def retrieval(model: nn.Module, held_out: CaptionedImages, device: torch.device) -> Retrieval:
    model.eval()
    forward = Forward(model, held_out, device, (0, 0))
    rows = np.arange(len(held_out))
    image = torch.cat([forward.images(held_out.images(part), 0) for part in np.array_split(rows, -(-len(rows) // 64))]).cpu()
    text = torch.cat([forward.texts(part, 0) for part in torch.arange(len(held_out.texts)).split(64)]).cpu()
    scores = (image @ text.T).numpy()
    true = np.stack([np.isin(np.arange(len(held_out.texts)), own) for own in held_out.captions])
    rashes = [record.values.get("rash") for record in held_out.records]
    return Retrieval(_first(scores, true), _first(scores.T, true.T), np.argsort(-scores.T, 1, kind="stable")[:, :5], rashes)


def _first(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Of every row, how many wrong columns score at least as high as the best right one: equal scores are no find."""
    best = np.where(true, scores, -np.inf).max(1, keepdims=True)
    return ((scores >= best) & ~true).sum(1)


def found_images(held_out: CaptionedImages, found: Retrieval, picture: Path) -> None:
    """Five images found for each of eight captions, a row each; the captions beside it as JSON."""
    some = np.linspace(0, len(held_out.texts) - 1, min(8, len(held_out.texts))).round().astype(int)
    shown = np.array(held_out.pixels[np.sort(np.unique(found.best[some]))])
    place = {row: i for i, row in enumerate(np.unique(found.best[some]))}
    pictures = shown[[place[row] for row in found.best[some].ravel()]].transpose(0, 2, 3, 1)
    plots.grid(pictures, found.best.shape[1], picture)
    picture.with_suffix(".json").write_text(json.dumps([held_out.texts[i] for i in some], indent=1) + "\n")


def finish(
    recipe: TuneClipRecipe, base: ClipBase, model: nn.Module, run: Run, before: Retrieval, after: Retrieval, held_out: CaptionedImages
) -> None:
    """``final/``: both towers as transformers loads them, the text tower as a pipeline holds it, and what was gained."""
    whole = copy.deepcopy(model).merge_and_unload() if recipe.lora else model
    final = recipe.run / "final"
    export(whole, base.tokenizer, final)
    if base.checkpoint is not None:
        export_image_encoder(whole, final / IMAGE_ENCODER)
    text_part(whole).save_pretrained(final / "text_encoder")
    slots = {slot: [record.values.get(slot) for record in held_out.records] for slot in ("rash", "tone")}
    report = {
        "before": before.figures(), "after": after.figures(),
        **{f"{slot}_before": before.by(values) for slot, values in slots.items()},
        **{f"{slot}_after": after.by(values) for slot, values in slots.items()},
    }  # fmt: skip
    tower = {"text_encoder": "text_encoder"}
    finished.write(recipe, run, final, report, "A CLIP, fine-tuned", base.pipeline, tower, table(report, len(held_out)))


def table(report: dict, count: int) -> str:
    """Retrieval before and after, as Markdown."""
    rows = [f"Retrieval on {count} held-out images (a caption that is true of the image is a hit):", "", "| | before | after |", "| --- | --- | --- |"]
    rows += [f"| {name.replace('_', ' ')} | {report['before'][name]:.3f} | {value:.3f} |" for name, value in report["after"].items()]
    for slot in ("rash", "tone"):
        for value, told in report[f"{slot}_after"].items():
            then = report[f"{slot}_before"][value]["recall_1"]
            rows.append(f"| {value} ({told['images']}): image to text 1 | {then:.3f} | {told['recall_1']:.3f} |")
    return "\n".join(rows)
