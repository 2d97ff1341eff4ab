"""The loop that every recipe shares: time budget, schedule, checkpoints, metrics, plots, exact resume.

A run folder holds ``recipe.json``, ``starts.jsonl`` (one line a start: versions, machine, data hash), ``metrics.jsonl``, the
same for TensorBoard in ``tensorboard/``, ``loss.png``, ``validation/*.png`` and ``checkpoints/``. What a step draws depends on
(seed, step) alone, so a resumed run takes the same batches and noise as one that was never stopped.
"""

from __future__ import annotations

import json
import math
import os
import platform
import signal
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, Literal

import diffusers
import numpy as np
import torch
import transformers
from diffusers import ModelMixin
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn

from training import checkpoint, parallel, plots
from training.optimizer import Ema, build

transformers.utils.logging.disable_progress_bar()  # a bar for every small file that is loaded


class Strict(BaseModel):
    """Unknown keys in a recipe are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(Strict):
    """How long and how fast. With ``max_steps`` the schedule runs over steps, else over the ``minutes`` trained."""

    minutes: float | None = Field(default=None, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    #: Images a step, of each process.
    batch: int = Field(ge=1)
    #: "muon" learns more a step, "adamw" takes more steps a minute: see ``training.optimizer``.
    optimizer: Literal["muon", "adamw", "adamw8bit"] = "muon"
    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_steps: int = Field(default=50, ge=1)
    #: The rate falls along a cosine to this share of its peak.
    final_lr: float = Field(default=0.02, ge=0, le=1)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.995, ge=0, lt=1)
    checkpoint_minutes: float = Field(default=3, gt=0)
    #: Validate after so many steps, whatever the clock says, so that what follows from it is the same in every run.
    validate_steps: int | None = Field(default=None, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _ends(self) -> Schedule:
        if self.ends is None:
            raise ValueError("say how long: minutes or max_steps")
        return self

    @property
    def ends(self) -> float | None:
        """What the length is told in; None where it is not told."""
        return self.max_steps or self.minutes

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


class TrainingError(RuntimeError):
    """What keeps a training from going on; the message is one sentence for the person who started it."""


class Watch(Strict):
    """The figure of validation, higher is better, that says when to stop and which weights are the best."""

    figure: str
    #: Validations in a row that bring nothing better before a run ends.
    patience: int = Field(default=3, ge=1)


#: Losses of a step, of which ``loss`` is descended (or ``descend``, where that is not what a reader wants to see); or those of
#: its parts, one after another, whose gradients and figures add up.
Losses = dict[str, torch.Tensor] | Iterable[dict[str, torch.Tensor]]


class Run:
    """Trains ``model`` in ``folder``. ``loss(step, random)`` gives the `Losses` of a step."""

    def __init__(
        self,
        folder: Path,
        recipe: BaseModel,
        schedule: Schedule,
        model: nn.Module,
        data_hash: str,
        watch: Watch | None = None,
        samples: int | None = None,
        epoch: float | None = None,
    ) -> None:
        """``samples``: images a step in all processes. ``epoch``: steps that go once over the data, for the plots."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rank = parallel.rank()
        self.schedule = schedule
        self.model = model
        self.watch = watch
        self.samples = samples or schedule.batch * parallel.world()
        self.epoch = epoch
        self.optimizer = build(schedule.optimizer, model, schedule.lr, schedule.weight_decay)
        self.ema = Ema(model, schedule.ema)
        self.step = 0
        self.seconds = 0.0
        self._resume()
        #: The last step that was saved and validated here.
        self._checked = -1
        #: Seconds trained when the last row was written.
        self._logged = self.seconds
        #: Validations so far: step → the watched figure.
        self.watched = self._kept_metrics()
        if self.rank:
            return
        (self.folder / "recipe.json").write_text(recipe.model_dump_json(indent=1) + "\n")
        self._append("starts.jsonl", {**environment(), "step": self.step, "data_sha256": data_hash, "processes": parallel.world()})

    def _resume(self) -> None:
        found = checkpoint.latest(self.folder / "checkpoints")
        if found is None:
            return
        manifest, state = found
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise TrainingError(
                f"{self.folder} holds a run of another model or another optimizer than this recipe's; give another folder with --out."
            ) from error
        for group in self.optimizer.param_groups:
            group["weight_decay"] = self.schedule.weight_decay
        self.ema.load(state["ema"])
        self.step, self.seconds = manifest["step"], manifest["seconds"]

    def _kept_metrics(self) -> dict[int, float]:
        """Drop what was written after the checkpoint that the run goes on from; the watched figures of what is kept."""
        path = self.folder / "metrics.jsonl"
        rows = [row for row in plots.rows(path) if row["step"] <= self.step] if path.exists() else []
        if not self.rank and path.exists():
            aside = path.with_suffix(".new")
            aside.write_text("".join(json.dumps(row) + "\n" for row in rows))
            aside.replace(path)
        return {row["step"]: row[self.watch.figure] for row in rows if self.watch and self.watch.figure in row}

    def save(self) -> Path:
        state = {"model": self.model.state_dict(), "ema": self.ema.shadow, "optimizer": self.optimizer.state_dict()}
        return checkpoint.save(self.folder / "checkpoints", self.step, self.seconds, state)

    def fit(self, loss: Callable[[int, StepRandom], Losses], validate: Callable[[Path], dict[str, float]]) -> None:
        """Train until the budget is used; checkpoint and validate (with the averaged weights) on the way and at the end.

        SIGTERM and SIGINT end the run after the step in hand, with a checkpoint: start it again to go on.

        Raises TrainingError for too little memory, FloatingPointError for gradients that are no numbers.
        """
        stopped: list[int] = []
        before = {number: signal.signal(number, lambda n, _: stopped.append(n)) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._fit(loss, validate, stopped)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error) or "can't allocate" in str(error):
                raise TrainingError(
                    f"Not enough memory in step {self.step}: lower schedule.batch (and raise schedule.accumulate by as much, where the "
                    "recipe has it), lower resolution, or set gradient_checkpointing; what was saved is kept."
                ) from error
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if stopped:
            raise SystemExit(f"Stopped at step {self.step}, saved in {self.folder}; the same command goes on from there.")

    def _fit(
        self, loss: Callable[[int, StepRandom], Losses], validate: Callable[[Path], dict[str, float]], stopped: list[int]
    ) -> None:
        saved = time.monotonic()
        window: list[dict[str, torch.Tensor]] = []
        if self.watch and self.step and self.step not in self.watched and not self.rank:
            self.validate(validate)  # killed between a checkpoint and its validation
        while self._goes_on(bool(stopped)):
            begun = time.monotonic()
            window.append(self._one_step(loss))
            self.seconds += time.monotonic() - begun
            if len(window) == 20:
                self._log(window)
                window = []
            if self._due(saved):
                if window:
                    self._log(window)
                    window = []
                if not self.rank:
                    self.checkpoint(validate)
                saved = time.monotonic()
        if window:
            self._log(window)
        if not self.rank:
            self.checkpoint(validate)
            self._writer().close()
        parallel.meet()

    def _due(self, saved: float) -> bool:
        if self.schedule.validate_steps:
            return self.step % self.schedule.validate_steps == 0
        return not self.rank and time.monotonic() - saved > 60 * self.schedule.checkpoint_minutes

    def _goes_on(self, stopped: bool) -> bool:
        going = self.schedule.progress(self.step, self.seconds) < 1 and not stopped and not self._no_better()
        device = next(self.model.parameters()).device
        going, self.seconds = parallel.agreed([float(going), self.seconds], device)
        return bool(going)

    def _no_better(self) -> bool:
        """Whether the last ``patience`` validations were all no better than one before them."""
        if not self.watch or len(self.watched) <= self.watch.patience:
            return False
        figures = [self.watched[step] for step in sorted(self.watched)]
        return max(figures[-self.watch.patience :]) <= max(figures[: -self.watch.patience])

    def _one_step(self, loss: Callable[[int, StepRandom], Losses]) -> dict[str, torch.Tensor]:
        # Nothing here waits for the device: on a GPU the next step is being told while this one is worked out.
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.lr * self.schedule.factor(self.step, self.seconds)
        parts = loss(self.step, StepRandom(self.schedule.seed, self.step, self.rank))
        told: dict[str, torch.Tensor] = {}
        for losses in (parts,) if isinstance(parts, dict) else parts:
            descend = losses["descend"] if "descend" in losses else losses["loss"]
            if descend is not None:
                descend.backward()
            for name, value in losses.items():
                if name != "descend":
                    told[name] = value.detach() + told.get(name, 0)
        parallel.average_gradients(self.model)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.schedule.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        self.ema.update(self.step)
        return {**told, "grad_norm": norm.detach()}

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
        quick = len(window) * self.samples / max(1e-9, self.seconds - self._logged)
        self._logged = self.seconds
        self._tell({**means, "images_per_second": round(quick, 2)})

    def checkpoint(self, validate: Callable[[Path], dict[str, float]]) -> None:
        if self.step == self._checked:
            return
        self.save()
        if self.step not in self.watched:
            self.validate(validate)
        self._checked = self.step

    def validate(self, validate: Callable[[Path], dict[str, float]]) -> None:
        """Measure, draw and write down what the averaged weights have learnt; keep them where they are the best so far."""
        picture = self.folder / "validation" / f"{self.step:08d}.png"
        picture.parent.mkdir(exist_ok=True)
        with Averaged(self.model, self.ema.shadow):
            figures = validate(picture)
        if self.watch:
            value = figures[self.watch.figure]
            if value > max(self.watched.values(), default=-math.inf):
                aside = self.folder / ".best.pt"
                torch.save({"step": self.step, "ema": self.ema.shadow}, aside)
                aside.replace(self.folder / "best.pt")
            self.watched[self.step] = value
        self._tell(figures)
        plots.curves(self.folder / "metrics.jsonl", self.folder / "loss.png", self.epoch)
        shown = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
        print(f"{datetime.now(timezone.utc):%H:%M:%S} step {self.step} {self.seconds / 60:.1f} min {shown}", flush=True)

    def averaged(self) -> Averaged:
        """Within ``with run.averaged():`` the model holds the averaged weights, the best of them where a figure is watched,
        and is in evaluation mode."""
        best = self.folder / "best.pt"
        if self.watch and best.exists():
            return Averaged(self.model, torch.load(best, map_location="cpu", weights_only=True)["ema"])
        return Averaged(self.model, self.ema.shadow)

    def _tell(self, figures: dict[str, float]) -> None:
        self._append("metrics.jsonl", {"step": self.step, "seconds": round(self.seconds, 1), **figures})
        for name, value in figures.items():
            self._writer().add_scalar(name, value, self.step)

    @cache  # noqa: B019 - a run lives as long as its process
    def _writer(self) -> Any:
        from tensorboardX import SummaryWriter

        return SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.step)

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

    def __init__(self, model: nn.Module, weights: dict[str, torch.Tensor]) -> None:
        self.model, self.weights = model, weights

    def __enter__(self) -> None:
        self.kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.weights)
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
