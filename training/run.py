"""The loop that every recipe shares: time budget, schedule, checkpoints, metrics, plots, exact resume.

A run folder holds ``recipe.json``, ``starts.jsonl`` (one line a start: versions, machine, data hash), ``metrics.jsonl``,
``loss.png``, ``validation/*.png`` and ``checkpoints/``. What a step draws depends on (seed, step) alone, so a resumed run
takes the same batches and noise as one that was never stopped.
"""

from __future__ import annotations

import json
import math
import os
import platform
import signal
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import diffusers
import numpy as np
import torch
import transformers
from diffusers import ModelMixin
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from training import checkpoint, parallel, plots
from training.optimizer import Ema, build


class Strict(BaseModel):
    """Unknown keys in a recipe are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(Strict):
    """How long and how fast. With ``max_steps`` the schedule runs over steps, else over the ``minutes`` trained."""

    minutes: float = Field(gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    #: Images a step, of each process.
    batch: int = Field(ge=1)
    #: "muon" learns more a step, "adamw" takes more steps a minute: see ``training.optimizer``.
    optimizer: Literal["muon", "adamw"] = "muon"
    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_steps: int = Field(default=50, ge=1)
    #: The rate falls along a cosine to this share of its peak.
    final_lr: float = Field(default=0.02, ge=0, le=1)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.995, ge=0, lt=1)
    checkpoint_minutes: float = Field(default=3, gt=0)
    seed: int = 0

    def progress(self, step: int, seconds: float) -> float:
        """Share of the budget used, 0 to 1 and above."""
        return step / self.max_steps if self.max_steps else seconds / (60 * self.minutes)

    def factor(self, step: int, seconds: float) -> float:
        """Rate as a share of its peak: linear warm-up over steps, cosine over the budget."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress(step, seconds))))
        return min(1.0, (step + 1) / self.warmup_steps) * (self.final_lr + (1 - self.final_lr) * cosine)


class StepRandom:
    """Randomness of one step of one process: ``numpy`` for choices, ``torch`` (a CPU generator) for noise."""

    def __init__(self, seed: int, step: int, rank: int = 0) -> None:
        self.numpy = np.random.default_rng((seed, step, rank) if rank else (seed, step))
        self.torch = torch.Generator().manual_seed(int(self.numpy.integers(2**62)))

    def on(self, device: torch.device) -> torch.Generator:
        """A generator for large noise where it is needed; on a CPU it is ``torch`` itself."""
        if device.type == "cpu":
            return self.torch
        return torch.Generator(device).manual_seed(self.torch.initial_seed())


