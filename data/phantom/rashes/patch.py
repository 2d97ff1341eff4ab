"""What a rash is given, a patch of skin, and what it gives back, its lesions; and what several rashes share.

Every rash takes a `Patch` and returns `Lesions`; colours come later, from chromophores (`skin.py`), so a lesion
only says how much blood, pigment, scale, crust, pus, serum and relief it has. Clinical facts: shared notes of the project
(sources beside the entries of assistant/notes); amounts without a source are by eye.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from data.phantom.noise import fbm, nearest_lesion


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

    def strewn(self, mild: tuple[int, int], usual: tuple[int, int], severe: tuple[int, int], least: int) -> int:
        """How many lesions a trunk of this severity has, fewer where there is less skin, but ``least``."""
        span = {"mild": mild, "severe": severe}.get(self.severity or "", usual)
        return self.how_many(*(max(least, round(n * self.room)) for n in span))


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
    serum: np.ndarray  # 0–1, cover by what has dried to honey-coloured crust or greasy scale
    gloss: np.ndarray  # added specular strength
    mask: np.ndarray  # 0–1

    @classmethod
    def none(cls, n: int) -> Lesions:
        return cls(*(np.zeros(n, np.float32) for _ in range(9)))


RASHES: dict[str, Callable[[Patch], Lesions]] = {}


def rash(name: str):
    def register(function):
        RASHES[name] = function
        return function

    return register


def inside(distance: np.ndarray, softness: float) -> np.ndarray:
    """1 within distance 1, 0 outside, over a border ``softness`` wide."""
    return 1 / (1 + np.exp(np.clip((distance - 1) / softness, -30, 30)))


def plaques(patch: Patch, count: int, low: float, high: float, wobble: float, apart: float = 0.5):
    """Centres and radii of plaques between ``low`` and ``high`` (shares of the frame), with an irregular distance."""
    radii = patch.frame * patch.scale * patch.rng.uniform(low, high, count)
    centres = patch.places(count, apart=apart * patch.frame * (low + high))
    radii = np.sort(radii)[::-1][: len(centres)]
    grain = 0.9 / (patch.frame * (low + high) / 2 * patch.scale)
    distance, index = nearest_lesion(patch.points, centres, radii, wobble * (0.5 + 0.5 * patch.variety) * patch.noise(grain, 4))
    return distance, index, radii


def scratches(patch: Patch, count: int) -> np.ndarray:
    """Linear excoriations: short streaks of crusted points, 0–1."""
    out = np.zeros(len(patch.points), np.float32)
    for start in patch.places(max(count, 1)):
        direction = patch.rng.standard_normal(3)
        steps = np.linspace(0, patch.rng.uniform(0.03, 0.09) * patch.frame, 9)[:, None]
        line = start + direction / np.linalg.norm(direction) * steps
        distance, _ = nearest_lesion(patch.points, line, np.full(len(line), max(0.0009, 0.006 * patch.frame)))
        out = np.maximum(out, np.exp(-(distance**2)) * patch.rng.uniform(0.4, 1))
    return out * np.clip(0.6 + 0.6 * patch.noise(300, 2), 0, 1)
