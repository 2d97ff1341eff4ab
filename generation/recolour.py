"""The same skin in another tone: density added to all of it, or taken away, light and shade left as they are. numpy only.

What is darker than the skin keeps its difference in density, as a layer would that lies on other skin; what is lighter keeps its colour,
since neither scale nor skin without pigment takes part in a tone. Redness is red on light skin, and on dark skin violet to grey-brown or
only darker (RCP, Clinical Medicine 23/1; McLaurin 1983): so inflammation is shifted along with the tone.
"""

from __future__ import annotations

import numpy as np

from generation import ita
from generation.density import density, picture, srgb
from generation.healing import blurred_where
from generation.regions import blurred, feathered, grown

#: CIELAB of the skin of each tone, as 240 phantoms and 180 drawn pictures have it in the median.
SKIN_LAB = {
    "very fair": (83.5, 8.8, 19.0), "fair": (76.3, 10.0, 23.4), "medium": (69.5, 12.1, 28.4), "olive": (61.9, 14.5, 31.6),
    "brown": (47.0, 17.2, 28.8), "black": (36.0, 15.5, 18.0),
}  # fmt: skip
#: Degrees of ITA aimed at: the middle of the band, and not far inside where it is open.
AIM = {"very fair": 61.0, "fair": 48.0, "medium": 34.5, "olive": 19.0, "brown": -10.0, "black": -40.0}
#: Conditions whose colour is pigment, and not blood.
PIGMENT = frozenset({"melanoma", "mole", "seborrheic keratosis", "melasma"})
#: What either takes from red, green and blue light, of their mean; by eye on light skin, in the order of their spectra.
MELANIN, BLOOD = np.array([0.75, 1.0, 1.25]), np.array([0.35, 1.3, 1.35])
#: How much of a lesion's density goes into red, and leaves blue, from the lightest tone to the darkest; by eye. Dark skin takes nearly all
#: blue and green already, so what stands out on it is mostly what takes red.
_DARKER, _BLUER = 0.8, 0.4
#: How much less density than the skin's counts as covered with scale or shining, and as without pigment: from nothing of it to all; by eye.
_SCALE, _BARE = (0.25, 0.85), (0.04, 0.25)
#: How much less density than light skin vitiligo on it has, as phantoms of fair and very fair skin have it.
_PALER = np.array([0.03, 0.2, 0.4])
#: What psoriasis adds to the densities of each tone, red plaque and white scale together, as 180 phantoms have it in the median: on dark
#: skin all of a plaque is grey.
_PLAQUE = {
    "very fair": (0.08, 0.18, 0.0), "fair": (0.12, 0.17, -0.1), "medium": (0.08, 0.04, -0.4), "olive": (0.07, -0.1, -0.77),
    "brown": (-0.1, -0.63, -1.54), "black": (-0.34, -1.1, -1.7),
}  # fmt: skip
#: How much of that difference between two tones a plaque changes by, beside its own redness and scale, and by how much of density what it
#: adds is told to be one; by eye.
_OF_PLAQUE, _PLAIN = 0.6, 0.3
#: How much more density than skin usually has it may have under a lesion, in shade, for what is lighter to be scale; by eye.
_SHADED = 0.3
#: The most that scale keeps of its colour.
_OF_SCALE = 0.7
#: On lighter skin highlights and shadows stand out less, and have no colour of their own: this much of them is left; by eye.
_SHINE, _SHADE = 0.35, 0.8


