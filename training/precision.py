"""bfloat16 where it is quick, float32 elsewhere: emulated on a processor without it, a U-Net step took 15 times as long."""

from __future__ import annotations

from functools import lru_cache

import torch

from generation.loading import pick_dtype


@lru_cache
def quick_dtype(device: str) -> torch.dtype:
    """What matrices are best multiplied in on a device of this type: float32 where bfloat16 would be emulated.

    Never float16: what is trained here does not scale its losses.
    """
    return torch.bfloat16 if pick_dtype(device) is torch.bfloat16 else torch.float32


def mixed(device: torch.device) -> torch.autocast:
    """A context in which models compute in ``quick_dtype`` while their weights stay in float32."""
    dtype = quick_dtype(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype is torch.bfloat16)
