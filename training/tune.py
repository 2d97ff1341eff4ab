"""Fine-tuning a pipeline's U-Net on one's own captioned images: adapters (LoRA), its cross-attention, or all of it; and DreamBooth.

Latents are encoded once and kept, captions are encoded once unless the text tower learns too. A step's images, noise and
times follow from (seed, step) alone and are shared out among the processes, so that two processes learn what one does.

A base that is told the guidance scale (``time_cond_proj_dim``) learns at scale 1, where it is a plain conditional model; what
it says at the scales that are drawn with is kept in place by its own pictures (``prior`` with ``target: base``).
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import convert_state_dict_to_diffusers
from peft.utils import get_peft_model_state_dict
from pydantic import Field, model_validator

from generation import weights_sha256
from training import finished, parallel, plots
from training.autoencoder import Source, gather
from training.base import Base, Noise, read_base
from training.dataset import Record, fingerprint
from training.guided import embedded
from training.learning import Lasting, Learning, LoRA, Order, share
from training.norm import quicken
from training.pairs import learnable
from training.precision import Precision, mixed, quick_dtype
from training.prior import Prior, drawn_by_base
from training.run import Losses, Run, StepRandom, Strict, pick_device
from training.text import encode_captions, tokens
from training.unet import Latents, draw, stratified_times

#: What a card says of drawing in few steps and of one lesion in every tone: true of the base, and of what its own pictures kept in place.
OF_FEW_STEPS = {"guidance_by_rash", "shared_steps", "shared_push", "redrawn_steps", "redrawn_by_rash"}
#: Layers of a U-Net whose text comes from the text encoder.
CROSS = ("attn2.to_k", "attn2.to_v", "attn2.to_q", "attn2.to_out.0")


class TuneRecipe(Strict):
    kind: Literal["tune"]
    run: Path
    #: As `script2skin generate --model` takes it.
    base: str = "embedded"
    #: A fine-tuned text tower in place of the base's own: a run of `train clip`, or a folder.
    text_encoder: str | None = None
    data: tuple[Source, ...]
    device: str = "auto"
    schedule: Lasting
    trains: Literal["lora", "cross-attention", "unet"] = "lora"
    lora: LoRA = LoRA()
    #: Adapters on the text tower too (with ``trains: lora``).
    text_lora: bool = False
    #: DreamBooth (Ruiz et al. 2023, arXiv 2208.12242): a rare word for what the images show, put before their captions.
    identifier: str | None = Field(default=None, pattern=r"^\w+$")
    prior: Prior | None = None
    #: Side of the images in pixels; what the base draws unless given.
    resolution: int | None = Field(default=None, ge=64, multiple_of=8)
    #: Each image is also learnt mirrored: captions name no side.
    mirror: bool = True
    #: Share of captions replaced by the empty one, for classifier-free guidance.
    caption_dropout: float = Field(default=0.1, ge=0, le=1)
    #: A latent place that is all lesion counts 1 + this; of use where the data have masks.
    lesion_weight: float = Field(default=0.0, ge=0)
    snr_gamma: float | None = Field(default=None, gt=0)
    gradient_checkpointing: bool = False
    #: "auto" computes in bfloat16 where that is quick.
    precision: Precision = "auto"
    #: Captions drawn at every validation, with this many steps and this guidance (the base's own unless given); the card of a whole
    #: U-Net that no prior keeps what it was says them too.
    show: tuple[str, ...] = ()
    steps: int | None = Field(default=None, ge=1)
    guidance_scale: float | None = Field(default=None, ge=0)

    def called(self, text: str) -> str:
        """A caption of one's own images, with the identifier before it where there is one."""
        return f"{self.identifier} {text}" if self.identifier else text

    @model_validator(mode="after")
    def _fits(self) -> TuneRecipe:
        if self.text_lora and self.trains != "lora":
            raise ValueError("text_lora goes with trains: lora")
        return self


