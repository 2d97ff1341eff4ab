"""The quality filter: pictures of a set that are noise are set aside, each with the reason and the score, and none is deleted.

Looked for are artefacts of the picture (:mod:`data.artefacts`), pictures on which a judge or a CLIP does not see what the label says
(:mod:`data.recognised`), and near-copies of training pictures or of each other (:mod:`data.lookalikes`). Blur and colour cast are told
from what is usual in pictures of the same source, so that neither a soft checkpoint nor the lamp of a dermatoscope is a fault, and colour at
the lightness of the skin, so that no tone is.

    set/discarded/…                 the pictures, with their masks and sidecars, under the names that they had
    set/discarded/discarded.jsonl   a line each: the row, and for every reason its score and the limit that it crossed

Limits were chosen with ``tests/benchmarks/bench_clean.py`` on drawn pictures, phantoms and ISIC 2017; what it measured stands there.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from data import artefacts, manifest
from data.lookalikes import MIN_DETAIL, PIXELS, candidates, confirm, detail, fingerprint
from data.manifest import Row

FOLDER, FILE = "discarded", "discarded.jsonl"
#: Reason → measure of :mod:`data.artefacts` and the score from which on it is one.
LIMITS = {
    "pen ring": ("ring", 0.55), "ruler": ("ticks", 0.6), "hair": ("hairs", 50.0), "vignette": ("vignette", 0.4), "text": ("letters", 5.0),
}  # fmt: skip
#: Below this `artefacts.deviation` a picture shows nothing. Smooth skin without any lesion has above 3.
BLANK = 2.0
#: How many robust standard deviations below the middle of its source, and at least how much, a blurred picture's sharpness lies.
BLUR = (2.5, 0.4)
#: How many robust standard deviations from what is usual at its lightness a colour is cast; and the least that counts as one deviation.
CAST, CAST_LEAST = 5.0, (0.06, 0.09)
#: Share of the picture's middle with a hue of skin below which it is cast, whatever its colour.
LEAST_SKIN = 0.03
#: Fewer pictures of one source than this do not say what is usual; then it is what was so on drawn pictures and phantoms.
LEAST_USUAL = 30
#: Chance of the own rash below which a judge, and a CLIP, do not recognise it.
JUDGE, CLIP = 0.05, 0.01
#: Correlation of detail (`lookalikes.confirm`) from which on pictures are copies, as for photographs that are brought in.
COPY = MIN_DETAIL
#: Areas where hair belongs on the picture.
HAIRY = frozenset({"scalp", "beard", "eyelid", "armpit", "groin", "genital"})

#: L* at which the usual colour is told; there log(R/G) and log(B/G) of 540 drawn pictures and phantoms, and their covariance.
_KNOTS = (10.0, 30.0, 50.0, 70.0, 90.0)
_USUAL_LINES = ((0.5, -0.05), (0.67, -0.10), (0.83, -0.75), (0.53, -0.48), (0.30, -0.23))
_USUAL_COVARIANCE = ((0.0041, 0.0), (0.0, 0.0092))


@dataclass(frozen=True)
class Reason:
    """Why a picture is set aside: ``score`` is on the wrong side of ``limit``."""

    reason: str
    score: float
    limit: float
    #: The picture that it is a copy of.
    of: str | None = None


@dataclass
class Found:
    """What a set holds: rows that stay, and reasons of those that do not, by file name."""

    kept: list[Row]
    discarded: dict[str, list[Reason]]
    #: How many pictures each opinion was asked of.
    asked: dict[str, int] = field(default_factory=dict)

    def counts(self) -> list[tuple[str, int]]:
        """How many pictures have each reason, the most frequent first."""
        return Counter(reason.reason for reasons in self.discarded.values() for reason in reasons).most_common()


def look(
    folder: Path,
    judge: Path | None = None,
    clip: str | None = None,
    train: Sequence[Path] = (),
    device: str = "cpu",
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
    workers: int | None = None,
    judge_from: float = JUDGE,
) -> Found:
    """Look through the set at ``folder``; nothing is changed.

    Args:
        judge: run of ``script2skin train judge``, or a classifier of ``script2skin evaluate augmentation``.
        clip: checkpoint or CLIP model that is asked for what it sees.
        train: sets whose pictures must not come back: what the generator learnt from.
        judge_from: chance of its own rash from which on a picture is recognised by the judge.

    Raises:
        ManifestError, FileNotFoundError, TrainingError
    """
    rows = manifest.read(folder)
    reasons: dict[str, list[Reason]] = defaultdict(list)
    seen = _measured(folder, rows, progress, workers)
    for row, found in zip(rows, seen, strict=True):
        if found is None:
            reasons[row.file_name].append(Reason("not readable", 0.0, 0.0))
    readable = [(row, found) for row, found in zip(rows, seen, strict=True) if found is not None]
    for name, found in of_pictures(readable).items():
        reasons[name] += found
    whole = [row for row, _ in readable if not any(reason.reason == "blank" for reason in reasons[row.file_name])]
    asked: dict[str, int] = {}
    for name, limit, chances in _opinions(folder, whole, judge, judge_from, clip, device, progress):
        asked[name] = sum(chance is not None for chance in chances)
        for row, chance in zip(whole, chances, strict=True):
            if chance is not None and chance < limit:
                reasons[row.file_name].append(Reason(f"not recognised by the {name}", round(chance, 4), limit))
    for name, found in copies(folder, whole, train, {name for name, found in reasons.items() if found}, progress).items():
        reasons[name].append(found)
    discarded = {name: found for name, found in sorted(reasons.items()) if found}
    return Found([row for row in rows if row.file_name not in discarded], discarded, asked)


def of_pictures(measured: Sequence[tuple[Row, dict[str, float]]]) -> dict[str, list[Reason]]:
    """Reasons that lie in the pictures themselves, by file name, from rows and the `artefacts.measures` of each."""
    by_source: dict[str, list[tuple[Row, dict[str, float]]]] = defaultdict(list)
    for row, found in measured:
        by_source[row.source].append((row, found))
    return {
        row.file_name: reasons
        for pictures in by_source.values()
        for (row, _), reasons in zip(pictures, _of_one_source(pictures), strict=True)
        if reasons
    }


def _of_one_source(pictures: Sequence[tuple[Row, dict[str, float]]]) -> list[list[Reason]]:
    lit = [found for _, found in pictures if found["deviation"] >= BLANK]
    least_sharp, usual = sharpness_limit([found["sharpness"] for found in lit]), Usual(lit)
    out = []
    for row, found in pictures:
        if found["deviation"] < BLANK:
            out.append([Reason("blank", round(found["deviation"], 2), BLANK)])
            continue
        reasons = []
        if found["sharpness"] < least_sharp:
            reasons.append(Reason("blurred", round(found["sharpness"], 2), round(least_sharp, 2)))
        if (cast := usual.away(found)) > CAST:
            reasons.append(Reason("colour cast", round(cast, 1), CAST))
        for reason, (measure, limit) in LIMITS.items():
            if found[measure] >= limit and not (reason == "hair" and row.area in HAIRY):
                reasons.append(Reason(reason, round(found[measure], 2), limit))
        out.append(reasons)
    return out


def sharpness_limit(values: Sequence[float]) -> float:
    """Below this a picture is blurred among pictures with the `artefacts.sharpness` of ``values``."""
    if len(values) < LEAST_USUAL:
        return -1.85
    middle = float(np.median(values))
    away = np.asarray(values) - middle
    # blurred pictures widen it below; those with a ruler, hair or text, above
    spread = 1.4826 * min(float(np.median(np.abs(side))) for side in (away[away >= 0], away[away <= 0]))
    return middle - max(BLUR[0] * spread, BLUR[1])


class Usual:
    """Which colours are usual at which lightness, on pictures of one source; learnt so that a tenth of them may be cast.

    Straight lines between `_KNOTS`, fitted with Cauchy weights; one covariance about them.
    """

    def __init__(self, measured: Sequence[dict[str, float]]) -> None:
        self.lines, self.covariance = np.array(_USUAL_LINES), np.array(_USUAL_COVARIANCE)
        if len(measured) < LEAST_USUAL:
            return
        base, colours = _base([found["light"] for found in measured]), np.array([[found["red"], found["blue"]] for found in measured])
        weight = np.ones(len(colours))
        for _ in range(20):
            weighted = base * weight[:, None]
            ridge = 1e-2 * np.eye(len(_KNOTS))  # where no picture has a lightness, as on phantoms and drawings
            self.lines = np.linalg.solve(weighted.T @ base + ridge, weighted.T @ colours + ridge @ np.array(_USUAL_LINES))
            rest = colours - base @ self.lines
            spread = np.maximum(1.4826 * np.median(np.abs(rest), 0), CAST_LEAST)
            weight = 1 / (1 + ((rest / spread / 2) ** 2).sum(1))
        near = rest[((rest / spread) ** 2).sum(1) < 9]
        together = float(np.corrcoef(near.T)[0, 1]) if len(near) > LEAST_USUAL // 2 else 0.0
        self.covariance = np.diag(spread) @ np.array([[1, together], [together, 1]]) @ np.diag(spread)

    def away(self, found: dict[str, float]) -> float:
        """Mahalanobis distance of a picture's colour from the usual one; 99 where it hardly shows a hue of skin."""
        if found["skin"] < LEAST_SKIN:
            return 99.0
        rest = np.array([found["red"], found["blue"]]) - (_base([found["light"]]) @ self.lines)[0]
        return float(np.sqrt(rest @ np.linalg.solve(self.covariance, rest)))


