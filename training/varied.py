"""Pictures changed at random as a camera might: mirrored, turned, brought nearer, shifted, lit in another way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Reach:
    """How far pictures stray; chosen by eye so that a lesion stays in the picture and keeps its colour."""

    #: Radians either way; shares of the side; shares of the light of each channel, and of the contrast.
    turn: float
    nearer: float
    shift: float
    colour: float
    contrast: float


#: What every arm learns with, and what makes another picture out of one (the control of the same size).
USUAL = Reach(turn=0.15, nearer=0.15, shift=0.06, colour=0.08, contrast=0.1)
STRONG = Reach(turn=0.8, nearer=0.3, shift=0.12, colour=0.2, contrast=0.25)


def changes(random: np.random.Generator, count: int, reach: Reach, upright: bool) -> np.ndarray:
    """One row of ten numbers a picture: mirror x and y, turn, scale, shift x and y, light of R, G, B, contrast.

    ``upright``: never upside down, as for photographs of a body; dermoscopic ones have no up.
    """
    mirror = random.choice((-1.0, 1.0), (count, 2))
    if upright:
        mirror[:, 1] = 1
    turn = random.uniform(-reach.turn, reach.turn, (count, 1))
    scale = 1 - random.uniform(0, reach.nearer, (count, 1))
    shift = random.uniform(-2 * reach.shift, 2 * reach.shift, (count, 2))
    light = 1 + random.uniform(-reach.colour, reach.colour, (count, 3))
    contrast = 1 + random.uniform(-reach.contrast, reach.contrast, (count, 1))
    return np.concatenate([mirror, turn, scale, shift, light, contrast], axis=1).astype(np.float32)


def changed(pixels: torch.Tensor, how: np.ndarray) -> torch.Tensor:
    """``pixels`` (N, 3, S, S) in [0, 1], each changed by its row of ``how`` (`changes`)."""
    told = torch.from_numpy(how).to(pixels.device)
    mirror_x, mirror_y, turn, scale, x, y = told[:, :6].unbind(1)
    rows = [
        torch.stack([mirror_x * scale * turn.cos(), -mirror_x * scale * turn.sin(), x], 1),
        torch.stack([mirror_y * scale * turn.sin(), mirror_y * scale * turn.cos(), y], 1),
    ]
    place = F.affine_grid(torch.stack(rows, 1), list(pixels.shape), align_corners=False)
    moved = F.grid_sample(pixels, place, padding_mode="reflection", align_corners=False)
    middle = moved.mean((1, 2, 3), keepdim=True)
    lit = (moved - middle) * told[:, 9].view(-1, 1, 1, 1) + middle
    return (lit * told[:, 6:9].view(-1, 3, 1, 1)).clamp(0, 1)
