"""U-Nets that are told the guidance scale, as diffusers' ``time_cond_proj_dim`` has it, and their return to plain ones."""

from __future__ import annotations

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel


def embedded(scale: torch.Tensor, width: int) -> torch.Tensor:
    """Guidance scales (N,) as the pipeline gives them to its U-Net, (N, width), on the scales' device without waiting for it."""
    with torch.device(scale.device):
        return StableDiffusionPipeline.get_guidance_scale_embedding(None, scale - 1, width)


def student_of(teacher: UNet2DConditionModel, width: int) -> UNet2DConditionModel:
    """A copy of ``teacher`` that takes a scale and, for now, does not heed it."""
    student = like(teacher, time_cond_proj_dim=width)
    student.load_state_dict(teacher.state_dict(), strict=False)
    torch.nn.init.zeros_(student.time_embedding.cond_proj.weight)
    return student


@torch.no_grad()
def plain(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """The U-Net at scale 1 without that input, to be trained on; one that never had it is given back as it is."""
    width = unet.config.time_cond_proj_dim
    if width is None:
        return unet
    state = unet.state_dict()
    constant = state.pop("time_embedding.cond_proj.weight") @ embedded(torch.ones(1), width)[0]
    bias = "time_embedding.linear_1.bias"
    state[bias] = state[bias] + state["time_embedding.linear_1.weight"] @ constant
    folded = like(unet, time_cond_proj_dim=None)
    folded.load_state_dict(state)
    return folded


@torch.no_grad()
def moved(student: UNet2DConditionModel, then: UNet2DConditionModel, now: UNet2DConditionModel) -> None:
    """Add to ``student``, in place, by how much its teacher's weights changed between two times: the sum of task vectors of
    Ilharco et al. 2023 (arXiv 2212.04089). Raises ValueError where a weight has another shape."""
    before, after = then.state_dict(), now.state_dict()
    for name, weight in student.state_dict().items():
        if name not in after:
            continue  # what takes in the scale
        if not weight.shape == before[name].shape == after[name].shape:
            raise ValueError(f"{name} is {tuple(weight.shape)} in the student and {tuple(after[name].shape)} in its teacher.")
        weight += after[name] - before[name]


def like(unet: UNet2DConditionModel, **changes: int | None) -> UNet2DConditionModel:
    """A new U-Net of the same shape but for ``changes``."""
    # "_use_default_values" names the settings that from_config would set back
    kept = {name: value for name, value in unet.config.items() if name != "_use_default_values"}
    return UNet2DConditionModel.from_config({**kept, **changes})
