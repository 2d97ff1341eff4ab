"""Contact sheets of phantoms, to be looked at: every rash on every tone at one area, and every area in turn."""

from __future__ import annotations

from PIL import Image

from data.phantom.rashes import RASHES
from data.phantom.render import TONES, render
from data.phantom.sites import sites
from generation.sheets import contact_sheet


def rash_by_tone(area: str, seed: int = 0) -> Image.Image:
    """One row a rash, one column a tone; body, light and lesions differ from row to row only."""
    cells = [(rash, tone) for rash in RASHES for tone in TONES]
    pictures = [Image.fromarray(render(rash, area, tone, seed + list(RASHES).index(rash)).image) for rash, tone in cells]
    return contact_sheet(pictures, [f"{rash}, {tone}" for rash, tone in cells], len(TONES))


def every_area(rash: str, tone: str, seed: int = 0) -> Image.Image:
    pictures = [Image.fromarray(render(rash, area, tone, seed + i).image) for i, area in enumerate(sites())]
    return contact_sheet(pictures, list(sites()), 8)
