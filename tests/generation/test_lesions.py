"""The finder of lesions that ships: it finds what stands out of skin, and skin is measured away from it."""

from __future__ import annotations

import numpy as np
import pytest

from generation import ita, lesions

#: Skin and a lesion on it, 8-bit sRGB.
SKIN = {"fair": (226, 184, 158), "brown": (128, 84, 60)}
SPOT = {"fair": (90, 58, 48), "brown": (238, 218, 202)}


def pictured(tone: str, radius: int = 60, side: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """A patch of skin with a round lesion in its middle, and where that is."""
    y, x = np.mgrid[:side, :side] - side // 2
    spot = y**2 + x**2 < radius**2
    noise = np.random.default_rng(1).normal(0, 3, (side, side, 1))
    colours = np.where(spot[..., None], SPOT[tone], SKIN[tone])
    return np.clip(colours + noise, 0, 255).astype(np.uint8), spot


@pytest.mark.parametrize(("tone", "radius"), [("fair", 30), ("brown", 60)])
def test_a_lesion_is_found_where_it_is(tone, radius):
    picture, spot = pictured(tone, radius)
    small, chance = lesions.find(picture)
    assert small.shape == (*chance.shape, 3) and chance.min() >= 0 and chance.max() <= 1
    true, found = spot[::2, ::2], chance > 0.5
    assert (true & found).sum() / (true | found).sum() > 0.55


def test_skin_is_measured_away_from_white_patches():
    picture, _ = pictured("brown", radius=114)
    small, chance = lesions.find(picture)
    assert ita.tone_of(ita.measure(small, lesions.near(chance))) == "brown"
    assert ita.tone_of(ita.measure(small)) != "brown"


def test_hair_beside_a_rash_is_not_taken_for_skin():
    picture, _ = pictured("fair", radius=60)
    chance = np.zeros((128, 128), np.float32)
    chance[40:112, 8:120] = 1  # what is left of the skin lies below the rash, and there is more hair above it
    picture[:72] = (70, 48, 36)
    small = picture[::2, ::2]
    assert ita.tone_of(ita.measure(small, lesions.near(chance))) != "very fair"
    assert ita.tone_of(ita.measure(small, lesions.not_skin(small, chance))) == "very fair"


def test_near_is_the_lesion_and_a_little_more():
    chance = np.zeros((128, 128), np.float32)
    chance[60:64, 60:64] = 0.9
    chance[10, 10] = 0.2
    near = lesions.near(chance)
    assert near[58:66, 58:66].all() and near.sum() == 64
