"""An existing picture changed as asked: its skin in another tone, its lesion of another size, elsewhere, or more of it.

A lesion is what its densities have more, or less, than the skin under it would (`generation.healing`). That difference is scaled,
moved or laid down again, on whatever light and shade there is; skin that nothing is done to keeps its bits. The embedded
model could redraw what is under the mask; but it sees 16 pixels as one place, so that most lesions are a few places, and would draw another
lesion. This gives the same one, on photographs that no model knows too. The lesion is found (`generation.lesions`) or its mask is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from generation import ita, recolour, regions
from generation.density import density, picture
from generation.errors import GenerationError
from generation.healing import healed

#: Diameter that a size asked for has beside the usual one, as the phantoms have it.
SIZES = {"tiny": 0.5, "large": 1.8}
DIRECTIONS = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, -1.0), "down": (0.0, 1.0)}
#: A direction alone moves a lesion by this share of the picture's side.
STEP = 0.2
#: Chance of lesion from which on a pixel is edited with it, and pixels of 65,536 that are too few for a piece of one.
LEAST, SPECK = 0.4, 16
#: Share of a moved or added lesion that has to lie on skin.
ON_SKIN = 0.97
MOST_MORE = 30
#: Share of a picture of a face that a piece of a lesion may have and still be scaled, moved and added without its mask being given; by eye.
MOST_OF_FACE = 0.08
#: Areas on whose pictures a face has brows, lashes and eyes.
FACE = frozenset({"face", "forehead", "eyelid", "nose", "cheek", "chin", "jaw", "beard", "lips", "scalp", "ear"})
LONGEST = 1024


class EditError(GenerationError):
    """What is asked for cannot be done to this picture; the sentence says why and what to do."""


@dataclass(frozen=True)
class Edit:
    """What to change; tone, then size, then place, then number, each on the result of the one before."""

    tone: str | None = None
    #: ``tiny``, ``large``, or the diameter as a multiple of what it is, 0.2 to 4.
    size: str | float | None = None
    #: A direction, or where the middle of the lesion goes, in pixels from the left and from the top.
    move: str | tuple[float, float] | None = None
    more: int = 0

    def factor(self) -> float:
        """The diameter's, 1 if the size stays."""
        return 1.0 if self.size is None else SIZES.get(self.size, self.size)  # type: ignore[arg-type]

    def check(self) -> None:
        """Raises `EditError`."""
        if self.tone is None and self.size is None and self.move is None and not self.more:
            raise EditError("Nothing is to be changed: say --tone, --size, --move or --more.")
        if self.tone is not None and self.tone not in recolour.SKIN_LAB:
            raise EditError(f"{self.tone!r} is no tone; use one of: {', '.join(recolour.SKIN_LAB)}.")
        if (isinstance(self.size, str) and self.size not in SIZES) or not 0.2 <= float(self.factor()) <= 4:
            raise EditError(f"The size is {self.size!r}; it must be tiny, large, or a multiple of the diameter from 0.2 to 4.")
        if isinstance(self.move, str) and self.move not in DIRECTIONS:
            raise EditError(f"The way to move is {self.move!r}; it must be left, right, up, down, or x,y in pixels.")
        if not 0 <= self.more <= MOST_MORE:
            raise EditError(f"{self.more} more lesions are asked for; it must be from 0 to {MOST_MORE}.")


@dataclass(frozen=True)
class Edited:
    """The changed picture, the masks (bool [H, W]) of its lesion before and after, and what was measured."""

    rgb: np.ndarray
    before: np.ndarray
    after: np.ndarray
    record: dict[str, Any]


