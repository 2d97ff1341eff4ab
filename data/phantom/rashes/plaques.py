"""Patches and plaques: eczema and other dermatitis, psoriasis, tinea, lichen planus, pityriasis rosea."""

from __future__ import annotations

import numpy as np

from data.phantom.noise import cells
from data.phantom.rashes.patch import Lesions, Patch, inside, plaques, rash, scratches


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
    out.crust = area * scratches(patch, int(patch.rng.integers(3, 8) * patch.grade)) * 0.9
    out.mask = area
    return out


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
    out.blood = (edge * (0.85 + 0.35 * beads) + centre * 0.22) * (0.55 + 0.45 * patch.grade)
    out.pigment = centre * (0.06 + 0.40 * patch.dark) + edge * 0.30 * patch.dark
    flakes = np.clip(0.55 + 0.35 * patch.noise(400, 2), 0, 1.2)
    inner = np.exp(-(((distance - 0.80) / (thick * 0.6)) ** 2))  # the scale hangs on the edge's inner side
    out.scale = np.clip((edge * 0.14 + inner * 0.34) * flakes + centre * 0.08 * np.clip(flakes - 0.6, 0, 1), 0, 0.45)
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


@rash("contact dermatitis")
def contact_dermatitis(patch: Patch) -> Lesions:
    """Eczema in the outline of what touched the skin: a strap or a patch with straight, sharp sides; vesicles, then crusts."""
    rng = patch.rng
    strap = rng.random() < 0.5
    long, short = (0.60, 0.085) if strap else tuple(rng.uniform(0.14, 0.22, 2))
    angle = rng.normal(0, 0.12) + (np.pi / 2 if strap and patch.cover > 0.7 and rng.random() < 0.5 else 0)
    middle = patch.flat[patch.candidates[np.argmax(patch.weight)]] if patch.variety < 1 else rng.normal(0, 0.07, 2)
    u, v = ((patch.flat - middle) @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])).T
    edges = 0.06 * patch.noise(8 / patch.frame, 3)
    distance = ((np.abs(u) / long) ** 8 + (np.abs(v) / (short * patch.scale)) ** 8) ** 0.125 + edges
    area = inside(distance, 0.05)
    mottled = np.clip(0.85 + 0.22 * patch.noise(8 / patch.frame, 3), 0, 1.5)
    near, _, value = cells(patch.points, 34 / patch.frame, patch.seed())
    blisters = np.clip(1 - near / 0.42, 0, 1) * (value < 0.30 + 0.25 * patch.grade) * area
    out = Lesions.none(len(patch.points))
    out.blood = area * mottled * (0.62 + 0.28 * patch.grade) + 0.2 * blisters
    out.pigment = area * patch.dark * (0.35 + 0.2 * mottled)
    out.height = 0.0005 * area + patch.frame * 0.004 * blisters
    out.gloss = 0.30 * blisters + 0.05 * area
    out.pus = 0.22 * np.clip(blisters * 1.5 - 0.4, 0, 1)
    weeping = np.clip(patch.noise(10 / patch.frame, 3) - (1.3 if patch.severity != "severe" else 0.5), 0, 1)
    out.crust = area * np.clip(weeping, 0, 0.7)
    out.mask = area
    return out


@rash("seborrheic dermatitis")
def seborrheic_dermatitis(patch: Patch) -> Lesions:
    """Ill-defined patches under greasy yellowish scale; on dark skin lighter than around and in arcs (petaloid)."""
    count = patch.how_many(2, {"mild": 3, "severe": 6}.get(patch.severity or "", 4))
    distance, _, _ = plaques(patch, count, 0.09, 0.19, 0.26, apart=0.45)
    area, rim = inside(distance, 0.12), np.exp(-(((distance - 0.9) / 0.16) ** 2))
    out = Lesions.none(len(patch.points))
    out.blood = area * (0.42 + 0.22 * patch.grade) * (1 - 0.3 * patch.dark)
    out.pigment = -0.42 * patch.dark * area + 0.12 * patch.dark * rim
    fine = np.clip(0.15 / patch.frame, 0.6, 1.4)
    near, second, value = cells(patch.points, 420 * fine, patch.seed())
    flake = np.clip((second - near) * 4, 0, 1) * (value < 0.45 + 0.2 * patch.grade) * np.clip(0.55 + 0.7 * patch.noise(50 * fine, 3), 0, 1)
    out.serum = np.clip(area * flake * 0.32, 0, 0.5)  # grease
    out.scale = np.clip(area * flake * (0.26 + 0.10 * patch.grade), 0, 0.5)
    out.height = 0.00025 * area * flake
    out.gloss = 0.12 * area
    out.mask = area
    return out