def _base(lightness: Sequence[float]) -> np.ndarray:
    eye = np.eye(len(_KNOTS))
    return np.stack([np.interp(lightness, _KNOTS, eye[i]) for i in range(len(_KNOTS))], 1)


def copies(
    folder: Path, rows: Sequence[Row], train: Sequence[Path], spoilt: set[str], progress: Callable[[str, int, int], None]
) -> dict[str, Reason]:
    """Near-copies, by file name: of pictures of ``train``, and of another row, which is not ``spoilt`` and stays.

    One group under several labels is no copy: the same noise on another tone is much the same picture, and is meant to be.
    """
    learnt = [path / row.file_name for path in train for row in manifest.read(path) if row.split == "train"]
    # what is spoilt stands last, so that of two copies the one that can be kept is
    ordered = sorted(rows, key=lambda row: (row.file_name in spoilt, row.file_name))
    paths = [*learnt, *(folder / row.file_name for row in ordered)]
    prints = []
    for number, path in enumerate(paths, start=1):
        with Image.open(path) as file:
            prints.append(fingerprint(str(path), file, PIXELS))
        progress("Comparing", number, len(paths))
    pairs = candidates(prints, len(learnt), PIXELS)
    details = {at: _detail(paths[at]) for at in {at for pair in pairs for at in pair}}
    best: dict[str, tuple[float, int]] = {}
    for (i, j), laid in pairs.items():
        early, late = sorted((i, j))
        if late < len(learnt) or (early >= len(learnt) and _meant(ordered[early - len(learnt)], ordered[late - len(learnt)])):
            continue
        if (score := confirm(details[i], details[j], laid)) >= COPY:
            name = ordered[late - len(learnt)].file_name
            best[name] = max(best.get(name, (0.0, 0)), (score, early))
    return {
        name: Reason(
            "near-copy of a training picture" if at < len(learnt) else "near-copy", round(score, 3), COPY,
            paths[at].name if at < len(learnt) else ordered[at - len(learnt)].file_name,
        )
        for name, (score, at) in best.items()
    }  # fmt: skip