def edited(
    rgb: np.ndarray, edit: Edit, mask: np.ndarray | None = None, rash: str | None = None, area: str | None = None, seed: int = 0
) -> Edited:
    """``rgb`` (8-bit sRGB [H, W, 3]) changed.

    Args:
        mask: where the lesion is, bool [H, W]; found unless given.
        rash: its condition, for the colour that it has on another tone.
        area: on a face, brows and eyes are told from a lesion that is found.
        seed: decides where more lesions come to lie.

    Raises:
        EditError
    """
    edit.check()
    before = find(rgb, area, rash) if mask is None else mask.astype(bool)
    if before.shape != rgb.shape[:2]:
        raise EditError(f"The mask has {before.shape[1]} × {before.shape[0]} pixels and the picture {rgb.shape[1]} × {rgb.shape[0]}.")
    if not before.any() and (edit.size or edit.move or edit.more):
        raise EditError("No lesion was found in this picture; give its mask with --mask, white on black.")
    most = regions.pieces(before)[0].mean() if before.any() else 0
    if area in FACE and mask is None and (edit.size or edit.move or edit.more) and most > MOST_OF_FACE:
        raise EditError(
            f"The lesion found covers {most:.0%} of a picture of a face, whose features would change with it; give a --mask of the part that is meant."
        )
    canvas = Canvas(rgb, before)
    placed: dict[str, Any] = {}
    if edit.tone:
        canvas.tone(edit.tone, rash)
    if edit.size is not None:
        canvas.resize(edit.factor())
    if edit.move is not None:
        placed["moved_by"] = canvas.move(edit.move)
    if edit.more:
        placed["added"] = canvas.add(edit.more, np.random.default_rng(seed))
    seen = before if mask is None else find(rgb, area, rash), find(canvas.rgb, area, rash)
    return Edited(canvas.rgb, before, canvas.lesion, _record(rgb, canvas, before, seen, edit, placed))


def in_tone(rgb: np.ndarray, tone: str, rash: str | None = None, area: str | None = None) -> np.ndarray:
    """``rgb`` with its skin in ``tone``, as `edited` does it, and nothing measured. Raises EditError: too little skin shows."""
    canvas = Canvas(rgb, find(rgb, area, rash))
    canvas.tone(tone, rash)
    return canvas.rgb


def find(rgb: np.ndarray, area: str | None = None, rash: str | None = None) -> np.ndarray:
    """Where the finder sees a lesion, bool [H, W], without specks, cloth, and on a face without brows and eyes.

    Vitiligo is told by its colour where that is clear: it may be most of a picture, and is then not found as what lies on skin.
    """
    if rash == "vitiligo" and (pale := regions.grown(regions.pale(rgb), -1)).any():
        found = regions.grown(pale, 3)  # without slivers along a limb, and with its own soft border
    else:
        from generation import lesions

        chance = Image.fromarray(lesions.find(rgb)[1]).resize((rgb.shape[1], rgb.shape[0]), Image.Resampling.BICUBIC)
        found = (np.asarray(chance) > LEAST) & regions.flesh(rgb)
    if area in FACE:
        found &= ~regions.features(rgb, found)
    out = np.zeros_like(found)
    for piece in regions.pieces(found, max(1, round(SPECK * found.size / 65536))):
        out |= piece
    return out


