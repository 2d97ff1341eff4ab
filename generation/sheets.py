"""Contact sheets: many pictures on one, each under its own few words. Pillow only."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont


def contact_sheet(
    pictures: Sequence[Image.Image], words: Sequence[str], columns: int, side: int = 192, paper: str = "white"
) -> Image.Image:
    """Lay ``pictures`` out in rows of ``columns``, each scaled to ``side`` pixels with its ``words`` beneath.

    Raises ValueError if there are not as many words as pictures, or no pictures.
    """
    if not pictures or len(pictures) != len(words):
        raise ValueError(f"{len(pictures)} pictures and {len(words)} captions: a sheet needs one caption a picture, and at least one")
    font = ImageFont.load_default(size=max(10, side // 15))
    strip = round(font.size * 1.6)
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + 4), rows * (side + strip + 4)), paper)
    draw = ImageDraw.Draw(sheet)
    for i, (picture, text) in enumerate(zip(pictures, words, strict=True)):
        x, y = i % columns * (side + 4) + 2, i // columns * (side + strip + 4) + 2
        sheet.paste(picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), (x, y))
        while text and font.getlength(text) > side:
            text = text[:-1]
        draw.text((x + 2, y + side + 1), text, fill="black", font=font)
    return sheet
