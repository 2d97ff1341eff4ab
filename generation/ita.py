"""Individual typology angle (ITA): how light or dark skin is *as pictured*, from CIELAB. numpy only.

    ITA = atan2(L* − 50, b*) · 180/π

on lesion-free skin, L* and b* each trimmed to ±1 standard deviation before the mean is taken
(Groh et al., fitzpatrick17k). ``atan2``, because a plain arctangent flips its sign where b* < 0.

Lighting moves the ITA, and its cuts to Fitzpatrick types are contested: it is a colour, to stand beside the
tone that was asked for, and never a Fitzpatrick type read from a picture.
"""

from __future__ import annotations

import numpy as np

#: Lower bound in degrees of each colour class, lightest first (Chardon 1991; Del Bino and Bernerd 2013), with the
#: canonical tone whose name says that colour. Six classes and six tones; an equality of names, not of types.
COLOUR_CLASSES: tuple[tuple[float, str, str], ...] = (
    (55.0, "very light", "very fair"),
    (41.0, "light", "fair"),
    (28.0, "intermediate", "medium"),
    (10.0, "tan", "olive"),
    (-30.0, "brown", "brown"),
    (-180.0, "dark", "black"),
)

#: sRGB primaries to CIE XYZ, D65 white (IEC 61966-2-1), and that white.
_RGB_TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
_WHITE = _RGB_TO_XYZ.sum(axis=1)

#: Skin in CIELAB, by eye: neither black border nor glare; hue from red to yellow-orange, neither grey nor paint.
#: The darkest of the Monk scale (#292420: L* 14.6, chroma 3.8) lies well inside.
LIGHTNESS = (10.0, 97.0)
_CHROMA = (2.0, 60.0)
_HUE = (5.0, 95.0)
#: Fewer skin pixels than this share of the picture are no measurement; by eye.
MIN_SHARE = 0.02


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (D65), float64 [..., 3], of 8-bit sRGB [..., 3]."""
    return lab_of_linear(_linear(rgb))


def lab_of_linear(linear: np.ndarray) -> np.ndarray:
    """CIELAB (D65), float64 [..., 3], of linear sRGB [..., 3] in 0–1."""
    xyz = linear @ _RGB_TO_XYZ.T / _WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def skin_pixels(
    rgb: np.ndarray, lesion: np.ndarray | None = None, any_hue: bool = False, colours: np.ndarray | None = None
) -> np.ndarray:
    """CIELAB [n, 3] of the pixels of ``rgb`` [H, W, 3] that have a colour of skin and lie outside ``lesion`` [H, W] (bool).

    ``any_hue`` is for pictures that show nothing but skin under a lamp of its own colour, as a dermatoscope does:
    only black borders and glare are left out. ``colours``: the picture's `lab`, where that is at hand.
    """
    colours = lab(rgb) if colours is None else colours
    keep = _between(colours[..., 0], LIGHTNESS)
    if not any_hue:
        keep &= _between(np.hypot(colours[..., 1], colours[..., 2]), _CHROMA)
        keep &= _between(np.degrees(np.arctan2(colours[..., 2], colours[..., 1])), _HUE)
    if lesion is not None:
        keep &= ~lesion.astype(bool)
    return colours[keep]


def ita(skin: np.ndarray) -> float:
    """ITA in degrees, in (-180, 180], of CIELAB pixels [n, 3]. Raises ``ValueError`` for no pixels."""
    if len(skin) == 0:
        raise ValueError("no skin pixels to measure; give at least one.")
    return float(np.degrees(np.arctan2(_trimmed_mean(skin[:, 0]) - 50.0, _trimmed_mean(skin[:, 2]))))


def measure(rgb: np.ndarray, lesion: np.ndarray | None = None, any_hue: bool = False) -> float | None:
    """ITA in degrees of the lesion-free skin of ``rgb`` [H, W, 3] (8-bit sRGB); ``None`` where too little skin shows.

    ``lesion`` [H, W] (bool) and ``any_hue`` as in :func:`skin_pixels`.
    """
    skin = skin_pixels(rgb, lesion, any_hue)
    return ita(skin) if len(skin) >= MIN_SHARE * rgb.shape[0] * rgb.shape[1] else None


def colour_class(angle: float) -> str:
    """Colour class of an ITA in degrees: very light, light, intermediate, tan, brown or dark."""
    return next(name for bound, name, _ in COLOUR_CLASSES if angle > bound or bound == -180.0)


def tone_of(angle: float) -> str:
    """Canonical tone whose name says the colour of ``angle`` (degrees): an estimate, to be marked as one."""
    return next(tone for bound, _, tone in COLOUR_CLASSES if angle > bound or bound == -180.0)


def band(tone: str) -> tuple[float, float]:
    """ITA in degrees from which to which a canonical tone's name says the colour."""
    at = next(i for i, (_, _, name) in enumerate(COLOUR_CLASSES) if name == tone)
    return max(-90.0, COLOUR_CLASSES[at][0]), 90.0 if at == 0 else COLOUR_CLASSES[at - 1][0]


def beyond(angle: float, tone: str) -> float:
    """Degrees between an ITA and the band of a tone; 0 inside."""
    low, high = band(tone)
    return max(0.0, low - angle, angle - high)


def stops_into_band(
    rgb: np.ndarray, tone: str, most: float, margin: float = 1.0, lesion: np.ndarray | None = None, angle: float | None = None
) -> float:
    """By how many stops to set the exposure of ``rgb`` [H, W, 3] (8-bit sRGB) so that its skin, away from ``lesion`` [H, W] (bool),
    comes to lie ``margin`` degrees inside the band of ``tone``; 0 where it lies inside already, where too little skin shows, and
    where more than ``most`` stops, either way, would be needed: then it is no matter of exposure. ``angle``: what `measure` says of
    it, where that is at hand.
    """
    angle = measure(rgb, lesion) if angle is None else angle
    low, high = band(tone)
    if angle is None or most <= 0 or low <= angle <= high:
        return 0.0
    wanted = low + margin if angle < low else high - margin
    near, far = 0.0, most if angle < low else -most
    if (at_most := measure(expose(rgb, far), lesion)) is None or (at_most < wanted) == (angle < low):
        return 0.0
    for _ in range(7):  # to a hundredth of ``most``
        middle = (near + far) / 2
        reached = measure(expose(rgb, middle), lesion)
        if reached is None:
            return 0.0
        near, far = (middle, far) if (reached < wanted) == (angle < low) else (near, middle)
    return round(far, 3)


def expose(rgb: np.ndarray, stops: float) -> np.ndarray:
    """``rgb`` (8-bit sRGB) as a camera takes it that lets in 2^``stops`` times the light; brighter than white stays white."""
    light = np.clip(_linear(np.arange(256)) * 2.0**stops, 0, 1)
    curve = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return (curve * 255).round().astype(np.uint8)[rgb]


def _linear(rgb: np.ndarray) -> np.ndarray:
    """Linear sRGB in 0–1 of 8-bit sRGB."""
    rgb = np.asarray(rgb)
    if rgb.dtype == np.uint8:  # from a table: the same numbers in a tenth of the time
        return _linear(np.arange(256))[rgb]
    value = rgb.astype(np.float64) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _between(values: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return (values >= bounds[0]) & (values <= bounds[1])


def _trimmed_mean(values: np.ndarray) -> float:
    mean, spread = values.mean(), values.std()
    kept = values[np.abs(values - mean) <= spread]
    return float(kept.mean()) if len(kept) else float(mean)
