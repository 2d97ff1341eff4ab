"""A phantom: a synthetic clinical photograph whose every label and every lesion is known.

A ray-cast body (`body.py`) is seen at a site (`sites.py`), carries a rash (`rashes.py`) and the rest of a skin's life
(`features.py`), is coloured from its chromophores (`skin.py`), lit, and photographed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from data.phantom import skin
from data.phantom.body import View, _unit, body, identities
from data.phantom.features import Canvas, decorate
from data.phantom.noise import fbm
from data.phantom.rashes import RASHES, Lesions, Patch
from data.phantom.sites import sites, view
from generation import ita

TONES = tuple(skin.ITA_TARGET)
LESION_RASHES = ("mole", "melanoma", "seborrheic keratosis", "warts")  # photographed from near

BACKDROPS = [  # linear sRGB of drapes and studio cloths, the usual ones first
    (0.10, 0.24, 0.36), (0.05, 0.15, 0.13), (0.30, 0.33, 0.36), (0.02, 0.05, 0.11), (0.004, 0.006, 0.012), (0.60, 0.61, 0.62), (0.10, 0.10, 0.11),
]  # fmt: skip
#: How widely a rash is strewn over the frame, as the standard deviation of its places in frames.
SPREAD = {
    "acne": 0.26, "urticaria": 0.27, "psoriasis": 0.20, "vitiligo": 0.19, "eczema": 0.13, "tinea": 0.13, "chickenpox": 0.27,
    "shingles": 0.24, "impetigo": 0.13, "contact dermatitis": 0.10, "seborrheic dermatitis": 0.15, "lichen planus": 0.12,
    "pityriasis rosea": 0.27, "rosacea": 0.16, "scabies": 0.20, "melasma": 0.20, "warts": 0.12, "purpura": 0.11,
}  # fmt: skip


@dataclass(frozen=True)
class Phantom:
    """``image`` (H, W, 3) uint8 sRGB; ``mask`` (H, W) uint8, 255 on lesions; ``identity`` of the body."""

    image: np.ndarray
    mask: np.ndarray
    identity: int
    seed: int


def render(
    rash: str,
    area: str,
    tone: str,
    seed: int,
    severity: str | None = None,
    size: str | None = None,
    number: str | None = None,
    resolution: int = 256,
    identity: int | None = None,
    variety: float = 1.0,
) -> Phantom:
    """Draw one phantom; the same arguments give the same picture, whatever was drawn before.

    ``variety``, 0 to 1, is how far camera, side, backdrop, light and the places of lesions stray; people and the rest
    of a rash vary all the same. A small model that has seen few pictures learns from pictures that resemble each other
    much sooner.

    Raises KeyError with the known names if ``rash``, ``area`` or ``tone`` cannot be drawn.
    """
    for value, known, slot in ((rash, RASHES, "rash"), (area, sites(), "area"), (tone, TONES, "tone")):
        if value not in known:
            raise KeyError(f"no phantom for {slot} {value!r}; known: {', '.join(known)}")
    # one stream for each thing that varies, so that another tone or rash leaves the rest as it is
    scene, person, disease, light = (np.random.default_rng([seed, stream]) for stream in range(4))
    drawn = int(scene.integers(identities()))
    identity = drawn if identity is None else identity
    side = "LR"[int(scene.integers(2))]
    if variety < 1 and scene.random() >= variety:
        side = "L"
    near = rash in LESION_RASHES
    figure, wide = body(identity, sites()[area].pose), sites()[area].width
    seen = view(figure, area, side, scene, resolution, zoom=min(1.0, max(0.62, 12 / wide), 26 / wide) if near else 1.0, variety=variety)
    tone_index = TONES.index(tone)
    canvas = decorate(seen, figure, tone_index, area, person)
    lesions = _lesions(rash, seen, canvas, tone_index, disease, severity, size, number, variety)
    degrees = _asked_ita(tone, light)
    image = _photograph(_albedo(tone, degrees, canvas, lesions), degrees, canvas, lesions, seen, light, variety)
    mask = np.zeros(resolution * resolution, np.uint8)
    mask[seen.pixel] = np.round(255 * np.clip(lesions.mask * canvas.bare, 0, 1))
    return Phantom(image, mask.reshape(resolution, resolution), identity, seed)


def _lesions(rash, seen: View, canvas: Canvas, tone_index, rng, severity, size, number, variety) -> Lesions:
    x = (seen.points - seen.target) @ seen.right / seen.width
    y = (seen.points - seen.target) @ seen.up / seen.width
    spread = SPREAD.get(rash, 0.05)
    centred = np.exp(-(x**2 + y**2) / (2 * spread**2)) * (np.hypot(x, y) < 0.46)
    facing = np.clip((seen.normals * seen.to_camera).sum(1) - 0.25, 0, 1)
    depth = (seen.points - seen.target) @ seen.toward
    same_limb = np.abs(depth) < 0.28 * seen.width + 0.02
    weight = centred * facing * canvas.bare * same_limb
    candidates = np.flatnonzero(weight > 1e-4)
    if len(candidates) < 20:  # everything in the middle is covered: take what skin there is
        candidates = np.flatnonzero(canvas.bare > 0.5)
        weight = np.ones(len(seen.points))
    patch = Patch(
        seen.points, np.stack([x, y], 1), seen.target, seen.width, candidates, weight[candidates], rng,
        severity, size, number, tone_index / 5, spread, len(x) / seen.resolution**2, variety,
    )  # fmt: skip
    return RASHES[rash](patch)


def _asked_ita(tone: str, rng: np.random.Generator) -> float:
    """The ITA in degrees that this person's skin shall show in the picture: around the middle of the tone's band, inside it."""
    low, high = skin.ITA_BAND[tone]
    middle = skin.ITA_TARGET[tone]
    jitter = np.clip(rng.normal(0, 0.22), -0.4, 0.4)
    degrees = middle + jitter * (min(high, middle + 8) - max(low, middle - 14))
    return round(float(np.clip(degrees, low + 3, high - 3)), 1)


def _albedo(tone: str, degrees: float, canvas: Canvas, lesions: Lesions) -> np.ndarray:
    base = skin.melanin_for_ita(degrees)
    blood = skin.BLOOD_AT_REST * np.clip(1 + canvas.blood * 2, 0.2, 6) + 0.030 * np.clip(lesions.blood, -0.2, 1.8)
    pigment = canvas.pigment + lesions.pigment
    melanin = np.where(pigment < 0, base * np.clip(1 + pigment, 0, 1), base + pigment * (0.05 + 0.30 * base))
    colour = skin.albedo(np.clip(melanin, 0, 0.98), np.clip(blood, 0.001, 0.12))
    light = 0.60 + 0.40 * (1 - skin.TONE_DEPTH[tone])
    for cover, tint in (
        (lesions.serum, (0.56, 0.29, 0.065)), (lesions.crust, (0.10, 0.022, 0.012)), (lesions.pus, (0.82, 0.72, 0.42)),
        (lesions.scale, (0.86, 0.83, 0.79)),
    ):  # fmt: skip
        tint = np.asarray(tint, np.float32) * (light if tint[0] > 0.5 else 1.0)
        colour = colour * (1 - cover[:, None]) + cover[:, None] * tint
    return colour * (1 - canvas.cover[:, None]) + canvas.cover[:, None] * canvas.cover_colour


def _photograph(albedo, degrees: float, canvas: Canvas, lesions: Lesions, seen: View, rng, variety: float) -> np.ndarray:
    n = seen.resolution
    normals = _bump(seen, canvas.height * (1 - canvas.cover) + lesions.height)
    # a key light a little off the camera (flash or window), a fill, and ambient light that folds keep out
    around, lift = variety * rng.uniform(-1.1, 1.1), 0.4 + variety * (rng.uniform(-0.1, 0.9) - 0.4)
    key = _unit(seen.toward + np.tan(0.6 * around) * seen.right + 0.8 * lift * seen.up)
    # light that enters the skin leaves it again a little further on, red most: soften the terminator by colour
    wrap = np.array([0.34, 0.20, 0.15])
    lambert = (normals @ key)[:, None]
    diffuse = np.clip((lambert + wrap) / (1 + wrap), 0, None) ** 1.15
    strength = rng.uniform(0.62, 0.80)
    ambient = (1.02 - strength) * (0.55 + 0.45 * seen.open_sky) * (0.9 + 0.1 * (normals @ seen.up))
    occluded = 0.55 + 0.45 * np.clip(seen.open_sky / 0.85, 0, 1)
    light = strength * diffuse * occluded[:, None] + ambient[:, None]
    half = _unit(seen.to_camera + key)
    shine = np.clip((normals * half).sum(1), 0, 1)
    grease = rng.uniform(0.02, 0.09) + lesions.gloss * 0.35 + canvas.gloss * 0.5
    specular = grease * (0.6 * shine**18 + 0.9 * shine**70) * (1 - 0.7 * lesions.scale) * (1 - 0.6 * canvas.cover * (canvas.gloss == 0))
    colour = albedo * light + specular[:, None]
    picture = _backdrop(n, rng, variety)
    picture[seen.pixel] = colour
    stray, cast = 1 + 0.022 * np.clip(rng.normal(), -2, 2), 1 + rng.normal(0, 0.012, 3)
    skin_at_rest = np.flatnonzero((canvas.bare > 0.5) & (lesions.mask < 0.1))
    shown = (light * skin.albedo_at_rest(degrees) + specular[:, None])[skin_at_rest if len(skin_at_rest) else slice(None)]
    picture = picture.reshape(n, n, 3) * stray * cast * _exposure(shown * cast, degrees)
    picture = gaussian_filter(picture, (0.5, 0.5, 0))
    picture = skin.encode_srgb(picture) + rng.normal(0, rng.uniform(0.003, 0.010), picture.shape)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _exposure(shown: np.ndarray, degrees: float) -> float:
    """The exposure at which evenly coloured skin, seen as ``shown`` (N, 3, linear sRGB), has this ITA as it is measured.

    A photographer exposes for the skin before the lens; without, shade alone took every other picture of very fair skin
    out of its band. It is set by skin of one colour so that palms, freckles and blushes stay lighter or darker than that.
    """
    shown = shown[:: max(1, len(shown) // 2000)]
    low, high = 0.4, 2.5
    for _ in range(12):  # the ITA grows with light: to 0.1 %
        middle = (low * high) ** 0.5
        low, high = (middle, high) if ita.ita(ita.lab_of_linear(np.clip(middle * shown, 0, 1))) < degrees else (low, middle)
    return (low * high) ** 0.5


def _bump(seen: View, height: np.ndarray) -> np.ndarray:
    """Normals (N, 3) tilted by the slope of ``height`` (N,) metres, measured in the picture."""
    n = seen.resolution
    field = np.zeros(n * n, np.float32)
    field[seen.pixel] = height
    dy, dx = np.gradient(field.reshape(n, n), seen.width / n)
    slope = np.stack([dx.ravel()[seen.pixel], -dy.ravel()[seen.pixel]], 1)
    slope = np.clip(slope, -1.2, 1.2)  # a silhouette is no relief
    return _unit(seen.normals - slope[:, :1] * seen.right - slope[:, 1:] * seen.up)


def _backdrop(n: int, rng: np.random.Generator, variety: float) -> np.ndarray:
    colour = np.array(BACKDROPS[int(rng.integers(max(1, round(variety * len(BACKDROPS)))))]) * rng.uniform(0.8, 1.2, 3) ** 0.5
    y, x = np.mgrid[0:n, 0:n] / n - 0.5
    folds = fbm(np.stack([x.ravel(), y.ravel(), np.zeros(n * n)], 1), rng.uniform(1, 3), int(rng.integers(1, 2**30)), 2)
    falloff = 1 - 0.25 * (x * rng.normal() + y * rng.normal()).ravel() - 0.3 * (x**2 + y**2).ravel()
    return (colour[None] * (falloff * (1 + 0.10 * folds))[:, None]).clip(0, 1)
