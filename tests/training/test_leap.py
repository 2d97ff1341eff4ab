"""A student that takes two of its teacher's steps at once, from the teacher's own pictures."""

import json

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from assistant.frames import Trained
from assistant.notes import notes
from generation.catalog import read_card
from training import leap
from training.assemble import AssembleRecipe, assemble
from training.guided import student_of
from training.run import load

#: One worker for all that uses the same finished runs.
pytestmark = pytest.mark.xdist_group("runs")


def recipe(run, teacher, **changes):
    schedule = {"minutes": 5, "max_steps": 60, "batch": 8, "lr": 0.002, "optimizer": "adamw", "warmup_steps": 2, "ema": 0.5}
    values = {"kind": "leap", "run": run, "teacher": teacher, "device": "cpu", "steps": 2, "schedule": schedule}
    return leap.LeapRecipe(**values | changes)


@pytest.fixture(scope="module")
def teacher(runs, labelled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    told = student_of(load(UNet2DConditionModel, runs / "unet", "unet"), 16)
    torch.nn.init.normal_(told.time_embedding.cond_proj.weight)
    told.save_pretrained(folder / "told" / "unet")
    return assemble(
        AssembleRecipe(
            kind="assemble", out=folder / "checkpoint", name="told", unet=folder / "told", data=[labelled], sampler="ddim", steps=4,
            autoencoder=runs / "autoencoder", clip=runs / "clip", guidance_scale=2, guidance_most=3,
        )
    )  # fmt: skip


def test_it_learns_to_arrive_where_its_teacher_does(teacher, tmp_path):
    told = recipe(tmp_path / "leap", teacher, show=["acne type of rash at the face area on a fair skin"])
    run = leap.train(told)
    figures = [json.loads(line) for line in (told.run / "metrics.jsonl").read_text().splitlines()]
    assert figures[-1]["leap_missed"] < 0.8 and figures[-1]["held_missed"] < 0.4
    assert run.step == 60 and next((told.run / "validation").glob("*.png"))


def test_every_condition_is_asked_for_and_half_of_the_time_where_it_is_usual(tmp_path):
    trained = Trained(rash={"acne", "tinea"}, area={"face", "foot", "back", "hand", "palm", "knee"}, tone={"fair", "brown"})
    requests = leap.Requests(trained, recipe(tmp_path, tmp_path))
    random = np.random.default_rng(0)
    asked = [requests.one(random) for _ in range(400)]
    assert {request.rash for request in asked} == {"acne", "tinea"} and {request.area for request in asked} == trained.area
    usual = np.mean([request.area in notes()[request.rash].areas for request in asked])
    assert 0.5 < usual < 0.9
    assert 0.1 < np.mean([request.severity is not None for request in asked]) < 0.3


@pytest.mark.parametrize(("batch", "words"), [(7, "a multiple of steps"), (1, "a multiple of steps")])
def test_a_batch_is_whole_pictures(teacher, tmp_path, batch, words):
    bad = recipe(tmp_path / "leap", teacher)
    bad = bad.model_copy(update={"schedule": bad.schedule.model_copy(update={"batch": batch})})
    with pytest.raises(ValueError, match=words):
        leap.train(bad)


def test_a_teacher_that_is_not_told_the_scale_is_refused(teacher, runs, tmp_path):
    with pytest.raises(ValueError, match="not told the guidance scale"):
        leap.train(recipe(tmp_path / "leap", runs / "unet"))
    assert read_card(teacher).trained