def _meant(first: Row, second: Row) -> bool:
    return (first.source, first.group) == (second.source, second.group) and first.text != second.text


def _detail(path: Path) -> np.ndarray:
    with Image.open(path) as file:
        return detail(file)


def _measured(folder: Path, rows: Sequence[Row], progress: Callable[[str, int, int], None], workers: int | None) -> list[dict[str, float] | None]:
    def of(row: Row) -> dict[str, float] | None:
        try:
            with Image.open(folder / row.file_name) as file:
                return artefacts.measures(file.convert("RGB"))
        except (OSError, ValueError):
            return None

    artefacts.measures(Image.new("RGB", (artefacts.SIDE, artefacts.SIDE)))  # loads the finder: threads must not import at the same time
    found = []
    with ThreadPoolExecutor(workers) as pool:
        for each in pool.map(of, rows):
            found.append(each)
            progress("Looking", len(found), len(rows))
    return found


def _opinions(
    folder: Path, rows: Sequence[Row], judge: Path | None, judge_from: float, clip: str | None, device: str, progress: Callable[[str, int, int], None]
) -> Iterable[tuple[str, float, list[float | None]]]:
    if not (judge or clip) or not rows:
        return
    from data import recognised

    if judge:
        progress("Judging", 0, len(rows))
        yield "judge", judge_from, recognised.by_judge(judge, folder, rows, device)
    if clip:
        progress("Asking CLIP", 0, len(rows))
        yield "CLIP", CLIP, recognised.by_clip(clip, folder, rows, device)


