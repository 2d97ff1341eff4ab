"""Conditions of the vessels, beyond the vocabulary: what a model is taught that has never seen them."""

from __future__ import annotations

import numpy as np

from data.phantom.noise import nearest_lesion
from data.phantom.rashes.patch import Lesions, Patch, rash


@rash("purpura")
def purpura(patch: Patch) -> Lesions:
    """Small-vessel vasculitis: crops of sharply bordered spots of blood outside the vessels, dark red to purple, dark brown on dark
    skin (learnderm, shared notes); pinpoint to some millimetres, smooth, without scale, running together where they are dense."""
    rng = patch.rng
    count = patch.strewn(mild=(24, 40), usual=(55, 85), severe=(110, 150), least=10)
    centres = patch.places(count, apart=0.034 * patch.frame)
    unit = patch.frame / 0.12 * patch.scale
    radius = unit * (0.0007 + rng.gamma(1.6, 0.00055, len(centres)))
    d, i = nearest_lesion(patch.points, centres, radius, 0.10 * patch.noise(250 / unit, 2))
    spot = np.clip((1.2 - d) / 0.45, 0, 1)
    age = rng.uniform(0.55, 1.0, len(centres))[i]  # older ones fade to brown
    out = Lesions.none(len(patch.points))
    out.blood = spot * 2.8 * age
    out.pigment = spot * (1.3 + 1.6 * patch.dark) * (1.5 - age)
    out.height = spot * radius[i] * 0.06
    out.mask = spot
    return out
