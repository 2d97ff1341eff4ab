"""Matched tone strips: one request in every tone from one seed. Is it the same lesion at the same site, and are tones in order?

* lesion: intersection over union of where the judge (`training.judge`) sees lesion, mean over all pairs of a strip. Beside it the
  same of pictures whose lesions are the same by construction, since the judge sees a pale patch on pale skin less than on dark:
  phantoms, and of every strip one picture whose skin was recoloured for each tone (`generation.edit`), its lesion left where it is.
* site: share of pictures in which the judge sees the area that was asked for.
* order: share of strips whose lesion-free skin gets darker with every tone (ITA).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from assistant.frames import Trained
from assistant.notes import usual_areas
from assistant.schema import ImageRequest
from generation import Generator
from generation.edit import Edit, EditError, edited
from generation.sheets import contact_sheet
from training.fidelity import Pictures, drawn, laid_out, lesion_free_ita, opinion_of, tones_of
from training.judge import Judge

FILE = "strips.json"
#: Chance from which the judge's opinion counts as lesion.
LESION = 0.3


def asked(trained: Trained, strips: int, seed: int) -> list[ImageRequest]:
    """``strips`` requests for one picture: every rash in turn at its typical sites; the tone is the lightest known."""
    tone = tones_of(trained)[0]
    sites = {rash: usual_areas(rash, trained.area) or sorted(trained.area)[:1] for rash in sorted(trained.rash)}
    names = list(sites)
    pairs = [(names[n % len(names)], n // len(names)) for n in range(strips)]
    return [
        ImageRequest(count=1, rash=rash, area=sites[rash][turn % len(sites[rash])], tone=tone, seed=(seed + n) % 2**32)
        for n, (rash, turn) in enumerate(pairs)
    ]


def overlap(masks: Sequence[np.ndarray]) -> float:
    """Mean intersection over union of all pairs of ``masks`` (bool, one shape each); NaN where none has anything."""
    values = [(a & b).sum() / union for a, b in combinations(masks, 2) if (union := (a | b).sum())]
    return float(np.mean(values)) if values else float("nan")


def figures(pictures: Pictures, tones: int, judge: Judge, device: torch.device) -> dict[str, Any]:
    """Of ``pictures``, ``tones`` to a strip and in their order: overlap of every strip, mean, median, share from 0.7 on; site; order."""
    opinion = opinion_of(pictures, judge, device)
    places = [judge.config["area"].index(label["area"]) for label in pictures.labels]
    starts = range(0, len(pictures.images), tones)
    overlaps = np.array([overlap(opinion.lesion[start : start + tones] > LESION) for start in starts])
    angles = [lesion_free_ita(image, lesion) for image, lesion in zip(pictures.images, opinion.lesion, strict=True)]
    ordered = [all(a is not None and b is not None and a > b for a, b in pairwise(angles[start : start + tones])) for start in starts]
    return {
        "strips": len(overlaps), "overlap": float(np.nanmean(overlaps)), "overlap_median": float(np.nanmedian(overlaps)),
        "overlap_from_0.7": float(np.mean(overlaps >= 0.7)), "site": float(np.mean(opinion.chosen["area"] == places)),
        "in_order": float(np.mean(ordered)), "of_each": [None if np.isnan(v) else round(float(v), 3) for v in overlaps],
    }  # fmt: skip


def phantoms(requests: Sequence[ImageRequest], tones: Sequence[str], variety: float) -> Pictures:
    """The same requests as phantoms: in every tone one body, one lesion, one light."""
    from data.phantom.body import identities
    from data.phantom.render import render

    wanted = [(r, tone) for r in requests for tone in tones]
    images = [render(r.rash, r.area, tone, seed=r.seed, identity=r.seed % identities(), variety=variety).image for r, tone in wanted]
    return Pictures([np.asarray(i) for i in images], [{"rash": r.rash, "area": r.area, "tone": tone} for r, tone in wanted])


def recoloured(pictures: Pictures, tones: Sequence[str]) -> Pictures:
    """Of every strip the picture in the middle of the scale, and that picture with its skin in every other tone."""
    images = []
    for start in range(0, len(pictures.images), len(tones)):
        label = pictures.labels[start]
        given = pictures.images[start + len(tones) // 2 - 1]
        images += [_in_tone(given, tone, label) for tone in tones]
    return Pictures(images, pictures.labels)


def _in_tone(image: np.ndarray, tone: str, label: dict[str, str]) -> np.ndarray:
    try:
        return edited(image, Edit(tone=tone), None, label["rash"], label["area"], 0).rgb
    except EditError:  # it is in that tone, or no skin shows beside the lesion
        return image


def evaluate(
    out: Path,
    generator: Generator,
    judge: Judge,
    strips: int = 38,
    seed: int = 5,
    device: torch.device = torch.device("cpu"),  # noqa: B008  a constant
    on_image: Callable[[int, int], None] = lambda done, total: None,
    **settings: Any,
) -> dict[str, Any]:
    """Draw, measure, write ``out``: ``strips.json`` and ``strips.jpg``; what was drawn before is kept.

    Raises:
        ValueError: a checkpoint that does not say what it was trained on, or knows one tone only; an image that failed.
    """
    known = generator.card.trained
    if known is None or len(tones := tones_of(known)) < 2:
        raise ValueError("This checkpoint does not say of two skin tones that it was trained on them, so there is no strip to draw.")
    requests = asked(known, strips, seed)
    in_tones = [r.model_copy(update={"tone": tone}) for r in requests for tone in tones]
    pictures = drawn(out / "images", generator, in_tones, lambda n: on_image(n, len(in_tones)), **settings)
    if len(pictures.images) < len(in_tones):
        raise ValueError(f"{len(in_tones) - len(pictures.images)} of {len(in_tones)} images could not be drawn; start again to go on.")
    report = {
        "model": generator.model, "sampling": generator.sampling(**settings).record(), "seed": seed, "tones": tones, "lesion_from": LESION,
        "generated": figures(pictures, len(tones), judge, device),
        "recoloured": figures(recoloured(pictures, tones), len(tones), judge, device),
        "phantoms": figures(phantoms(requests, tones, 0.3), len(tones), judge, device),
    }  # fmt: skip
    of_each = report["generated"]["of_each"]
    words = [f"{r.rash}, {r.area}: {of_each[n]}" if t == 0 else tone for n, r in enumerate(requests) for t, tone in enumerate(tones)]
    contact_sheet([Image.fromarray(i) for i in pictures.images], words, len(tones), 128).save(out / "strips.jpg", quality=88)
    (out / FILE).write_text(json.dumps(report, indent=1) + "\n")
    return report


def table(report: dict[str, Any]) -> str:
    """The figures as Markdown."""
    every = [report[name] for name in ("generated", "recoloured", "phantoms") if name in report]
    rows = [
        ("lesion overlap (IoU), mean", "overlap", ".2f"),
        ("lesion overlap, median", "overlap_median", ".2f"),
        ("strips with an overlap from 0.7 on", "overlap_from_0.7", ".0%"),
        ("site seen as asked", "site", ".1%"),
        ("tones in order", "in_order", ".0%"),
    ]
    heads = ["generated", *(["one picture recoloured"] if "recoloured" in report else []), "phantoms with the same lesion"]
    columns = [f"{every[0]['strips']} strips of {len(report['tones'])} tones", *heads]
    return laid_out(columns, [(name, *(format(figures[key], how) for figures in every)) for name, key, how in rows])
