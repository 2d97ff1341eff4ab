"""What edits do to drawn pictures: area and number asked and got, tone in its band, skin elsewhere.

    python tests/benchmarks/bench_edit.py --out FOLDER [--images 20] [--seed 500]     # draws with the embedded checkpoint
    python tests/benchmarks/bench_edit.py --out FOLDER --captions                     # does a caption's size and number do it alone?

``FOLDER`` keeps the pictures and gets ``sheet.jpg`` to look at. "laid" is counted on the mask of what was laid down, "found" by the
finder (`generation.lesions`) on the changed picture: it has not been told, and joins lesions that lie close.

On 20 pictures: tiny ×0.25 of the area (asked ×0.25; found ×0.25), large ×2.7 (asked ×3.24; found ×2.2: what would leave the skin or the picture is
cut); moved left 17, 3 refused for want of skin; 3 more in 18, 2 refused for want of room; 40 of 40 tones in their band. Pixels that were not meant
to change differ by 0.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from assistant.schema import ImageRequest
from generation import Generator, ita, read_request
from generation.bulk import draw_into
from generation.edit import Edit, Edited, EditError, edited, find
from generation.regions import pieces
from generation.sheets import contact_sheet

RASHES = ("shingles", "mole", "psoriasis", "tinea", "warts", "chickenpox", "seborrheic keratosis", "impetigo", "melanoma", "lichen planus")
AREAS = ("thigh", "back", "forearm", "stomach", "upper arm", "calf")
TONES = ("very fair", "fair", "medium", "olive", "brown", "black")
EDITS = {
    "tiny": Edit(size="tiny"), "large": Edit(size="large"), "left": Edit(move="left"), "up": Edit(move="up"), "3 more": Edit(more=3),
    **{tone: Edit(tone=tone) for tone in TONES},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--seed", type=int, default=500)
    parser.add_argument("--captions", action="store_true")
    given = parser.parse_args()
    generator = Generator.load("embedded")
    if given.captions:
        captions(generator, given.out, given.seed)
        return
    requests = [
        ImageRequest(count=1, rash=RASHES[i % len(RASHES)], area=AREAS[(i // 2) % len(AREAS)], tone=TONES[i % len(TONES)], seed=given.seed + i)
        for i in range(given.images)
    ]
    paths = [kept.path for kept in draw_into(given.out, generator, requests) if kept.path]
    done: dict[str, list[Edited]] = {name: [] for name in EDITS}
    refused: dict[str, int] = dict.fromkeys(EDITS, 0)
    shown, words = [], []
    began, count = time.perf_counter(), 0
    for path in paths:
        request, _ = read_request(path)
        rgb = np.asarray(Image.open(path).convert("RGB"))
        shown.append(Image.fromarray(rgb))
        words.append(f"{request.rash}, {request.tone}")
        place = TONES.index(request.tone)
        for name, edit in EDITS.items():
            if edit.tone and TONES.index(edit.tone) not in {(place + 2) % 6, (place + 5) % 6}:
                continue
            count += 1
            try:
                result = edited(rgb, edit, rash=request.rash, area=request.area)
                done[name].append(result)
                shown.append(Image.fromarray(result.rgb))
                words.append(name)
            except EditError as error:
                refused[name] += 1
                shown.append(Image.new("RGB", (8, 8), "white"))
                words.append(f"{name}: {error}")
    contact_sheet(shown, words, 8, 170).save(given.out / "sheet.jpg", quality=88)
    print(f"{len(paths)} pictures, {(time.perf_counter() - began) / count:.1f} s an edit")
    print(f"{'edit':10}{'done':>5}{'refused':>8}{'area laid':>11}{'found':>7}{'pieces laid':>13}{'found':>7}{'elsewhere':>11}")
    for name, edit in EDITS.items():
        records = [result.record for result in done[name]]
        if not records or edit.tone:
            continue
        area, found = (np.median([r[key][1] / max(1, r[key][0]) for r in records]) for key in ("area", "area_found"))
        more, seen = (np.mean([r[key][1] - r[key][0] for r in records]) for key in ("pieces", "pieces_found"))
        worst = max(r["largest_difference_elsewhere"] for r in records)
        asked = f"(asked ×{edit.factor() ** 2:.2f}, +{edit.more})"
        print(f"{name:10}{len(records):5}{refused[name]:8}{area:10.2f}×{found:6.2f}×{more:+13.1f}{seen:+7.1f}{worst:11} {asked}")
    print(f"{'tone':10}{'in its band':>12}{'mean degrees from it':>22}{'elsewhere':>11}")
    for tone in TONES:
        records = [result.record for result in done[tone] if result.record["ita"] is not None]
        off = np.array([ita.beyond(r["ita"], tone) for r in records])
        print(f"{tone:10}{(off == 0).sum():6} of {len(off):2}{off.mean():22.1f}{max(r['largest_difference_elsewhere'] for r in records):11}")


def captions(generator: Generator, out: Path, seed: int) -> None:
    """Median area and pieces that the finder sees, by what the caption says of size and number."""
    told = ({}, {"size": "tiny"}, {"size": "large"}, {"number": "single"}, {"number": "multiple"})
    for words in told:
        requests = [
            ImageRequest(count=1, rash=rash, area=AREAS[i % len(AREAS)], tone=tone, seed=seed + i, **words)
            for i, rash in enumerate(RASHES) for tone in ("fair", "brown")
        ]  # fmt: skip
        masks = [find(np.asarray(Image.open(kept.path).convert("RGB"))) for kept in draw_into(out, generator, requests) if kept.path]
        counts = [len(pieces(mask, 16)) for mask in masks]
        print(
            f"{' '.join(words.values()) or 'nothing said':14} {len(masks)} pictures: mean area {np.mean([m.sum() for m in masks]):6.0f} pixels, "
            f"pieces {np.mean(counts):.1f}, one piece {np.mean(np.array(counts) == 1):.0%}"
        )


if __name__ == "__main__":
    main()