class Run:
    """Trains ``model`` in ``folder``. ``loss(step, random)`` gives named losses, of which ``loss`` is descended."""

    def __init__(self, folder: Path, recipe: BaseModel, schedule: Schedule, model: nn.Module, data_hash: str) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rank = parallel.rank()
        self.schedule = schedule
        self.model = model
        self.optimizer = build(schedule.optimizer, model, schedule.lr, schedule.weight_decay)
        self.ema = Ema(model, schedule.ema)
        self.step = 0
        self.seconds = 0.0
        self._resume()
        if self.rank:
            return
        (self.folder / "recipe.json").write_text(recipe.model_dump_json(indent=1) + "\n")
        self._append("starts.jsonl", {**environment(), "step": self.step, "data_sha256": data_hash})

    def _resume(self) -> None:
        found = checkpoint.latest(self.folder / "checkpoints")
        if found is None:
            return
        manifest, state = found
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:
            group["weight_decay"] = self.schedule.weight_decay
        self.ema.shadow = {k: v.to(self.ema.shadow[k].device) for k, v in state["ema"].items()}
        self.step, self.seconds = manifest["step"], manifest["seconds"]

    def save(self) -> Path:
        state = {"model": self.model.state_dict(), "ema": self.ema.shadow, "optimizer": self.optimizer.state_dict()}
        return checkpoint.save(self.folder / "checkpoints", self.step, self.seconds, state)

    def fit(
        self, loss: Callable[[int, StepRandom], dict[str, torch.Tensor]], validate: Callable[[Path], dict[str, float]]
    ) -> None:
        """Train until the budget is used; checkpoint and validate (with the averaged weights) on the way and at the end.

        SIGTERM and SIGINT end the run after the step in hand, with a checkpoint: start it again to go on.
        """
        stopped: list[int] = []
        before = {number: signal.signal(number, lambda n, _: stopped.append(n)) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._fit(loss, validate, stopped)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if stopped:
            raise SystemExit(f"Stopped at step {self.step}, saved in {self.folder}; the same command goes on from there.")

    def _fit(
        self,
        loss: Callable[[int, StepRandom], dict[str, torch.Tensor]],
        validate: Callable[[Path], dict[str, float]],
        stopped: list[int],
    ) -> None:
        saved = time.monotonic()
        window: list[dict[str, torch.Tensor]] = []
        while self._goes_on(bool(stopped)):
            begun = time.monotonic()
            window.append(self._one_step(loss))
            self.seconds += time.monotonic() - begun
            if len(window) == 20:
                self._log(window)
                window = []
            if not self.rank and time.monotonic() - saved > 60 * self.schedule.checkpoint_minutes:
                if window:
                    self._log(window)
                    window = []
                self.checkpoint(validate)
                saved = time.monotonic()
        if window:
            self._log(window)
        if not self.rank:
            self.checkpoint(validate)
        parallel.meet()

    def _goes_on(self, stopped: bool) -> bool:
        going = self.schedule.progress(self.step, self.seconds) < 1 and not stopped
        device = next(self.model.parameters()).device
        going, self.seconds = parallel.agreed([float(going), self.seconds], device)
        return bool(going)

    def _one_step(self, loss: Callable[[int, StepRandom], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        # Nothing here waits for the device: on a GPU the next step is being told while this one is worked out.
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.lr * self.schedule.factor(self.step, self.seconds)
        losses = loss(self.step, StepRandom(self.schedule.seed, self.step, self.rank))
        losses["loss"].backward()
        parallel.average_gradients(self.model)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.schedule.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        self.ema.update(self.step)
        return {**{name: value.detach() for name, value in losses.items()}, "grad_norm": norm.detach()}

    def _log(self, window: list[dict[str, torch.Tensor]]) -> None:
        """Write the means of the last steps, before any of them is saved. Raises FloatingPointError where one went astray."""
        rows = {name: torch.stack([row[name].float().cpu() for row in window]).numpy() for name in window[0]}
        if not np.isfinite(rows["grad_norm"]).all():
            first = int(np.flatnonzero(~np.isfinite(rows["grad_norm"]))[0])
            norm, step = rows["grad_norm"][first], self.step - len(window) + first
            raise FloatingPointError(f"Gradient is {norm} at step {step}: lower the rates in the recipe.")
        if self.rank:
            return
        means = {name: float(values.mean()) for name, values in rows.items()}
        self._append("metrics.jsonl", {"step": self.step, "seconds": round(self.seconds, 1), **means})

    def checkpoint(self, validate: Callable[[Path], dict[str, float]]) -> None:
        self.save()
        picture = self.folder / "validation" / f"{self.step:08d}.png"
        picture.parent.mkdir(exist_ok=True)
        with self.averaged():
            figures = validate(picture)
        self._append("metrics.jsonl", {"step": self.step, "seconds": round(self.seconds, 1), **figures})
        plots.curves(self.folder / "metrics.jsonl", self.folder / "loss.png")
        shown = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
        print(f"{datetime.now(timezone.utc):%H:%M:%S} step {self.step} {self.seconds / 60:.1f} min {shown}", flush=True)

    def averaged(self) -> Averaged:
        """Within ``with run.averaged():`` the model holds the averaged weights and is in evaluation mode."""
        return Averaged(self.model, self.ema)

    def _append(self, name: str, row: dict[str, Any]) -> None:
        with (self.folder / name).open("a") as file:
            file.write(json.dumps(row) + "\n")


def load(kind: type[ModelMixin], folder: Path, part: str) -> ModelMixin:
    """A model in float32 from a run's newest checkpoint, or from ``part`` of a folder in diffusers' pipeline layout."""
    if (folder / part / "config.json").exists():
        return kind.from_pretrained(folder / part, dtype=torch.float32).eval().requires_grad_(False)
    return load_averaged(kind, folder)


def load_averaged(kind: type[ModelMixin], run: Path) -> ModelMixin:
    """The model of a run, with the averaged weights of its newest checkpoint; FileNotFoundError where there is none."""
    found = checkpoint.latest(run / "checkpoints")
    if found is None:
        raise FileNotFoundError(f"{run} has no whole checkpoint; train it first.")
    model = kind.from_config(kind.load_config(run / "model"))
    weights = {name.removeprefix("autoencoder."): value for name, value in found[1]["ema"].items()}
    model.load_state_dict({name: value for name, value in weights.items() if not name.startswith("critic.")})
    return model.eval().requires_grad_(False)


class Averaged:
    """See :meth:`Run.averaged`."""

    def __init__(self, model: nn.Module, ema: Ema) -> None:
        self.model, self.ema = model, ema

    def __enter__(self) -> None:
        self.kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.ema.shadow)
        self.model.eval()

    def __exit__(self, *error: object) -> None:
        self.model.load_state_dict(self.kept)
        self.model.train()


def environment() -> dict[str, Any]:
    """What a figure needs beside it to be read: versions, processor, threads, time."""
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def pick_device(name: str) -> torch.device:
    """``auto`` is the GPU where there is one; torchrun's processes take one each. On a GPU float32 matrices are multiplied in
    TF32 from then on, and cuDNN picks its convolutions by trial."""
    if name == "auto":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    return torch.device(name)
