"""Vesicles, pustules and their crusts: chickenpox, shingles, impetigo."""

from __future__ import annotations

import numpy as np

from data.phantom.noise import nearest_lesion
from data.phantom.rashes.patch import Lesions, Patch, inside, plaques, rash

PAPULE, VESICLE, PUSTULE, CRUST = range(4)


def _strewn(patch: Patch, out: Lesions, centres: np.ndarray, radius: np.ndarray, stage: np.ndarray, halo: float) -> None:
    """Add single lesions, each in its ``stage``, on a red halo ``halo`` times their size."""
    d, i = nearest_lesion(patch.points, centres, radius, 0.10 * patch.noise(600, 2))
    stage = stage[i]
    top, base = inside(d, 0.14), np.exp(-((d / halo) ** 2))
    out.blood += (0.85 * base + 0.35 * np.exp(-(((d - 1.1) / 0.35) ** 2))) * (1 - 0.35 * patch.dark) - 0.35 * top * (stage == VESICLE)
    out.pigment += patch.dark * (0.40 * base - 0.35 * top * (stage == VESICLE))
    out.height += radius[i] * np.sqrt(np.clip(1 - d * d, 0, 1)) * np.select([stage == PAPULE, stage == CRUST], [0.25, 0.30], 0.55)
    # clear fluid: a grey-white lens that shines, on dark skin too
    out.pus = np.maximum(out.pus, top * np.select([stage == VESICLE, stage == PUSTULE], [0.28 - 0.12 * patch.dark, 0.75 - 0.2 * patch.dark], 0.0))
    out.gloss += top * np.select([stage == VESICLE, stage == PUSTULE], [0.45, 0.22], 0.0)
    out.crust = np.maximum(out.crust, top * (stage == CRUST) * np.clip(0.75 + 0.3 * patch.noise(900, 2), 0, 1))
    out.mask = np.maximum(out.mask, inside(d / 1.25, 0.12))


@rash("chickenpox")
def chickenpox(patch: Patch) -> Lesions:
    """Strewn papules, vesicles on a red halo, pustules and crusts, all stages side by side."""
    count = patch.strewn(mild=(7, 11), usual=(13, 22), severe=(26, 36), least=4)
    centres = patch.places(count, apart=0.085 * patch.frame)
    unit = patch.frame / 0.14 * patch.scale
    radius = unit * patch.rng.uniform(0.0020, 0.0034, len(centres))
    stage = patch.rng.choice(4, len(centres), p=[0.25, 0.40, 0.10, 0.25])
    out = Lesions.none(len(patch.points))
    _strewn(patch, out, centres, radius, stage, halo=1.7)
    return out


@rash("shingles")
def shingles(patch: Patch) -> Lesions:
    """Clusters of vesicles on red plaques along one band that ends at the midline; pustules and crusts when severe."""
    rng = patch.rng
    seen = patch.flat[patch.candidates]
    along_limb = patch.cover < 0.6 and np.ptp(seen[:, 1]) > 1.25 * np.ptp(seen[:, 0])
    start, end = (-0.38, 0.38) if along_limb else (-0.06, 0.42)
    clusters = 1 if patch.number == "single" else int(rng.integers(4, 7) * (0.75 if patch.severity == "mild" else 1))
    along = np.linspace(start, end, max(clusters, 1)) + rng.normal(0, 0.02, max(clusters, 1))
    across = (0.10 * along if not along_limb else 0 * along) + rng.normal(0, 0.035, len(along))
    spots = np.stack([across, along] if along_limb else [along, across], 1)
    near = np.linalg.norm(seen[None] - spots[:, None], axis=2)
    on_skin = near.min(1) < 0.06
    if not on_skin.any():
        on_skin[np.argmin(near.min(1))] = True
    centres = patch.points[patch.candidates[near.argmin(1)[on_skin]]]
    radii = patch.frame * patch.scale * rng.uniform(0.055, 0.085, len(centres))
    distance, _ = nearest_lesion(patch.points, centres, radii, 0.30 * patch.noise(9 / patch.frame, 3))
    base = inside(distance, 0.14)
    out = Lesions.none(len(patch.points))
    out.blood = base * (0.60 + 0.15 * patch.grade) * (1 - 0.25 * patch.dark)
    out.pigment = base * 0.35 * patch.dark
    out.height = base * 0.0004
    vesicles, sizes = [], []
    reach = 0.75 * radii
    for centre, far in zip(centres, reach, strict=True):
        close = patch.candidates[np.linalg.norm(patch.points[patch.candidates] - centre, axis=1) < far]
        for _ in range(60):
            spot = patch.points[rng.choice(close)] if len(close) else centre
            size = patch.frame / 0.14 * rng.uniform(0.0014, 0.0024)
            if all(np.linalg.norm(spot - other) > 1.1 * (size + s) for other, s in zip(vesicles, sizes, strict=True)):
                vesicles.append(spot)
                sizes.append(size)
            if len(vesicles) >= 9 * (1 + len(centres)):
                break
    late = {"severe": [0.0, 0.35, 0.30, 0.35]}.get(patch.severity or "", [0.0, 0.72, 0.14, 0.14])
    _strewn(patch, out, np.array(vesicles), np.array(sizes), rng.choice(4, len(vesicles), p=late), halo=1.3)
    out.mask = np.maximum(out.mask, base)
    return out


@rash("impetigo")
def impetigo(patch: Patch) -> Lesions:
    """Erosions under thick honey-coloured crusts on a narrow red base, small blisters and pustules beside them."""
    count = patch.how_many(2, {"mild": 3, "severe": 7}.get(patch.severity or "", 5))
    distance, _, radii = plaques(patch, count, 0.04, 0.10 if count > 1 else 0.13, 0.30, apart=0.7)
    out = Lesions.none(len(patch.points))
    base, crusted = inside(distance / 1.15, 0.08), inside(distance / 0.88, 0.06)
    lumps = np.clip(0.75 + 0.35 * patch.noise(2.2 / radii.mean(), 3), 0.1, 1.3)
    out.blood = base * (0.80 + 0.2 * patch.grade) * (1 - 0.25 * patch.dark)
    out.pigment = base * 0.3 * patch.dark
    out.serum = np.clip(crusted * (0.62 + 0.25 * lumps), 0, 0.92)
    out.crust = np.clip(crusted * (0.50 - 0.42 * lumps + 0.15 * patch.noise(700, 2)), 0, 0.6)
    out.pus = np.clip(crusted * (lumps - 0.85) * 0.8, 0, 0.35)
    out.height = crusted * radii.mean() * 0.16 * lumps
    out.gloss = 0.22 * crusted
    out.mask = base
    few = patch.places(max(3, count + 1), apart=0.06 * patch.frame)
    size = patch.frame / 0.14 * patch.rng.uniform(0.0014, 0.0024, len(few))
    _strewn(patch, out, few, size, patch.rng.choice([VESICLE, PUSTULE], len(few)), halo=1.5)
    return out
