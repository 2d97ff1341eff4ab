"""Colour of skin from its chromophores: melanin in the epidermis, blood in the dermis.

A two-layer model in the manner of S. Jacques ("Optical properties of biological tissues", Phys. Med. Biol. 58,
2013; "Skin optics", OMLC News, 1998): light passes the pigmented epidermis twice and is scattered back by a
semi-infinite dermis. Spectra are reduced once to a table of linear sRGB over (melanin, blood).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from generation.ita import lab_of_linear

WAVELENGTHS = np.arange(400, 701, 10, dtype=float)  # nm

# Molar extinction of oxy- and deoxyhaemoglobin in cm⁻¹/M at WAVELENGTHS; S. Prahl, omlc.org/spectra/hemoglobin.
HBO2 = np.array(
    [266232, 466840, 480360, 246072, 102580, 62816, 44480, 33209, 26629, 23684, 20933, 20035, 24202, 39957, 53236, 43016,
     32613, 44496, 50104, 14401, 3200, 1506, 942, 610, 442, 368, 320, 294, 278, 276, 290], float)  # fmt: skip
HB = np.array(
    [223296, 303956, 407560, 528600, 413280, 103292, 23389, 16156, 14550, 16684, 20862, 25774, 31590, 39036, 46592, 53412,
     53788, 45072, 37020, 28324, 14677, 9444, 6510, 5149, 4345, 3750, 3227, 2795, 2408, 2052, 1794], float)  # fmt: skip

#: Melanosome volume fraction of the epidermis (Jacques: 1.3–6.3 % light, 11–16 % medium, 18–43 % dark skin), solved
#: for the middle of the ITA class of each tone (Chardon 1991; the classes of Del Bino 2013): see `melanin_for_ita`.
ITA_TARGET = {"very fair": 61.0, "fair": 48.0, "medium": 34.5, "olive": 19.0, "brown": -10.0, "black": -44.0}
ITA_BAND = {"very fair": (55, 90), "fair": (41, 55), "medium": (28, 41), "olive": (10, 28), "brown": (-30, 10), "black": (-90, -30)}  # fmt: skip
#: 0 on very fair to 1 on black skin.
TONE_DEPTH = {tone: i / 5 for i, tone in enumerate(ITA_TARGET)}

MELANIN_GRID = np.concatenate([[0.0], np.geomspace(0.002, 0.98, 95)])
BLOOD_GRID = np.concatenate([[0.0], np.geomspace(0.0005, 0.12, 47)])
BLOOD_AT_REST = 0.008
#: Skin fills the frame, so cameras expose it above its reflectance; by eye, against clinical photographs.
EXPOSURE = 1.22
#: Light that the surface and the outer epidermis return before it meets pigment: about 4 % Fresnel at n = 1.4; it is
#: what keeps dark skin from looking orange.
SURFACE = 0.035


def reflectance(melanin: np.ndarray, blood: np.ndarray, saturation: float = 0.75) -> np.ndarray:
    """Diffuse reflectance (..., 31) of skin with the given volume fractions of melanosomes and of blood."""
    mel, blood = np.asarray(melanin)[..., None], np.asarray(blood)[..., None]
    base = 0.244 + 85.3 * np.exp(-(WAVELENGTHS - 154) / 66.2)  # cm⁻¹, bloodless skin (Jacques 1998)
    melanosome = 6.6e11 * WAVELENGTHS**-3.33  # cm⁻¹
    whole_blood = 2.303 * (saturation * HBO2 + (1 - saturation) * HB) * 150 / 64500  # 150 g/L
    scattering = 46.0 * (WAVELENGTHS / 500) ** -1.421  # reduced, cm⁻¹ (Jacques 2013, skin)
    epidermis = mel * melanosome + (1 - mel) * base
    through = np.exp(-2 * epidermis * 0.0045)  # two passes through an effective 45 µm
    dermis = blood * whole_blood + (1 - blood) * base
    scattered = np.exp(-7.0 / np.sqrt(3 * (1 + scattering / dermis)))  # Jacques 1998, A = 7–8 for n = 1.4
    return SURFACE + (1 - SURFACE) * through * scattered


def _to_linear_srgb(spectrum: np.ndarray) -> np.ndarray:
    """Spectral reflectance (..., 31) → linear sRGB, white balanced so that a perfect white is (1, 1, 1)."""

    def lobe(mean, below, above):  # Wyman, Sloan, Shirley: analytic CIE 1931 matching functions (JCGT 2013)
        t = (WAVELENGTHS - mean) * np.where(mean > WAVELENGTHS, below, above)
        return np.exp(-0.5 * t * t)

    x = 0.362 * lobe(442.0, 0.0624, 0.0374) + 1.056 * lobe(599.8, 0.0264, 0.0323) - 0.065 * lobe(501.1, 0.0490, 0.0382)
    y = 0.821 * lobe(568.8, 0.0213, 0.0247) + 0.286 * lobe(530.9, 0.0613, 0.0322)
    z = 1.217 * lobe(437.0, 0.0845, 0.0278) + 0.681 * lobe(459.0, 0.0385, 0.0725)
    to_rgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    xyz = spectrum @ np.stack([x / x.sum() * 0.9505, y / y.sum(), z / z.sum() * 1.089], 1)
    return np.clip(xyz @ to_rgb.T, 1e-4, 1)


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    mel, blood = np.meshgrid(MELANIN_GRID, BLOOD_GRID, indexing="ij")
    return np.clip(_to_linear_srgb(reflectance(mel, blood)) * EXPOSURE, 0, 1).astype(np.float32)


def albedo(melanin: np.ndarray, blood: np.ndarray) -> np.ndarray:
    """Linear sRGB albedo (N, 3) of skin at melanosome and blood fractions (N,), by bilinear look-up."""
    table = _table()
    i = np.interp(melanin, MELANIN_GRID, np.arange(len(MELANIN_GRID)))
    j = np.interp(blood, BLOOD_GRID, np.arange(len(BLOOD_GRID)))
    i0, j0 = np.minimum(i.astype(int), len(MELANIN_GRID) - 2), np.minimum(j.astype(int), len(BLOOD_GRID) - 2)
    a, b = (i - i0).astype(np.float32)[:, None], (j - j0).astype(np.float32)[:, None]
    low = table[i0, j0] * (1 - b) + table[i0, j0 + 1] * b
    high = table[i0 + 1, j0] * (1 - b) + table[i0 + 1, j0 + 1] * b
    return low * (1 - a) + high * a


def encode_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear sRGB → display sRGB in 0–1 (IEC 61966-2-1)."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def ita(linear: np.ndarray) -> np.ndarray:
    """Individual typology angle in degrees of linear sRGB (..., 3): atan2(L* − 50, b*) (Chardon 1991)."""
    L, _, b = np.moveaxis(lab_of_linear(linear), -1, 0)
    return np.degrees(np.arctan2(L - 50, b))


@lru_cache(maxsize=64)
def melanin_for_ita(degrees: float) -> float:
    """Melanosome fraction at which skin at rest has this ITA."""
    angles = ita(albedo(MELANIN_GRID, np.full(len(MELANIN_GRID), BLOOD_AT_REST)).astype(float))
    order = np.argsort(angles)
    return float(np.interp(degrees, angles[order], MELANIN_GRID[order]))


def albedo_at_rest(degrees: float) -> np.ndarray:
    """Linear sRGB albedo (3,) of skin of this ITA with nothing on it."""
    return albedo(np.array([melanin_for_ita(degrees)]), np.array([BLOOD_AT_REST]))[0]