@rash("lichen planus")
def lichen_planus(patch: Patch) -> Lesions:
    """Groups of flat-topped, polygonal, shiny violet papules under fine white lines (Wickham striae)."""
    count = patch.how_many(1, 2 if patch.grade < 1.5 else 4)
    distance, _, _ = plaques(patch, count, 0.15, 0.24, 0.30, apart=0.5)
    grain = 24 / (patch.frame * patch.scale)
    near, second, value = cells(patch.points, grain, patch.seed())
    dense = np.clip(1.25 - distance, 0, 1)
    chosen = value < 0.25 + 0.55 * dense
    papule = inside(distance, 0.10) * chosen * np.clip((second - near - 0.10) * 9, 0, 1)
    lines = np.exp(-((patch.noise(2.6 * grain, 2) / 0.22) ** 2))
    out = Lesions.none(len(patch.points))
    # violet is blood seen through pigment that lies deep
    out.blood = papule * (1.05 + 0.2 * patch.grade)
    out.pigment = papule * (0.45 + 0.65 * patch.dark)
    out.height = papule * 0.0009 * patch.frame / 0.15
    out.scale = np.clip(papule * lines * (0.34 - 0.14 * patch.dark), 0, 0.5)
    out.gloss = 0.30 * papule
    out.mask = papule
    return out


@rash("pityriasis rosea")
def pityriasis_rosea(patch: Patch) -> Lesions:
    """One large herald patch and many oval patches, long axes along the skin lines, with a collar of fine scale inside the edge."""
    rng = patch.rng
    count = patch.strewn(mild=(7, 10), usual=(11, 18), severe=(20, 28), least=3)
    centres = patch.places(count, apart=0.10 * patch.frame)
    where = patch.flat[[int(np.argmin(np.linalg.norm(patch.points - c, axis=1))) for c in centres]]
    sizes = patch.scale * rng.uniform(0.030, 0.052, len(where))
    sizes[0] = patch.scale * 0.095 if len(where) > 1 else patch.scale * 0.10
    across = patch.points[[int(np.argmin(np.linalg.norm(patch.points - c, axis=1))) for c in centres], 0]
    fir = np.where(patch.cover > 0.5, -np.sign(across) * 0.6, np.pi / 2)  # branches fall away from the spine; along a limb
    distance = np.full(len(patch.points), 9.0, np.float32)
    for spot, size, lean in zip(where, sizes, fir + rng.normal(0, 0.12, len(where)), strict=True):
        d = patch.flat - spot
        u, v = d[:, 0] * np.cos(lean) + d[:, 1] * np.sin(lean), d[:, 1] * np.cos(lean) - d[:, 0] * np.sin(lean)
        distance = np.minimum(distance, np.hypot(u / 1.0, v / 0.58) / size)
    distance = distance + 0.10 * patch.noise(30 / patch.frame, 2)
    patchy, collar = inside(distance, 0.09), np.exp(-(((distance - 0.74) / 0.14) ** 2))
    out = Lesions.none(len(patch.points))
    out.blood = patchy * (0.50 + 0.18 * patch.grade) * (1 - 0.25 * patch.dark) + 0.22 * np.exp(-(((distance - 0.95) / 0.15) ** 2))
    out.pigment = patchy * 0.42 * patch.dark
    out.scale = np.clip(collar * np.clip(0.6 + 0.5 * patch.noise(60 / patch.frame, 2), 0, 1) * (0.36 - 0.16 * patch.dark), 0, 0.5)
    out.height = 0.0002 * patchy
    out.mask = patchy
    return out
