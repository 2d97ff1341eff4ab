"""Captioned images for contrastive fine-tuning: scaled once and kept on disk, several captions an image, equal captions together."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from tqdm import tqdm
from transformers import CLIPTokenizer

from training import parallel
from training.dataset import Record, fingerprint
from training.run import StepRandom, TrainingError
from training.text import tokens

#: Mean and standard deviation of sRGB in the images that OpenAI's CLIP was trained on (its repository, clip/clip.py).
OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class Fed:
    """What an image tower is fed: square images of ``size`` pixels, less ``mean``, divided by ``std``."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resample: int = Image.Resampling.BICUBIC

    @classmethod
    def read(cls, folder: Path, size: int) -> Fed:
        """As ``preprocessor_config.json`` of ``folder`` says, else as OpenAI's CLIP has it."""
        path = folder / "preprocessor_config.json"
        if not path.exists():
            return cls(size, *OPENAI)
        told = json.loads(path.read_text())
        mean, std = told.get("image_mean", OPENAI[0]), told.get("image_std", OPENAI[1])
        return cls(size, tuple(mean), tuple(std), told.get("resample", Image.Resampling.BICUBIC))

    def open(self, path: Path) -> np.ndarray:
        """uint8 (3, size, size): the middle square of the image at ``path``."""
        with Image.open(path) as file:
            return np.asarray(ImageOps.fit(file.convert("RGB"), (self.size, self.size), self.resample)).transpose(2, 0, 1)

    def normalised(self, pixels: np.ndarray) -> torch.Tensor:
        """float32 of uint8 ``pixels`` (N, 3, size, size)."""
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (self.mean, self.std))
        return (torch.from_numpy(pixels).float() / 255 - mean) / std


class CaptionedImages:
    """Small copies of ``records`` and all that may be said of each."""

    def __init__(self, records: list[Record], tokenizer: CLIPTokenizer, fed: Fed, cache: Path, every_caption: bool = True) -> None:
        self.records, self.fed = records, fed
        said = [record.captions if every_caption else record.captions[:1] for record in records]
        self.texts = sorted({text for texts in said for text in texts})
        number = {text: i for i, text in enumerate(self.texts)}
        #: Of each image the numbers of its captions, the canonical one first.
        self.captions = [np.array([number[text] for text in texts]) for texts in said]
        self.tokens = tokens(tokenizer, self.texts)
        self.pixels = small_copies(records, fed, cache)

    def __len__(self) -> int:
        return len(self.records)

    def images(self, rows: np.ndarray, random: StepRandom | None = None) -> torch.Tensor:
        """What the image tower is fed; with ``random`` mirrored half of the time, shifted by up to a sixteenth and relit a little."""
        pixels = np.array(self.pixels[rows])
        if random is None:
            return self.fed.normalised(pixels)
        reach = max(1, self.fed.size // 16)
        for row in range(len(pixels)):
            shift = random.numpy.integers(-reach, reach + 1, 2)
            moved = np.pad(pixels[row], ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
            y, x = reach + shift
            window = moved[:, y : y + self.fed.size, x : x + self.fed.size][:, :, :: random.numpy.choice((-1, 1))]
            lit = window * (1 + random.numpy.uniform(-0.08, 0.08))
            pixels[row] = np.clip(lit, 0, 255)
        return self.fed.normalised(pixels)

    def said(self, rows: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One caption of each image, at random; the distinct ones (C,), and which are true of which image (N, C), bool."""
        chosen = [self.captions[row][random.integers(len(self.captions[row]))] for row in rows]
        distinct = np.unique(chosen)
        return distinct, np.stack([np.isin(distinct, self.captions[row]) for row in rows])


def small_copies(records: list[Record], fed: Fed, cache: Path) -> np.ndarray:
    """uint8 (N, 3, size, size), on disk, made once: decoding photographs at every epoch takes longer than learning from them.

    Raises TrainingError for images that cannot be read, naming the first.
    """
    path = cache / f"{fingerprint(records)[:16]}-{fed.size}.npy"
    with parallel.one_after_another():
        if not path.exists():
            cache.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(".new")
            kept = np.lib.format.open_memmap(aside, "w+", np.uint8, (len(records), 3, fed.size, fed.size))
            with ThreadPoolExecutor() as pool:
                for row, pixels in enumerate(tqdm(pool.map(fed.open, [r.path for r in records]), "Images", len(records), disable=None)):
                    kept[row] = pixels
            kept.flush()
            aside.replace(path)
    return np.load(path, mmap_mode="r")


def learnable(records: list[Record], tokenizer: CLIPTokenizer, least: int = 2, every_caption: bool = False) -> list[Record]:
    """The captioned ``records``, if something can be learnt from them: from their canonical captions, or from ``every_caption``.

    Raises:
        TrainingError: no captions, images that are not there, fewer than ``least`` to learn from, captions beyond the tokenizer's limit.
    """
    captioned = [record for record in records if record.text]
    if not captioned:
        raise TrainingError(f"None of {len(records)} images has a caption: bring them in with `script2skin data import`, which makes them.")
    gone = [record for record in captioned if not record.path.is_file()]
    if gone:
        raise TrainingError(f"{len(gone)} of {len(captioned)} images that the metadata names are not there, such as {gone[0].path}.")
    learn = [record for record in captioned if record.split == "train"]
    if len(learn) < least:
        raise TrainingError(f"There are {len(learn)} captioned images to learn from (split train); at least {least} are needed.")
    texts = sorted({text for record in captioned for text in (record.captions if every_caption else record.captions[:1])})
    limit = tokenizer.model_max_length
    long = [text for text, ids in zip(texts, tokenizer(texts).input_ids, strict=True) if len(ids) > limit]
    if long:
        canonical = {record.text for record in captioned}
        others = "" if canonical.intersection(long) else ", or set every_caption: false to learn from canonical captions alone"
        raise TrainingError(
            f"{len(long)} of {len(texts)} captions are longer than the {limit} tokens that this text tower reads and would be cut, such as "
            f"{long[0]!r}. Shorten them in metadata.jsonl{others}."
        )
    return captioned
