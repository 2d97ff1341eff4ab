"""A student that takes two steps of its teacher's at once, learnt from the teacher's own pictures: no data are needed.

Progressive distillation (Salimans & Ho 2022, arXiv 2202.00512) of a U-Net that is told the guidance scale and already draws in few
DDIM steps. Instead of noise laid over photographs, the student sees what a drawing meets: the teacher draws, from noise to picture,
and every pair of its steps is a leap to learn. Captions are spread over what the teacher's card says it was trained on. At scale 1 it
is held to what the teacher says at any timestep, of its pictures under new noise: that side training can go on from (`guided.plain`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from pydantic import Field

from assistant.frames import Trained
from assistant.notes import usual_areas
from assistant.schema import ImageRequest
from assistant.vocabulary import vocabulary
from generation.catalog import read_card
from generation.layout import weights_sha256
from training.guidance import Leaps
from training.guided import embedded
from training.norm import quicken
from training.precision import compiled, mixed
from training.run import Run, Schedule, StepRandom, Strict, load, pick_device
from training.text import encode_captions, text_tower
from training.unet import draw, noise_scheduler, pipeline, stratified_times, velocity


class Lesson(NamedTuple):
    """Noisy pictures (N, C, h, w), their timesteps and scales (N,), captions' outputs (N, tokens, width), and the velocity to say."""

    noisy: torch.Tensor
    times: torch.Tensor
    scale: torch.Tensor
    text: torch.Tensor
    target: torch.Tensor


class LeapRecipe(Strict):
    kind: Literal["leap"]
    run: Path
    #: Checkpoint in diffusers' pipeline layout, with its card; its U-Net is told the guidance scale.
    teacher: Path
    device: str = "auto"
    #: ``batch`` counts leaps: a picture that the teacher draws is ``steps`` of them.
    schedule: Schedule
    #: The student's steps a picture, and how many of the teacher's each stands for.
    steps: int = Field(default=4, ge=1, le=50)
    substeps: int = Field(default=2, ge=2)
    #: Scales are drawn between 1 and the card's largest; this share of them is the one that the card draws the condition with.
    usual_share: float = Field(default=0.5, ge=0, le=1)
    #: Share of captions that name a typical site of their condition, severity, size or number.
    typical_share: float = Field(default=0.5, ge=0, le=1)
    optional_share: float = Field(default=0.2, ge=0, le=1)
    #: How much scale 1 counts beside the leaps.
    hold: float = Field(default=0.5, ge=0)
    compile: bool = False
    #: Captions drawn at every checkpoint.
    show: tuple[str, ...] = ()


class Requests:
    """Captions over a vocabulary, every condition and tone equally often."""

    def __init__(self, trained: Trained, recipe: LeapRecipe) -> None:
        self.recipe = recipe
        self.rashes, self.areas, self.tones = (sorted(getattr(trained, slot)) for slot in ("rash", "area", "tone"))
        self.typical = {rash: usual_areas(rash, trained.area) or self.areas for rash in self.rashes}

    def one(self, random: np.random.Generator) -> ImageRequest:
        rash = str(random.choice(self.rashes))
        areas = self.typical[rash] if random.random() < self.recipe.typical_share else self.areas
        optional = {}
        for slot in ("severity", "size", "number"):
            if random.random() < self.recipe.optional_share:
                optional[slot] = str(random.choice(vocabulary().names(slot)))
        return ImageRequest(
            count=1, seed=0, rash=rash, area=str(random.choice(areas)), tone=str(random.choice(self.tones)), **optional
        )


