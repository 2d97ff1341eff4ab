"""Pigment lost and gained: vitiligo, melasma."""

from __future__ import annotations

import numpy as np

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
