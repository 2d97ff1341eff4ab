"""What spoils a picture of skin, as numbers: each a measure of one thing, larger where there is more of it. numpy and scipy; torch for the finder of lesions.

All are taken at 256 pixels on the shorter side and on densities (minus logarithms of linear light) or their ratios wherever the
amount of light must not count: so dark skin, on which every difference is smaller in grey levels, is measured as light skin is.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from generation import ita

SIDE = 256
#: Linear light below which density says nothing but noise: a grey level of 13 of 255.
_DARKEST = 0.004
#: Light that is added before colours are compared: on the darkest skin they are noise.
_STRAY = 0.03
#: What finding a line needs: its directions, and its length in pixels.
_DIRECTIONS, _LENGTH, _WIDEST = 8, 25, 7
#: Height in pixels of the strips in which ticks are looked for.
_STRIP = 12


def measures(picture: Image.Image) -> dict[str, float]:
    """Every measure of a picture, by name (see the functions below), and what the colour cast is told from."""
    rgb = at_size(picture)
    density = densities(rgb)
    light, share, red, blue = skin_colour(rgb, _lesion(rgb))
    dark = lines(_red_density(rgb))
    return {
        "deviation": deviation(rgb), "sharpness": sharpness(density), "light": light, "skin": share, "red": red, "blue": blue,
        "ring": pen_ring(dark), "ticks": ticks(lines(density)), "hairs": hairs(strokes(dark)), "vignette": vignette(rgb, density),
        "letters": letters(rgb),
    }  # fmt: skip


def at_size(picture: Image.Image) -> np.ndarray:
    """8-bit sRGB [H, W, 3] whose shorter side is `SIDE`."""
    scale = SIDE / min(picture.size)
    size = tuple(max(SIDE, round(length * scale)) for length in picture.size)
    return np.asarray(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS if scale > 1 else Image.Resampling.BOX))


def densities(rgb: np.ndarray) -> np.ndarray:
    """Optical density [H, W] of the luminance: a hair takes the same share of the light of any skin."""
    linear = (rgb / 255.0) ** 2.2 @ (0.2126, 0.7152, 0.0722)
    return -np.log(np.maximum(linear, _DARKEST))


def _lesion(rgb: np.ndarray) -> np.ndarray:
    """Where the finder sees a lesion, and close to one."""
    from generation import lesions

    near = lesions.near(lesions.find(rgb)[1])
    return np.asarray(Image.fromarray(near).resize(rgb.shape[1::-1], Image.Resampling.NEAREST))


def _red_density(rgb: np.ndarray) -> np.ndarray:
    """Optical density [H, W] for red light: blood hardly has any, ink and hair have much."""
    return -np.log(np.maximum((rgb[..., 0] / 255.0) ** 2.2, _DARKEST))


def deviation(rgb: np.ndarray) -> float:
    """Largest standard deviation of a channel in grey levels once the noise of single pixels is smoothed away: 0 for a blank picture."""
    return float(ndimage.gaussian_filter(rgb.astype(np.float32), (2, 2, 0)).std((0, 1)).max())


def sharpness(density: np.ndarray) -> float:
    """How much finer detail there is than coarser, as the logarithm of a ratio: variance of the Laplacian (Pech-Pacheco et al. 2000),
    at two scales, since alone it is a measure of contrast as well, and of skin tone. What rounding to 256 levels adds is taken off: on dark
    skin a level is a larger share of the light."""
    fine, coarse = (np.abs(ndimage.gaussian_laplace(density, width)).mean() * width**2 for width in (1.0, 4.0))
    rounding = 0.153 / 255 * np.exp(density / 2.2).mean()  # 2.2 / level, times 0.29 of a level, as the Laplacian of one pixel's width passes it
    fine = np.sqrt(max(fine**2 - rounding**2, (0.3 * fine) ** 2))
    return float(np.log((fine + 1e-4) / (coarse + 1e-4)))


def skin_colour(rgb: np.ndarray, lesion: np.ndarray) -> tuple[float, float, float, float]:
    """Of the reddish to yellowish part, the middle of the picture first: L*, its share, log(R/G) and log(B/G) of linear light.

    ``lesion`` (bool) is left out where enough is left: silvery scale on dark skin is no cast.
    """
    colours = ita.lab(rgb)
    hue = np.degrees(np.arctan2(colours[..., 2], colours[..., 1]))
    y, x = np.mgrid[-1 : 1 : rgb.shape[0] * 1j, -1 : 1 : rgb.shape[1] * 1j]
    middle = np.exp(-2 * (x**2 + y**2))
    like = (hue > 0) & (hue < 95) & (colours[..., 0] > 12) & (colours[..., 0] < 97) & (np.hypot(colours[..., 1], colours[..., 2]) > 2)
    share = float(middle[like].sum() / middle.sum())
    use = like if share > 0.05 else np.ones_like(like)
    if middle[use & ~lesion].sum() > 0.03 * middle.sum():
        use = use & ~lesion
    ratio = np.log((rgb[use] / 255.0) ** 2.2 + _STRAY)
    weight = middle[use]
    light, red, blue = (_weighted_median(v, weight) for v in (colours[..., 0][use], ratio[:, 0] - ratio[:, 1], ratio[:, 2] - ratio[:, 1]))
    return light, share, red, blue


def vignette(rgb: np.ndarray, density: np.ndarray) -> float:
    """How much darker (in density) the least dark corner is than the ring inside it, where its colour is the ring's or nearly black; else 0.

    A backdrop in all four corners is a little darker than skin too, but of another colour.
    """
    height, width = density.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    far = np.hypot(x, y) / np.sqrt(2)
    ratio = np.log((rgb / 255.0) ** 2.2 + _DARKEST)
    ratio = ratio[..., 0] - ratio[..., 2]
    least = np.inf
    for quadrant in ((y < 0) & (x < 0), (y < 0) & (x >= 0), (y >= 0) & (x < 0), (y >= 0) & (x >= 0)):
        corner, edge = quadrant & (far > 0.9), quadrant & (far > 0.6) & (far < 0.7)
        dark, turned = (float(np.median(each[corner]) - np.median(each[edge])) for each in (density, ratio))
        least = min(least, dark if abs(turned) < 0.8 or dark > 1.2 else 0.0)
    return least


def lines(density: np.ndarray, widest: int = _WIDEST) -> np.ndarray:
    """How much darker than both their sides thin lines are, in density [H, W]; 0 where there is none. Of −density: how much lighter.

    What an opening takes away (the top-hat behind DullRazor, Lee et al. 1997); it keeps what a square of ``widest`` pixels fits into.
    """
    smooth = ndimage.gaussian_filter(density, 0.6)
    return smooth - ndimage.grey_opening(smooth, size=(widest, widest))


def strokes(line: np.ndarray) -> np.ndarray:
    """Pixels (bool) of strong lines that run straight for `_LENGTH` pixels in some direction: hair and ink, not pores and scales."""
    strong = _large(line > 0.25, _LENGTH)
    long_ = np.zeros_like(strong)
    if strong.any():
        for turn in range(_DIRECTIONS):
            long_ |= ndimage.binary_opening(strong, _segment(turn))
    return long_


def hairs(stroke: np.ndarray) -> float:
    """Share of the picture in `strokes`, in thousandths."""
    return float(stroke.mean() * 1000)


def pen_ring(line: np.ndarray) -> float:
    """How much of a circle the strong lines make, 0–1: share of directions from its centre in which they lie at its distance, times the
    share of them that lies there; the best of all circles around the middle (a Hough transform, Duda and Hart 1972)."""
    height, width = line.shape
    y, x = np.nonzero(_large(line > 0.2, 2 * _LENGTH))
    if len(y) < 4 * _LENGTH:
        return 0.0
    if len(y) > 4000:
        y, x = y[:: len(y) // 4000 + 1], x[:: len(x) // 4000 + 1]
    best = 0.0
    for cy in np.linspace(0.32, 0.68, 10) * height:
        for cx in np.linspace(0.32, 0.68, 10) * width:
            far = np.hypot(y - cy, x - cx)
            sector = ((np.arctan2(y - cy, x - cx) / (2 * np.pi) + 0.5) * 36).astype(int) % 36
            for radius in np.linspace(0.16, 0.42, 9) * SIDE:
                on = np.abs(far - radius) < 0.16 * radius
                inside = on.sum() / len(y)
                if inside > best:  # the share of directions is at most 1
                    best = max(best, float(inside * len(np.unique(sector[on])) / 36))
    return best


def ticks(line: np.ndarray) -> float:
    """How regularly short dark lines follow each other along some straight line, 0–1: the least of the autocorrelations at one, two
    and three times their distance, which is 4 to 16 pixels."""
    y, x = np.nonzero(line > 0.2)
    if not len(y) > _LENGTH:
        return 0.0
    weight, best = line[y, x].clip(0, 1), 0.0
    y, x = y - line.shape[0] / 2, x - line.shape[1] / 2
    reach = int(np.hypot(*line.shape) / 2) + 1
    rows = 2 * reach // _STRIP + 1
    for angle in np.arange(0, np.pi, np.pi / 60):
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        for shift in (0, _STRIP // 2):
            place = ((across + reach + shift) // _STRIP).astype(int).clip(0, rows - 1) * 2 * reach + (along + reach).astype(int)
            profile = np.bincount(place, weight, minlength=rows * 2 * reach).reshape(rows, -1)[:, : 2 * reach]
            full = profile[(profile > 1).sum(1) >= 12]
            if len(full):
                best = max(best, float(_regular(full).max()))
    return best


def _regular(profiles: np.ndarray) -> np.ndarray:
    """Of each row: the least autocorrelation at one, two and three times the best distance."""
    profiles = np.minimum(profiles, 4) - ndimage.uniform_filter1d(np.minimum(profiles, 4), 25, axis=1)
    spectrum = np.abs(np.fft.rfft(profiles, 2 * profiles.shape[1], axis=1)) ** 2
    like = np.fft.irfft(spectrum, axis=1)[:, :64]
    like = like / np.maximum(like[:, :1], 1e-6)
    most = ndimage.maximum_filter1d(like, 3, axis=1)  # a distance is seldom a whole number of pixels
    lag = np.arange(4, 17)
    between = np.stack([like[:, np.round(lag * k).astype(int)] for k in (0.5, 1.5)]).max(0)
    return (np.stack([most[:, lag * k] for k in (1, 2, 3)]).min(0) - np.maximum(between, 0)).max(1)


def letters(rgb: np.ndarray) -> float:
    """Number of signs in the longest row of signs of one colour and of about one height."""
    channels = np.moveaxis(-np.log(np.maximum((rgb / 255.0) ** 2.2, _DARKEST)), -1, 0)
    return float(max(_row_of_signs(lines(sign * channel), rgb) for channel in channels for sign in (1, -1)))


def _row_of_signs(line: np.ndarray, rgb: np.ndarray) -> int:
    named, count = ndimage.label(line > 0.35, np.ones((3, 3)))
    if not 3 < count < 4000:
        return 0
    signs = []
    for number, box in enumerate(ndimage.find_objects(named), start=1):
        height, width = box[0].stop - box[0].start, box[1].stop - box[1].start
        if not (5 <= height <= 40 and 1 <= width <= 1.6 * height + 3):
            continue
        mask = named[box] == number
        core = mask & (line[box] >= np.percentile(line[box][mask], 50))
        colours = rgb[box][core].astype(float)
        if len(colours) >= 4:
            signs.append((box[1].start, box[1].stop, box[0].start, box[0].stop, np.median(colours, 0)))
    return max((_chain(signs, at) for at in range(len(signs))), default=0)


def _chain(signs: list, at: int) -> int:
    """How many signs follow each other from the one at ``at``, left to right."""
    length, here = 1, signs[at]
    while True:
        tall = here[3] - here[2]
        after = [
            other for other in signs
            if 0 < other[0] - here[0] <= 2.2 * tall and other[0] - here[1] <= 1.3 * tall and 0.6 < (other[3] - other[2]) / tall < 1.67
            and abs(other[3] - here[3]) <= 0.3 * tall and np.abs(other[4] - signs[at][4]).max() < 40
        ]  # fmt: skip
        if not after:
            return length
        here = min(after, key=lambda other: other[0])
        length += 1


def _large(mask: np.ndarray, least: int) -> np.ndarray:
    """Without the pieces of ``mask`` that have fewer than ``least`` pixels."""
    named, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(named.ravel(), minlength=count + 1)
    sizes[0] = 0
    return (sizes >= least)[named]


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _segment(turn: int) -> np.ndarray:
    """A straight line of `_LENGTH` pixels, one of `_DIRECTIONS`, as a footprint."""
    angle, half = np.pi * turn / _DIRECTIONS, _LENGTH // 2
    along = np.linspace(-half, half, 4 * half + 1)
    out = np.zeros((_LENGTH, _LENGTH), bool)
    out[np.round(half + along * np.sin(angle)).astype(int), np.round(half + along * np.cos(angle)).astype(int)] = True
    return out
