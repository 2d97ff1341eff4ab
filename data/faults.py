"""Faults planted on purpose into clean pictures, so that it can be counted which of them `data.clean` finds.

What spoils photographs and drawings of skin: nothing on them, blur, the colour of a lamp, ink around a lesion, a ruler beside it,
hair over it, dark corners, letters, a wrong label, a near-copy. How strong each is differs from picture to picture, from what one
just sees to what nobody misses. Pillow and numpy only.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from data import manifest
from data.manifest import Row

Fault = Callable[[Image.Image, np.random.Generator], Image.Image]

#: Inks of surgical skin markers (gentian violet, blue, green, black) and of ballpoints; by eye.
INKS = ((92, 50, 140), (40, 60, 150), (60, 40, 110), (30, 110, 90), (25, 25, 30))
WORDS = ("ID 0042", "12.03.2019", "LEFT ARM", "Case 7b", "DEMO", "(c) clinic", "5 mm", "sample 31")


def blank(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """One colour, as a safety checker or a failed draw leaves it, with the noise of a sensor."""
    own = np.asarray(picture).reshape(-1, 3).mean(0)
    colour = (np.zeros(3), np.full(3, 255.0), np.full(3, 128.0), own)[rng.integers(4)]
    noise = rng.normal(0, rng.uniform(0, 1.5), (picture.height, picture.width, 3))
    return _picture(colour + noise)


def blurred(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Out of focus: a Gaussian of 1 to 3 % of the shorter side."""
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.01, 0.03) * min(picture.size)))