class Material:
    """Latents and captions of ``records``, and of the base's own pictures where there is a prior."""

    def __init__(self, recipe: TuneRecipe, base: Base, records: list[Record], weights: np.ndarray, device: torch.device) -> None:
        self.recipe, self.base, self.device = recipe, base, device
        self.store = Latents(recipe.run / "latents", base.vae.to(device), base.basis, recipe.mirror, recipe.resolution)
        learn = [i for i, record in enumerate(records) if record.split == "train"]
        self.learn = self._kept([records[i] for i in learn], weights[learn])
        self.held_out = self._kept([record for record in records if record.split != "train"][:64], None)
        self.prior = None
        if recipe.prior:
            base.pipeline.to(device)
            own = drawn_by_base(recipe.prior, base, self.learn.records, recipe.identifier, recipe.run / "prior", recipe.schedule.seed)
            self.prior = self._kept(own, None)
        base.vae.to("cpu")
        captions = sorted({"", *recipe.show, *(text for kept in (self.learn, self.held_out, self.prior) if kept for text in kept.said)})
        self.number = {caption: i for i, caption in enumerate(captions)}
        self.tokens = tokens(base.tokenizer, captions)
        self.told = None if recipe.text_lora else encode_captions(base.text_encoder.to(device), base.tokenizer, captions)
        if not recipe.text_lora:
            base.text_encoder.to("cpu")  # what is encoded once need not lie in the GPU's memory

    def _kept(self, records: list[Record], weights: np.ndarray | None) -> Kept:
        with parallel.one_after_another():
            latents, lesion = self.store.of(records) if records else (torch.zeros(0), torch.zeros(0))
        said = [record.text if record.path.is_relative_to(self.recipe.run) else self.recipe.called(record.text) for record in records]
        return Kept(records, said, latents, lesion, np.ones(len(records)) if weights is None else weights)

    def text_of(self, captions: list[str], text_encoder: torch.nn.Module | None = None) -> torch.Tensor:
        """What cross-attention sees of ``captions``, float32 (N, tokens, width)."""
        rows = torch.tensor([self.number[caption] for caption in captions])
        if self.told is not None:
            return self.told[rows].to(self.device).float()
        return (text_encoder or self.base.text_encoder)(self.tokens[rows].to(self.device))[0].float()


@dataclass
class Kept:
    """Images that are learnt from: latents (N, sides, C, h, w) and lesion shares (N, sides, 1, h, w) in float16, and what is said."""

    records: list[Record]
    said: list[str]
    latents: torch.Tensor
    lesion: torch.Tensor
    weights: np.ndarray


@dataclass
class Part:
    """A batch on the device."""

    clean: torch.Tensor
    lesion: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    said: list[str]


class Batches:
    """The images, noise and times of every step, and this process's parts of them."""

    def __init__(self, kept: Kept, batch: int, together: int, length: int, seed: int, dropout: float = 0.0) -> None:
        """``together``: images a step; ``batch`` of them at a time; ``length``: number of timesteps."""
        self.kept, self.batch, self.length, self.seed, self.dropout = kept, batch, length, seed, dropout
        self.order = Order(kept.weights, together, seed)

    def parts(self, step: int, device: torch.device, all_of_it: bool = False) -> Iterator[Part]:
        random = StepRandom(self.seed, step)
        rows = self.order.rows(step)
        side = random.numpy.integers(self.kept.latents.shape[1], size=len(rows))
        silent = random.numpy.random(len(rows)) < self.dropout
        # each part has early and late times, in an order that images do not share
        times = stratified_times(len(rows), self.length, random.torch)[torch.randperm(len(rows), generator=random.torch)]
        noise = torch.randn(len(rows), *self.kept.latents.shape[2:], generator=random.torch)
        everything = np.arange(len(rows))
        for places in (everything if all_of_it else share(everything)).reshape(-1, self.batch):
            which = torch.from_numpy(rows[places]), torch.from_numpy(side[places])
            said = ["" if silent[place] else self.kept.said[rows[place]] for place in places]
            clean, lesion = (kept[which].to(device).float() for kept in (self.kept.latents, self.kept.lesion))
            yield Part(clean, lesion, noise[places].to(device), times[places].to(device), said)


