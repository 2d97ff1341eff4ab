"""Pigment lost and gained: vitiligo, melasma."""

from __future__ import annotations

import numpy as np

from data.phantom.noise import fbm
from data.phantom.rashes.patch import Lesions, Patch, inside, plaques, rash


@rash("vitiligo")
def vitiligo(patch: Patch) -> Lesions:
    """Milk-white, sharply bordered, map-like loss of pigment; nothing raised; a darker rim at times."""
    count = patch.how_many(2, {"mild": 3, "severe": 9}.get(patch.severity or "", 5))
    distance, _, _ = plaques(patch, count, 0.07, 0.24, 0.30, apart=0.3)
    white = inside(distance, 0.03)
    islands = np.clip(patch.noise(260, 2) - 1.35, 0, 1) * 3 * inside(distance, 0.2)
    out = Lesions.none(len(patch.points))
    out.pigment = -np.clip(white - islands, 0, 1) + 0.16 * np.exp(-(((distance - 1.12) / 0.1) ** 2))
    out.scale = 0.28 * white  # not scale: chalk-white skin scatters more than pigment-free dermis in the model
    out.mask = white
    return out


@rash("melasma")
def melasma(patch: Patch) -> Lesions:
    """Flat brown patches with a map-like edge, the same on both sides of a face; greyer and softer on dark skin."""
    both = patch.points * np.array([0.0 if abs(patch.centre[0]) > 0.09 else 1.0, 1, 1])  # a limb has no other side in view
    mirrored = np.stack([np.abs(both[:, 0]), both[:, 1], both[:, 2]], 1) if both[:, 0].any() else patch.points
    x, y = patch.flat.T
    blotches = fbm(mirrored, 3.0 / patch.frame, patch.seed(), 4)
    level = 0.10 - 0.35 * (patch.grade - 1) + np.clip(np.hypot(x, y) / 0.36, 0, 3) ** 2 * 0.8
    area = 1 / (1 + np.exp(-np.clip((blotches - level) / (0.10 + 0.07 * patch.dark), -30, 30)))
    spots = np.clip(0.85 + 0.25 * patch.noise(16 / patch.frame, 3), 0.3, 1.3)
    out = Lesions.none(len(patch.points))
    out.pigment = area * spots * (1.05 + 0.35 * patch.dark) * (0.75 + 0.25 * patch.grade)
    out.mask = area
    return out
