"""Small pictures of skin for the data tests, each different from the others."""

from pathlib import Path

import numpy as np
from PIL import Image

FAIR, BROWN = (224, 186, 160), (110, 72, 52)


def skin(number: int = 0, colour=FAIR, side: int = 96) -> Image.Image:
    """Skin of ``colour`` with its own texture under a soft light, with a red patch whose place depends on ``number``."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:side, :side] / side
    light = 1 + 0.12 * np.sin(2 * np.pi * (x * rng.uniform(0.3, 1) + y * rng.uniform(0.3, 1) + rng.random()))
    texture = Image.fromarray(rng.normal(0, 5, (24, 24)).astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.array(colour) * light[..., None] + np.asarray(texture)[..., None] + rng.normal(0, 2, (side, side, 3))
    centre = rng.uniform(0.3, 0.7, 2)
    patch = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < rng.uniform(0.02, 0.05)
    pixels[patch] *= (0.85, 0.45, 0.45)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def save(path: Path, number: int = 0, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = options.pop("colour", FAIR)
    side = options.pop("side", 96)
    skin(number, colour, side).save(path, **options)
    return path