def train(recipe: TuneRecipe) -> Run:
    device = pick_device(recipe.device)
    torch.manual_seed(recipe.schedule.seed)
    base = read_base(recipe.base, recipe.text_encoder, to_learn=recipe.trains != "lora")
    records, weights = gather(recipe.data)
    chosen = {record.path for record in learnable(records, base.tokenizer, least=1)}
    weights = weights[[record.path in chosen for record in records]]
    records = [record for record in records if record.path in chosen]
    recipe = shown(recipe, records)
    finished.pin(recipe.run, data=fingerprint(records), base=weights_sha256(base.checkpoint.folder), trains=recipe.trains)
    material = Material(recipe, base, records, weights, device)
    unet, learning = prepared(base, recipe, device)
    start = learning.sampled()
    schedule, epoch = recipe.schedule.over(len(material.learn.records))
    run = Run(recipe.run, recipe, schedule, learning, fingerprint(records), samples=schedule.together, epoch=epoch)
    noise = Noise(base, device, recipe.snr_gamma)
    learner = Learner(recipe, material, unet, learning, noise, device)
    sizes = schedule.batch, schedule.together, len(noise)
    own = Batches(material.learn, *sizes, schedule.seed, recipe.caption_dropout)
    of_base = None
    if material.prior:
        batch = max(1, round(schedule.batch * recipe.prior.share))
        of_base = Batches(material.prior, batch, batch * schedule.together // schedule.batch, len(noise), schedule.seed + 1)

    def loss(step: int, _: StepRandom) -> Losses:
        learning.train()
        before = of_base.parts(step, device) if of_base else [None] * schedule.accumulate
        for part, prior in zip(own.parts(step, device), before, strict=True):
            told = learner.losses(part, prior)
            yield {name: value / schedule.accumulate for name, value in told.items()}

    run.fit(loss, learner.validate)
    with run.averaged(), parallel.one_after_another():
        learning.check_moved(start)
        if not run.rank:
            finish(recipe, base, unet, material.learn.records, run)
    return run


def shown(recipe: TuneRecipe, records: list[Record]) -> TuneRecipe:
    """The recipe with captions to draw: its own, or six of the data, evenly spread."""
    if recipe.show:
        return recipe
    texts = sorted({record.text for record in records})
    some = [recipe.called(texts[i]) for i in np.linspace(0, len(texts) - 1, min(6, len(texts))).round().astype(int)]
    return recipe.model_copy(update={"show": tuple(some)})


def prepared(base: Base, recipe: TuneRecipe, device: torch.device) -> tuple[UNet2DConditionModel, Learning]:
    """The base's U-Net with what is to learn, and that beside the text tower where it learns too."""
    unet = base.unet.requires_grad_(False)
    models: dict[str, torch.nn.Module] = {"unet": unet}
    if recipe.trains == "lora":
        if device.type == "cuda" and recipe.precision == "auto":
            unet.to(quick_dtype(device.type))
        unet.add_adapter(recipe.lora.config(unet))
        if recipe.text_lora:
            base.text_encoder.add_adapter(recipe.lora.config(base.text_encoder))
            models["text_encoder"] = base.text_encoder.to(device)
    else:
        for name, value in unet.named_parameters():
            value.requires_grad_(recipe.trains == "unet" or any(f".{layer}." in name for layer in CROSS))
    if recipe.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    return quicken(unet, device), Learning(**models)


class Learner:
    """Losses of a batch, and validation."""

    def __init__(
        self, recipe: TuneRecipe, material: Material, unet: UNet2DConditionModel, learning: Learning, noise: Noise, device: torch.device
    ) -> None:
        self.recipe, self.material, self.unet, self.learning, self.noise, self.device = recipe, material, unet, learning, noise, device
        self.width = unet.config.time_cond_proj_dim
        #: What the base would say, for a prior that holds it there: adapters are switched off for it, a whole U-Net needs a copy.
        self.was = None
        if recipe.prior and recipe.prior.target == "base" and recipe.trains != "lora":
            self.was = copy.deepcopy(unet).eval().requires_grad_(False)

    def losses(self, part: Part, prior: Part | None) -> dict[str, torch.Tensor]:
        noisy, target = self.noise.over(part.clean, part.noise, part.times)
        said = self.material.text_of(part.said, getattr(self.learning, "text_encoder", None))
        own = self._error(self._answer(self.unet, noisy, part.times, said, None), target, part)
        if prior is None:
            return {"loss": own}
        kept = self._prior(prior)
        return {"loss": own + self.recipe.prior.weight * kept, "loss_own": own, "loss_prior": kept}

    def _prior(self, part: Part) -> torch.Tensor:
        noisy, target = self.noise.over(part.clean, part.noise, part.times)
        said = self.material.text_of(part.said, getattr(self.learning, "text_encoder", None))
        scale = None
        if self.recipe.prior.target == "base":
            most = self.material.base.checkpoint.card.guidance_most
            scale = 1 + (most - 1) * (part.times.float() * 0.6180339887 % 1) if self.width else None  # every scale, by the golden section
            target = self._before(noisy, part.times, said.detach(), scale)
        return self._error(self._answer(self.unet, noisy, part.times, said, scale), target, part)

    @torch.no_grad()
    def _before(self, noisy: torch.Tensor, times: torch.Tensor, said: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
        if self.was is not None:
            return self._answer(self.was, noisy, times, said, scale)
        self.unet.disable_adapters()
        try:
            return self._answer(self.unet, noisy, times, said, scale)
        finally:
            self.unet.enable_adapters()

    def _answer(
        self, unet: UNet2DConditionModel, noisy: torch.Tensor, times: torch.Tensor, said: torch.Tensor, scale: torch.Tensor | None
    ) -> torch.Tensor:
        told = {}
        if self.width:
            told["timestep_cond"] = embedded(torch.ones(len(times), device=self.device) if scale is None else scale, self.width)
        with mixed(self.device, self.recipe.precision):
            return unet(noisy.contiguous(memory_format=torch.channels_last), times, said, **told).sample.float()

    def _error(self, out: torch.Tensor, target: torch.Tensor, part: Part) -> torch.Tensor:
        weight = (1 + self.recipe.lesion_weight * part.lesion) * self.noise.weights[part.times].view(-1, 1, 1, 1)
        return ((out - target).square() * weight).mean()

    @torch.no_grad()
    def validate(self, picture: Path) -> dict[str, float]:
        self.show(picture)
        kept = self.material.held_out
        if not kept.records:
            return {}
        batch = min(self.recipe.schedule.batch, len(kept.records))
        always_the_same = Batches(kept, batch, batch, len(self.noise), seed=0)
        errors = []
        for step in range(len(kept.records) // batch):
            for part in always_the_same.parts(step, self.device, all_of_it=True):
                noisy, target = self.noise.over(part.clean, part.noise, part.times)
                said = self.material.text_of(part.said, getattr(self.learning, "text_encoder", None))
                errors.append(self._error(self._answer(self.unet, noisy, part.times, said, None), target, part).item())
        return {"loss_held_out": float(np.mean(errors))}

    def show(self, picture: Path) -> None:
        base = self.material.base
        card = base.checkpoint.card
        device, pipe = self.device, base.pipeline
        pipe.vae.to(device)
        base.text_encoder.to(device)
        shown = StableDiffusionPipeline(
            unet=self.unet, vae=pipe.vae, text_encoder=base.text_encoder, tokenizer=base.tokenizer, scheduler=pipe.scheduler,
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
        shown.set_progress_bar_config(disable=True)
        guidance = card.guidance_scale if self.recipe.guidance_scale is None else self.recipe.guidance_scale
        draw(shown, self.recipe.show, self.recipe.steps or card.steps, guidance, picture)
        pipe.vae.to("cpu")
        if not self.recipe.text_lora:
            base.text_encoder.to("cpu")


def finish(recipe: TuneRecipe, base: Base, unet: UNet2DConditionModel, records: list[Record], run: Run) -> None:
    """``final/``: an adapter in diffusers' form beside the base, or a whole pipeline; with a card that the chat reads.

    ``records``: what was learnt from.
    """
    final = recipe.run / "final"
    shutil.rmtree(final, ignore_errors=True)
    final.mkdir(parents=True)
    card: dict[str, Any] = {"name": run.folder.name}
    forgets = recipe.trains == "unet" and not recipe.prior
    if recipe.trains == "lora":
        StableDiffusionPipeline.save_lora_weights(
            final / "lora", adapter_of(unet), adapter_of(base.text_encoder) if recipe.text_lora else None
        )
        card["lora"] = "lora"
        if recipe.text_encoder:
            copy_tower(base, final)
            card["text_encoder"] = "text_encoder"
    else:
        whole_pipeline(recipe, base, unet, final)
        own = base.checkpoint.card.model_dump(exclude_unset=True, exclude={"sha256", "name"} | (OF_FEW_STEPS if forgets else set()))
        card = {**own, **card}
    if forgets:
        card |= {name: value for name in ("steps", "guidance_scale") if (value := getattr(recipe, name)) is not None}
    trained = with_conditions(base, records, forgets)
    if trained is not None:
        card["trained"] = trained
    if recipe.identifier:
        card["identifiers"] = dict.fromkeys(sorted({record.values["rash"] for record in records if "rash" in record.values}), recipe.identifier)
    count_pictures(recipe, final)
    report = {"steps": run.step, "images": run.step * run.samples, "last": plots.rows(run.folder / "metrics.jsonl")[-1]}
    sheet = sorted((run.folder / "validation").glob("*.png"))[-1]
    shutil.copyfile(sheet, final / "sheet.png")
    captions = json.loads(sheet.with_suffix(".json").read_text())
    told = "![Drawn at the end, six in a row](sheet.png)\n\n" + "\n".join(f"{i}. {caption}" for i, caption in enumerate(captions, 1))
    titles = {"lora": "LoRA adapters", "cross-attention": "A U-Net, its cross-attention fine-tuned", "unet": "A U-Net, fine-tuned"}
    finished.write(recipe, run, final, report, titles[recipe.trains], recipe.base, card, told)


def adapter_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The adapter's weights under the names that diffusers gives them."""
    return {name: value.contiguous() for name, value in convert_state_dict_to_diffusers(get_peft_model_state_dict(model)).items()}


def with_conditions(base: Base, records: list[Record], forgets: bool = False) -> dict[str, list[str]] | None:
    """The base's vocabulary and what ``records`` name beyond it; of what it ``forgets`` only what they name, for a slot that they name
    nothing of all of it; None where the base's is open."""
    from assistant.vocabulary import vocabulary

    trained = base.checkpoint.card.trained
    names = {slot: {r.values[slot] for r in records if slot in r.values} for slot in ("rash", "area", "tone")}
    askable = {rash for rash in names["rash"] if offered(rash, records)}
    if trained is None:
        return None
    told = {slot: set(known) for slot, known in trained.model_dump().items() if known is not None}
    for slot in told:
        named = askable if slot == "rash" else names[slot] & set(vocabulary().names(slot))
        told[slot] = named if forgets and named else told[slot] | named
    return {slot: sorted(values) for slot, values in told.items()}


def count_pictures(recipe: TuneRecipe, final: Path) -> None:
    """``coverage.json``: how many pictures stand behind each condition, site and tone, for the chat to say where they are few."""
    from assistant.coverage import FILE
    from data import coverage, manifest

    try:
        rows = [row for source in recipe.data for row in manifest.read(source.path)]
    except manifest.ManifestError:  # a set of another form: nothing is known of its pictures
        return
    if rows:
        (final / FILE).write_text(coverage.text(coverage.coverage(coverage.counted(rows))), encoding="utf-8")


def offered(rash: str, records: list[Record]) -> bool:
    """Whether the chat can be asked for a condition of the data, from its next start on; says so where it is new."""
    from assistant.vocabulary import own, vocabulary

    if rash in vocabulary().names("rash"):
        return True
    shown = [record for record in records if record.values.get("rash") == rash]
    areas = Counter(record.values["area"] for record in shown if record.values.get("area") in vocabulary().names("area"))
    kind = "lesion" if " type of lesion" in shown[0].text else "rash"
    if own.add(rash, areas.most_common(1)[0][0] if areas else "arm", kind):
        print(f"{rash!r} can be asked for in the chat from now on: it stands in {own.path()}, where synonyms can be added.", flush=True)
        return True
    print(f"{rash!r} is learnt, but cannot be asked for in the chat: in a sentence its words mean something else.", flush=True)
    return False


def copy_tower(base: Base, final: Path) -> None:
    """The files of the text tower that was trained with, and of its tokenizer."""
    for source, target in ((base.layout.text_encoder.folder, final / "text_encoder"), (base.layout.tokenizer, final / "tokenizer")):
        target.mkdir()
        for file in (file for file in source.iterdir() if file.is_file() and file.suffix in (".json", ".safetensors", ".txt")):
            _linked(str(file), str(target / file.name))


def whole_pipeline(recipe: TuneRecipe, base: Base, unet: UNet2DConditionModel, final: Path) -> None:
    """The base's folder with another U-Net (float16) and, where there was one, another text tower; files that stay are linked."""
    folder = base.checkpoint.folder
    for name in ("vae", "scheduler", "text_encoder", "tokenizer", "image_encoder"):
        if (folder / name).is_dir():
            shutil.copytree(folder / name, final / name, copy_function=_linked)
    for file in ("model_index.json", base.basis.name):
        if (folder / file).exists():
            shutil.copyfile(folder / file, final / file)
    if recipe.text_encoder:
        for name in ("text_encoder", "tokenizer", "image_encoder"):
            shutil.rmtree(final / name, ignore_errors=True)
        copy_tower(base, final)
    copy.deepcopy(unet).to(dtype=torch.float16, memory_format=torch.contiguous_format).save_pretrained(final / "unet")


def _linked(source: str, target: str) -> None:
    """A hard link where the file system has them, else a copy: a base of gigabytes need not lie there twice."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copyfile(source, target)
