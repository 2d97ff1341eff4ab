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
from training.guided import embedded, moved, plain, student_of

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


@torch.no_grad()
def test_a_student_is_moved_by_what_its_teacher_learnt(teacher):
    student = student_of(teacher, 16)
    torch.nn.init.normal_(student.time_embedding.cond_proj.weight)
    scale, before = student.time_embedding.cond_proj.weight.clone(), student.conv_in.weight.clone()
    now = NET.build(4, 8, 32)
    moved(student, teacher, now)
    assert torch.allclose(student.conv_in.weight, before + now.conv_in.weight - teacher.conv_in.weight)
    assert torch.equal(student.time_embedding.cond_proj.weight, scale), "no teacher has that"
    with pytest.raises(ValueError, match="in the student and"):
        moved(student, teacher, NET.build(8, 8, 32))


def test_the_scale_is_given_as_the_pipeline_gives_it():
    pipeline = StableDiffusionPipeline.get_guidance_scale_embedding
    assert torch.equal(embedded(torch.tensor([3.0]), 8), pipeline(None, torch.tensor([2.0]), 8))


def test_it_learns_and_draws_with_one_evaluation_a_step(runs, labelled, tmp_path):
    common = {"data": [{"path": labelled}], "device": "cpu", "autoencoder": runs / "autoencoder", "clip": runs / "clip"}
    schedule = {"minutes": 5, "batch": 8, "lr": 0.002, "optimizer": "adamw", "warmup_steps": 2, "ema": 0.5, "max_steps": 90}
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


@pytest.mark.parametrize("count", [1, 4, 8, 14])
def test_leaps_start_where_the_pipeline_steps(count):
    scheduler = unet.step_scheduler()
    scheduler.set_timesteps(count)
    leaps = guidance.Leaps(scheduler.alphas_cumprod, count, 2)
    assert leaps.starts.tolist() == scheduler.timesteps.tolist()[::-1]
    over = leaps.start(torch.arange(1000))
    assert (over >= torch.arange(1000)).all() and set(over.tolist()) == set(leaps.starts.tolist())


def test_one_leap_arrives_where_the_teachers_steps_do():
    """The teacher's steps taken by diffusers' own scheduler, on every second of whose timesteps the student stands."""
    scheduler = unet.step_scheduler()
    scheduler.set_timesteps(8)
    leaps = guidance.Leaps(scheduler.alphas_cumprod, 4, 2)
    n, shape = 4, (4, 2, 3, 3)
    batch = unet.Batch(
        torch.randn(shape), torch.randn(shape), leaps.starts, torch.zeros(n, 1, 1), torch.ones(n, 1, 3, 3), scheduler.alphas_cumprod
    )

    def teacher(noisy, times):
        return torch.tanh(noisy) * (1 + times.view(-1, 1, 1, 1) / 500)

    said = leaps.velocity(batch.noisy, batch.times, teacher)
    arrived = leaps.step(batch.noisy, said, batch.times, batch.times - 250)
    for row, begin in enumerate(leaps.starts):
        x = batch.noisy[row : row + 1]
        for time in (begin, begin - 125):
            x = scheduler.step(teacher(x, time[None]), int(time), x).prev_sample
        assert torch.allclose(arrived[row], x[0], atol=1e-4)


def test_a_student_learns_to_leap(runs, labelled, tmp_path):
    schedule = {"minutes": 5, "batch": 8, "lr": 0.002, "optimizer": "adamw", "warmup_steps": 2, "ema": 0.5, "max_steps": 60}
    recipe = guidance.GuidanceRecipe(
        kind="guidance", run=tmp_path / "leaps", teacher=runs / "unet", data=[{"path": labelled}], device="cpu", width=16,
        autoencoder=runs / "autoencoder", clip=runs / "clip", latents=tmp_path / "latents", schedule=schedule, leaps=2, substeps=2,
        show=["acne type of rash at the face area on a fair skin"], steps=2,
    )  # fmt: skip
    guidance.train(recipe)
    figures = json.loads((recipe.run / "metrics.jsonl").read_text().splitlines()[-1])
    assert figures["guidance_missed"] < 0.9
    assert next((recipe.run / "validation").glob("*.png")) and next((tmp_path / "latents").rglob("*.pt"))
