"""A U-Net that is told the guidance scale: equal to its teacher at the start, foldable back, and what it learns."""

import json

import pytest
import torch
from diffusers import StableDiffusionPipeline

from assistant.schema import ImageRequest
from generation import Generator
from generation.errors import SamplingError
from training import guidance, unet
from training.assemble import AssembleRecipe, assemble
from training.guided import embedded, plain, student_of

#: One worker for all that uses the same finished runs.
pytestmark = pytest.mark.xdist_group("runs")

NET = unet.Net(block_out_channels=(16, 32, 32), heads=(1, 1, 1), norm_num_groups=8)
INPUTS = (torch.randn(2, 4, 8, 8), torch.tensor([100, 900]), torch.randn(2, 5, 32))


@pytest.fixture
def teacher():
    torch.manual_seed(0)
    return NET.build(4, 8, 32).eval()


@torch.no_grad()
def test_a_new_student_answers_as_its_teacher_whatever_the_scale(teacher):
    student = student_of(teacher, 16).eval()
    told = student(*INPUTS, timestep_cond=embedded(torch.tensor([1.0, 5.0]), 16)).sample
    assert torch.equal(told, teacher(*INPUTS).sample)


@torch.no_grad()
def test_at_scale_one_it_folds_back_to_a_plain_unet(teacher):
    student = student_of(teacher, 16).eval()
    torch.nn.init.normal_(student.time_embedding.cond_proj.weight)
    told = student(*INPUTS, timestep_cond=embedded(torch.ones(2), 16)).sample
    folded = plain(student).eval()
    assert folded.config.time_cond_proj_dim is None
    assert torch.allclose(folded(*INPUTS).sample, told, atol=1e-4)
    assert not torch.allclose(told, teacher(*INPUTS).sample, atol=1e-2), "the scale matters here"
    assert plain(teacher) is teacher


def test_the_scale_is_given_as_the_pipeline_gives_it():
    pipeline = StableDiffusionPipeline.get_guidance_scale_embedding
    assert torch.equal(embedded(torch.tensor([3.0]), 8), pipeline(None, torch.tensor([2.0]), 8))


def test_it_learns_and_draws_with_one_evaluation_a_step(runs, labelled, tmp_path):
    common = {"data": [{"path": labelled}], "device": "cpu", "autoencoder": runs / "autoencoder", "clip": runs / "clip"}
    schedule = {"minutes": 5, "batch": 8, "lr": 0.002, "optimizer": "adamw", "warmup_steps": 2, "ema": 0.5, "max_steps": 60}
    recipe = guidance.GuidanceRecipe(
        **common, kind="guidance", run=tmp_path / "told", teacher=runs / "unet", schedule=schedule, plain_share=0, width=16
    )
    guidance.train(recipe)
    figures = json.loads((tmp_path / "told" / "metrics.jsonl").read_text().splitlines()[-1])
    assert figures["guidance_missed"] < 0.8

    folder = assemble(
        AssembleRecipe(
            kind="assemble", out=tmp_path / "checkpoint", name="told", unet=tmp_path / "told", data=[labelled],
            autoencoder=runs / "autoencoder", clip=runs / "clip", steps=3, guidance_most=6,
        )
    )  # fmt: skip
    generator = Generator.load(folder)
    evaluated = []
    generator._pipeline.unet.register_forward_pre_hook(lambda _, inputs: evaluated.append(len(inputs[0])))
    request = ImageRequest(count=1, seed=0, rash="acne", area="face", tone="fair")
    three, six, none, less = (next(generator.draw(request, guidance_scale=scale)) for scale in (3, 6, 1, 0))
    assert evaluated == [1] * 12
    assert three.png != six.png and none.image.tobytes() == less.image.tobytes()
    with pytest.raises(SamplingError, match="from 0 to 6"):
        next(generator.draw(request, guidance_scale=7))
    recipe = unet.UNetRecipe(
        **common, kind="unet", run=tmp_path / "on", start=folder, schedule={**schedule, "lr": 1e-5, "max_steps": 2}
    )
    unet.train(recipe)
    assert "time_embedding.cond_proj.weight" not in recipe.run.joinpath("model", "config.json").read_text()