# ── setting aside and bringing back ──────────────────────────────────────────────────────────────────────────────


def set_aside(folder: Path, found: Found) -> None:
    """Move what is discarded to ``folder/discarded``; the list is written first, so that a stop in between loses no reason."""
    rows = {row.file_name: row for row in manifest.read(folder)}
    lines = {line["row"]["file_name"]: line for line in listed(folder)}
    for name, reasons in found.discarded.items():
        lines[name] = {"row": rows[name].model_dump(), "reasons": [asdict(reason) for reason in reasons]}
    _list(folder, lines.values())
    for name in found.discarded:
        _move(rows[name], folder, folder / FOLDER)
    manifest.write(folder, [row for name, row in rows.items() if name not in found.discarded])


def restore(folder: Path, reasons: Iterable[str] = ()) -> int:
    """Bring back what was set aside, all of it or what has none but the given ``reasons``; returns how many pictures."""
    only = set(reasons)
    lines = listed(folder)
    back = [line for line in lines if not only or all(reason["reason"] in only for reason in line["reasons"])]
    rows = {row.file_name: row for row in manifest.read(folder)}
    for line in back:
        row = Row.model_validate(line["row"])
        _move(row, folder / FOLDER, folder)
        rows[row.file_name] = row
    manifest.write(folder, rows.values())
    _list(folder, [line for line in lines if line not in back])
    return len(back)


def listed(folder: Path) -> list[dict]:
    """The lines of ``discarded.jsonl``; empty where nothing was set aside."""
    path = folder / FOLDER / FILE
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _list(folder: Path, lines: Iterable[dict]) -> None:
    aside = folder / FOLDER
    aside.mkdir(parents=True, exist_ok=True)
    half = aside / f".{FILE}.tmp"
    half.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    half.replace(aside / FILE)


def _move(row: Row, source: Path, target: Path) -> None:
    for name in filter(None, (row.file_name, row.mask_file_name, str(Path(row.file_name).with_suffix(".json")))):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source / name, target / name)


def sheet(folder: Path, found: Found, discarded: bool, most: int = 60) -> Image.Image | None:
    """Contact sheet of what is kept, or of what is discarded with its first reason and score; None where there is nothing.

    Spread evenly over the file names; call it before `set_aside`.
    """
    from generation.sheets import contact_sheet

    names = list(found.discarded) if discarded else [row.file_name for row in found.kept]
    if discarded:
        names.sort(key=lambda name: found.discarded[name][0].reason)
    names = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int))] if names else []
    pictures, words = [], []
    for name in names:
        try:
            with Image.open(folder / name) as file:
                pictures.append(file.convert("RGB"))
        except OSError:
            continue
        first = found.discarded[name][0] if discarded else None
        words.append(f"{first.reason} {first.score:g}" if first else Path(name).stem)
    return contact_sheet(pictures, words, 10, 160) if pictures else None
