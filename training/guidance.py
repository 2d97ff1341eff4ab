"""Guidance in one evaluation: a student U-Net that is told the guidance scale and answers as its teacher does in two.

Stage one of Meng et al., "On distillation of guided diffusion models" (CVPR 2023, arXiv 2210.03142): the student starts as
the teacher, its time embedding also takes the scale, as diffusers' ``time_cond_proj_dim`` has it, and it learns
v_empty + w·(v_caption − v_empty). StableDiffusionPipeline then evaluates once a step: half the work for any number of steps.
At scale 1 the student stays the plain conditional model, empty caption included, so training can go on from it: `plain`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from diffusers import UNet2DConditionModel
from pydantic import Field

from training.dataset import fingerprint
from training.guided import embedded, plain, student_of
from training.norm import quicken
from training.precision import mixed
from training.run import Run, StepRandom, load, pick_device
from training.unet import Batch, LatentRecipe, Material


class GuidanceRecipe(LatentRecipe):
    kind: Literal["guidance"]
    #: Run, or checkpoint in diffusers' pipeline layout, of the U-Net to learn from; a student may itself go on from its own.
    teacher: Path
    student: Path | None = None
    #: The largest scale that is learnt; the smallest is 1.
    most: float = Field(default=6.0, gt=1)
    #: Share of draws at scale 1, where half of the captions are empty.
    plain_share: float = Field(default=0.15, ge=0, le=1)
    #: Width of the embedded scale.
    width: int = Field(default=128, ge=2)


def train(recipe: GuidanceRecipe) -> Run:
    device = pick_device(recipe.device)
    torch.manual_seed(recipe.schedule.seed)
    material = Material(recipe, device)
    teacher = plain(load(UNet2DConditionModel, recipe.teacher, "unet")).eval().requires_grad_(False)
    student = load(UNet2DConditionModel, recipe.student, "unet") if recipe.student else student_of(teacher, recipe.width)
    teacher = teacher.to(device, memory_format=torch.channels_last)
    student = quicken(student.train().requires_grad_(True)).to(device, memory_format=torch.channels_last)
    width = student.config.time_cond_proj_dim
    student.save_config(recipe.run / "model")
    run = Run(recipe.run, recipe, recipe.schedule, student, fingerprint(material.records))
    empty = material.text([material.empty])

    @torch.no_grad()
    def taught(batch: Batch, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The teacher's velocity with its caption, and the guided one."""
        both = (torch.cat([batch.noisy] * 2), torch.cat([batch.times] * 2), torch.cat([empty.expand_as(batch.text), batch.text]))
        with mixed(device):
            without, told = teacher(*both).sample.float().chunk(2)
        return told, without + scale.view(-1, 1, 1, 1) * (told - without)

    def answer(batch: Batch, scale: torch.Tensor) -> torch.Tensor:
        with mixed(device):
            return student(batch.noisy, batch.times, batch.text, timestep_cond=embedded(scale, width)).sample

    def loss(step: int, random: StepRandom) -> dict[str, torch.Tensor]:
        batch = material.batch(random)
        chance, which = torch.rand(2, len(batch.times), generator=random.torch).to(device)
        inside = (chance - recipe.plain_share) / (1 - recipe.plain_share)
        scale = 1 + (recipe.most - 1) * inside.clamp(min=0)
        batch.text[(chance < recipe.plain_share) & (which < 0.5)] = empty
        return {"loss": batch.loss(answer(batch, scale), taught(batch, scale)[1])}

    @torch.no_grad()
    def validate(picture: Path) -> dict[str, float]:
        """``guidance_missed``: share of what guidance changes, squared, that the student does not give; 1 at the start."""
        material.show(student, picture)
        batch = material.held_out_batch()
        if batch is None:
            return {}
        scale = torch.full((len(batch.times),), recipe.guidance_scale, device=device)
        told, guided = taught(batch, scale)
        missed = batch.loss(answer(batch, scale), guided) / batch.loss(told, guided)
        once = torch.ones_like(scale)
        return {"guidance_missed": missed.item(), "loss_held_out": batch.loss(answer(batch, once), batch.velocity).item()}

    run.fit(loss, validate)
    return run
