"""Skin as it would be without the lesion: its colour led in from all sides, and grain of the skin nearby on it.

The colour solves Laplace's equation inside the mask with the skin around it as its border (a membrane: Pérez, Gangnet and Blake, Poisson
Image Editing, 2003, with nothing to guide it); what is no skin, such as a backdrop beside an arm, is no border. All in density, where light
and shade are added. numpy only.
"""

from __future__ import annotations

import numpy as np

from generation.regions import blurred, grown


def healed(dense: np.ndarray, lesion: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """``dense`` [H, W, 3] with skin where the ``lesion`` [H, W] (bool) was; the same everywhere else.

    Args:
        skin: weights [H, W]; only what is mostly skin leads its colour in.
    """
    if not lesion.any() or not (~lesion & (skin > 0.5)).any():
        return dense.copy()
    base = membrane(blurred_where(dense, ~lesion & (skin > 0.5), 2.0), lesion, lesion | (skin > 0.5))
    out = dense.copy()
    out[lesion] = (base + grain(dense, lesion, skin))[lesion]
    return out


def membrane(values: np.ndarray, inside: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """``values`` [H, W, C] with Laplace's equation solved ``inside``; neighbours that are not ``counted`` are none.

    By conjugate gradients, from the solution at half the size on.
    """
    if min(inside.shape) < 16:
        known = ~inside & counted
        return _descended(values, inside, counted, values[known].mean(0) if known.any() else values.mean((0, 1)), 200)
    weight = (~inside & counted).astype(np.float64)[..., None]
    known = _halved(weight)
    half = np.where(known > 0, _halved(values * weight) / np.maximum(known, 1e-9), 0.0)
    start = membrane(half, known[..., 0] == 0, _halved(counted.astype(np.float64)[..., None])[..., 0] > 0)
    start = blurred(start.repeat(2, 0).repeat(2, 1), 0.7)[: inside.shape[0], : inside.shape[1]]
    return _descended(values, inside, counted, start, 60)


def _halved(values: np.ndarray) -> np.ndarray:
    height, width = values.shape[:2]
    values = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    return values.reshape(values.shape[0] // 2, 2, values.shape[1] // 2, 2, -1).mean((1, 3))


def _descended(values: np.ndarray, inside: np.ndarray, counted: np.ndarray, start: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` conjugate gradients from ``start`` on."""
    links = []
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        link = np.roll(counted, -step, axis) & inside
        edge = [slice(None)] * 2
        edge[axis] = -1 if step == 1 else 0
        link[tuple(edge)] = False  # the other side of the picture is no neighbour
        links.append((axis, step, link[..., None]))
    degree = np.maximum(sum(link.astype(np.float64) for _, _, link in links), 1e-6)
    keep = inside[..., None]

    def laplacian(x: np.ndarray) -> np.ndarray:
        return keep * (degree * x - sum(link * np.roll(x, -step, axis) for axis, step, link in links))

    border = values * ~keep
    right = keep * sum(link * np.roll(border, -step, axis) for axis, step, link in links)
    x = keep * start
    rest = right - laplacian(x)
    way, size = rest.copy(), (rest**2).sum((0, 1))
    for _ in range(most):
        along = laplacian(way)
        step = size / np.maximum((way * along).sum((0, 1)), 1e-12)
        x, rest = x + step * way, rest - step * along
        after = (rest**2).sum((0, 1))
        if after.max() < 1e-6 * keep.sum():
            break
        way, size = rest + after / np.maximum(size, 1e-12) * way, after
    return np.where(keep, x, values)


def blurred_where(values: np.ndarray, known: np.ndarray, width: float) -> np.ndarray:
    """Each pixel's surroundings, of ``known`` pixels alone; a pixel without any keeps its value."""
    weight = blurred(known.astype(np.float64), width)[..., None]
    mean = blurred(values * known[..., None], width) / np.maximum(weight, 1e-6)
    return np.where(weight > 0.02, mean, values)


def grain(dense: np.ndarray, lesion: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """What is finer than shading on the nearest skin as large as the lesion, laid over it; [H, W, 3], 0 outside the lesion."""
    clean = grown(~lesion & (skin > 0.9), -3)
    fine = np.where(clean[..., None], dense - blurred_where(dense, clean, 3.0), 0.0)
    if clean.any():  # grain, and no creases
        most = 2.5 * 1.4826 * np.median(np.abs(fine[clean]), 0)
        fine = np.clip(fine, -most, most)
    height, width = lesion.shape
    y, x = np.nonzero(lesion)
    best, offset = -1.0, (0, 0)
    some = slice(None, None, max(1, len(y) // 1000))  # enough to find the place by; all of them took half of the time of an edit
    for dy in range(-height // 2, height // 2 + 1, 8):
        for dx in range(-width // 2, width // 2 + 1, 8):
            there = clean[(y[some] + dy) % height, (x[some] + dx) % width].mean() - 0.1 * np.hypot(dy / height, dx / width)
            if there > best:
                best, offset = there, (dy, dx)
    out = np.zeros_like(dense)
    out[lesion] = fine[(y + offset[0]) % height, (x + offset[1]) % width]
    return out