def recoloured(rgb: np.ndarray, tone: str, lesion: np.ndarray, bare: np.ndarray, skin: np.ndarray, rash: str | None = None) -> np.ndarray:
    """``rgb`` (8-bit sRGB) with its skin in ``tone``.

    Args:
        lesion: bool [H, W].
        bare: densities [H, W, 3] of the skin without the lesion (`healing.healed`).
        skin: weights [H, W] of what is skin, the lesion among it.
        rash: whether what is lighter has lost its pigment (vitiligo) or is scale and shine.

    Raises:
        ValueError: too little skin shows away from the lesion to be measured.
    """
    here = (skin > 0.9) & ~grown(lesion, max(1, rgb.shape[0] // 64))
    if here.sum() < 0.005 * here.size:
        raise ValueError("too little skin shows beside the lesion to change its tone; give a --mask that leaves some.")
    own = density(rgb)
    way = density(srgb(_linear_of_lab(np.array(SKIN_LAB[tone])))) - np.median(own[here], 0)
    was = ita.tone_of(ita.ita(ita.lab(rgb[here])))
    depth = _depth(tone) - _depth(was)
    extra = own - bare
    low, high = 0.0, 2.0
    for _ in range(12):  # along the way from tone to tone, to where the middle of the band is
        middle = (low + high) / 2
        angle = ita.ita(ita.lab(picture(own[here] + middle * way)))
        if (angle < AIM[tone]) == (way.sum() > 0):
            high = middle
        else:
            low = middle
    shift = (low + high) / 2 * way
    ground = bare + shift
    if depth < 0:
        away, share = bare - np.median(bare[here], 0), min(1.0, -1.5 * depth)
        light = away.mean(-1, keepdims=True)
        ground = ground + share * np.where(light < 0, light * _SHINE - away, 0.5 * (light * _SHADE - away))
    laid = ground + _on_other_skin(extra, depth, rash in PIGMENT)
    plaque = None
    if rash == "psoriasis":
        plaque = lesion[..., None] * np.clip(np.linalg.norm(blurred(extra, rgb.shape[0] / 64), axis=-1, keepdims=True) / _PLAIN, 0, 1)
        laid = laid + _OF_PLAQUE * plaque * np.subtract(_PLAQUE[tone], _PLAQUE[was])
    least, most = _BARE if rash == "vitiligo" else _SCALE
    # beside hair the skin under a lesion is taken for much too dark, and all of the lesion would be scale
    lighter = np.minimum(bare.mean(-1), np.median(own[here], 0).mean() + _SHADED) - own.mean(-1)
    keeps = lesion * np.clip((lighter - least) / (most - least), 0, 1 if rash == "vitiligo" else _OF_SCALE)
    if depth > 0:
        laid = laid + keeps[..., None] * (own - laid)
    elif rash == "vitiligo":  # pale as it is, and at least a little paler than the skin around, on the same relief
        inside = feathered(grown(lesion, -max(1, rgb.shape[0] // 32)), rgb.shape[0] / 64)[..., None]
        relief = (own - blurred_where(own, lesion, rgb.shape[0] / 16)) * inside
        laid = np.where((keeps > 0)[..., None], np.minimum(own, ground - _PALER + relief), laid)
    elif plaque is not None:  # red again between the scale, which stands out less
        laid = ground + plaque * _PLAQUE[tone] + (1 + 0.8 * depth) * (extra - plaque * _PLAQUE[was])
    else:  # scale on light skin is white too, and no whiter
        laid = np.where((extra.mean(-1, keepdims=True) < 0), ground + (1 + depth) * extra, laid)
    out = picture(own + skin[..., None] * (laid - own))
    return np.where((skin > 0)[..., None], out, rgb)


def _on_other_skin(extra: np.ndarray, depth: float, pigment: bool) -> np.ndarray:
    """Density of a lesion on skin that is ``depth`` of the scale of tones darker (negative: lighter)."""
    more = np.maximum(extra, 0).mean(-1, keepdims=True)
    if depth < 0:
        share = min(1.0, -1.5 * depth)
        return extra + share * (more * (MELANIN if pigment else BLOOD) - np.maximum(extra, 0))
    return extra + depth * more * (_DARKER, 0, 0) - depth * _BLUER * np.maximum(extra, 0) * (0, 0, 1)


def _depth(tone: str) -> float:
    """0 on very fair to 1 on black skin."""
    return list(SKIN_LAB).index(tone) / (len(SKIN_LAB) - 1)


def _linear_of_lab(lab: np.ndarray) -> np.ndarray:
    """Linear sRGB of CIELAB (D65), which may lie outside 0–1."""
    y = (lab[0] + 16) / 116
    f = np.array([y + lab[1] / 500, y, y - lab[2] / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * ita._WHITE
    return np.linalg.solve(ita._RGB_TO_XYZ, xyz)
