"""Matched tone strips: a picture, and what "show that on every skin tone" makes of it. Is it the same lesion at the same site, and
are the tones in order? The tone that is drawn first goes round with the strips.

* lesion: intersection over union of where `generation.lesions` finds lesion, mean over all pairs of a strip; it has learnt from
  phantoms, and sees spots that are too small for the judge. The same lesion is seen less on some tones than on others: a pale patch on
  pale skin, redness on dark. So of every picture of a strip the same number of pixels is taken, those most likely lesion, as many as
  are found in the strip's median picture: is it at the same place, of the same shape? Beside it the plain overlap of what is found in
  each; and both for pictures whose lesions are the same by construction: phantoms, and the first picture recoloured for each tone
  (`generation.edit`) and not redrawn.
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
from generation import Generator, lesions
from generation.edit import EditError, in_tone
from generation.sheets import contact_sheet
from training.fidelity import Pictures, drawn, laid_out, lesion_free_ita, opinion_of, tones_of
from training.judge import Judge

FILE = "strips.json"


def asked(trained: Trained, strips: int, seed: int) -> list[ImageRequest]:
    """``strips`` requests for one picture: every rash in turn at its typical sites, every tone in turn."""
    tones = tones_of(trained)
    sites = {rash: usual_areas(rash, trained.area) or sorted(trained.area)[:1] for rash in sorted(trained.rash)}
    names = list(sites)
    pairs = [(names[n % len(names)], n // len(names)) for n in range(strips)]
    return [
        ImageRequest(count=1, rash=rash, area=sites[rash][turn % len(sites[rash])], tone=tones[n % len(tones)], seed=(seed + n) % 2**32)
        for n, (rash, turn) in enumerate(pairs)
    ]


def overlap(masks: Sequence[np.ndarray]) -> float:
    """Mean intersection over union of all pairs of ``masks`` (bool, one shape each); NaN where none has anything."""
    values = [(a & b).sum() / union for a, b in combinations(masks, 2) if (union := (a | b).sum())]
    return float(np.mean(values)) if values else float("nan")


def in_every_tone(request: ImageRequest, tones: Sequence[str]) -> list[ImageRequest]:
    """``request`` in each of ``tones``, as the chat asks for it: matched to the first picture."""
    return [request.model_copy(update={"tone": tone, "matched": None if tone == request.tone else request.tone}) for tone in tones]


def as_much_of_each(chances: np.ndarray) -> list[np.ndarray]:
    """Masks of the lesions of a strip's ``chances`` (T, h, w): the same number of places in each, as many as are lesion in the median."""
    many = round(float(np.median((chances > lesions.LEAST).sum((1, 2)))))
    order = np.argsort(-chances.reshape(len(chances), -1), axis=1, kind="stable")
    masks = np.zeros((len(chances), chances[0].size), bool)
    np.put_along_axis(masks, order[:, :many], True, axis=1)
    return list(masks.reshape(chances.shape))


def figures(pictures: Pictures, tones: int, judge: Judge, device: torch.device) -> dict[str, Any]:
    """Of ``pictures``, ``tones`` to a strip and in their order: overlap of every strip, mean, median, share from 0.7 on; that of the lesions
    as found; site; order. Strips in which no lesion is found count for no overlap."""
    opinion = opinion_of(pictures, judge, device)
    places = [judge.config["area"].index(label["area"]) for label in pictures.labels]
    starts = range(0, len(pictures.images), tones)
    found = np.stack([lesions.find(image)[1] for image in pictures.images])
    chances = [found[start : start + tones] for start in starts]
    overlaps = np.array([overlap(as_much_of_each(strip)) for strip in chances])
    as_found = np.array([overlap(strip > lesions.LEAST) for strip in chances])
    angles = [lesion_free_ita(image, lesion) for image, lesion in zip(pictures.images, opinion.lesion, strict=True)]
    ordered = [all(a is not None and b is not None and a > b for a, b in pairwise(angles[start : start + tones])) for start in starts]
    return {
        "strips": len(overlaps), "overlap": float(np.nanmean(overlaps)), "overlap_median": float(np.nanmedian(overlaps)),
        "overlap_from_0.7": float(np.mean(overlaps[~np.isnan(overlaps)] >= 0.7)), "overlap_as_found": float(np.nanmean(as_found)),
        "none_found": int(np.isnan(overlaps).sum()), "site": float(np.mean(opinion.chosen["area"] == places)),
        "in_order": float(np.mean(ordered)), "of_each": [None if np.isnan(v) else round(float(v), 3) for v in overlaps],
    }  # fmt: skip


def phantoms(requests: Sequence[ImageRequest], tones: Sequence[str], variety: float) -> Pictures:
    """The same requests as phantoms: in every tone one body, one lesion, one light."""
    from data.phantom.body import identities
    from data.phantom.render import render

    wanted = [(r, tone) for r in requests for tone in tones]
    images = [render(r.rash, r.area, tone, seed=r.seed, identity=r.seed % identities(), variety=variety).image for r, tone in wanted]
    return Pictures([np.asarray(i) for i in images], [{"rash": r.rash, "area": r.area, "tone": tone} for r, tone in wanted])


def recoloured(pictures: Pictures, tones: Sequence[str], first: Sequence[str]) -> Pictures:
    """Of every strip the picture in the tone drawn ``first``, and that picture with its skin in every other tone."""
    images = []
    for n, own in enumerate(first):
        start = n * len(tones)
        given = pictures.images[start + tones.index(own)]
        images += [given if tone == own else _in_tone(given, tone, pictures.labels[start]) for tone in tones]
    return Pictures(images, pictures.labels)


def _in_tone(image: np.ndarray, tone: str, label: dict[str, str]) -> np.ndarray:
    try:
        return in_tone(image, tone, label["rash"], label["area"])
    except EditError:  # too little skin shows beside the lesion
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
    in_tones = [each for r in requests for each in in_every_tone(r, tones)]
    pictures = drawn(out / "images", generator, in_tones, lambda n: on_image(n, len(in_tones)), **settings)
    if len(pictures.images) < len(in_tones):
        raise ValueError(f"{len(in_tones) - len(pictures.images)} of {len(in_tones)} images could not be drawn; start again to go on.")
    report = {
        "model": generator.model, "sampling": generator.sampling(**settings).record(), "seed": seed, "tones": tones,
        "generated": figures(pictures, len(tones), judge, device),
        "recoloured": figures(recoloured(pictures, tones, [r.tone for r in requests]), len(tones), judge, device),
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
        ("lesion overlap (IoU), as much of each, mean", "overlap", ".2f"),
        ("the same, median", "overlap_median", ".2f"),
        ("strips with an overlap from 0.7 on", "overlap_from_0.7", ".0%"),
        ("lesion overlap as found, mean", "overlap_as_found", ".2f"),
        ("site seen as asked", "site", ".1%"),
        ("tones in order", "in_order", ".0%"),
    ]
    heads = ["generated", *(["first picture recoloured"] if "recoloured" in report else []), "phantoms with the same lesion"]
    columns = [f"{every[0]['strips']} strips of {len(report['tones'])} tones", *heads]
    return laid_out(columns, [(name, *(format(figures[key], how) for figures in every)) for name, key, how in rows])
