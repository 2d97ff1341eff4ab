"""Pictures that show the same: exact copies, resized, recompressed, brightened, mirrored, turned or slightly cropped ones.

A picture is known by three things: the SHA-256 of its file (exact copies), a 64-bit perceptual hash (the signs of its
lowest cosine frequencies against their median; Zauner 2010) and an embedding. Hash and embedding name candidates;
:func:`confirm` then lays one candidate over the other at 64×64 pixels and compares the detail. Only what it confirms is a
look-alike, since in thousands of pictures of one dark spot on pale skin any coarse likeness would chain them all together.

The embedding used here is no network's: it is :data:`PIXELS`, the low cosine frequencies of the grey picture. Another one,
such as CLIP's image tower, is one argument of :func:`data.importing.import_source`. Thresholds were chosen with
``tests/benchmarks/bench_import.py``; what it measured stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

#: Grey levels a side of what the built-in embedding keeps of a picture.
THUMB = 32
#: Cosine frequencies a side that it compares.
FREQUENCIES = 12
#: Bits in which two perceptual hashes of candidates may differ.
MAX_BITS = 6
#: Cosine from which two embeddings are candidates; correlation of detail from which candidates are look-alikes.
MIN_COSINE = 0.92
MIN_DETAIL = 0.75

#: Side in pixels at which candidates are laid over each other.
_SIDE = 64
#: Shares of a side that one picture may show of the other, uncropped and cropped by about 6 and 12 %.
_WHOLE, _LESS, _STILL_LESS = (1.0, 0.97, 0.94), (0.97, 0.94, 0.91), (0.91, 0.88, 0.85)
#: Rows of a block of the comparison of all with all: 1,024 × 20,000 cosines are 80 MB.
_BLOCK = 1024


@dataclass(frozen=True)
class Print:
    """What a picture is recognised by."""

    sha256: str
    #: 64-bit perceptual hash.
    phash: int
    #: One row of :attr:`Embedding.of`.
    vector: np.ndarray


@dataclass(frozen=True)
class Laid:
    """How a picture is turned (0–7: bit 2 exchanges the axes, then bit 1 flips rows and bit 0 columns) and which share of it may show."""

    turn: int
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Embedding:
    """A way to see whether two pictures are candidates."""

    name: str
    #: A picture → what is kept of it, [d].
    of: Callable[[Image.Image], np.ndarray]
    #: [n, d] → float32 [n, e] of unit length, once a way to lay the pictures. The first is the pictures as they are.
    views: Callable[[np.ndarray], Iterator[tuple[np.ndarray, Laid]]]
    min_cosine: float = MIN_COSINE


def fingerprint(sha256: str, picture: Image.Image, embedding: Embedding) -> Print:
    """Print of the opened ``picture``, whose file has the hash ``sha256``."""
    return Print(sha256, perceptual_hash(picture), embedding.of(picture))


def perceptual_hash(picture: Image.Image) -> int:
    """64 bits: which of the lowest 8×8 cosine frequencies of the grey picture are above their median."""
    low = _cosines(8, 1.0, 0.0) @ _grey(picture, THUMB) @ _cosines(8, 1.0, 0.0).T
    bits = (low > np.median(low)).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def candidates(prints: list[Print], old: int, embedding: Embedding) -> dict[tuple[int, int], Laid]:
    """Pairs (i, j) of ``prints`` that may be look-alikes, and how i has to be laid; the first ``old`` are not compared among themselves."""
    if len(prints) - old < 1:
        return {}
    found: dict[tuple[int, int], tuple[float, Laid]] = {}
    vectors = np.stack([each.vector for each in prints])
    plain = next(embedding.views(vectors))[0]
    for (turned, laid), (turned_new, _) in zip(embedding.views(vectors), embedding.views(vectors[old:]), strict=True):
        _note(found, turned, plain[old:], 0, old, laid, embedding.min_cosine)
        _note(found, turned_new, plain[:old], old, 0, laid, embedding.min_cosine)
    pairs = {pair: laid for pair, (_, laid) in found.items()}
    for i, j in _close_hashes(np.array([each.phash for each in prints], dtype=np.uint64), old):
        if (j, i) not in pairs:
            pairs.setdefault((i, j), Laid(0, _WHOLE))
    return pairs


def _note(found: dict, rows: np.ndarray, columns: np.ndarray, row_at: int, column_at: int, laid: Laid, least: float) -> None:
    """Write down the pairs of ``rows`` and ``columns`` with a cosine of at least ``least``, each pair the way it fits best."""
    if not len(columns):
        return
    for start in range(0, len(rows), _BLOCK):
        cosines = rows[start : start + _BLOCK] @ columns.T
        for i, j in np.argwhere(cosines >= least):
            pair, cosine = (int(start + i + row_at), int(j + column_at)), float(cosines[i, j])
            if pair[0] == pair[1] or found.get(pair[::-1], (-1.0,))[0] >= cosine:
                continue
            if cosine > found.get(pair, (-1.0,))[0]:
                found.pop(pair[::-1], None)
                found[pair] = (cosine, laid)


def _close_hashes(hashes: np.ndarray, old: int) -> Iterator[tuple[int, int]]:
    for start in range(old, len(hashes), _BLOCK):
        block = hashes[start : start + _BLOCK, None]
        for i, j in np.argwhere(np.bitwise_count(block ^ hashes[None]) <= MAX_BITS):
            if j < start + i:
                yield int(start + i), int(j)


def confirm(first: np.ndarray, second: np.ndarray, laid: Laid) -> float:
    """Correlation, at most 1, of the detail of two pictures (:func:`detail`), ``second`` in the best place on the turned ``first``."""
    base = _turn(first, laid.turn)
    best = -1.0
    for share in laid.shares:
        side = round(_SIDE * share)
        part = np.asarray(Image.fromarray(second).resize((side, side), Image.Resampling.BOX)) if side < _SIDE else second
        windows = np.lib.stride_tricks.sliding_window_view(base, part.shape).reshape(-1, part.size)
        lengths = np.linalg.norm(windows, axis=1) * np.linalg.norm(part)
        best = max(best, float((windows @ part.ravel() / (lengths + 1e-6)).max()))
    return best


def detail(picture: Image.Image) -> np.ndarray:
    """What is finer than a lesion, float32 [64, 64]: a band of frequencies divided by its own local strength.

    So hair, texture and border count everywhere alike, and one dark spot does not outweigh all else.
    """
    grey = _grey(picture, _SIDE)
    band = gaussian_filter(grey, 0.7) - gaussian_filter(grey, 3)
    return band / (np.sqrt(gaussian_filter(band * band, 4)) + 1)  # 1 grey level: below that it is rounding


def look_alikes(paths: list[Path], pairs: dict[tuple[int, int], Laid], progress: Callable[[int], None]) -> list[tuple[int, int]]:
    """Those of ``pairs`` of ``paths`` whose detail is the same; ``progress`` gets the number of pairs looked at."""

    @lru_cache(maxsize=4096)
    def seen(at: int) -> np.ndarray:
        with Image.open(paths[at]) as file:
            file.draft("L", (_SIDE, _SIDE))
            return detail(file)

    found = []
    for number, ((i, j), laid) in enumerate(sorted(pairs.items(), key=lambda pair: pair[0]), start=1):
        if confirm(seen(i), seen(j), laid) >= MIN_DETAIL:
            found.append((i, j))
        progress(number)
    return found


def _grey(picture: Image.Image, side: int) -> np.ndarray:
    """Grey levels 0–255, float32 [side, side], its shape squeezed into a square."""
    return np.asarray(picture.convert("L").resize((side, side), Image.Resampling.BOX), dtype=np.float32)


def _turn(square: np.ndarray, turn: int) -> np.ndarray:
    square = square.T if turn & 4 else square
    square = square[::-1] if turn & 2 else square
    return np.ascontiguousarray(square[:, ::-1] if turn & 1 else square)


@lru_cache(maxsize=256)
def _cosines(count: int, share: float, start: float) -> np.ndarray:
    """[count, 32]: the lowest ``count`` cosine frequencies (DCT-II) of the ``share`` of a line that begins at ``start``."""
    place = np.clip((start + share * (np.arange(THUMB) + 0.5) / THUMB) * THUMB - 0.5, 0, THUMB - 1)
    low = np.floor(place).astype(int).clip(0, THUMB - 2)
    sample = np.zeros((THUMB, THUMB))
    sample[np.arange(THUMB), low] = 1 - (place - low)
    sample[np.arange(THUMB), low + 1] += place - low
    waves = np.cos(np.pi / THUMB * np.outer(np.arange(count), np.arange(THUMB) + 0.5))
    return (waves @ sample).astype(np.float32)


def _pixels(picture: Image.Image) -> np.ndarray:
    return _grey(picture, THUMB).astype(np.uint8).ravel()


def _pixel_views(vectors: np.ndarray) -> Iterator[tuple[np.ndarray, Laid]]:
    """Whole in all eight turns; as they are and mirrored, less 6 or 12 % at any side."""
    grey = vectors.reshape(-1, THUMB, THUMB).astype(np.float32)
    whole = _frequencies(grey, 1.0, 0.0, 0.0)
    for turn in range(8):
        yield _turned(whole, turn), Laid(turn, _WHOLE)
    for share, shares in ((0.94, _LESS), (0.88, _STILL_LESS)):
        for top in (0.0, 0.5, 1.0):
            for left in (0.0, 0.5, 1.0):
                part = _frequencies(grey, share, top * (1 - share), left * (1 - share))
                for turn in (0, 1):
                    yield _turned(part, turn), Laid(turn, shares)


def _frequencies(grey: np.ndarray, share: float, top: float, left: float) -> np.ndarray:
    """Cosine frequencies [n, 12, 12] of a part of ``grey`` [n, 32, 32], each times its height: pictures have less of the high ones.

    Brightness (frequency 0) is left out, and contrast by the unit length.
    """
    count = np.arange(FREQUENCIES)
    waves = _cosines(FREQUENCIES, share, top) @ grey @ _cosines(FREQUENCIES, share, left).T
    waves = waves * np.hypot(*np.meshgrid(count, count)).astype(np.float32)
    return waves / (np.linalg.norm(waves, axis=(1, 2), keepdims=True) + 1e-6)


def _turned(waves: np.ndarray, turn: int) -> np.ndarray:
    """As a turned picture would have them: a flip changes the sign of the odd frequencies. [n, 144]."""
    sign = np.where(np.arange(FREQUENCIES) % 2, -1, 1).astype(np.float32)
    waves = waves.transpose(0, 2, 1) if turn & 4 else waves
    waves = waves * sign[:, None] if turn & 2 else waves
    waves = waves * sign if turn & 1 else waves
    return np.ascontiguousarray(waves.reshape(len(waves), -1))


#: Grey pixels at 32×32, compared by their low cosine frequencies. Needs no weights.
PIXELS = Embedding("pixels-32", _pixels, _pixel_views)
