"""How faithful a checkpoint is: are tone, rash and area as asked, how near to its training pictures, how varied, any copies?

Written as ``fidelity.json``, a table and plots. Every figure of generated pictures stands beside the same figure of phantoms
that neither the generator nor the judge has seen: what the measure itself can reach.

* tone: ITA of lesion-free skin (`generation.ita` on skin-coloured pixels where the judge sees no lesion) against the band of
  the tone asked for (Chardon 1991).
* rash, area: top-1 accuracy of the judge (`training.judge`).
* realism: KID (Bińkowski et al. 2018, arXiv 1801.01401) and CMMD (Jayasumana et al. 2024, arXiv 2401.09603), both on the
  judge's features: there is no Inception nor OpenAI CLIP on an offline machine, so these figures compare checkpoints of this
  project with each other and with nothing else.
* diversity: mean cosine distance of the features of two pictures of one request.
* copies: nearest training picture of each generated one, at 32 × 32 CIELAB pixels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import binary_dilation
from scipy.spatial.distance import cdist

from assistant.frames import Trained
from assistant.schema import ImageRequest
from assistant.vocabulary import vocabulary
from generation import Generator, ita
from generation.bulk import draw_into
from generation.checks import passes_for
from generation.sheets import contact_sheet
from training.dataset import Record, read_folder
from training.judge import SLOTS, Judge, Opinion

FILE = "fidelity.json"
#: One line a picture: what was asked, what the judge sees, the colour measured, what was done for it (`training.fairness`).
PICTURES = "pictures.jsonl"
#: Pictures of the same request for the diversity of what is drawn, and requests for which this is measured.
TWINS, TWIN_REQUESTS = 4, 24
#: Side of the pictures that are compared for copies.
COPY_SIDE = 32


@dataclass
class Pictures:
    """Pictures and what was asked for: ``images`` uint8 (H, W, 3) each, ``labels`` a dict of slots each."""

    images: list[np.ndarray]
    labels: list[dict[str, str]]
    #: Of drawn ones: file name, how many times drawn again for the tone, stops of exposure; where the checkpoint's own classifier looked
    #: at them, how many times again for its sake and what they pass for after that.
    records: list[dict[str, Any]] = field(default_factory=list)


def evenly(trained: Trained, images: int, seed: int) -> list[ImageRequest]:
    """``images`` requests for one picture each, spread evenly over rash × area × tone, each with a seed of its own."""
    rashes, areas = sorted(trained.rash), sorted(trained.area)
    tones = tones_of(trained)
    pairs = list(product(range(len(rashes)), range(len(areas))))
    order = np.random.default_rng(seed).permutation(len(pairs))
    requests = []
    for number in range(images):
        round_, place = divmod(number, len(pairs))
        r, a = pairs[order[place]]
        tone = tones[(r + a + round_) % len(tones)]
        requests.append(ImageRequest(count=1, rash=rashes[r], area=areas[a], tone=tone, seed=(seed + number) % 2**32))
    return requests


def tones_of(trained: Trained) -> list[str]:
    """The tones of ``trained``, lightest first."""
    return [tone for tone in vocabulary().names("tone") if tone in trained.tone]


def twins(trained: Trained, seed: int) -> list[ImageRequest]:
    """`TWIN_REQUESTS` requests for `TWINS` pictures each."""
    return [r.model_copy(update={"count": TWINS, "seed": r.seed + 10_000 * (i + 1)}) for i, r in enumerate(evenly(trained, TWIN_REQUESTS, seed))]


def drawn(folder: Path, generator: Generator, requests: Sequence[ImageRequest], on_image: Callable[[int], None], **settings: Any) -> Pictures:
    """The pictures of ``requests`` in ``folder``: those there are kept, the others are drawn. Failures are left out."""
    images, labels, records = [], [], []
    for done, kept in enumerate(draw_into(folder, generator, requests, **settings), start=1):
        on_image(done)
        if kept.path is not None:
            with Image.open(kept.path) as file:
                images.append(np.asarray(file.convert("RGB")))
            request = requests[kept.request]
            labels.append({slot: getattr(request, slot) for slot in ("rash", "area", "tone")})
            tone = kept.sidecar.get("measured_tone") or {}
            records.append({"file": f"{folder.name}/{kept.path.name}", "drawn_again": tone.get("drawn_again", 0), "stops": tone.get("stops", 0.0)})
            if looked := kept.sidecar.get("seen_rash"):
                records[-1] |= {"drawn_again_for_rash": looked["drawn_again"], "chance": looked["chance"], "passes_for": passes_for(kept.sidecar)}
    return Pictures(images, labels, records)


def phantoms(folder: Path, known: Trained, most: int, side: int) -> Pictures:
    """Held-out phantoms of ``folder`` (bodies that the judge has not seen) within the vocabulary ``known``."""
    rows = [r for r in read_folder(folder) if r.split != "train" and all(r.values.get(s) in getattr(known, s) for s in ("rash", "area", "tone"))]
    if not rows:
        raise FileNotFoundError(f"{folder} holds no phantoms for validation; make more of them: script2skin data phantoms.")
    rows = [rows[i] for i in np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)]
    return Pictures([_picture(row.path, side) for row in rows], [row.values for row in rows])


def _picture(path: Path, side: int) -> np.ndarray:
    with Image.open(path) as file:
        image = file.convert("RGB")
    return np.asarray(image if image.size == (side, side) else image.resize((side, side), Image.Resampling.LANCZOS))


# ── what is measured ─────────────────────────────────────────────────────────────────────────────────────────────


def measured(pictures: Pictures, judge: Judge, device: torch.device) -> tuple[dict[str, Any], Opinion, list[float | None]]:
    """Tone, rash and area of every picture against what was asked; the judge's opinion; the ITA of each picture."""
    opinion = opinion_of(pictures, judge, device)
    angles = [lesion_free_ita(image, lesion) for image, lesion in zip(pictures.images, opinion.lesion, strict=True)]
    figures: dict[str, Any] = {"images": len(pictures.images), "tone": tone_figures(angles, [label["tone"] for label in pictures.labels])}
    for slot in SLOTS:
        names = list(judge.config[slot])
        figures[slot] = class_figures([label[slot] for label in pictures.labels], [names[k] for k in opinion.chosen[slot]])
    return figures, opinion, angles


