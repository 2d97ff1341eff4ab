"""What each classifier of an experiment learns from: real pictures, and what an arm puts beside them.

A share of the real pictures is the same for every arm of a seed, and a smaller share lies within a larger one. What an arm
adds has the classes in the proportions of the real ones, unless they are to be balanced, so that it differs by its pictures
alone. ``ratio`` is how many pictures are added for each real one.

========== ==========================================================================================
real       nothing is added: the baseline
duplicated the same real pictures again: control of size
augmented  the same real pictures, strongly changed, each copy once and for all: control of size and variety
hybrid     synthetic pictures
shuffled   the same synthetic pictures, their labels exchanged at random: must be of no use
noise      noise under the labels of real pictures: must be of no use
synthetic  synthetic pictures only, all there are, whatever the share and ratio
========== ==========================================================================================
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from training.dataset import Record, read_folder
from training.pairs import Fed, small_copies
from training.run import TrainingError
from training.varied import STRONG, changes

Kind = Literal["real", "duplicated", "augmented", "hybrid", "shuffled", "noise", "synthetic"]
#: Kinds that add something to every real picture.
ADDING = ("duplicated", "augmented", "hybrid", "shuffled", "noise")


@dataclass(frozen=True)
class Cell:
    """One training: which classifier learns from what, under which seed."""

    classifier: str
    kind: Kind
    #: Which synthetic set, for the kinds that have one.
    synthetic: str = ""
    ratio: float = 0.0
    share: float = 1.0
    seed: int = 0

    @property
    def arm(self) -> str:
        """In words: "real + 2 × lora"."""
        times = f"{self.ratio:g} ×"
        return {
            "real": "real only",
            "duplicated": f"real + {times} real, the same again",
            "augmented": f"real + {times} real, changed",
            "hybrid": f"real + {times} {self.synthetic}",
            "shuffled": f"real + {times} {self.synthetic}, labels shuffled",
            "noise": f"real + {times} noise",
            "synthetic": f"{self.synthetic} only",
        }[self.kind]


@dataclass
class Pool:
    """Pictures of one set in the size that classifiers are fed."""

    name: str
    records: list[Record]
    #: uint8 (N, 3, S, S).
    pixels: np.ndarray
    #: Class numbers (N,).
    labels: np.ndarray
    #: SHA-256 of pixels and label of each.
    hashes: list[str] = field(repr=False)
    #: (source, patient or lesion) of each.
    groups: list[tuple[str, str]] = field(repr=False)
    #: Pictures of other conditions than the classes, which are left out.
    others: int = 0

    def __len__(self) -> int:
        return len(self.records)

    def rows(self, *splits: str) -> np.ndarray:
        return np.array([i for i, record in enumerate(self.records) if record.split in splits], int)

    def sha256(self, rows: np.ndarray | None = None) -> str:
        """Of the pixels and labels of ``rows``, in their order; of all unless given."""
        chosen = self.hashes if rows is None else [self.hashes[i] for i in rows]
        return hashlib.sha256("\n".join(chosen).encode()).hexdigest()


def read_pool(name: str, folder: Path, classes: Sequence[str] | None, fed: Fed, cache: Path) -> tuple[Pool, list[str]]:
    """The pictures of ``folder`` whose ``rash`` is one of ``classes``, and the classes: all conditions there are unless given.

    Raises:
        TrainingError: no such folder, no labels, a class without a picture, a picture that is not there or cannot be read.
    """
    try:
        found = read_folder(folder, valid_share=0)
    except (OSError, ValueError) as error:
        raise TrainingError(str(error)) from error
    labelled = [record for record in found if record.values.get("rash")]
    names = list(classes or sorted({record.values["rash"] for record in labelled}))
    records = [record for record in labelled if record.values["rash"] in names]
    empty = [each for each in names if not any(record.values["rash"] == each for record in records)]
    if empty or len(names) < 2:
        raise TrainingError(f"{folder} has no picture of {', '.join(empty) or 'a second condition'}: a classifier needs some of every class.")
    gone = next((record.path for record in records if not record.path.is_file()), None)
    if gone:
        raise TrainingError(f"{gone}, which the metadata of {folder} names, is not there.")
    try:
        pixels = small_copies(records, fed, cache)
    except OSError as error:
        raise TrainingError(f"A picture of {folder} cannot be read: {error}.") from error
    labels = np.array([names.index(record.values["rash"]) for record in records])
    hashes = [hashlib.sha256(pixels[i].tobytes() + names[label].encode()).hexdigest() for i, label in enumerate(labels)]
    own = groups(folder)
    belongs = [own.get(record.path, ("", record.path.name)) for record in records]
    return Pool(name, records, pixels, labels, hashes, belongs, len(found) - len(records)), names


def groups(folder: Path) -> dict[Path, tuple[str, str]]:
    """(source, patient or lesion) by path, of the pictures of ``folder`` whose metadata say it."""
    path = folder / "metadata.jsonl"
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {folder / row["file_name"]: (str(row.get("source") or ""), str(row["group"])) for row in rows if row.get("group")}


@dataclass
class Material:
    """What one classifier learns from. A row is a picture of one of ``pools`` (−1: noise) and the label it is shown under."""

    pools: list[Pool]
    pool: np.ndarray
    row: np.ndarray
    labels: np.ndarray
    #: Rows of `training.varied.changes` for copies that were changed once and for all; NaN for the others.
    changes: np.ndarray
    #: What is said of it in the files: pictures by kind and class.
    counts: dict[str, dict[str, int]]
    #: A synthetic set had fewer pictures than were asked for.
    short: int = 0

    def __len__(self) -> int:
        return len(self.row)

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """uint8 (n, 3, S, S), before copies are changed."""
        out = np.empty((len(rows), *self.pools[0].pixels.shape[1:]), np.uint8)
        for place, i in enumerate(rows):
            out[place] = _noise(self.row[i], out.shape[1:]) if self.pool[i] < 0 else self.pools[self.pool[i]].pixels[self.row[i]]
        return out

    def digest(self) -> str:
        """SHA-256 of all that is learnt from: pixels, labels, changes, in their order."""
        said = hashlib.sha256()
        for pool, row, label, how in zip(self.pool, self.row, self.labels, self.changes, strict=True):
            own = f"noise {row}" if pool < 0 else self.pools[pool].hashes[row]
            said.update(f"{own} {label}".encode() + (b"" if np.isnan(how[0]) else how.tobytes()))
        return said.hexdigest()


def material(cell: Cell, real: Pool, synthetic: dict[str, Pool], classes: Sequence[str], upright: bool, balanced: bool) -> Material:
    """What the classifier of ``cell`` learns from. ``balanced``: what is added has as many of every class."""
    kept = share_of(real, cell.share, cell.seed)
    drawn = synthetic.get(cell.synthetic)
    rng = np.random.default_rng((cell.seed, 7))
    if cell.kind == "synthetic":
        rows = np.arange(len(drawn))
        return _put(classes, [("synthetic", drawn, rows, drawn.labels, None)])
    parts = [("real", real, kept, real.labels[kept], None)]
    wanted = _wanted(real.labels[kept], cell.ratio, len(classes), balanced)
    short = 0
    if cell.kind in ("duplicated", "augmented"):
        rows = np.concatenate([_again(kept[real.labels[kept] == c], wanted[c], rng) for c in range(len(classes))])
        how = changes(rng, len(rows), STRONG, upright) if cell.kind == "augmented" else None
        parts.append((cell.kind, real, rows, real.labels[rows], how))
    elif cell.kind in ("hybrid", "shuffled"):
        rows = np.concatenate([rng.permutation(np.flatnonzero(drawn.labels == c))[: wanted[c]] for c in range(len(classes))])
        short = int(wanted.sum() - len(rows))
        labels = drawn.labels[rows]
        parts.append((cell.kind, drawn, rows, rng.permutation(labels) if cell.kind == "shuffled" else labels, None))
    elif cell.kind == "noise":
        labels = np.repeat(np.arange(len(classes)), wanted)
        parts.append(("noise", None, rng.integers(2**31, size=len(labels)), labels, None))
    return _put(classes, parts, short)


def share_of(real: Pool, share: float, seed: int) -> np.ndarray:
    """Rows (n,) of the ``share`` of each class of the pictures to learn from, at least one; patients come one after another."""
    chosen = []
    learn = real.rows("train")
    for label in np.unique(real.labels[learn]):
        rows = learn[real.labels[learn] == label]
        names = sorted({real.groups[i] for i in rows})
        place = dict(zip(names, np.random.default_rng((seed, 3, int(label))).permutation(len(names)), strict=True))
        order = sorted(rows, key=lambda i: (place[real.groups[i]], i))
        chosen += order[: max(1, round(share * len(rows)))]
    return np.array(sorted(chosen), int)


def _wanted(labels: np.ndarray, ratio: float, classes: int, balanced: bool) -> np.ndarray:
    """How many pictures of each class are added."""
    there = np.bincount(labels, minlength=classes)
    if not balanced:
        return np.round(there * ratio).astype(int)
    return np.full(classes, round(len(labels) * ratio / classes), int)


def _again(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` of ``rows``, each as often as the others, the rest at random."""
    whole, rest = divmod(count, len(rows))
    return np.concatenate([np.tile(rows, whole), rng.permutation(rows)[:rest]])


Part = tuple[str, "Pool | None", np.ndarray, np.ndarray, "np.ndarray | None"]


def _put(classes: Sequence[str], parts: list[Part], short: int = 0) -> Material:
    pools = list({id(pool): pool for _, pool, *_ in parts if pool is not None}.values())
    at = {id(pool): i for i, pool in enumerate(pools)}
    return Material(
        pools,
        np.concatenate([np.full(len(rows), -1 if pool is None else at[id(pool)]) for _, pool, rows, *_ in parts]),
        np.concatenate([rows for _, _, rows, *_ in parts]),
        np.concatenate([labels for *_, labels, _ in parts]),
        np.concatenate([np.full((len(rows), 10), np.nan, np.float32) if how is None else how for _, _, rows, _, how in parts]),
        {kind: {name: int((labels == c).sum()) for c, name in enumerate(classes)} for kind, _, _, labels, _ in parts},
        short,
    )


def _noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Grey noise of a picture's contrast, the same for the same ``seed``."""
    return np.clip(np.random.default_rng(seed).normal(128, 50, shape), 0, 255).astype(np.uint8)

