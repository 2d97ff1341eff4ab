"""Parts of a picture as masks: grown, feathered, counted, and where there is still room on the skin. numpy and Pillow.

Masks are bool [H, W]; weights float64 [H, W] in 0–1.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from generation import ita
from generation.density import density, linear

#: How far the colour of skin strays around its middle, as log(R/G) and log(B/G) of linear light, and in L* (darker, lighter); by eye on
#: drawn pictures, so that backdrops and cloth are no skin and shaded and shining skin is.
_STRAYS, _DARKER, _LIGHTER = (0.22, 0.35), 45.0, 45.0
#: Up to so much lighter, it may be a reflection.
_SHINE = 30.0
#: A part of a body may be this many times as much redder (lips, palms).
_REDDER = 3.0
#: log(R/G) below which a pixel is cloth, backdrop or the white of an eye; scale and depigmented skin have more.
_NO_FLESH = 0.04
_STRAY_LIGHT = 0.02
#: How much more density in blue than in red the pigmented part of skin with vitiligo has at least, by phantoms of all tones: 0.5 on fair, 1
#: on darker skin; 0.3 is shine and blush.
_PARTED = 0.4


def grown(mask: np.ndarray, reach: int) -> np.ndarray:
    """``mask`` and what lies within ``reach`` pixels of it; less than nothing is the other way round."""
    if reach < 0:
        return ~grown(~mask, -reach)
    out = Image.fromarray(mask.astype(np.uint8) * 255)
    for step in [3] * (reach // 3) + [reach % 3]:  # small squares on squares, and a blur between: rounder than one large square
        if step:
            out = out.filter(ImageFilter.MaxFilter(2 * step + 1))
    return np.asarray(out) > 0


def feathered(mask: np.ndarray, width: float) -> np.ndarray:
    """1 inside, 0 from ``width`` pixels outside on, and a smooth way between: the weight never leaves the grown mask."""
    reach = max(1, round(width))
    wide = grown(mask, reach)
    soft = blurred(wide.astype(np.float64), width / 2)
    return np.where(mask, 1.0, np.where(wide, np.clip(2 * soft - 1, 0, 1), 0.0))


def blurred(values: np.ndarray, width: float) -> np.ndarray:
    """Gaussian blur of [H, W] or [H, W, C], ``width`` pixels, mirrored at the border."""
    if width <= 0:
        return values
    reach = max(1, int(np.ceil(3 * width)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        pad = [(0, 0)] * values.ndim
        pad[axis] = (reach, reach)
        padded = np.pad(values, pad, mode="reflect" if reach < values.shape[axis] else "edge")
        values = sum(k * np.take(padded, range(i, i + values.shape[axis]), axis) for i, k in enumerate(kernel))
    return values


def pieces(mask: np.ndarray, least: int = 1) -> list[np.ndarray]:
    """The connected pieces (8 neighbours) of at least ``least`` pixels, the largest first."""
    parent: list[int] = [0]

    def root(label: int) -> int:
        while parent[label] != label:
            parent[label] = parent[parent[label]]
            label = parent[label]
        return label

    labels = np.zeros(mask.shape, int)
    above: list[tuple[int, int, int]] = []
    for y in range(mask.shape[0]):  # runs of a row, each joined with those of the row above that it touches
        turns = np.flatnonzero(np.diff(mask[y].astype(np.int8), prepend=0, append=0))
        runs = []
        for start, end in zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True):
            near = [root(label) for first, last, label in above if first <= end and last >= start]
            label = min(near, default=len(parent))
            if not near:
                parent.append(label)
            for other in near:
                parent[other] = label
            labels[y, start:end] = label
            runs.append((start, end, label))
        above = runs
    named = np.array([root(label) for label in range(len(parent))])[labels]
    sizes = np.bincount(named.ravel())
    sizes[0] = 0
    return [named == label for label in np.argsort(-sizes, kind="stable") if sizes[label] >= least]


def skin(rgb: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """How much of each pixel of ``rgb`` (8-bit sRGB) is skin, ``lesion`` being on it: weights [H, W].

    Skin is what has the colour of the skin around the lesion, in another light too, and hangs together with it.
    """
    colours = ita.lab(rgb)
    light = linear(rgb) + _STRAY_LIGHT
    ratios = np.log(light[..., [0, 2]] / light[..., [1]])
    hued = np.hypot(colours[..., 1], colours[..., 2]) > 3
    near = grown(lesion, rgb.shape[0] // 8) & ~grown(lesion, 3) & hued & (colours[..., 0] > 12) & (ratios[..., 0] > 0)
    if near.sum() < 50:
        near = hued & ~lesion & (ratios[..., 0] > 0)
    if not near.any():
        return np.ones(lesion.shape)
    middle, ratio = np.median(colours[near][:, 0]), np.median(ratios[near], 0)
    away = colours[..., 0] - middle
    strays = np.where(ratios > ratio, (_REDDER * _STRAYS[0], _STRAYS[1]), _STRAYS)
    shine = np.where((away > 4) & (away < _SHINE), 1 + away / 8, 1.0)[..., None]  # light that pigment has not met is white
    off = np.sqrt((((ratios - ratio) / (strays * shine)) ** 2).sum(-1))
    off = np.maximum(off, np.where(away < 0, -away / _DARKER, away / _LIGHTER))
    weight = np.maximum(np.clip(1.5 * (1.67 - off), 0, 1) * flesh(rgb), lesion)
    core = blurred(weight, 1.0) > 0.5
    joined = next(iter(pieces(core)), core) if not lesion.any() else core
    if lesion.any():
        joined = np.zeros_like(core)
        for piece in pieces(core, 30):
            if (piece & lesion).any() or piece.sum() > 0.02 * core.size:
                joined |= piece
    return weight * grown(joined, 2)


def flesh(rgb: np.ndarray) -> np.ndarray:
    """Pixels (bool) redder than green: skin of any tone, with scale on it or without pigment, and neither cloth nor the white of an eye."""
    light = blurred(linear(rgb), 0.7) + _STRAY_LIGHT
    return np.log(light[..., 0] / light[..., 1]) > _NO_FLESH


def pale(rgb: np.ndarray) -> np.ndarray:
    """Pixels (bool) of skin that has lost its pigment; none where all of it has about as much.

    Melanin takes far more blue than red, in any light; Otsu's threshold (1979) on what it takes parts the two kinds of skin.
    """
    dense = blurred(density(rgb), rgb.shape[0] / 256)
    melanin, on = dense[..., 2] - dense[..., 0], flesh(rgb)
    if on.sum() < 50:
        return np.zeros_like(on)
    levels = np.linspace(*np.percentile(melanin[on], (1, 99)), 129)
    counts = np.histogram(melanin[on], levels)[0].astype(float)
    middles = (levels[1:] + levels[:-1]) / 2
    below, sums = counts.cumsum(), (counts * middles).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = sums / below, (sums[-1] - sums) / (below[-1] - below)
        between = np.nan_to_num(below * (below[-1] - below) * (high - low) ** 2)
    at = int(between.argmax())
    return on & (melanin < middles[at]) if high[at] - low[at] > _PARTED else np.zeros_like(on)


def features(rgb: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """Pixels (bool) of a face's own features that lie in ``lesion``: brows, lashes, hair, eyes. On other parts dark spots are lesions."""
    colours = ita.lab(rgb)
    skin_ = colours[~lesion & flesh(rgb)]
    if len(skin_) < 50:
        return np.zeros_like(lesion)
    dark = colours[..., 0] < 0.55 * np.median(skin_[:, 0])
    return grown(lesion & (dark | ~flesh(rgb)), 2) & lesion


def room(free: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Places (bool) at which ``shape`` (its middle there) lies wholly on ``free`` pixels."""
    height, width = free.shape
    size = (2 * height, 2 * width)
    taken = np.fft.rfft2(~np.pad(free, ((0, height), (0, width)), constant_values=False), size)
    placed = np.zeros(size)
    placed[: shape.shape[0], : shape.shape[1]] = shape[::-1, ::-1]
    hits = np.fft.irfft2(taken * np.fft.rfft2(placed), size)
    top, left = shape.shape[0] - 1 - shape.shape[0] // 2, shape.shape[1] - 1 - shape.shape[1] // 2
    fits = np.roll(hits, (-top, -left), (0, 1))[:height, :width] < 0.5
    y, x = np.mgrid[:height, :width]
    inside = (y >= shape.shape[0] // 2) & (y < height - shape.shape[0] // 2) & (x >= shape.shape[1] // 2) & (x < width - shape.shape[1] // 2)
    return fits & inside