def listed(source: str, pictures: Pictures, judge: Judge, opinion: Opinion, angles: Sequence[float | None]) -> list[dict[str, Any]]:
    """A row for every picture, as `PICTURES` has them."""
    rows = []
    for number, (label, angle) in enumerate(zip(pictures.labels, angles, strict=True)):
        asked = {slot: label[slot] for slot in ("rash", "area", "tone")}
        seen = {f"seen_{slot}": judge.config[slot][opinion.chosen[slot][number]] for slot in SLOTS}
        record = pictures.records[number] if pictures.records else {}
        rows.append({"source": source, **asked, **seen, "ita": None if angle is None else round(angle, 2), **record})
    return rows


def opinion_of(pictures: Pictures, judge: Judge, device: torch.device) -> Opinion:
    """What the judge says of pictures of any size."""
    side = judge.config.image_size
    return Opinion(judge, [np.asarray(Image.fromarray(i).resize((side, side), Image.Resampling.LANCZOS)) for i in pictures.images], device)


def lesion_free_ita(image: np.ndarray, lesion: np.ndarray) -> float | None:
    """ITA in degrees of the skin of ``image`` (H, W, 3) away from ``lesion``, chances (h, w) of any size; None: too little skin."""
    height, width = image.shape[:2]
    chance = np.asarray(Image.fromarray(lesion.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))
    near = binary_dilation(chance > 0.3, iterations=max(1, width // 64))
    away = ita.measure(image, near)
    return ita.measure(image) if away is None else away


def tone_figures(angles: Sequence[float | None], asked: Sequence[str]) -> dict[str, Any]:
    """Share inside the band, mean distance from it in degrees (0 inside), for all and each tone, and the gap between tones."""
    off: dict[str, list[float]] = {}
    for angle, tone in zip(angles, asked, strict=True):
        if angle is not None:
            off.setdefault(tone, []).append(ita.beyond(angle, tone))
    by_tone = {
        tone: {"accuracy": float(np.mean(np.array(off[tone]) == 0)), "error_degrees": float(np.mean(off[tone])), "images": len(off[tone])}
        for tone in vocabulary().names("tone") if tone in off
    }  # fmt: skip
    shares = [figures["accuracy"] for figures in by_tone.values()]
    everything = np.array([value for values in off.values() for value in values])
    return {
        "accuracy": float((everything == 0).mean()), "error_degrees": float(everything.mean()),
        "gap": max(shares) - min(shares), "by_tone": by_tone, "not_measured": sum(a is None for a in angles),
    }  # fmt: skip


def class_figures(asked: Sequence[str], seen: Sequence[str]) -> dict[str, Any]:
    """Top-1 accuracy, that of each class and the worst, and the confusion matrix (rows: asked)."""
    names = sorted({*asked, *seen})
    matrix = np.zeros((len(names), len(names)), int)
    for a, s in zip(asked, seen, strict=True):
        matrix[names.index(a), names.index(s)] += 1
    by_class = {n: matrix[i, i] / matrix[i].sum() for i, n in enumerate(names) if matrix[i].sum()}
    worst = min(by_class, key=by_class.get)
    return {
        "accuracy": float(np.trace(matrix) / matrix.sum()), "worst": worst, "worst_accuracy": float(by_class[worst]),
        "by_class": {n: float(v) for n, v in by_class.items()}, "names": names, "confusion": matrix.tolist(),
    }  # fmt: skip


def kid(a: np.ndarray, b: np.ndarray, subset: int = 200, rounds: int = 50) -> tuple[float, float]:
    """Kernel inception distance of features (N, D) and (M, D): mean and standard deviation over random subsets."""
    rng, size = np.random.default_rng(0), min(subset, len(a), len(b))

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    values = []
    for _ in range(rounds):
        x, y = (features[rng.choice(len(features), size, replace=False)].astype(np.float64) for features in (a, b))
        within = sum((k.sum() - np.trace(k)) / (size * (size - 1)) for k in (kernel(x, x), kernel(y, y)))
        values.append(within - 2 * kernel(x, y).mean())
    return float(np.mean(values)), float(np.std(values))


def cmmd(a: np.ndarray, b: np.ndarray, sigma: float = 10.0, scale: float = 1000.0) -> float:
    """Squared maximum mean discrepancy under a Gaussian kernel, biased, times ``scale`` as its authors report it."""

    def mean(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.exp(-cdist(x, y, "sqeuclidean") / (2 * sigma**2)).mean())

    return scale * (mean(a, a) + mean(b, b) - 2 * mean(a, b))


def spread(features: np.ndarray, groups: Sequence[Any]) -> float:
    """Mean cosine distance of two pictures of one group."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    rows: dict[Any, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    pairs = [1 - unit[i] @ unit[j] for members in rows.values() for i, j in combinations(members, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def thumbnails(images: Iterable[np.ndarray]) -> np.ndarray:
    """CIELAB (N, `COPY_SIDE`² · 3) float32 of pictures made small."""
    little = [np.asarray(Image.fromarray(i).resize((COPY_SIDE, COPY_SIDE), Image.Resampling.BOX)) for i in images]
    return np.stack([ita.lab(i).astype(np.float32).ravel() for i in little])


def nearest(a: np.ndarray, b: np.ndarray, other: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """For each row of ``a`` the distance (root mean square) to its nearest row of ``b`` and that row; ``other``: but itself."""
    distance, index = np.empty(len(a)), np.empty(len(a), int)
    for start in range(0, len(a), 256):
        d = cdist(a[start : start + 256], b) / np.sqrt(a.shape[1] / 3)
        if other:
            d[np.arange(len(d)), start + np.arange(len(d))] = np.inf
        index[start : start + len(d)] = d.argmin(1)
        distance[start : start + len(d)] = d.min(1)
    return distance, index


# ── the whole of it ──────────────────────────────────────────────────────────────────────────────────────────────


def evaluate(
    out: Path,
    generator: Generator,
    judge: Judge,
    judged: Path,
    trained_on: Sequence[Path],
    images: int = 1200,
    seed: int = 1,
    device: torch.device = torch.device("cpu"),  # noqa: B008  a constant
    on_image: Callable[[int, int], None] = lambda done, total: None,
    **settings: Any,
) -> dict[str, Any]:
    """Draw, measure, write ``out``; what was drawn before is kept, so that a stopped evaluation goes on.

    Args:
        judged: folder of phantoms whose validation part neither generator nor judge has learnt from.
        trained_on: folders that the generator learnt from, for copies; without any, copies are not looked for.
        settings: steps, guidance_scale, batch_size of `Generator.draw`.

    Raises:
        ValueError: a checkpoint that does not say what it was trained on, or labels that the judge does not know.
    """
    known = generator.card.trained
    if known is None:
        raise ValueError("This checkpoint has no script2skin.json with its trained vocabulary, so nothing can be asked of it.")
    strange = {v for slot in SLOTS for v in getattr(known, slot) - set(judge.config[slot])}
    if strange:
        raise ValueError(f"The judge has never seen {', '.join(sorted(strange))}; train it on phantoms of them too.")
    requests, of_one = evenly(known, images, seed), twins(known, seed)
    total = images + TWINS * len(of_one)
    pictures = drawn(out / "images", generator, requests, lambda n: on_image(n, total), **settings)
    pairs = drawn(out / "twins", generator, of_one, lambda n: on_image(images + n, total), **settings)
    reference = phantoms(judged, known, images, generator.resolution)

    figures, opinion, angles = measured(pictures, judge, device)
    ceiling, true, true_angles = measured(reference, judge, device)
    half = np.arange(len(reference.images)) % 2 == 0
    kid_value, kid_deviation = kid(opinion.features, true.features)
    twin_features = opinion_of(pairs, judge, device).features
    report: dict[str, Any] = {
        "model": generator.model,
        "sampling": generator.sampling(**settings).record(),
        "seed": seed,
        "asked": images,
        "failed": images - len(pictures.images),
        "generated": figures,
        "phantoms": ceiling,
        "realism": {
            "features": "judge",
            "kid": kid_value, "kid_deviation": kid_deviation, "kid_of_phantoms": kid(true.features[half], true.features[~half])[0],
            "cmmd": cmmd(opinion.features, true.features), "cmmd_of_phantoms": cmmd(true.features[half], true.features[~half]),
        },
        "diversity": {
            "generated": spread(twin_features, [str(label) for label in pairs.labels]),
            "between_requests": spread(twin_features, [0] * len(twin_features)),
        },
    }  # fmt: skip
    if trained_on:
        report["copies"] = copies(pictures, [r for folder in trained_on for r in read_folder(folder) if r.split == "train"], out, generator.resolution)
    sheets(out, pictures, figures, angles)
    each = [*listed("generated", pictures, judge, opinion, angles), *listed("phantom", reference, judge, true, true_angles)]
    (out / PICTURES).write_text("".join(json.dumps(row) + "\n" for row in each))
    (out / FILE).write_text(json.dumps(report, indent=1) + "\n")
    (out / "fidelity.md").write_text(table(report))
    return report


def copies(pictures: Pictures, records: list[Record], out: Path, side: int) -> dict[str, Any]:
    """Distances to the nearest training picture, those among the training pictures, and a sheet of the ten nearest pairs."""
    learnt = thumbnails(_picture(record.path, COPY_SIDE * 4) for record in records)
    made = thumbnails(pictures.images)
    distance, which = nearest(made, learnt)
    among, _ = nearest(learnt, learnt, other=True)
    close = np.argsort(distance)[:10]
    shown, words = [], []
    for i in close:
        shown += [Image.fromarray(pictures.images[i]), Image.fromarray(_picture(records[which[i]].path, side))]
        words += ["generated", f"training, {distance[i]:.1f} away"]
    contact_sheet(shown, words, 4).save(out / "nearest.jpg", quality=88)
    low = float(np.percentile(among, 1))
    return {
        "training_images": len(records), "distance": "root mean square ΔE of 32 × 32 CIELAB pixels",
        "generated_median": float(np.median(distance)), "training_median": float(np.median(among)),
        "nearer_than_1_percent_of_training": int((distance < low).sum()), "nearer_than_any_training": int((distance < among.min()).sum()),
    }  # fmt: skip


def sheets(out: Path, pictures: Pictures, figures: dict[str, Any], angles: list[float | None]) -> None:
    """``confusion.png`` and ``tone.png``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(22, 12), layout="constrained")
    FigureCanvasAgg(figure)
    for place, slot in enumerate(SLOTS, 1):
        names, matrix = figures[slot]["names"], np.array(figures[slot]["confusion"], float)
        shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
        axes = figure.add_subplot(1, 2, place, title=f"{slot}: {figures[slot]['accuracy']:.0%} seen as asked", xlabel="seen", ylabel="asked")
        axes.imshow(shares, cmap="magma", vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8 if len(names) > 20 else 10)
        axes.set_yticks(range(len(names)), names, fontsize=8 if len(names) > 20 else 10)
    figure.savefig(out / "confusion.png", dpi=60)

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(1, 1, 1, ylabel="ITA of lesion-free skin, degrees", title=f"{figures['tone']['accuracy']:.0%} in the band of the tone asked for")
    rng = np.random.default_rng(0)
    for place, tone in enumerate(figures["tone"]["by_tone"]):
        low, high = ita.band(tone)
        axes.fill_between([place - 0.4, place + 0.4], max(low, -80), min(high, 80), alpha=0.25, color="tab:green")
        seen = [a for a, label in zip(angles, pictures.labels, strict=True) if label["tone"] == tone and a is not None]
        axes.plot(place + rng.uniform(-0.3, 0.3, len(seen)), seen, ".", ms=3, color="tab:brown")
    axes.set_xticks(range(len(figures["tone"]["by_tone"])), figures["tone"]["by_tone"])
    figure.savefig(out / "tone.png", dpi=80)


def table(report: dict[str, Any]) -> str:
    """The figures as Markdown."""
    made, real = report["generated"], report["phantoms"]
    rows = [
        ("tone in its ITA band", f"{made['tone']['accuracy']:.1%}", f"{real['tone']['accuracy']:.1%}"),
        ("tone, mean distance from the band", f"{made['tone']['error_degrees']:.1f}°", f"{real['tone']['error_degrees']:.1f}°"),
        ("tone, gap between best and worst", f"{made['tone']['gap']:.1%}", f"{real['tone']['gap']:.1%}"),
        *((f"{slot} seen as asked (top 1)", f"{made[slot]['accuracy']:.1%}", f"{real[slot]['accuracy']:.1%}") for slot in SLOTS),
        *((f"worst {slot}", f"{made[slot]['worst']}: {made[slot]['worst_accuracy']:.0%}", f"{real[slot]['worst']}: {real[slot]['worst_accuracy']:.0%}") for slot in SLOTS),
        ("KID ×1000, judge's features", f"{1000 * report['realism']['kid']:.1f}", f"{1000 * report['realism']['kid_of_phantoms']:.1f}"),
        ("CMMD, judge's features", f"{report['realism']['cmmd']:.2f}", f"{report['realism']['cmmd_of_phantoms']:.2f}"),
        ("cosine distance within a request", f"{report['diversity']['generated']:.3f}", ""),
    ]  # fmt: skip
    if found := report.get("copies"):
        rows.append(("nearer to a training image than 99 % of those are to each other", f"{found['nearer_than_1_percent_of_training']}", ""))
    return laid_out([f"{made['images']} images", "generated", f"{real['images']} held-out phantoms"], rows)


def laid_out(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: what is measured, and beside it the figures of every kind of picture."""
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns), *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"
