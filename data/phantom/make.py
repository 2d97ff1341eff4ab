"""A balanced set of phantoms on disk: every rash × area × tone equally often, every label and lesion mask written out."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assistant.notes import notes
from assistant.vocabulary import vocabulary
from data.labels import row_text
from data.manifest import Labels, Row, read, write

LICENSE = "Apache-2.0"
SOURCE = "phantom"
#: Beside the manifest: what the set is drawn from, but for its size.
PLAN = "phantoms.json"
#: Shares of images whose caption (and picture) states a severity, a size, a number of lesions.
STATED = {"severity": 0.30, "size": 0.12, "number": 0.18}
#: The identity that is seen in validation pictures only; training never meets that body.
VALIDATION_IDENTITY = 7
VALIDATION_SHARE = 0.04
#: The manifest is written whenever so many more (and a tenth more) are drawn: training need not wait for the last one.
LISTED = 512


@dataclass(frozen=True)
class Job:
    """One phantom to be drawn. Its number and the set's seed decide everything about it."""

    number: int
    labels: Labels
    seed: int
    identity: int

    @property
    def file_name(self) -> str:
        return f"images/{self.number // 1000:03d}/{self.number:06d}.jpg"

    @property
    def mask_file_name(self) -> str:
        return f"masks/{self.number // 1000:03d}/{self.number:06d}.png"

    def row(self) -> Row:
        return Row(
            **self.labels.model_dump(), file_name=self.file_name, mask_file_name=self.mask_file_name,
            text=row_text(self.labels), source=SOURCE, license=LICENSE, group=f"phantom-body-{self.identity}",
            split="validation" if self.identity == VALIDATION_IDENTITY else "train",
        )  # fmt: skip


def plan(count: int, seed: int, rashes: list[str], areas: list[str], tones: list[str], typical: int = 1) -> Iterator[Job]:
    """``count`` jobs that go through all combinations in a shuffled order before any comes again.

    A typical site of a rash (`assistant.notes`) comes ``typical`` times a round; tones stay equally often.
    """
    notes_of = notes()
    combinations = [
        (r, a, t) for r in rashes for a in areas for t in tones
        for _ in range(typical if r in notes_of and a in notes_of[r].areas else 1)
    ]
    for number in range(count):
        round_, place = divmod(number, len(combinations))
        order = np.random.default_rng([seed, round_]).permutation(len(combinations))
        rash, area, tone = combinations[order[place]]
        rng = np.random.default_rng([seed, 1, number])
        labels = Labels(rash=rash, area=area, tone=tone, **_extras(rash, rng))
        identity = VALIDATION_IDENTITY if rng.random() < VALIDATION_SHARE else int(rng.integers(VALIDATION_IDENTITY))
        yield Job(number, labels, int(rng.integers(2**31)), identity)


def _extras(rash: str, rng: np.random.Generator) -> dict[str, str]:
    """What the caption says beyond rash, area and tone; a mole has no severity and a melanoma comes alone."""
    from data.phantom.render import LESION_RASHES

    stated = {slot: bool(rng.random() < share) for slot, share in STATED.items()}
    extras = {}
    if stated["severity"] and rash not in LESION_RASHES:
        extras["severity"] = str(rng.choice(["mild", "moderate", "severe"]))
    if stated["size"]:
        extras["size"] = str(rng.choice(["tiny", "large"]))
    if stated["number"] and rash != "melanoma":
        extras["number"] = str(rng.choice(["single", "multiple"]))
    return extras


def _draw(task: tuple[Job, str, int, float]) -> int:
    """Draw one phantom unless it is there already; files appear whole or not at all."""
    from PIL import Image

    from data.phantom.render import render

    job, folder, resolution, variety = task
    image_path, mask_path = Path(folder) / job.file_name, Path(folder) / job.mask_file_name
    if image_path.exists() and mask_path.exists():
        return job.number
    phantom = render(
        **job.labels.model_dump(), seed=job.seed, identity=job.identity, resolution=resolution, variety=variety
    )
    for path, picture, options in (
        (mask_path, phantom.mask, {"optimize": True}),
        (image_path, phantom.image, {"quality": 95, "subsampling": 0}),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{os.getpid()}{path.suffix}")
        Image.fromarray(picture).save(half, **options)
        half.replace(path)
    return job.number


def make(
    folder: Path,
    count: int,
    seed: int = 0,
    rashes: list[str] | None = None,
    areas: list[str] | None = None,
    tones: list[str] | None = None,
    workers: int | None = None,
    resolution: int = 256,
    variety: float = 1.0,
    typical: int = 1,
) -> Iterator[int]:
    """Draw ``count`` phantoms into ``folder`` and write its manifest; yields how many are done.

    What is there is kept, so an interrupted run goes on where it stopped. Pictures do not depend on ``workers``.
    Raises ValueError for an unknown rash, area or tone, and for a folder that holds phantoms of another plan.
    """
    from data.phantom.rashes import RASHES
    from data.phantom.render import TONES
    from data.phantom.sites import sites

    chosen = []
    if not rashes:  # those beyond the vocabulary are drawn when they are named
        rashes = [name for name in RASHES if name in vocabulary().names("rash")]
    for slot, wanted, known in (("rash", rashes, RASHES), ("area", areas, sites()), ("tone", tones, TONES)):
        unknown = set(wanted or ()) - set(known)
        if unknown:
            raise ValueError(f"no phantoms of {slot} {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        chosen.append(list(wanted or known))
    labels = dict(zip(("rashes", "areas", "tones"), chosen, strict=True))
    _same_plan(folder, {"seed": seed, **labels, "resolution": resolution, "variety": variety, "typical": typical})
    jobs = list(plan(count, seed, *chosen, typical))
    # Neighbours share a body, so that a worker seldom builds a new one; the body for validation comes first.
    def order(job: Job) -> tuple[int, bool, int]:
        return job.number // 2000, job.identity != VALIDATION_IDENTITY, job.identity

    tasks = [(job, str(folder), resolution, variety) for job in sorted(jobs, key=order)]
    rows = {job.number: job.row() for job in jobs}
    ready, listed = [], sum(row.source == SOURCE for row in read(folder))  # what is listed stays so
    with multiprocessing.get_context("spawn").Pool(workers or os.cpu_count(), initializer=_give_way) as pool:
        for number in pool.imap_unordered(_draw, tasks, chunksize=16):
            ready.append(rows[number])
            if len(ready) >= max(listed + LISTED, 1.1 * listed):
                _list(folder, ready)
                listed = len(ready)
            yield len(ready)
    _list(folder, ready)


def _list(folder: Path, phantoms: list[Row]) -> None:
    """The manifest with these phantoms; rows of other sources stay."""
    write(folder, [*(row for row in read(folder) if row.source != SOURCE), *phantoms])


def _give_way() -> None:
    """Let what else runs here go first: training on the phantoms that are drawn, or the person at this machine."""
    if hasattr(os, "nice"):
        os.nice(19)


def _same_plan(folder: Path, wanted: dict) -> None:
    """Remember what ``folder`` is drawn from; pictures are kept by number, so another plan would mislabel them."""
    path = folder / PLAN
    # folders begun before these two could be chosen have neither
    if path.exists() and {"variety": 1.0, "typical": 1, **json.loads(path.read_text())} != wanted:
        raise ValueError(f"{folder} holds phantoms of another seed or other labels (see {path.name}); give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(wanted) + "\n")
