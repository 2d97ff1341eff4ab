"""The same requests from the same seeds by several models, side by side: what has a fine-tuning taught, and what has it cost?"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from assistant.notes import notes
from assistant.schema import ImageRequest
from assistant.vocabulary import vocabulary
from generation import Generator
from generation.sheets import contact_sheet
from training.fidelity import Pictures, drawn, measured
from training.judge import Judge

FILE = "comparison.json"
#: Rows of the sheet: more are measured than shown.
SHOWN = 24


def asked(rashes: Sequence[str], each: int, seed: int) -> list[ImageRequest]:
    """``each`` requests a rash, at its typical sites in turn, tones in turn. Raises ValueError for names outside the vocabulary."""
    strange = [rash for rash in rashes if rash not in vocabulary().names("rash")]
    if strange:
        raise ValueError(f"{', '.join(strange)}: not in the vocabulary, which has {', '.join(vocabulary().names('rash'))}.")
    tones = vocabulary().names("tone")
    requests = []
    for place, rash in enumerate(rashes):
        areas = notes()[rash].areas
        for turn in range(each):
            area, tone = areas[turn % len(areas)], tones[(place + turn) % len(tones)]
            requests.append(ImageRequest(count=1, rash=rash, area=area, tone=tone, seed=(seed + 1000 * place + turn) % 2**32))
    return requests


def compare(
    models: dict[str, Generator],
    requests: Sequence[ImageRequest],
    out: Path,
    judge: Judge | None = None,
    device: torch.device = torch.device("cpu"),  # noqa: B008  a constant
    on_image: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Draw, and measure where there is a judge; write ``comparison.json`` and ``comparison.jpg`` into ``out``.

    What was drawn before is kept. Raises ValueError where an image failed.
    """
    pictures: dict[str, Pictures] = {}
    for number, (name, generator) in enumerate(models.items()):
        before = number * len(requests)
        pictures[name] = drawn(out / f"{number}-{_slug(name)}", generator, requests, lambda n, b=before: on_image(b + n, len(models) * len(requests)))
        if len(pictures[name].images) < len(requests):
            raise ValueError(f"{name} could not draw {len(requests) - len(pictures[name].images)} of {len(requests)} images; start again to go on.")
    report: dict[str, Any] = {"models": {name: generator.model for name, generator in models.items()}, "images": len(requests)}
    if judge is not None:
        report["figures"] = {name: figures(made, judge, device) for name, made in pictures.items()}
    sheet(pictures, requests).save(out / "comparison.jpg", quality=88)
    (out / FILE).write_text(json.dumps(report, indent=1) + "\n")
    return report


def figures(pictures: Pictures, judge: Judge, device: torch.device) -> dict[str, Any]:
    """Rash as asked, in all and of each; area; tone in its band."""
    told, opinion, _ = measured(pictures, judge, device)
    names = list(judge.config["rash"])
    right = np.array([names[chosen] == label["rash"] for chosen, label in zip(opinion.chosen["rash"], pictures.labels, strict=True)])
    rashes = dict.fromkeys(label["rash"] for label in pictures.labels)
    of_each = {rash: float(right[[label["rash"] == rash for label in pictures.labels]].mean()) for rash in rashes}
    return {"rash": float(right.mean()), "area": told["area"]["accuracy"], "tone": told["tone"]["accuracy"], "of_each": of_each}


def sheet(pictures: dict[str, Pictures], requests: Sequence[ImageRequest]) -> Image.Image:
    """A row for each of up to `SHOWN` requests, evenly chosen, a column for each model."""
    rows = np.linspace(0, len(requests) - 1, min(SHOWN, len(requests))).round().astype(int)
    shown = [(Image.fromarray(made.images[row]), f"{requests[row].rash}, {requests[row].area}, {requests[row].tone}" if not column else name)
             for row in rows for column, (name, made) in enumerate(pictures.items())]  # fmt: skip
    if len(pictures) == 2 and len(rows) > 8:  # two requests a row, so that the sheet is no tower
        return contact_sheet([p for p, _ in shown], [w for _, w in shown], 6, 176)
    return contact_sheet([p for p, _ in shown], [w for _, w in shown], len(pictures), 192)


def table(report: dict[str, Any]) -> str:
    """The figures as Markdown: the first model and the last."""
    told = report.get("figures")
    if not told:
        return "No judge was given (--judge), so nothing was measured: look at the sheet."
    (first, one), (last, other) = next(iter(told.items())), list(told.items())[-1]
    rows = [(f"{slot} as asked", f"{one[slot]:.1%}", f"{other[slot]:.1%}") for slot in ("rash", "area", "tone")]
    rows += [(rash, f"{share:.0%}", f"{other['of_each'][rash]:.0%}") for rash, share in one["of_each"].items()]
    lines = [f"| {report['images']} images each | {first} | {last} |", "| --- | --- | --- |", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name).strip("-") or "model"
