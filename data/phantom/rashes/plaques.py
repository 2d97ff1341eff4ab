"""Patches and plaques: eczema and other dermatitis, psoriasis, tinea, lichen planus, pityriasis rosea."""

from __future__ import annotations

import numpy as np

from data.phantom.noise import cells, nearest_lesion
from data.phantom.rashes.patch import Lesions, Patch, inside, plaques, rash


@rash("eczema")
def eczema(patch: Patch) -> Lesions:
    """Ill-defined erythema with papules, fine scale, excoriations; lichenified when severe; follicular on dark skin."""
    out = Lesions.none(len(patch.points))
    count = patch.how_many(1, 3 if patch.grade < 1.5 else 4)
    distance, _, _ = plaques(patch, count, 0.14, 0.25, 0.34)
    area = inside(distance, 0.17)
    mottled = np.clip(0.75 + 0.30 * patch.noise(55 * 0.15 / patch.frame, 4), 0, 1.5)
    near, _, value = cells(patch.points, 330, patch.seed())
    papules = np.clip(1 - near / 0.5, 0, 1) * (value < 0.30 + 0.35 * patch.grade * (0.4 + 0.6 * patch.dark))
    spread = area + 0.5 * inside(distance / 1.35, 0.12) * (value < 0.25)
    papules = papules * np.clip(spread, 0, 1)
    out.blood = area * mottled * (0.40 + 0.28 * patch.grade) + 0.45 * papules
    out.pigment = area * patch.dark * (0.25 + 0.2 * mottled)
    flakes = np.clip(patch.noise(260, 3) - 0.3, 0, 1.2) * np.clip(patch.noise(60, 2) + 0.4, 0, 1)
    out.scale = np.clip(area * flakes * (0.10 + 0.22 * patch.grade), 0, 0.5)
    out.height = 0.00035 * papules + area * 0.00012 * patch.noise(500, 2)
    if patch.severity == "severe":
        ridge = 1 - np.abs(patch.noise(170, 2))
        out.height += area * 0.00028 * np.clip(ridge, -0.5, 1)
        out.pigment += area * 0.25
    scratches = int(patch.rng.integers(3, 8) * patch.grade)
    out.crust = area * _scratches(patch, scratches) * 0.9
    out.mask = area
    return out


def _scratches(patch: Patch, count: int) -> np.ndarray:
    """Linear excoriations: short streaks of crusted points, 0–1."""
    out = np.zeros(len(patch.points), np.float32)
    for start in patch.places(max(count, 1)):
        direction = patch.rng.standard_normal(3)
        steps = np.linspace(0, patch.rng.uniform(0.03, 0.09) * patch.frame, 9)[:, None]
        line = start + direction / np.linalg.norm(direction) * steps
        distance, _ = nearest_lesion(patch.points, line, np.full(len(line), max(0.0009, 0.006 * patch.frame)))
        out = np.maximum(out, np.exp(-(distance**2)) * patch.rng.uniform(0.4, 1))
    return out * np.clip(0.6 + 0.6 * patch.noise(300, 2), 0, 1)


@rash("tinea")
def tinea(patch: Patch) -> Lesions:
    """Ringworm: rings with a raised, scaling, papular edge and a paler centre."""
    count = patch.how_many(1, 1 if patch.grade < 1.5 else 3)
    distance, index, radii = plaques(patch, count, 0.17, 0.25, 0.13, apart=0.55)
    thick = np.clip(0.0055 / radii, 0.13, 0.24)[index]
    edge = np.exp(-(((distance - 0.92) / thick) ** 2))
    beads = np.clip(0.65 + 0.55 * patch.noise(230, 2), 0, 1.6)
    centre = inside(distance, 0.05)
    out = Lesions.none(len(patch.points))
    out.blood = (edge * (0.75 + 0.35 * beads) + centre * 0.22) * (0.55 + 0.45 * patch.grade)
    out.pigment = centre * (0.06 + 0.40 * patch.dark) + edge * 0.30 * patch.dark
    flakes = np.clip(0.45 + 0.45 * patch.noise(260, 3), 0, 1.2)
    inner = np.exp(-(((distance - 0.78) / (thick * 1.0)) ** 2))
    out.scale = np.clip((edge * 0.22 + inner * 0.48) * flakes + centre * 0.12 * np.clip(flakes - 0.6, 0, 1), 0, 0.6)
    out.height = edge * 0.00045 * beads
    out.mask = np.clip(centre + edge, 0, 1)
    return out


@rash("psoriasis")
def psoriasis(patch: Patch) -> Lesions:
    """Sharply bordered plaques, salmon to deep red, under thick silvery scale; violaceous or dark on dark skin."""
    count = patch.how_many(2, {"mild": 3, "severe": 8}.get(patch.severity or "", 5))
    distance, _, _ = plaques(patch, count, 0.07, 0.21 if count > 1 else 0.26, 0.20, apart=0.35)
    plaque = inside(distance, 0.035)
    fine = np.clip(0.15 / patch.frame, 0.6, 1.3)
    warped = patch.points + 0.0022 / fine * np.stack([patch.noise(150 * fine, 2) for _ in range(3)], 1)
    near, second, value = cells(warped, 190 * fine, patch.seed())
    crack = np.clip((second - near) * 5, 0, 1)
    lamella = crack * np.clip(0.35 + 0.55 * value + 0.25 * patch.noise(420 * fine, 2), 0, 1)
    cover = np.clip((1.12 - distance) * 2.6, 0, 1) * np.clip(0.85 + 0.5 * patch.noise(60 * fine, 3), 0.05, 1)
    out = Lesions.none(len(patch.points))
    out.blood = plaque * (0.95 + 0.2 * patch.grade) + 0.25 * np.exp(-(((distance - 1.05) / 0.08) ** 2))
    out.pigment = plaque * 0.5 * patch.dark
    out.scale = np.clip(plaque * cover * (0.25 + 0.75 * lamella) * (0.55 + 0.30 * patch.grade), 0, 0.93)
    out.height = plaque * (0.0007 + 0.0004 * lamella * cover)
    out.mask = plaque
    return out
