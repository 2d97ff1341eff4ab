"""How fast pictures come in, and how well look-alikes are told: ``python tests/benchmarks/bench_import.py --photos FOLDER``.

``FOLDER`` holds photographs of skin (.jpg, .png). The first part imports them all into a new set and says pictures a
second by stage. The second plants changed copies of some of them among all the others (resized, recompressed,
brightened, mirrored, turned, cropped, all at once) and counts what :mod:`data.lookalikes` finds:

- recall: planted copies found, by change; "candidates" are those that hash and embedding name, "found" those confirmed;
- pairs that were not planted: either the folder's own duplicates or mistakes. Look at them with ``--sheet OUT.png``.

On the 2,150 training and validation pictures of ISIC 2017 at 256 pixels, 200 copies planted of each change: found are 100 %
of those resized, recompressed, darkened, with more contrast, mirrored, turned and cropped by 10 % around; 98.5 % of the
brightened (glare clips), 97.5 % and 81 % of those that lack 4 % and 10 % anywhere, 15.5 % of those that lack 20 %. All at
once: 96 %. Of 2.3 million pairs that were not planted 231 were candidates and 13 were confirmed: by eye each is one lesion
photographed or stored twice, two of them across training and validation. The 7 pairs called mistaken are three such
lesions again, whose own pairs lie just below the threshold; the best of the pairs that show two lesions had 0.748.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from data.importing import Source, import_source
from data.lookalikes import PIXELS, candidates, confirm, detail, fingerprint
from data.manifest import Labels
from data.sources import Item
from data.sources.tables import files_below, is_picture


def recompressed(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def cropped(picture: Image.Image, share: float, rng: random.Random | None) -> Image.Image:
    """Less ``share`` of a side: anywhere with ``rng``, else the middle."""
    wide, high = (round(length * (1 - share)) for length in picture.size)
    left, top = ((length - less) * (rng.random() if rng else 0.5) for length, less in zip(picture.size, (wide, high), strict=True))
    return picture.crop((round(left), round(top), round(left) + wide, round(top) + high))


def resized(picture: Image.Image, share: float) -> Image.Image:
    return picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS)


CHANGES = {
    "resized to 55 %": lambda picture, rng: resized(picture, 0.55),
    "JPEG quality 40": lambda picture, rng: recompressed(picture, 40),
    "25 % brighter": lambda picture, rng: ImageEnhance.Brightness(picture).enhance(1.25),
    "30 % darker": lambda picture, rng: ImageEnhance.Brightness(picture).enhance(0.7),
    "30 % more contrast": lambda picture, rng: ImageEnhance.Contrast(picture).enhance(1.3),
    "mirrored": lambda picture, rng: ImageOps.mirror(picture),
    "turned by 90°": lambda picture, rng: picture.rotate(90, expand=True),
    "less 4 %, anywhere": lambda picture, rng: cropped(picture, 0.04, rng),
    "less 10 %, anywhere": lambda picture, rng: cropped(picture, 0.10, rng),
    "less 10 %, around": lambda picture, rng: cropped(picture, 0.10, None),
    "less 20 %, around": lambda picture, rng: cropped(picture, 0.20, None),
    "mirrored, less 4 %, 15 % brighter, 70 %, quality 60": lambda picture, rng: recompressed(
        resized(ImageEnhance.Brightness(ImageOps.mirror(cropped(picture, 0.04, rng))).enhance(1.15), 0.7), 60
    ),
}


def speed(photos: list[Path], workers: int | None) -> None:
    stages: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        began, used = time.perf_counter(), time.process_time()

        def note(stage: str, done: int, total: int) -> None:
            stages.setdefault(stage, [time.perf_counter(), 0.0])[1] = time.perf_counter()

        items = [Item(path, Labels(rash="mole"), key=f"{number:06d}") for number, path in enumerate(photos)]
        report = import_source(items, Source("bench", "x"), Path(folder), progress=note, workers=workers)
        wall, busy = time.perf_counter() - began, time.process_time() - used
    print(f"{report.found} pictures in {wall:.1f} s ({busy:.1f} s of processor): {report.found / wall:.0f} a second, {report.found / busy:.0f} a processor second")
    for stage, (first, last) in stages.items():
        print(f"  {stage}: {last - first:.1f} s")
    print(f"  load of the machine meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def likeness(photos: list[Path], planted: int, seed: int, least: float, sheet: Path | None) -> None:
    pictures = [Image.open(path).convert("RGB") for path in photos]
    rng = random.Random(seed)
    prints = [fingerprint(str(number), picture, PIXELS) for number, picture in enumerate(pictures)]
    details = [detail(picture) for picture in pictures]
    began = time.perf_counter()
    pairs = candidates(prints, 0, PIXELS)
    compared = time.perf_counter() - began
    scores = {pair: confirm(details[pair[0]], details[pair[1]], laid) for pair, laid in pairs.items()}
    print(f"{len(pictures)} pictures: {len(pairs)} candidates in {compared:.1f} s, {len(pairs) and (time.perf_counter() - began - compared) / len(pairs) * 1e3:.0f} ms to confirm each")
    own = sorted(((score, pair) for pair, score in scores.items() if score >= least - 0.15), reverse=True)
    print(f"not planted: {sum(score >= least for score, _ in own)} pairs at {least} or more; from {least - 0.15:.2f} on: {[round(score, 2) for score, _ in own]}")
    if sheet:
        draw_pairs([(score, pictures[i], pictures[j]) for score, (i, j) in own[:60]]).save(sheet)
    false = found_in_all = 0
    for name, change in CHANGES.items():
        chosen = rng.sample(range(len(pictures)), min(planted, len(pictures)))
        copies = [change(pictures[at], rng) for at in chosen]
        all_prints = prints + [fingerprint(f"copy {number}", copy, PIXELS) for number, copy in enumerate(copies)]
        copied = [detail(copy) for copy in copies]
        named = candidates(all_prints, len(prints), PIXELS)
        seen = lambda at, copied=copied: details[at] if at < len(details) else copied[at - len(details)]  # noqa: E731
        hits = {pair for pair, laid in named.items() if confirm(seen(pair[0]), seen(pair[1]), laid) >= least}
        truth = {(at, len(prints) + number) for number, at in enumerate(chosen)}
        ours = {tuple(sorted(pair)) for pair in hits}
        twins = {frozenset(pair) for score, pair in own if score >= least}
        origin = {len(prints) + number: at for number, at in enumerate(chosen)}
        wrong = [pair for pair in ours - truth if frozenset(origin.get(at, at) for at in pair) not in twins]
        false, found_in_all = false + len(wrong), found_in_all + len(ours)
        print(f"  {name}: candidates {len({tuple(sorted(pair)) for pair in named} & truth) / len(truth):.1%}, found {len(ours & truth) / len(truth):.1%}, mistaken {len(wrong)}")
        for pair in wrong:
            print("    mistaken: " + " and ".join(("a copy of " if at in origin else "") + photos[origin.get(at, at)].name for at in pair))
    print(f"precision of what was found, the folder's own twins apart: {1 - false / max(1, found_in_all):.2%} of {found_in_all}")


def draw_pairs(pairs: list[tuple[float, Image.Image, Image.Image]], columns: int = 6, side: int = 120) -> Image.Image:
    sheet = Image.new("RGB", (columns * (2 * side + 10), -(-len(pairs) // columns) * (side + 16) or 1), "white")
    for number, (score, first, second) in enumerate(pairs):
        left, top = number % columns * (2 * side + 10), number // columns * (side + 16)
        for at, picture in enumerate((first, second)):
            sheet.paste(picture.resize((side, side)), (left + at * side, top))
        ImageDraw.Draw(sheet).text((left, top + side), f"{score:.3f}", fill="black")
    return sheet


def main() -> None:
    from data.lookalikes import MIN_DETAIL

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs of skin")
    parser.add_argument("--planted", type=int, default=200, help="copies planted of each change")
    parser.add_argument("--most", type=int, default=10_000, help="pictures used, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--least", type=float, default=MIN_DETAIL, help="correlation of detail that makes a look-alike")
    parser.add_argument("--sheet", type=Path, help="draw the pairs that were found without being planted")
    given = parser.parse_args()
    photos = [file for file in files_below(given.photos) if is_picture(file)][: given.most]
    speed(photos, given.workers)
    likeness(photos, given.planted, given.seed, given.least, given.sheet)


if __name__ == "__main__":
    main()