def train(recipe: LeapRecipe) -> Run:
    """Raises ValueError for a teacher whose U-Net is not told the scale, or a batch that holds no whole picture."""
    device = pick_device(recipe.device)
    torch.manual_seed(recipe.schedule.seed)
    card = read_card(recipe.teacher)
    teacher = load(UNet2DConditionModel, recipe.teacher, "unet")
    width = teacher.config.time_cond_proj_dim
    if width is None:
        raise ValueError(f"{recipe.teacher}: its U-Net is not told the guidance scale; make one by `train guidance` first.")
    if card.trained is None:
        raise ValueError(f"{recipe.teacher}: its card does not say what it was trained on.")
    pictures, rest = divmod(recipe.schedule.batch, recipe.steps)
    if rest or not pictures:
        raise ValueError(f"schedule.batch is {recipe.schedule.batch}; it must be a multiple of steps, {recipe.steps}.")
    student = load(UNet2DConditionModel, recipe.teacher, "unet")
    teacher = teacher.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    student = quicken(student.train().requires_grad_(True), device)
    student.save_config(recipe.run / "model")
    text_encoder, tokenizer = text_tower(recipe.teacher)
    text_encoder.to(device)
    requests = Requests(card.trained, recipe)
    alphas = noise_scheduler().alphas_cumprod.to(device)
    leaps = Leaps(alphas, recipe.steps, recipe.substeps)
    run = Run(recipe.run, recipe, recipe.schedule, student, weights_sha256(recipe.teacher))
    teaches, answers = (compiled(net) if recipe.compile else net for net in (teacher, student))
    shape = (teacher.config.in_channels, teacher.config.sample_size, teacher.config.sample_size)

    empty = encode_captions(text_encoder, tokenizer, [""]).float().to(device)

    def answer(net: torch.nn.Module, noisy: torch.Tensor, times: torch.Tensor, scale: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        with mixed(device):
            given = noisy.contiguous(memory_format=torch.channels_last)
            return net(given, times, text, timestep_cond=embedded(scale, width)).sample.float()

    @torch.no_grad()
    def taught(random: StepRandom, count: int, net: torch.nn.Module) -> tuple[Lesson, Lesson]:
        """Of ``count`` pictures that the teacher draws, the leaps; and what it says of them at scale 1, once each."""
        asked = [requests.one(random.numpy) for _ in range(count)]
        usual = torch.tensor([card.guidance_by_rash.get(request.rash, card.guidance_scale) for request in asked])
        chance, share, without = torch.rand(3, count, generator=random.torch)
        scale = torch.where(chance < recipe.usual_share, usual, 1 + (card.guidance_most - 1) * share).to(device)
        text = encode_captions(text_encoder, tokenizer, [request.caption for request in asked]).float().to(device)
        noisy = torch.randn((count, *shape), generator=random.on(device), device=device)
        found = []
        for start in leaps.starts.flip(0).tolist():
            begin = torch.full((count,), start, device=device)
            target = leaps.velocity(noisy, begin, lambda x, times: answer(net, x, times, scale, text))
            found.append(Lesson(noisy, begin, scale, text, target))
            noisy = leaps.step(noisy, target, begin, leaps.end(begin))
        times = stratified_times(count, len(alphas), random.torch).to(device)
        fresh = torch.randn(noisy.shape, generator=random.on(device), device=device)
        noisy, _ = velocity(noisy, fresh, alphas[times])
        text = torch.where((without < 0.5).view(-1, 1, 1).to(device), empty, text)
        once = torch.ones_like(scale)
        held = Lesson(noisy, times, once, text, answer(net, noisy, times, once, text))
        return Lesson(*(torch.cat(parts) for parts in zip(*found, strict=True))), held

    def missed(lesson: Lesson, net: torch.nn.Module) -> torch.Tensor:
        """Mean squared error of the velocity."""
        return (answer(net, *lesson[:4]) - lesson.target).square().mean()

    def loss(step: int, random: StepRandom) -> dict[str, torch.Tensor]:
        leapt, held = taught(random, pictures, teaches)
        both = Lesson(*(torch.cat(parts) for parts in zip(leapt, held, strict=True)))
        errors = (answer(answers, *both[:4]) - both.target).square().mean((1, 2, 3)).split([len(leapt.times), len(held.times)])
        return {"loss": errors[0].mean() + recipe.hold * errors[1].mean(), "leap": errors[0].mean(), "held": errors[1].mean()}

    held_out = taught(StepRandom(recipe.schedule.seed, 2**31), 24, teacher)
    with torch.no_grad():
        before = missed(held_out[0], teacher).item()

    @torch.no_grad()
    def validate(picture: Path) -> dict[str, float]:
        """``leap_missed``: of the squared error that the teacher makes where it leaps itself, the share that is left; 1 at the start.
        ``held_missed``: the squared error at scale 1, 0 at the start, as a share of what is to be said there."""
        if recipe.show:
            pipe = pipeline(student, load(AutoencoderKL, recipe.teacher, "vae").to(device), text_encoder, tokenizer, "ddim")
            draw(pipe, recipe.show, recipe.steps, card.guidance_scale, picture)
        leapt, held = held_out
        off = missed(held, student) / held.target.square().mean()
        return {"leap_missed": missed(leapt, student).item() / before, "held_missed": off.item()}

    run.fit(loss, validate)
    return run