class Canvas:
    """A picture under change: the picture, its lesion, its skin, and which pixels were meant to be touched."""

    def __init__(self, rgb: np.ndarray, lesion: np.ndarray):
        self.rgb, self.lesion = rgb.copy(), lesion
        self.touched = np.zeros_like(lesion)

    def look(self) -> None:
        """Tell skin, and what the lesion adds to it, on the picture as it is now."""
        self.skin = regions.skin(self.rgb, self.lesion)
        reach = max(2, min(self.rgb.shape[:2]) // 48)
        #: The lesion with the halo that its redness has, and how much of it is lesion.
        self.halo = regions.grown(self.lesion, reach) & ((self.skin > 0.3) | self.lesion)
        self.weight = regions.feathered(self.lesion, reach) * self.halo
        self.dense = density(self.rgb)
        self.bare = healed(self.dense, self.halo, self.skin)

    def tone(self, tone: str, rash: str | None) -> None:
        self.look()
        try:
            self.rgb = recolour.recoloured(self.rgb, tone, self.lesion, self.bare, self.skin, rash)
        except ValueError as error:
            raise EditError(f"This cannot be done: {error}") from error
        self.touched |= self.skin > 0

    def resize(self, factor: float) -> None:
        """Each piece about its own middle; all about one, where one of them is most of the lesion."""
        self.look()
        parts = self._parts()
        if parts[0].sum() > 0.6 * self.lesion.sum():
            parts = [self.lesion]
        self._lay([self._part(part).placed(scale=factor) for part in parts], instead=True)

    def move(self, way: str | tuple[float, float]) -> list[float]:
        """As far as there is skin; returns by how many pixels to the right and down."""
        self.look()
        height, width = self.lesion.shape
        part = self._part(self.lesion)
        if isinstance(way, str):
            target = np.array(DIRECTIONS[way]) * STEP * min(height, width)
        else:
            target = np.array(way, float) - part.middle
        on = self.skin > 0.5
        for share in np.linspace(1, 0, 21):
            by = share * target
            laid = part.placed(by=by)
            if laid.mask.sum() > 0.98 * self.lesion.sum() and on[laid.mask].mean() >= min(ON_SKIN, on[self.lesion].mean()):
                break
        if np.hypot(*by) < 0.02 * min(height, width) < np.hypot(*target):
            raise EditError("There is no skin that way to move the lesion to; try another direction, or x,y.")
        self._lay([laid], instead=True)
        return [round(float(value), 1) for value in by]

    def add(self, count: int, rng: np.random.Generator) -> int:
        """Returns how many found room; those that are there keep their bits."""
        self.look()
        parts = [self._part(part) for part in self._parts()]
        usual = float(np.median([part.mask.sum() for part in parts]))
        parts = [part for part in parts if part.mask.sum() >= 0.5 * usual] or parts
        gap = max(2, min(self.lesion.shape) // 40)
        laid: list[Laid] = []
        taken = regions.grown(self.halo, gap)
        for _ in range(count):
            for shrink in (1.0, 0.8, 0.6, 0.45):
                part = parts[rng.integers(len(parts))]
                new = part.placed(scale=shrink * rng.uniform(0.75, 1.1), turn=rng.uniform(-0.6, 0.6), stretch=rng.uniform(0.88, 1.14), centred=True)
                y, x = np.nonzero(new.mask)
                if not len(y):
                    continue
                shape = new.mask[y.min() : y.max() + 1, x.min() : x.max() + 1]
                places = np.argwhere(regions.room(regions.grown(self.skin > 0.7, -gap) & ~taken, shape))
                if len(places):
                    to = places[self._near(places, rng)]
                    middle = np.array([(x.min() + x.max() + 1) // 2, (y.min() + y.max() + 1) // 2])
                    new = new.shifted(to[1] - middle[0], to[0] - middle[1])
                    laid.append(new)
                    taken |= regions.grown(new.mask, gap)
                    break
        if not laid:
            raise EditError("There is no room on the skin for more of this lesion; make it smaller first, with --size tiny.")
        self._lay(laid, instead=False)
        return len(laid)

    def _near(self, places: np.ndarray, rng: np.random.Generator) -> int:
        """Lesions of one kind keep together: one of the nearer places, at random."""
        y, x = np.nonzero(self.lesion)
        middle, spread = np.array([y.mean(), x.mean()]), np.hypot(y.std(), x.std()) + min(self.lesion.shape) / 6
        chance = np.exp(-0.5 * ((places - middle) ** 2).sum(1) / spread**2) + 1e-9
        return int(rng.choice(len(places), p=chance / chance.sum()))

    def _parts(self) -> list[np.ndarray]:
        return regions.pieces(self.lesion, max(1, round(SPECK * self.lesion.size / 65536))) or [self.lesion]

    def _part(self, mask: np.ndarray) -> Laid:
        """A piece with its share of the difference from skin."""
        reach = max(2, min(mask.shape) // 48)
        own = regions.feathered(mask, reach) * self.weight if mask is not self.lesion else self.weight
        return Laid(mask, np.where(own[..., None] > 0, (self.dense - self.bare) * own[..., None], 0.0))

    def _lay(self, laid: Sequence[Laid], instead: bool) -> None:
        """Lay lesions down, ``instead`` of those that are there or beside them, on skin alone."""
        strongest = np.zeros_like(self.dense)
        for each in laid:
            stronger = np.abs(each.extra).sum(-1) > np.abs(strongest).sum(-1)
            strongest[stronger] = each.extra[stronger]
        on = np.clip((self.skin if not instead else np.maximum(self.skin, self.weight)) * 1.25, 0, 1)
        ground = self.bare if instead else self.dense
        changed = (np.abs(strongest).max(-1) * on > 0.004) | (self.halo if instead else False)
        out = picture(ground + strongest * on[..., None])
        self.rgb = np.where(changed[..., None], out, self.rgb)
        new = np.zeros_like(self.lesion)
        for each in laid:
            new |= each.mask & (on > 0.5)
        self.lesion = new if instead else self.lesion | new
        self.touched |= changed


@dataclass(frozen=True)
class Laid:
    """A lesion by itself: its mask [H, W] and what it adds to the densities of skin [H, W, 3]."""

    mask: np.ndarray
    extra: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """x, y."""
        y, x = np.nonzero(self.mask)
        return np.array([x.mean() + 0.5, y.mean() + 0.5])

    def placed(
        self, scale: float = 1.0, turn: float = 0.0, stretch: float = 1.0, by: Sequence[float] = (0.0, 0.0), centred: bool = False
    ) -> Laid:
        """Scaled, turned (radians) and stretched about its own middle, and moved by pixels; ``centred`` puts it in the picture's middle."""
        height, width = self.mask.shape
        middle = self.middle
        to = np.array([width / 2, height / 2]) if centred else middle + by
        across, along = scale * np.sqrt(stretch), scale / np.sqrt(stretch)
        back = np.array([[np.cos(turn) / across, np.sin(turn) / across], [-np.sin(turn) / along, np.cos(turn) / along]])
        offset = middle - back @ to
        data = (back[0, 0], back[0, 1], offset[0], back[1, 0], back[1, 1], offset[1])
        smooth = regions.blurred(self.extra, 0.5 * (1 / scale - 1)) if scale < 0.8 else self.extra  # finer than a pixel, after

        def warped(plane: np.ndarray) -> np.ndarray:
            image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
            return np.asarray(image.transform((width, height), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC))

        extra = np.stack([warped(smooth[..., i]) for i in range(3)], -1).astype(np.float64)
        return Laid(warped(self.mask.astype(np.float32)) > 0.5, extra)

    def shifted(self, right: int, down: int) -> Laid:
        def roll(values: np.ndarray) -> np.ndarray:
            return np.roll(values, (down, right), (0, 1))

        return Laid(roll(self.mask), roll(self.extra))


def _record(
    rgb: np.ndarray, canvas: Canvas, before: np.ndarray, seen: tuple[np.ndarray, np.ndarray], edit: Edit, placed: dict[str, Any]
) -> dict[str, Any]:
    """What was done and what is measured on it; sizes in pixels, counted on the masks and on what the finder has ``seen`` before and after."""
    away = np.abs(canvas.rgb.astype(int) - rgb)[~canvas.touched]
    least = max(1, round(SPECK * before.size / 65536))
    skin = ita.skin_pixels(canvas.rgb, regions.grown(canvas.lesion, 4) | (regions.skin(canvas.rgb, canvas.lesion) < 0.9))
    angle = round(ita.ita(skin), 1) if len(skin) >= 50 else None
    return {
        **{name: value for name, value in vars(edit).items() if value not in (None, 0)}, **placed,
        "area": [int(before.sum()), int(canvas.lesion.sum())], "pieces": [len(regions.pieces(mask, least)) for mask in (before, canvas.lesion)],
        "area_found": [int(mask.sum()) for mask in seen], "pieces_found": [len(regions.pieces(mask, least)) for mask in seen],
        "largest_difference_elsewhere": int(away.max()) if away.size else 0, "untouched": round(float((~canvas.touched).mean()), 4),
        "ita": angle,
    }  # fmt: skip
