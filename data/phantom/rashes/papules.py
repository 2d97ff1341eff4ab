"""Papules and wheals: acne, rosacea, urticaria, scabies."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from data.phantom.noise import nearest_lesion
from data.phantom.rashes.patch import Lesions, Patch, inside, plaques, rash, scratches


@rash("acne")
def acne(patch: Patch) -> Lesions:
    """Comedones, papules, pustules, nodules when severe, dark marks after them on dark skin; greasy shine."""
    rng = patch.rng
    count = patch.strewn(mild=(7, 12), usual=(14, 24), severe=(26, 36), least=4)
    centres = patch.places(count, apart=0.085 * patch.frame)
    count = len(centres)
    # drawn for the picture, not for the ruler: a papule must be seen on a back too
    unit = patch.frame / 0.14 * patch.scale
    kind = rng.choice(4, count, p=[0.15, 0.45, 0.32, 0.08] if patch.severity != "severe" else [0.08, 0.38, 0.34, 0.20])
    radius = unit * np.select(
        [kind == 0, kind == 1, kind == 2, kind == 3],
        [rng.uniform(0.0008, 0.0012, count), rng.uniform(0.0022, 0.0034, count), rng.uniform(0.0024, 0.0034, count), rng.uniform(0.0038, 0.0058, count)],
    )  # fmt: skip
    if count == 1:
        kind[:], radius[:] = 2, unit * 0.0042
    d, i = nearest_lesion(patch.points, centres, radius, 0.10 * patch.noise(500, 2))
    comedo = kind[i] == 0
    strength = rng.uniform(0.7, 1.25, count)[i]
    bump, halo = np.exp(-(d**2) / 1.3), np.exp(-(d**2) / 3.6)  # a wider one runs into the next on a face
    out = Lesions.none(len(patch.points))
    out.blood = np.where(comedo, 0.1 * bump, (1.05 * bump + 0.42 * halo) * strength)
    out.pigment = np.where(comedo, 2.2 * bump, halo * (0.10 + 0.55 * patch.dark) * strength)
    out.height = bump * radius[i] * np.where(comedo, 0.15, 0.38)
    out.pus = np.where((kind[i] == 2), np.exp(-((d / 0.62) ** 4)), 0) * 0.95
    marks = patch.places(max(2, int(count * (0.2 + 0.4 * patch.dark))), apart=0.05 * patch.frame)
    dm, _ = nearest_lesion(patch.points, marks, unit * rng.uniform(0.0015, 0.003, len(marks)), 0.1 * patch.noise(400, 2))
    flat = np.exp(-(dm**2) / 1.2)
    out.pigment += flat * (0.12 + 0.85 * patch.dark)
    out.blood += flat * 0.35 * (1 - patch.dark)
    out.gloss += 0.12
    out.mask = np.clip(np.exp(-(d**2) / 2.5) * 1.4, 0, 1)
    return out


@rash("urticaria")
def urticaria(patch: Patch) -> Lesions:
    """Wheals: smooth raised oedema, pale in the middle with a red flare, merging to maps; nothing on the surface."""
    most = {"mild": 6, "severe": 18}.get(patch.severity or "", 9)
    count = patch.how_many(*(max(3, round(n * patch.room)) for n in (4, most)))
    largest = 0.105 if count > 1 else 0.2
    distance, index, radii = plaques(patch, count, 0.05, largest * patch.room**0.3, 0.22, apart=1.3)
    wheal, flare = inside(distance, 0.07), inside(distance / 1.22, 0.09)
    pale = inside(distance / 0.66, 0.12)
    out = Lesions.none(len(patch.points))
    out.blood = flare * (0.75 + 0.20 * patch.grade) + 0.30 * wheal - 0.75 * pale * wheal
    # on dark skin the flare hides: the wheal is skin-coloured, its relief and its taut shine show it (RCP Clinical Medicine 23/1)
    out.pigment = patch.dark * (0.45 * flare - 0.55 * wheal)
    out.blood *= 1 - 0.35 * patch.dark
    out.height = radii[index] * (0.07 * wheal + 0.05 * pale) * (1 + 0.9 * patch.dark)
    out.gloss = (0.08 + 0.12 * patch.dark) * wheal
    out.mask = np.clip(wheal, 0, 1)
    return out


@rash("rosacea")
def rosacea(patch: Patch) -> Lesions:
    """Lasting redness with visible vessels, papules and pustules without comedones; dusky on dark skin."""
    rng = patch.rng
    x, y = patch.flat.T
    around = np.hypot(x, 1.2 * y) / 0.24 + 0.30 * patch.noise(2.4 / patch.frame, 3)
    flush = inside(around, 0.22)
    fine = 0.15 / patch.frame
    vessel = np.exp(-((patch.noise(40 * fine, 2) / 0.10) ** 2)) * np.clip(0.5 + 0.8 * patch.noise(20 * fine, 2), 0, 1)
    out = Lesions.none(len(patch.points))
    out.blood = flush * (0.48 + 0.26 * patch.grade) * (1 - 0.35 * patch.dark) + 0.55 * flush * vessel * (1 - patch.dark)
    out.pigment = flush * 0.22 * patch.dark
    count = {"mild": (2, 5), "severe": (14, 22)}.get(patch.severity or "", (7, 12))
    count = patch.how_many(*count)
    centres = patch.places(count, apart=0.07 * patch.frame)
    radius = patch.frame / 0.14 * patch.scale * rng.uniform(0.0018, 0.0030, len(centres))
    d, i = nearest_lesion(patch.points, centres, radius, 0.10 * patch.noise(500, 2))
    bump = np.exp(-(d**2) / 1.2)
    pustule = (rng.random(len(centres)) < 0.35)[i]
    out.blood += 0.75 * bump
    out.pigment += 0.45 * patch.dark * bump
    out.height = 0.36 * radius[i] * bump
    out.pus = pustule * np.exp(-((d / 0.6) ** 4)) * 0.9
    out.gloss = 0.10 * flush
    out.mask = np.clip(np.maximum(flush, bump), 0, 1)
    return out


@rash("scabies")
def scabies(patch: Patch) -> Lesions:
    """Wavy greyish burrows with a vesicle at one end, small papules, and scratch marks."""
    rng = patch.rng
    out = Lesions.none(len(patch.points))
    count = patch.strewn(mild=(7, 10), usual=(12, 18), severe=(22, 30), least=4)
    centres = patch.places(count, apart=0.06 * patch.frame)
    unit = patch.frame / 0.12 * patch.scale
    radius = unit * rng.uniform(0.0012, 0.0021, len(centres))
    d, i = nearest_lesion(patch.points, centres, radius, 0.12 * patch.noise(700, 2))
    bump = np.exp(-(d**2) / 1.1)
    out.blood = 0.85 * bump + 0.30 * np.exp(-(d**2) / 4)
    out.pigment = patch.dark * 0.5 * bump
    out.height = 0.42 * radius[i] * bump
    out.crust = np.clip(bump * (rng.random(len(centres)) < 0.4)[i] * 0.75 - 0.15, 0, 1)
    for start in patch.places(max(2, count // 4), apart=0.12 * patch.frame):
        line = _burrow(patch, start)
        distance, _ = nearest_lesion(patch.points, line, np.full(len(line), 0.0070 * patch.frame))
        ridge = np.exp(-(distance**2))
        out.scale = np.maximum(out.scale, 0.48 * ridge * (1 - 0.3 * patch.dark))
        out.height += 0.0015 * patch.frame * ridge
        out.blood += 0.35 * np.exp(-((distance / 2.6) ** 2))
        end, _ = nearest_lesion(patch.points, line[-1:], np.full(1, 0.012 * patch.frame))
        out.height += 0.004 * patch.frame * np.exp(-(end**2))
        out.gloss += 0.30 * np.exp(-(end**2))
        bump = np.maximum(bump, ridge)
    out.crust = np.maximum(out.crust, 0.8 * scratches(patch, int(rng.integers(2, 5) * patch.grade)))
    out.mask = np.clip(bump * 1.3, 0, 1)
    return out


def _burrow(patch: Patch, start: np.ndarray) -> np.ndarray:
    """Points (K, 3) of an S-shaped line on the skin, about a twelfth of the frame long."""
    rng = patch.rng
    at = patch.flat[int(np.argmin(np.linalg.norm(patch.points - start, axis=1)))]
    lean, t = rng.uniform(0, np.pi), np.linspace(-1, 1, 13)
    along, sideways = 0.055 * t, 0.012 * np.sin(np.pi * t * rng.uniform(0.8, 1.4))
    spots = at + np.stack([along * np.cos(lean) - sideways * np.sin(lean), along * np.sin(lean) + sideways * np.cos(lean)], 1)
    _, nearest = cKDTree(patch.flat).query(spots)
    return patch.points[nearest]
