"""What learns of a model that is fine-tuned: adapters (LoRA), some layers or all; and for how long."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from peft import LoraConfig
from pydantic import Field, model_validator
from torch import nn

from training import parallel
from training.run import Schedule, Strict


class Lasting(Schedule):
    """A schedule told in ``epochs``, in ``max_steps`` or in ``minutes``; a step learns from ``batch`` × ``accumulate`` × processes
    images."""

    epochs: float | None = Field(default=None, gt=0)
    optimizer: Literal["muon", "adamw", "adamw8bit"] = "adamw"
    #: How many batches go through the model one after another for one step: more costs time, not memory.
    accumulate: int = Field(default=1, ge=1)
    warmup_steps: int = Field(default=20, ge=1)
    #: Epochs between validations, where the schedule is one of epochs or steps.
    validate_epochs: float = Field(default=1, gt=0)

    @property
    def ends(self) -> float | None:
        return self.epochs or super().ends

    @model_validator(mode="after")
    def _told_once(self) -> Lasting:
        told = [name for name in ("epochs", "max_steps", "minutes") if getattr(self, name) is not None]
        if len(told) > 1:
            raise ValueError(f"say how long in one way, not in {' and '.join(told)}")
        return self

    @property
    def together(self) -> int:
        """Images a step, in all processes."""
        return self.batch * self.accumulate * parallel.world()

    def over(self, count: int) -> tuple[Lasting, float]:
        """The schedule in steps for ``count`` images to learn from, and the steps of an epoch."""
        epoch = count / self.together
        if self.minutes is not None:
            return self, epoch
        steps = self.max_steps or max(1, round(self.epochs * epoch))
        every = self.validate_steps or max(1, round(self.validate_epochs * epoch))
        changes = {"epochs": None, "max_steps": steps, "validate_steps": every}
        return self.model_copy(update={**changes, "warmup_steps": min(self.warmup_steps, max(1, steps // 4))}), epoch


class LoRA(Strict):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685). Their scale is 1 (alpha = rank), so files need not tell it."""

    rank: int = Field(default=16, ge=1, le=512)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    #: Ends of the names of the layers that get one.
    layers: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0", "q_proj", "k_proj", "v_proj", "out_proj")

    def config(self, model: nn.Module, within: str = "") -> LoraConfig:
        """The adapters of ``model``'s layers whose names start with ``within``. Raises ValueError where there is none."""
        names = [
            name for name, module in model.named_modules()
            if isinstance(module, nn.Linear | nn.Conv2d) and name.startswith(within)
            and any(re.search(rf"(^|\.){re.escape(end)}$", name) for end in self.layers)
        ]  # fmt: skip
        if not names:
            raise ValueError(f"No layer of this model has a name that ends in {', '.join(self.layers)}.")
        return LoraConfig(
            r=self.rank, lora_alpha=self.rank, lora_dropout=self.dropout, target_modules=names, init_lora_weights="gaussian"
        )


class Learning(nn.Module):
    """Models of which some weights learn: only those are kept in checkpoints, averaged and loaded."""

    def __init__(self, **models: nn.Module) -> None:
        super().__init__()
        for name, model in models.items():
            self.add_module(name, model)
        for parameter in self.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()  # what is frozen may be in half precision, what learns may not

    def state_dict(self, *_: Any, **__: Any) -> dict[str, torch.Tensor]:
        return {name: value.detach() for name, value in self.named_parameters() if value.requires_grad}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, torch.Tensor], *_: Any, **__: Any) -> None:
        """Copies in place. Raises RuntimeError for other names or shapes."""
        own = self.state_dict()
        if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in state.items()}:
            raise RuntimeError(f"{len(state)} tensors were kept and {len(own)} learn, or their shapes differ.")
        for name, value in own.items():
            value.copy_(state[name])

    def sampled(self) -> dict[str, torch.Tensor]:
        """Up to 64 values of each tensor that learns, evenly chosen, to compare with later; a copy of all could be gigabytes."""
        return {name: value.flatten()[:: max(1, value.numel() // 64)].cpu().clone() for name, value in self.state_dict().items()}

    def check_moved(self, before: dict[str, torch.Tensor]) -> None:
        """Raises RuntimeError where most weights are what they were when ``before`` was `sampled`: a guard around a missing loss once
        skipped every step of a published project."""
        now = self.sampled()
        still = [name for name, value in before.items() if torch.equal(value, now[name])]
        if len(still) > len(before) // 2:
            raise RuntimeError(f"{len(still)} of {len(before)} weights did not move in training, among them {still[0]}.")


class Order:
    """Which images a step learns from: every image once an epoch in an order of its own, or drawn by weight where weights differ.

    It depends on (seed, step) alone, not on the number of processes; `share` is this process's part of it.
    """

    def __init__(self, weights: np.ndarray, together: int, seed: int) -> None:
        self.count, self.together, self.seed = len(weights), together, seed
        self.chances = None if np.ptp(weights) == 0 else weights / weights.sum()

    def rows(self, step: int) -> np.ndarray:
        """Indices (together,) of the images of ``step``."""
        if self.chances is not None:
            return np.random.default_rng((self.seed, 1, step)).choice(self.count, self.together, p=self.chances)
        places = step * self.together + np.arange(self.together)
        epochs = places // self.count
        order = {epoch: np.random.default_rng((self.seed, 0, epoch)).permutation(self.count) for epoch in np.unique(epochs)}
        return np.array([order[epoch][place % self.count] for epoch, place in zip(epochs, places, strict=True)])


def share(values: Any) -> Any:
    """This process's part of what all processes learn from together, cut evenly."""
    part = len(values) // parallel.world()
    return values[parallel.rank() * part : (parallel.rank() + 1) * part]


def features(of: Callable[..., Any], **given: torch.Tensor) -> torch.Tensor:
    """What ``get_text_features`` or ``get_image_features`` gives: a tensor, or an output that holds one, as the release has it."""
    out = of(**given)
    return out if torch.is_tensor(out) else out.pooler_output
