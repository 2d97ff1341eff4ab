"""Growths, photographed from near: moles, melanoma, seborrheic keratoses, warts."""

from __future__ import annotations

import numpy as np

from data.phantom.noise import cells, nearest_lesion
from data.phantom.rashes.patch import Lesions, Patch, inside, rash


@rash("mole")
def mole(patch: Patch) -> Lesions:
    """Melanocytic naevus: round or oval, one even brown, soft regular border, flat or a little domed."""
    count = 1 if patch.number != "multiple" else int(patch.rng.integers(4, 10))
    radii = patch.scale_in_view * patch.rng.uniform(0.0032, 0.0046, count)
    centres = patch.places(count, apart=0.13 * patch.frame)
    distance, index = nearest_lesion(patch.points, centres, radii[: len(centres)], 0.06 * patch.noise(200, 2))
    body = inside(distance, 0.10)
    tint = patch.rng.uniform(0.8, 1.5, count)[index]
    out = Lesions.none(len(patch.points))
    out.pigment = body * tint * (4.0 + 3.0 * patch.dark + 0.35 * patch.noise(900, 2)) * (1 + 0.4 * np.exp(-(distance**2) * 2))
    out.blood = 0.12 * body
    out.height = np.sqrt(np.clip(1 - distance**2, 0, 1)) * radii[index] * patch.rng.uniform(0.05, 0.35, count)[index]
    out.mask = body
    return out


@rash("melanoma")
def melanoma(patch: Patch) -> Lesions:
    """Asymmetric, notched border, several colours (tan, brown, black, blue-grey, red), over 6 mm (the ABCD rule)."""
    radius = patch.scale_in_view * patch.rng.uniform(0.0060, 0.0095)
    centre = patch.places(1)
    lobes = centre + patch.rng.normal(0, 0.55 * radius, (3, 3))
    radii = radius * np.array([1.0, *patch.rng.uniform(0.45, 0.85, 3)])
    distance, _ = nearest_lesion(patch.points, np.concatenate([centre, lobes]), radii, 0.20 * patch.noise(0.7 / radius, 3))
    body = inside(distance, 0.08)
    tan, black = patch.noise(0.8 / radius, 3), patch.noise(0.9 / radius, 3)
    red = np.clip(patch.noise(0.7 / radius, 2) - 0.5, 0, 1)
    pale = np.clip(patch.noise(0.8 / radius, 2) - 0.9, 0, 1)
    out = Lesions.none(len(patch.points))
    out.pigment = body * np.clip(4.2 + 3.0 * patch.dark + 2.2 * tan + 5.0 * np.clip(black, 0, 1.5) - 3.5 * pale, 0.4, 14)
    out.blood = body * (0.25 + 1.6 * red)
    out.height = body * radius * (0.06 + 0.22 * np.clip(black - 0.3, 0, 1)) + body * 0.0001 * patch.noise(700, 2)
    out.crust = body * np.clip(red - 0.35, 0, 0.5) * (patch.severity == "severe")
    out.mask = body
    return out


@rash("seborrheic keratosis")
def seborrheic_keratosis(patch: Patch) -> Lesions:
    """Stuck-on, waxy or warty brown plaque with a sharp edge, furrows and horn cysts."""
    count = 1 if patch.number != "multiple" else int(patch.rng.integers(4, 9))
    unit = patch.scale_in_view
    radii = unit * patch.rng.uniform(0.0095, 0.0135, count)
    centres = patch.places(count, apart=0.26 * patch.frame)
    distance, _ = nearest_lesion(patch.points, centres, radii[: len(centres)], 0.10 * patch.noise(140 / unit, 3))
    body = inside(distance, 0.035)
    near, second, value = cells(patch.points, 300 / unit, patch.seed())
    warty = np.clip((second - near) * 2, 0, 1)
    plugs = (near < 0.28) & (value < 0.16)
    pearls = (near < 0.30) & (value > 0.88)
    out = Lesions.none(len(patch.points))
    out.pigment = body * (2.0 - 0.3 * patch.dark + 1.8 * (1 - warty) + 0.4 * patch.noise(300 / unit, 3) + 5 * plugs)
    out.blood = 0.22 * body
    out.height = body * unit * (0.0013 + 0.0010 * warty)
    out.scale = body * (0.05 + 0.12 * np.clip(patch.noise(500, 2), 0, 1) + 0.5 * pearls) * (1 - 0.7 * patch.dark)
    out.gloss = (0.16 - 0.08 * patch.dark) * body
    out.mask = body
    return out


@rash("warts")
def warts(patch: Patch) -> Lesions:
    """Firm rough papules, skin-coloured to greyish, cauliflower-like, with black dots of clotted vessels."""
    rng = patch.rng
    count = patch.how_many(2, {"mild": 3, "severe": 9}.get(patch.severity or "", 5))
    unit = patch.scale_in_view * np.clip(patch.frame / 0.10, 0.7, 1.6)
    radii = unit * rng.uniform(0.0030, 0.0056, count)
    centres = patch.places(count, apart=0.10 * patch.frame)
    distance, index = nearest_lesion(patch.points, centres, radii[: len(centres)], 0.12 * patch.noise(0.9 / radii.mean(), 2))
    body = inside(distance, 0.07)
    near, second, value = cells(patch.points, 3.4 / radii.mean(), patch.seed())
    knob = np.clip(1.1 - near, 0, 1)
    dots = (near < 0.34) & (value < 0.22)
    out = Lesions.none(len(patch.points))
    out.pigment = body * (0.10 + 0.2 * patch.dark + 0.3 * np.clip(0.3 - (second - near), 0, 0.3) * 3)
    out.blood = 0.20 * np.exp(-(((distance - 1.05) / 0.2) ** 2)) + 0.12 * body
    out.height = body * radii[index] * (0.42 * np.sqrt(np.clip(1 - (distance * 0.8) ** 2, 0, 1)) + 0.30 * knob)
    out.scale = np.clip(body * (0.04 + 0.24 * knob * np.clip(0.7 + 0.3 * patch.noise(700, 2), 0, 1)) * (1 - 0.35 * patch.dark), 0, 0.6)
    out.crust = 0.9 * body * dots
    out.mask = body
    return out
