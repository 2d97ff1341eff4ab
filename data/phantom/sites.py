"""Where the camera stands for each area: `sites.yaml`, validated, turned into a view of a body."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field

from data.phantom.body import Body, View, _unit


class Site(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    at: str | tuple[str, str, float]
    facing: tuple[float, float, float] | Literal["dorsal", "palmar"]
    width: float = Field(gt=1, lt=150)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    along: bool = False
    pose: Literal["rest", "open"] = "rest"


@lru_cache(maxsize=1)
def sites() -> dict[str, Site]:
    """Every area that can be drawn, by its canonical name."""
    raw = yaml.safe_load((Path(__file__).parent / "sites.yaml").read_text())
    return {area: Site(**entry) for area, entry in raw.items()}


def _landmark(body: Body, name: str, side: str) -> np.ndarray:
    return body.landmarks[name.replace(".S", f".{side}")]


def view(
    body: Body, area: str, side: str, rng: np.random.Generator, resolution: int, zoom: float = 1.0, variety: float = 1.0
) -> View:
    """A camera on ``area`` of that ``side`` ("L" or "R").

    With ``variety`` 1 as unlike the last one as two photographs of it are, with 0 always the same.
    """
    site = sites()[area]
    sign = 1.0 if side == "L" else -1.0
    if isinstance(site.at, str):
        inside = _landmark(body, site.at, side)
    else:
        first, second, share = site.at
        a, b = _landmark(body, first, side), _landmark(body, second, side)
        inside = a + share * (b - a)
    inside = inside + np.array([sign, 1, 1]) * np.array(site.shift) / 100
    if isinstance(site.facing, str):
        facing = body.hand_dorsal(side) * (1 if site.facing == "dorsal" else -1)
        if area == "thumb":  # the thumb's nail looks sideways, not where the back of the hand looks
            along = _landmark(body, "finger1-3.S", side) - _landmark(body, "finger1-2.S", side)
            facing = _unit(np.cross(along, np.cross(facing, along)) + 0.8 * _outward(body, side))
    else:
        facing = np.array(site.facing) * [sign, 1, 1]
    up = np.array([0.0, 0.0, 1.0])
    if site.along:
        axis = _limb_axis(body, site, side)
        facing = _unit(facing - (facing @ axis) * axis)
        up = -axis
    elif abs(_unit(facing)[2]) > 0.8:
        up = np.array([0.0, 1.0, 0.0]) if area != "sole" else np.array([0.0, -1.0, 0.0])
    facing = _unit(_unit(facing) + variety * rng.normal(0, 0.11, 3))
    right = _unit(np.cross(up, facing))
    roll = variety * np.radians(rng.normal(0, 9) + (rng.choice([0, 55, -55]) if site.along else 0))
    up = np.cos(roll) * np.cross(facing, right) + np.sin(roll) * right
    width = site.width / 100 * zoom * (1 + variety * (rng.uniform(0.85, 1.18) - 1))
    target = body.surface(inside, facing)
    target = target + variety * width * (rng.normal(0, 0.045) * right + rng.normal(0, 0.045) * up)
    return body.look(target, facing, up, width, resolution, distance=max(0.45, 2.2 * width))


def _outward(body: Body, side: str) -> np.ndarray:
    """From the little finger to the index finger."""
    return _unit(_landmark(body, "finger2-1.S", side) - _landmark(body, "finger5-1.S", side))


def _limb_axis(body: Body, site: Site, side: str) -> np.ndarray:
    name = site.at if isinstance(site.at, str) else site.at[0]
    chain = {
        "upperarm01.S": ("upperarm01.S", "lowerarm01.S"),
        "lowerarm01.S": ("upperarm01.S", "wrist.S"),
        "wrist.S": ("lowerarm01.S", "finger3-1.S"),
        "finger3-2.S": ("finger3-1.S", "finger3-3.S"),
        "finger3-3.S": ("finger3-2.S", "finger3-3.S"),
        "finger2-1.S": ("wrist.S", "finger2-2.S"),
        "finger1-2.S": ("finger1-2.S", "finger1-3.S"),
    }[name]
    return _unit(_landmark(body, chain[1], side) - _landmark(body, chain[0], side))
