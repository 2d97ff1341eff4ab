"""A student U-Net that is told the guidance scale and answers at once what its teacher says in several evaluations.

Stage one of Meng et al., "On distillation of guided diffusion models" (CVPR 2023, arXiv 2210.03142): the student starts as
the teacher, its time embedding also takes the scale, as diffusers' ``time_cond_proj_dim`` has it, and it learns
v_empty + w·(v_caption − v_empty). StableDiffusionPipeline then evaluates once a step: half the work for any number of steps.

Stage two at the same time, with ``leaps``: for pictures in that many DDIM steps the student learns where ``substeps`` guided
DDIM steps of the teacher arrive from the same noisy picture (progressive distillation, Salimans & Ho 2022, arXiv 2202.00512).

At scale 1 the student stays the plain conditional model, empty caption included, so training can go on from it: `plain`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import UNet2DConditionModel
from pydantic import Field

from training.dataset import fingerprint
from training.guided import embedded, moved, plain, student_of
from training.norm import quicken
from training.precision import compiled, mixed
from training.run import Run, StepRandom, load, pick_device
from training.unet import Batch, LatentRecipe, Material


class GuidanceRecipe(LatentRecipe):
    kind: Literal["guidance"]
    #: Run, or checkpoint in diffusers' pipeline layout, of the U-Net to learn from; a student may itself go on from its own.
    teacher: Path
    student: Path | None = None
    #: The teacher that ``student`` had (its own plain side where that went on learning): what ``teacher`` has learnt since is
    #: added to the student before it learns, so that it need not learn that again.
    since: Path | None = None
    #: The largest scale that is learnt; the smallest is 1.
    most: float = Field(default=6.0, gt=1)
    #: Share of draws at scale 1, where half of the captions are empty.
    plain_share: float = Field(default=0.15, ge=0, le=1)
    #: Width of the embedded scale.
    width: int = Field(default=128, ge=2)
    #: DDIM steps of a picture that the student is made for, each learnt from ``substeps`` of the teacher's; None: any number
    #: of steps, each of which costs the student one evaluation and the teacher two.
    leaps: int | None = Field(default=None, ge=1, le=100)
    substeps: int = Field(default=4, ge=1)


def train(recipe: GuidanceRecipe) -> Run:
    device = pick_device(recipe.device)
    torch.manual_seed(recipe.schedule.seed)
    material = Material(recipe, device)
    teacher = plain(load(UNet2DConditionModel, recipe.teacher, "unet")).eval().requires_grad_(False)
    student = load(UNet2DConditionModel, recipe.student, "unet") if recipe.student else student_of(teacher, recipe.width)
    if recipe.since:
        moved(student, plain(load(UNet2DConditionModel, recipe.since, "unet")), teacher)
    teacher = teacher.to(device, memory_format=torch.channels_last)
    student = quicken(student.train().requires_grad_(True), device)
    width = student.config.time_cond_proj_dim
    student.save_config(recipe.run / "model")
    run = Run(recipe.run, recipe, recipe.schedule, student, fingerprint(material.records))
    empty = material.text([material.empty])
    told_quickly, answered_quickly = (compiled(net) if recipe.compile else net for net in (teacher, student))
    leaps = None if recipe.leaps is None else Leaps(material.alphas, recipe.leaps, recipe.substeps)

    def guided(batch: Batch, scale: torch.Tensor, net: Callable[..., Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """The teacher's velocity with its caption, and the guided one."""
        both = (torch.cat([batch.noisy] * 2), torch.cat([batch.times] * 2), torch.cat([empty.expand_as(batch.text), batch.text]))
        with mixed(device):
            without, told = net(*both).sample.float().chunk(2)
        return told, without + scale.view(-1, 1, 1, 1) * (told - without)

    @torch.no_grad()
    def taught(batch: Batch, scale: torch.Tensor, net: Callable[..., Any]) -> torch.Tensor:
        """What the student is to say."""
        if leaps is None:
            return guided(batch, scale, net)[1]
        return leaps.velocity(
            batch.noisy, batch.times, lambda noisy, times: guided(batch.with_noisy(noisy, times), scale, net)[1]
        )

    def answer(batch: Batch, scale: torch.Tensor, net: Callable[..., Any]) -> torch.Tensor:
        with mixed(device):
            return net(batch.noisy, batch.times, batch.text, timestep_cond=embedded(scale, width)).sample

    def loss(step: int, random: StepRandom) -> dict[str, torch.Tensor]:
        batch = material.batch(random)
        chance, which = torch.rand(2, len(batch.times), generator=random.torch).to(device, non_blocking=True)
        inside = (chance - recipe.plain_share) / (1 - recipe.plain_share)
        scale = 1 + (recipe.most - 1) * inside.clamp(min=0)
        plainly = chance < recipe.plain_share
        batch.text[plainly & (which < 0.5)] = empty
        if leaps is None:
            return {"loss": batch.loss(answer(batch, scale, answered_quickly), taught(batch, scale, told_quickly))}
        batch = batch.at(torch.where(plainly, batch.times, leaps.start(batch.times)))
        target = torch.where(plainly.view(-1, 1, 1, 1), batch.velocity, taught(batch, scale, told_quickly))
        return {"loss": batch.loss(answer(batch, scale, answered_quickly), target)}

    @torch.no_grad()
    def validate(picture: Path) -> dict[str, float]:
        """``guidance_missed``: of what the teacher's guidance (and further steps) change, squared, the share that the student
        does not give; 1 at the start."""
        material.show(student, picture, "ddpm" if leaps is None else "ddim", recipe.leaps)
        batch = material.held_out_batch()
        if batch is None:
            return {}
        once = torch.ones_like(batch.alphas[batch.times])
        figures = {"loss_held_out": batch.loss(answer(batch, once, student), batch.velocity).item()}
        if leaps is not None:
            batch = batch.at(leaps.start(batch.times))
        scale = recipe.guidance_scale * once
        target = taught(batch, scale, teacher)
        missed = batch.loss(answer(batch, scale, student), target) / batch.loss(guided(batch, scale, teacher)[0], target)
        return {"guidance_missed": missed.item(), **figures}

    try:
        run.fit(loss, validate)
    finally:
        material.end()
    return run