def colour_cast(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A lamp of another colour: red, green and blue light times 0.55 to 1.6, none alike."""
    gains = (
        (1.35, 0.95, 0.6), (0.65, 1.0, 1.45), (0.75, 1.3, 0.8), (1.3, 0.75, 1.25), (0.6, 0.95, 0.95),
    )[rng.integers(5)]  # fmt: skip
    strength = rng.uniform(0.8, 1.3)
    light = (np.asarray(picture) / 255.0) ** 2.2 * np.power(gains, strength)
    return _picture(255 * light.clip(0, 1) ** (1 / 2.2))


def pen_ring(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Ink drawn by hand around the middle, not quite round and not quite closed."""
    side = min(picture.size)
    centre = np.array(picture.size) / 2 + rng.uniform(-0.08, 0.08, 2) * side
    angle = np.linspace(0, 2 * np.pi * rng.uniform(0.9, 1.05), 180) + rng.uniform(0, 6)
    wobble = sum(rng.normal(0, 0.04 / k) * np.sin(k * angle + rng.uniform(0, 6)) for k in (1, 2, 3))
    radius = side * rng.uniform(0.2, 0.38) * (1 + wobble)
    points = centre + np.stack([radius * np.cos(angle), radius * np.sin(angle) * rng.uniform(0.8, 1.1)], 1)
    return _inked(picture, lambda draw: draw.line([tuple(p) for p in points * 3], INKS[rng.integers(len(INKS))], round(3 * side * rng.uniform(0.012, 0.022)), "curve"), rng.uniform(0.65, 0.95))


def ruler(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A paper ruler along one side, a little aslant: a white strip with black ticks, every tenth longer."""
    side = min(picture.size)
    wide, high = round(1.5 * side), round(side * rng.uniform(0.1, 0.16))
    strip = Image.new("RGBA", (wide * 3, high * 3), (*(int(v) for v in rng.integers(215, 250, 1).repeat(3)), 255))
    draw, step = ImageDraw.Draw(strip), side * rng.uniform(0.018, 0.035) * 3
    for tick in range(int(wide * 3 / step)):
        length = high * 3 * (0.6 if tick % 10 == 0 else 0.45 if tick % 5 == 0 else 0.3)
        draw.line([(tick * step, 0), (tick * step, length)], (20, 20, 20, 255), max(2, round(step * 0.2)))
    strip = strip.resize((wide, high), Image.Resampling.LANCZOS).rotate(rng.uniform(-6, 6) + 90 * rng.integers(4), expand=True, resample=Image.Resampling.BICUBIC)
    upright = strip.height > strip.width
    far = rng.uniform(0.0, 0.06) * side
    across = rng.choice([far, (picture.width if upright else picture.height) - (strip.width if upright else strip.height) - far])
    along = (picture.height - strip.height) // 2 if upright else (picture.width - strip.width) // 2
    out = picture.convert("RGB")
    out.paste(strip, (round(across), along) if upright else (along, round(across)), strip)
    return out


def hair_clump(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Twelve to thirty dark hairs of another's head across the picture, bent, from one side."""
    side, base = min(picture.size), rng.uniform(0, 2 * np.pi)
    middle = np.array(picture.size) / 2 + rng.uniform(-0.15, 0.15, 2) * side
    brown = (int(20 + rng.uniform(0, 30)), int(14 + rng.uniform(0, 18)), int(10 + rng.uniform(0, 12)))

    def strokes(draw: ImageDraw.ImageDraw) -> None:
        along = np.linspace(-0.5, 0.5, 40)[:, None]
        for _ in range(rng.integers(12, 30)):
            turn = base + rng.normal(0, 0.35)
            direction, normal = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
            length, bend = side * rng.uniform(0.4, 1.1), side * rng.normal(0, 0.25)
            points = middle + normal * rng.normal(0, 0.16) * side + along * length * direction + along**2 * bend * normal
            draw.line([tuple(p) for p in points * 3], brown, round(3 * side * rng.uniform(0.004, 0.009)), "curve")

    return _inked(picture, strokes, rng.uniform(0.75, 0.95))


def vignette(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Dark corners: of a lens, falling off softly, or of a tube, all at once."""
    y, x = np.mgrid[: picture.height, : picture.width]
    far = np.hypot((x - picture.width / 2) / picture.width, (y - picture.height / 2) / picture.height) / np.sqrt(0.5)
    if rng.random() < 0.5:
        light = 1 - rng.uniform(0.6, 0.95) * far ** rng.uniform(2, 4)
    else:
        light = 1 / (1 + np.exp((far - rng.uniform(0.62, 0.72)) * rng.uniform(30, 80)))
    return _picture(255 * ((np.asarray(picture) / 255.0) ** 2.2 * light[..., None]) ** (1 / 2.2))


def text(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A line of letters, white, black, yellow or red, anywhere."""
    side = min(picture.size)
    words, font = WORDS[rng.integers(len(WORDS))], ImageFont.load_default(size=round(side * rng.uniform(0.06, 0.12)))
    colour = ((250, 250, 250), (10, 10, 10), (250, 220, 40), (210, 30, 30))[rng.integers(4)]
    wide = font.getlength(words)
    place = (rng.uniform(0.02, 0.9) * max(1, picture.width - wide), rng.uniform(0.03, 0.85) * picture.height)
    out = picture.copy()
    ImageDraw.Draw(out).text(place, words, fill=colour, font=font)
    return out


def near_copy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The same again, mirrored or not, a little lighter or darker, less 2 % at the sides, recompressed."""
    out = ImageOps.mirror(picture) if rng.random() < 0.5 else picture
    out = ImageEnhance.Brightness(out).enhance(rng.uniform(0.88, 1.1))
    less = round(0.02 * min(out.size))
    out = out.crop((less, less, out.width - less, out.height - less)).resize(picture.size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    out.save(file, "JPEG", quality=int(rng.integers(70, 95)))
    return Image.open(file).convert("RGB")


#: Faults of the picture itself, by the reason that `data.clean` gives for it.
FAULTS: dict[str, Fault] = {
    "blank": blank, "blurred": blurred, "colour cast": colour_cast, "pen ring": pen_ring, "ruler": ruler, "hair": hair_clump,
    "vignette": vignette, "text": text,
}  # fmt: skip
WRONG_LABEL, NEAR_COPY = "not recognised", "near-copy"


def plant(folder: Path, out: Path, each: int, seed: int = 0, most: int = 100_000, only: Sequence[str] | None = None) -> dict[str, str]:
    """Copy the set at ``folder`` to ``out`` with ``each`` pictures spoilt in every way; no picture in two ways.

    Returns:
        file name → the reason for which it ought to be discarded; a picture that is not in it is as it was.

    Raises:
        ValueError: the set is too small to keep twice as many clean pictures as spoilt ones of one kind.
    """
    rng = np.random.default_rng(seed)
    rows = manifest.read(folder)
    if len(rows) > most:
        rows = [rows[i] for i in np.sort(rng.choice(len(rows), most, replace=False))]
    kinds = [*FAULTS, WRONG_LABEL, NEAR_COPY] if only is None else list(only)
    if len(rows) < each * (len(kinds) + 2):
        raise ValueError(f"{folder} has {len(rows)} pictures; {each} of each of {len(kinds)} faults need {each * (len(kinds) + 2)} or more")
    order = iter(rng.permutation(len(rows)))
    chosen = {int(next(order)): kind for kind in kinds for _ in range(each)}
    rashes = sorted({row.rash for row in rows})
    planted, written = {}, []
    for at, row in enumerate(rows):
        with Image.open(folder / row.file_name) as file:
            picture = file.convert("RGB")
        row = row.model_copy(update={"file_name": f"images/{at:06d}.png", "mask_file_name": None})
        kind = chosen.get(at)
        if kind in FAULTS:
            picture = FAULTS[kind](picture, rng)
        elif kind == WRONG_LABEL:
            row = _relabelled(row, [rash for rash in rashes if rash != row.rash], rng)
        elif kind == NEAR_COPY:
            copy = row.model_copy(update={"file_name": f"images/copy-{at:06d}.png", "group": f"{row.group}-copy"})
            _save(out, copy, near_copy(picture, rng))
            written.append(copy)
            planted[copy.file_name] = kind
        if kind and kind != NEAR_COPY:
            planted[row.file_name] = kind
        _save(out, row, picture)
        written.append(row)
    manifest.write(out, written)
    return planted


def _relabelled(row: Row, others: Sequence[str], rng: np.random.Generator) -> Row:
    from assistant.caption import caption

    row = row.model_copy(update={"rash": others[rng.integers(len(others))]})
    return row.model_copy(update={"text": caption(row)}) if row.area and row.tone else row


def _save(out: Path, row: Row, picture: Image.Image) -> None:
    (out / row.file_name).parent.mkdir(parents=True, exist_ok=True)
    picture.save(out / row.file_name)


def _inked(picture: Image.Image, paint: Callable[[ImageDraw.ImageDraw], None], cover: float) -> Image.Image:
    """``picture`` under ink that lets 1 − ``cover`` of it through; drawn three times as large, so that edges are smooth."""
    layer = Image.new("RGB", (picture.width * 3, picture.height * 3), "white")
    paint(ImageDraw.Draw(layer))
    ink = np.asarray(layer.resize(picture.size, Image.Resampling.LANCZOS)) / 255.0
    return _picture(np.asarray(picture) * (1 - cover + cover * ink))


def _picture(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.asarray(levels).round().clip(0, 255).astype(np.uint8))
