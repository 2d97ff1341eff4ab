"""Is what was asked for what is seen? By a judge (`training.judge`) and by a CLIP, as a chance of the rash that the label names.

A judge knows only its own classes; a picture of another says nothing. A CLIP is asked the picture's own caption beside the same
with every other rash in its place, as in zero-shot classification (Radford et al. 2021, arXiv 2103.00020). Needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from data.manifest import Row

if TYPE_CHECKING:
    from training.classifier import Classifier

_AT_ONCE = 32


def by_judge(run: Path, folder: Path, rows: Sequence[Row], device: str = "cpu") -> list[float | None]:
    """Chance in 0–1 of each row's own rash; None for a rash that the judge has not learnt.

    Args:
        run: of ``script2skin train judge``; or a classifier of ``script2skin evaluate augmentation``, such as ``best/real``.

    Raises FileNotFoundError or TrainingError where ``run`` is neither.
    """
    from training import classifier, judge

    if (run / classifier.FILE).exists():
        return _by_classifier(classifier.read(run, torch.device(device)), folder, rows, device)
    model = judge.read(run, torch.device(device)).eval()
    side, names = model.config.image_size, list(model.config.rash)
    found: list[float | None] = []
    for part in _parts(rows):
        pictures = np.stack([_square(folder / row.file_name, side) for row in part])
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.inference_mode():
            chances = model(pixels.to(device))[1]["rash"].float().softmax(1).cpu()
        found += [float(chances[i, names.index(row.rash)]) if row.rash in names else None for i, row in enumerate(part)]
    return found


def _by_classifier(told: Classifier, folder: Path, rows: Sequence[Row], device: str) -> list[float | None]:
    from training.classifier import opened, probabilities

    found: list[float | None] = []
    for part in _parts(rows):
        pixels = np.stack([opened(folder / row.file_name, told.fed) for row in part])
        chances = probabilities(told.model, pixels, told.fed, torch.device(device))
        found += [float(chances[i, told.classes.index(row.rash)]) if row.rash in told.classes else None for i, row in enumerate(part)]
    return found


def by_clip(base: str, folder: Path, rows: Sequence[Row], device: str = "cpu") -> list[float | None]:
    """Chance in 0–1 that a CLIP gives each row's own rash among those of ``rows`` and of the checkpoint's vocabulary; None for one
    that the checkpoint was not trained on.

    Args:
        base: a checkpoint with both towers such as ``embedded``, or a CLIPModel, as `training.tune_clip.read_base` takes it.
    """
    from generation import find
    from training.learning import features
    from training.text import tokens
    from training.tune_clip import read_base

    clip = read_base(base, None)
    model = clip.model.eval().to(device)
    trained = find(base).card.trained if clip.checkpoint else None
    known = sorted(trained.rash) if trained else sorted({row.rash for row in rows} | set(_vocabulary()))
    found: list[float | None] = []
    for part in _parts(rows):
        texts = sorted({text for row in part for text in _asked(row, known)})
        number = {text: i for i, text in enumerate(texts)}
        pixels = clip.fed.normalised(np.stack([clip.fed.open(folder / row.file_name) for row in part]))
        with torch.inference_mode():
            said = F.normalize(features(model.get_text_features, input_ids=torch.as_tensor(tokens(clip.tokenizer, texts)).long().to(device)), dim=1)
            seen = F.normalize(features(model.get_image_features, pixel_values=pixels.to(device)), dim=1)
            like = (model.logit_scale.exp() * seen @ said.T).float().cpu()
        for i, row in enumerate(part):
            chances = like[i, [number[text] for text in _asked(row, known)]].softmax(0)
            found.append(float(chances[known.index(row.rash)]) if row.rash in known else None)
    return found


def _asked(row: Row, known: Sequence[str]) -> list[str]:
    from assistant.caption import compose
    from assistant.vocabulary import vocabulary

    lesion = vocabulary().is_lesion
    return [compose(row.model_copy(update={"rash": rash}), "lesion" if rash in _vocabulary() and lesion(rash) else "rash") for rash in known]


def _vocabulary() -> tuple[str, ...]:
    from assistant.vocabulary import vocabulary

    return tuple(vocabulary().names("rash"))


def _parts(rows: Sequence[Row]) -> list[Sequence[Row]]:
    return [rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE)]


def _square(path: Path, side: int) -> np.ndarray:
    with Image.open(path) as file:
        return np.asarray(file.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))
