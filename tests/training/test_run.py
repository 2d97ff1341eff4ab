import json

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from training.run import Run, Schedule, StepRandom, Strict


class Recipe(Strict):
    name: str = "line"


def start(folder, steps, **options):
    """A line is fitted to noise: the batch depends on the step alone."""
    torch.manual_seed(0)
    model = nn.Linear(16, 16)
    schedule = Schedule(minutes=1, max_steps=steps, batch=8, lr=0.01, warmup_steps=2, final_lr=1, **options)
    return Run(folder, Recipe(), schedule, model, "hash")


def fit(run, stop_at=None):
    def loss(step: int, random: StepRandom):
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 16, generator=random.torch)
        return {"loss": (run.model(x) - x).square().mean()}

    run.fit(loss, lambda picture: {"held_out": run.model.weight.sum().item()})


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_resumed_run_ends_where_one_that_never_stopped_does(tmp_path, optimizer, monkeypatch):
    monkeypatch.setattr(Schedule, "factor", lambda self, step, seconds: 1.0)  # the cosine knows the run's full length
    whole = start(tmp_path / "whole", 12, optimizer=optimizer)
    fit(whole)
    fit(start(tmp_path / "parts", 5, optimizer=optimizer))
    second = start(tmp_path / "parts", 12, optimizer=optimizer)
    assert second.step == 5
    fit(second)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name])
        assert torch.equal(whole.ema.shadow[name], second.ema.shadow[name])


def test_a_run_killed_between_checkpoints_goes_on_from_the_last(tmp_path):
    run = start(tmp_path, 9, checkpoint_minutes=1e-6)
    with pytest.raises(KeyboardInterrupt):
        fit(run, stop_at=4)
    assert start(tmp_path, 9).step == 4


def test_what_a_run_leaves_behind(tmp_path):
    fit(start(tmp_path, 25))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 25, 25]
    assert rows[1]["loss"] < rows[0]["loss"] * 1.5 and "held_out" in rows[2]
    assert json.loads((tmp_path / "starts.jsonl").read_text())["data_sha256"] == "hash"
    assert json.loads((tmp_path / "recipe.json").read_text()) == {"name": "line"}
    assert (tmp_path / "loss.png").read_bytes()[:4] == b"\x89PNG"


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    run = start(tmp_path, 5)
    with pytest.raises(FloatingPointError, match="step 0"):
        run.fit(lambda step, random: {"loss": run.model.weight.sum() * float("nan")}, lambda picture: {})


def test_the_rate_rises_then_falls():
    schedule = Schedule(minutes=10, batch=1, lr=1, warmup_steps=10, final_lr=0.1)
    assert schedule.factor(0, 0) == pytest.approx(0.1)
    assert schedule.factor(10, 0) == pytest.approx(1)
    assert schedule.factor(500, 300) == pytest.approx(0.55)
    assert schedule.factor(900, 600) == pytest.approx(0.1)


def test_an_unknown_key_is_an_error():
    with pytest.raises(ValidationError, match="learning_rate"):
        Schedule(minutes=1, batch=1, lr=1, learning_rate=1)
