"""bfloat16 where it is quick, float32 elsewhere: emulated on a processor without it, a U-Net step took 15 times as long."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import nn

from generation.loading import pick_dtype


@lru_cache
def quick_dtype(device: str) -> torch.dtype:
    """What matrices are best multiplied in on a device of this type: float32 where bfloat16 would be emulated.

    Never float16: what is trained here does not scale its losses.
    """
    return torch.bfloat16 if pick_dtype(device) is torch.bfloat16 else torch.float32


def compiled(model: nn.Module) -> Callable[..., Any]:
    """``model`` for training steps, compiled; where its forward pass cannot be, ``model`` as it is, and a line that says so."""
    quick = torch.compile(model, dynamic=False)

    def step(*args: Any, **kwargs: Any) -> Any:
        nonlocal quick
        try:
            return quick(*args, **kwargs)
        except RuntimeError as error:
            if quick is model or isinstance(error, torch.OutOfMemoryError):
                raise
            print(f"Not compiled: {type(error).__name__} {str(error)[:300]}", flush=True)
            quick = model
            return model(*args, **kwargs)

    return step


Precision = Literal["auto", "float32"]


def mixed(device: torch.device, precision: Precision = "auto") -> torch.autocast:
    """A context in which models compute in ``quick_dtype``, or in float32, while their weights stay in float32."""
    quick = precision == "auto" and quick_dtype(device.type) is torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=quick)
