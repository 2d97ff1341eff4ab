"""A contact sheet of a set, since people would rather look than read: some pictures of every rash with their captions."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from data.manifest import Row

#: Side of a picture on the sheet, its caption's lines below and the space between, in pixels.
SIDE, LINES, LINE, GAP = 192, 3, 14, 6


def sheet_of(folder: Path, rows: list[Row], each: int = 6) -> Image.Image:
    """One row of up to ``each`` pictures a rash of the set at ``folder``, the most frequent rash first.

    They are spread over the rows of that rash, so that sources and tones show. Raises ``OSError`` for a picture that is gone.
    """
    by_rash: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.file_name):
        by_rash[row.rash].append(row)
    ordered = sorted(by_rash.items(), key=lambda item: (-len(item[1]), item[0]))
    wide, high = SIDE + GAP, SIDE + LINES * LINE + GAP
    sheet = Image.new("RGB", (each * wide + GAP, len(ordered) * high + GAP), "white")
    for line, (_, found) in enumerate(ordered):
        count = min(each, len(found))
        for at in range(count):
            cell = _cell(folder, found[at * len(found) // count])
            sheet.paste(cell, (GAP + at * wide, GAP + line * high))
    return sheet


def _cell(folder: Path, row: Row) -> Image.Image:
    """The whole picture in a square, its caption and source below."""
    with Image.open(folder / row.file_name) as file:
        file.draft("RGB", (SIDE, SIDE))
        picture = file.convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    cell = Image.new("RGB", (SIDE, SIDE + LINES * LINE), "white")
    cell.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    draw, font = ImageDraw.Draw(cell), ImageFont.load_default(size=11)
    for at, words in enumerate(textwrap.wrap(f"{row.text} ({row.source})", 34, max_lines=LINES, placeholder="…")):
        draw.text((0, SIDE + 1 + at * LINE), words, fill="black", font=font)
    return cell
