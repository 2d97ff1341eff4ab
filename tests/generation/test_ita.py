import subprocess
import sys

import numpy as np
import pytest

from generation.ita import colour_class, expose, ita, lab, measure, skin_pixels, stops_into_band, tone_of

#: Monk skin tone scale, 1 to 10 (Google, 2022).
MONK = ["f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420"]


def rgb(hexadecimal: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(hexadecimal), dtype=np.uint8)


def patch(hexadecimal: str, side: int = 32) -> np.ndarray:
    return np.tile(rgb(hexadecimal), (side, side, 1))


@pytest.mark.parametrize(
    ("colour", "expected"),
    # reference values of the CIE formulas for sRGB, D65 (Lindbloom's calculator)
    [("ffffff", (100, 0, 0)), ("000000", (0, 0, 0)), ("ff0000", (53.24, 80.09, 67.20)), ("0000ff", (32.30, 79.19, -107.86))],
)
def test_cielab_of_known_colours(colour, expected):
    assert lab(rgb(colour)) == pytest.approx(np.array(expected), abs=0.05)


def test_ita_follows_its_definition():
    assert ita(np.array([[60.0, 10.0, 10.0]])) == pytest.approx(45.0)
    assert ita(np.array([[40.0, 10.0, 10.0]])) == pytest.approx(-45.0)


def test_bluish_light_skin_stays_light():
    """With b* < 0 a plain arctangent would say -45: dark."""
    angle = ita(np.array([[60.0, 5.0, -10.0]]))
    assert angle == pytest.approx(135.0)
    assert tone_of(angle) == "very fair"


def test_ita_falls_along_the_monk_scale():
    """No skin is too dark or too light to be measured."""
    angles = [measure(patch(colour)) for colour in MONK]
    assert angles == sorted(angles, reverse=True)
    assert [tone_of(angle) for angle in angles] == ["very fair"] * 4 + ["fair", "olive", "brown"] + ["black"] * 3


def test_outliers_are_trimmed():
    skin = np.tile([65.0, 12.0, 18.0], (1000, 1))
    with_hair = np.concatenate([skin, np.tile([15.0, 2.0, 3.0], (60, 1))])
    assert ita(with_hair) == pytest.approx(ita(skin), abs=0.01)


@pytest.mark.parametrize(
    ("angle", "colour", "tone"),
    [(56, "very light", "very fair"), (55, "light", "fair"), (41, "intermediate", "medium"), (28, "tan", "olive"),
     (10, "brown", "brown"), (-30, "dark", "black"), (-179, "dark", "black"), (-180, "dark", "black")],
)  # fmt: skip
def test_colour_classes_at_their_bounds(angle, colour, tone):
    assert (colour_class(angle), tone_of(angle)) == (colour, tone)


def test_only_skin_outside_the_lesion_counts():
    picture = patch("eadaba")
    picture[:, 16:] = rgb("604134")
    lesion = np.zeros((32, 32), dtype=bool)
    lesion[:, 16:] = True
    assert measure(picture, lesion) == pytest.approx(measure(patch("eadaba")))
    assert len(skin_pixels(picture, lesion)) == 32 * 16


def test_background_is_not_skin():
    for colour in ("008040", "2040c0", "808080", "000000", "ffffff"):
        assert measure(patch(colour)) is None, colour


def test_under_a_lamp_of_its_own_colour_all_that_is_lit_counts():
    picture = patch("b8c8e0")
    picture[:8] = 0
    assert measure(picture) is None
    assert len(skin_pixels(picture, any_hue=True)) == 24 * 32
    assert measure(picture, any_hue=True) > 90


def test_no_pixels_is_said():
    with pytest.raises(ValueError, match="no skin pixels"):
        ita(np.empty((0, 3)))


def test_no_torch_is_loaded():
    code = "import sys, generation.ita; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_exposure_brings_skin_into_its_band():
    dim = patch("c09878")
    assert measure(dim) < 41
    stops = stops_into_band(dim, "fair", 0.35)
    assert 0 < stops <= 0.35
    assert 41 < measure(expose(dim, stops)) < 44
    light = patch("deb496")
    stops = stops_into_band(light, "medium", 1.0)
    assert stops < 0 and 38 < measure(expose(light, stops)) < 41


def test_what_no_exposure_mends_stays_as_it_is():
    assert stops_into_band(patch("c09878"), "fair", 0.0) == 0, "it may not"
    assert stops_into_band(patch("deb496"), "fair", 0.35) == 0, "it is inside"
    assert stops_into_band(patch("3c2820"), "fair", 0.35) == 0, "it is black"
    assert stops_into_band(patch("2040c0"), "fair", 0.35) == 0, "it is no skin"


def test_no_stops_are_the_same_picture_and_one_is_twice_the_light():
    grey = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert np.array_equal(expose(grey, 0), grey)
    assert expose(np.full((1, 1, 3), 128, np.uint8), 1)[0, 0, 0] == 176  # 0.216 of white becomes 0.432
    assert expose(np.full((1, 1, 3), 250, np.uint8), 1).max() == 255
