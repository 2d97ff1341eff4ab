"""What each rash does to skin: one function a rash, from a patch of body to its lesions.

Every function takes a `Patch` and returns `Lesions`; colours come later, from chromophores (`skin.py`), so a lesion
only says how much blood, pigment, scale, crust, pus and relief it has. Clinical facts: shared notes of the project
(sources beside the entries of assistant/notes); amounts without a source are by eye.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from data.phantom.noise import cells, fbm, nearest_lesion


@dataclass
class Patch:
    """The skin in view: ``points`` (N, 3) in metres, ``flat`` (N, 2) where they are seen, in frames from the middle;
    ``frame`` the width of the picture in metres; ``candidates`` (M,) indices of points where a lesion may sit, nearest
    the middle of the site first chosen by ``weight`` (M,); ``spread`` how widely lesions are strewn, in frames; ``cover``
    the share of the picture that is body; ``variety`` from 0, lesions at the same places in every picture, to 1, wherever they like."""

    points: np.ndarray
    flat: np.ndarray
    centre: np.ndarray
    frame: float
    candidates: np.ndarray
    weight: np.ndarray
    rng: np.random.Generator
    severity: str | None
    size: str | None
    number: str | None
    dark: float  # 0 on very fair to 1 on black skin
    spread: float
    cover: float
    variety: float

    @property
    def grade(self) -> float:
        """0.55 mild, 1 moderate or not said, 1.6 severe."""
        return {"mild": 0.55, "severe": 1.6}.get(self.severity or "", 1.0)

    @property
    def room(self) -> float:
        """How much skin there is for lesions that are strewn about: 1 on a trunk, 0.4 on a limb that fills a third of the view."""
        return float(np.clip(self.cover / 0.75, 0.3, 1))

    @property
    def scale(self) -> float:
        """Size of lesions: 0.5 tiny, 1.8 large, 1 if not said."""
        return {"tiny": 0.5, "large": 1.8}.get(self.size or "", 1.0)

    @property
    def scale_in_view(self) -> float:
        """``scale`` of what is photographed by itself: drawn larger where the view is wide, twice from 24 cm on, to be seen."""
        return self.scale * float(np.clip(self.frame / 0.12, 1, 2))

    def seed(self) -> int:
        return int(self.rng.integers(1, 2**30))

    def noise(self, frequency: float, octaves: int = 3) -> np.ndarray:
        return fbm(self.points, frequency, self.seed(), octaves)

    def places(self, count: int, apart: float = 0.0) -> np.ndarray:
        """``count`` points of the skin (K, 3), at least ``apart`` metres from each other where there is room."""
        chosen: list[np.ndarray] = []
        probability = self.weight / self.weight.sum()
        usual = iter(self._usual_places(count, apart) if self.variety < 1 else ())
        for _ in range(count * 12):
            point = next(usual, None) if self.rng.random() >= self.variety else None
            if point is None:
                point = self.points[self.rng.choice(self.candidates, p=probability)]
            if all(np.linalg.norm(point - other) >= apart for other in chosen):
                chosen.append(point)
            if len(chosen) == count:
                break
        return np.array(chosen)

    def _usual_places(self, count: int, apart: float) -> np.ndarray:
        """The places that pictures of little variety choose from, in random order; a single lesion is in the middle.

        They are the same in the picture whatever the body, for a small model learns a spot sooner where it knows it.
        """
        spots = _spots(count, round(1000 * apart / self.frame), self.spread)
        distance, nearest = cKDTree(self.flat[self.candidates]).query(spots)
        wanted = count if count == 1 else round(1.5 * count)
        return self.rng.permutation(self.points[self.candidates[nearest[distance < 0.01][:wanted]]])

    def how_many(self, low: int, high: int) -> int:
        if self.number == "single":
            return 1
        count = int(self.rng.integers(low, high + 1))
        return max(count, 3) if self.number == "multiple" else count


@lru_cache(maxsize=64)
def _spots(count: int, apart: int, spread: float) -> np.ndarray:
    """Spots (K, 2) strewn over the frame by ``spread``, in frames, at least ``apart`` thousandths from each other."""
    fixed, spots = np.random.default_rng([count > 1, apart]), [np.zeros(2)]
    for spot in fixed.normal(0, spread, (40 * count, 2)):
        if np.hypot(*spot) < 0.46 and all(np.hypot(*(spot - other)) * 1000 >= apart for other in spots):
            spots.append(spot)
    return np.array(spots)


@dataclass
class Lesions:
    """Per point (N,): what the rash adds to the skin. ``mask`` is where a doctor would say "here it is"."""

    blood: np.ndarray  # 0 normal, 1 frankly red
    pigment: np.ndarray  # 0 normal, +1 twice the melanin, −1 none
    height: np.ndarray  # metres
    scale: np.ndarray  # 0–1, cover by white or silver scale
    crust: np.ndarray  # 0–1, cover by dried blood or serum
    pus: np.ndarray  # 0–1
    gloss: np.ndarray  # added specular strength
    mask: np.ndarray  # 0–1

    @classmethod
    def none(cls, n: int) -> Lesions:
        return cls(*(np.zeros(n, np.float32) for _ in range(8)))


RASHES: dict[str, Callable[[Patch], Lesions]] = {}


def rash(name: str):
    def register(function):
        RASHES[name] = function
        return function

    return register


def inside(distance: np.ndarray, softness: float) -> np.ndarray:
    """1 within distance 1, 0 outside, over a border ``softness`` wide."""
    return 1 / (1 + np.exp(np.clip((distance - 1) / softness, -30, 30)))


def _plaques(patch: Patch, count: int, low: float, high: float, wobble: float, apart: float = 0.5):
    """Centres and radii of plaques between ``low`` and ``high`` (shares of the frame), with an irregular distance."""
    radii = patch.frame * patch.scale * patch.rng.uniform(low, high, count)
    centres = patch.places(count, apart=apart * patch.frame * (low + high))
    radii = np.sort(radii)[::-1][: len(centres)]
    grain = 0.9 / (patch.frame * (low + high) / 2 * patch.scale)
    distance, index = nearest_lesion(patch.points, centres, radii, wobble * (0.5 + 0.5 * patch.variety) * patch.noise(grain, 4))
    return distance, index, radii


@rash("eczema")
def eczema(patch: Patch) -> Lesions:
    """Ill-defined erythema with papules, fine scale, excoriations; lichenified when severe; follicular on dark skin."""
    out = Lesions.none(len(patch.points))
    count = patch.how_many(1, 3 if patch.grade < 1.5 else 4)
    distance, _, _ = _plaques(patch, count, 0.14, 0.25, 0.34)
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


@rash("acne")
def acne(patch: Patch) -> Lesions:
    """Comedones, papules, pustules, nodules when severe, dark marks after them on dark skin; greasy shine."""
    rng = patch.rng
    count = {"mild": (7, 12), "severe": (26, 36)}.get(patch.severity or "", (14, 24))
    count = patch.how_many(*(max(4, round(n * patch.room)) for n in count))
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


@rash("tinea")
def tinea(patch: Patch) -> Lesions:
    """Ringworm: rings with a raised, scaling, papular edge and a paler centre."""
    count = patch.how_many(1, 1 if patch.grade < 1.5 else 3)
    distance, index, radii = _plaques(patch, count, 0.17, 0.25, 0.13, apart=0.55)
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
    distance, _, _ = _plaques(patch, count, 0.07, 0.21 if count > 1 else 0.26, 0.20, apart=0.35)
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


@rash("urticaria")
def urticaria(patch: Patch) -> Lesions:
    """Wheals: smooth raised oedema, pale in the middle with a red flare, merging to maps; nothing on the surface."""
    most = {"mild": 6, "severe": 18}.get(patch.severity or "", 9)
    count = patch.how_many(*(max(3, round(n * patch.room)) for n in (4, most)))
    largest = 0.105 if count > 1 else 0.2
    distance, index, radii = _plaques(patch, count, 0.05, largest * patch.room**0.3, 0.22, apart=1.3)
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


@rash("vitiligo")
def vitiligo(patch: Patch) -> Lesions:
    """Milk-white, sharply bordered, map-like loss of pigment; nothing raised; a darker rim at times."""
    count = patch.how_many(2, {"mild": 3, "severe": 9}.get(patch.severity or "", 5))
    distance, _, _ = _plaques(patch, count, 0.07, 0.24, 0.30, apart=0.3)
    white = inside(distance, 0.03)
    islands = np.clip(patch.noise(260, 2) - 1.35, 0, 1) * 3 * inside(distance, 0.2)
    out = Lesions.none(len(patch.points))
    out.pigment = -np.clip(white - islands, 0, 1) + 0.16 * np.exp(-(((distance - 1.12) / 0.1) ** 2))
    out.scale = 0.28 * white  # not scale: chalk-white skin scatters more than pigment-free dermis in the model
    out.mask = white
    return out


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