class Leaps:
    """DDIM from each of ``count`` trailing timesteps to the next one, in one step or in ``substeps``."""

    def __init__(self, alphas: torch.Tensor, count: int, substeps: int) -> None:
        """``alphas``: ᾱ of every timestep; the picture itself, timestep −1, has ᾱ = 1."""
        device = alphas.device
        self.alphas = torch.cat([alphas, torch.ones(1, device=device)])
        self.length, self.substeps = len(alphas) // count, substeps
        self.starts = (len(alphas) / count * torch.arange(1, count + 1, device=device)).round().long() - 1

    def start(self, times: torch.Tensor) -> torch.Tensor:
        """For any timesteps (N,) the leap that goes over them, named by where it starts."""
        return self.starts[torch.bucketize(times, self.starts)]

    def end(self, begin: torch.Tensor) -> torch.Tensor:
        """Where the leaps from ``begin`` (N,) arrive; −1 is the picture itself."""
        return (begin - self.length).clamp(min=-1)

    def velocity(
        self, noisy: torch.Tensor, begin: torch.Tensor, guided: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """What to say of ``noisy`` (N, C, h, w) at ``begin`` (N,), any timesteps, so that one step arrives where the teacher does,
        whose velocity for noisy pictures and their timesteps ``guided`` gives."""
        end = self.end(begin)
        arrived, at = noisy, begin
        for done in range(1, self.substeps + 1):
            upto = (begin + (end - begin) * done / self.substeps).round().long()
            arrived, at = self.step(arrived, guided(arrived, at), at, upto), upto
        (a, s), (b, r) = self._signal(begin), self._signal(end)
        return (arrived - (b * a + r * s) * noisy) / (r * a - b * s)

    def step(self, noisy: torch.Tensor, v: torch.Tensor, begin: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """One DDIM step of the velocity ``v``."""
        (a, s), (b, r) = self._signal(begin), self._signal(end)
        return b * (a * noisy - s * v) + r * (a * v + s * noisy)

    def _signal(self, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """√ᾱ and √(1 − ᾱ), (N, 1, 1, 1)."""
        alpha = self.alphas[times].view(-1, 1, 1, 1)
        return alpha.sqrt(), (1 - alpha).sqrt()
