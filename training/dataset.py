"""Folders of images → arrays for training. A folder is an ``imagefolder`` data set (``metadata.jsonl``) or plain images.

Images are kept in memory as uint8 (256, 256, 3), decoded the first time they are drawn: 0.2 MB each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


@dataclass(frozen=True)
class Record:
    """One image, its canonical caption (empty: none) and, where it is known, the mask of its lesions."""

    path: Path
    text: str = ""
    mask: Path | None = None
    split: str = "train"
    values: dict[str, str] = field(default_factory=dict, compare=False)
    #: What else may be said of it, in anyone's words (``captions`` of the metadata).
    more: tuple[str, ...] = ()

    @property
    def captions(self) -> tuple[str, ...]:
        """All that may be said of it, each once, the canonical one first."""
        return tuple(dict.fromkeys(text for text in (self.text, *self.more) if text))


def read_folder(folder: Path, valid_share: float = 0.02) -> list[Record]:
    """Records of ``folder``, sorted by path; without ``metadata.jsonl`` every image in it.

    Where nothing is held out, ``valid_share`` of the images is, by a hash of their names.

    Raises FileNotFoundError when there is no image, ValueError for a line of metadata without ``file_name``.
    """
    folder = Path(folder)
    metadata = folder / "metadata.jsonl"
    if metadata.exists():
        records = [_record(folder, line, number) for number, line in _lines(metadata)]
    else:
        files = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        records = [Record(path) for path in files]
    if not records:
        raise FileNotFoundError(f"No image in {folder}: expected metadata.jsonl or files ending in {sorted(SUFFIXES)}.")
    if all(record.split == "train" for record in records):
        records = [replace(r, split="validation") if _unit(r.path.name) < valid_share else r for r in records]
    return sorted(records, key=lambda record: str(record.path))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8") as file:
        yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())


def _record(folder: Path, line: str, number: int) -> Record:
    row = json.loads(line)
    if not row.get("file_name"):
        raise ValueError(f"{folder / 'metadata.jsonl'}, line {number}: no file_name.")
    values = {k: str(v) for k, v in row.items() if k in ("rash", "area", "tone", "severity", "size", "number") and v}
    mask = folder / row["mask_file_name"] if row.get("mask_file_name") else None
    more = tuple(str(text) for text in row.get("captions") or ())
    return Record(folder / row["file_name"], row.get("text") or "", mask, row.get("split") or "train", values, more)


def _unit(name: str) -> float:
    """A fixed number in [0, 1) for a name, so that a file stays on its side when others are added."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


def fingerprint(records: Iterable[Record]) -> str:
    """SHA-256 over names, captions and file sizes: says which data a run saw, without reading 10 GB of pixels."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(f"{record.path.name}\t{' / '.join(record.captions)}\t{record.split}\t{record.path.stat().st_size}\n".encode())
    return digest.hexdigest()


class Images:
    """Pixels of ``records``: ``image(i)`` is uint8 (size, size, 3), ``mask(i)`` uint8 (size, size), 255 on a lesion."""

    def __init__(self, records: list[Record], size: int = 256) -> None:
        self.records = records
        self.size = size
        self._images: dict[int, np.ndarray] = {}
        self._masks: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.records)

    def ready(self, indices: Iterable[int]) -> None:
        """Decode those that are not in memory yet, on all cores."""
        missing = [i for i in {int(i) for i in indices} if i not in self._images]
        if len(missing) > 1:
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda i: (self.image(i), self.mask(i)), missing))

    def image(self, index: int) -> np.ndarray:
        if index not in self._images:
            self._images[index] = self._read(self.records[index].path, "RGB", Image.Resampling.LANCZOS)
        return self._images[index]

    def mask(self, index: int) -> np.ndarray | None:
        """None where the lesion was not marked."""
        path = self.records[index].mask
        if path is None:
            return None
        if index not in self._masks:
            self._masks[index] = self._read(path, "L", Image.Resampling.BOX)
        return self._masks[index]

    def _read(self, path: Path, mode: str, filter_: Image.Resampling) -> np.ndarray:
        with Image.open(path) as file:
            image = file.convert(mode)
        if image.size != (self.size, self.size):  # what is not square loses its ends rather than its proportions
            image = ImageOps.fit(image, (self.size, self.size), filter_)
        return np.asarray(image)


@dataclass(frozen=True)
class Crops:
    """A batch: pixels float32 (N, 3, C, C) in [-1, 1] and lesion (N, 1, C, C) in [0, 1], as numpy arrays."""

    pixels: np.ndarray
    lesion: np.ndarray


def crops(images: Images, indices: np.ndarray, crop: int, rng: np.random.Generator) -> Crops:
    """Random ``crop``-pixel windows, flipped either way half of the time."""
    pixels = np.empty((len(indices), 3, crop, crop), np.float32)
    lesion = np.zeros((len(indices), 1, crop, crop), np.float32)
    images.ready(indices)
    for row, index in enumerate(indices):
        y, x = rng.integers(0, images.size - crop + 1, 2)
        window = np.s_[y : y + crop, x : x + crop]
        flip = np.s_[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
        pixels[row] = images.image(index)[window][flip].transpose(2, 0, 1)
        mask = images.mask(index)
        if mask is not None:
            lesion[row, 0] = mask[window][flip]
    return Crops(pixels / 127.5 - 1, lesion / 255)
