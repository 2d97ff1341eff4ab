"""Pictures as optical densities, in which pigment and blood, light and shade are added: minus the logarithm of linear light. numpy only.

Layers that absorb multiply light (Beer and Lambert), so a lesion is a difference of densities that can be laid on other skin.
"""

from __future__ import annotations

import numpy as np

#: Light that the surface returns before it meets any pigment (half of what the phantoms' skin does): taken off first.
SURFACE = 0.015
_LEAST = 0.002


def linear(rgb: np.ndarray) -> np.ndarray:
    """Linear light in 0–1 of 8-bit sRGB (IEC 61966-2-1)."""
    value = np.arange(256) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)[rgb]


def srgb(light: np.ndarray) -> np.ndarray:
    """8-bit sRGB of linear light; what is brighter than white is white."""
    light = np.clip(light, 0, 1)
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return (value * 255).round().astype(np.uint8)


def density(rgb: np.ndarray) -> np.ndarray:
    """Density of each channel, float64 [..., 3], of 8-bit sRGB."""
    return -np.log(np.maximum(linear(rgb) - SURFACE, _LEAST))


def picture(dense: np.ndarray) -> np.ndarray:
    """8-bit sRGB of densities: the inverse of :func:`density`."""
    return srgb(np.exp(-dense) + SURFACE)
