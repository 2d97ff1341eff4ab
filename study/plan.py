"""Which pictures a study shows, made blind and written to its folder.

    study/
      study.json       what was chosen from, seed, side, diagnoses to choose from
      key.jsonl        what every picture is: never shown
      pictures/…       every picture under a name drawn at random, in one form
      answers/…        what readers said (`study.answers`)

Half of the pictures are real. Every real picture has a synthetic one of the same rash and tone as its match, and of the same
site where there is one, so that neither diagnosis nor tone tells which is which. File names, metadata, sides and coding are
the same for all: what a reader is asked about is the picture alone.
"""

from __future__ import annotations

import io
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.manifest import FILE, ManifestError, Row, read

PLAN, KEY, PICTURES = "study.json", "key.jsonl", "pictures"
Kind = Literal["real", "synthetic"]
SOMETHING_ELSE, CANNOT_TELL = "something else", "cannot tell"
#: All pictures are coded like this, whatever they were before: the same tables, the same subsampling.
JPEG = {"format": "JPEG", "quality": 92, "subsampling": "4:2:0"}


class StudyError(Exception):
    """A study that cannot be made or gone on with; the sentence says why and what to do."""


class Shown(BaseModel):
    """One picture of a study and what it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern="^[0-9a-f]{12}$")
    kind: Kind
    rash: str
    area: str | None = None
    tone: str | None = None
    tone_estimated: bool = False
    #: Where it comes from: for the one who runs the study.
    set: str
    file_name: str
    #: The picture of the other kind that was chosen for it, and whether that has the same tone too.
    match: str
    same_tone: bool

    @property
    def path(self) -> str:
        return f"{PICTURES}/{self.id}.jpg"


class Plan(BaseModel):
    """``study.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    real: str
    synthetic: str
    images: int
    seed: int
    #: Side of every picture in pixels.
    side: int
    #: What a reader can choose from; the last two are `SOMETHING_ELSE` and `CANNOT_TELL`.
    diagnoses: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A study that is ready to be shown."""

    folder: Path
    plan: Plan
    pictures: tuple[Shown, ...]

    @property
    def answers(self) -> Path:
        return self.folder / "answers"

    def order(self, reader: str) -> list[Shown]:
        """The pictures as ``reader`` sees them: another order for every reader, always the same for one."""
        order = sorted(self.pictures, key=lambda shown: shown.id)
        random.Random(f"{self.plan.seed}/{reader}").shuffle(order)
        return order

    def picture(self, shown: Shown) -> bytes:
        return (self.folder / shown.path).read_bytes()


def load(folder: Path) -> Study:
    """The study in ``folder``. Raises `StudyError` where there is none or it is damaged."""
    try:
        plan = Plan.model_validate_json((folder / PLAN).read_bytes())
        pictures = tuple(Shown.model_validate_json(line) for line in (folder / KEY).read_text("utf-8").splitlines())
    except FileNotFoundError:
        raise StudyError(f"{folder} holds no study; make one with --real SET --synthetic SET --out {folder}.") from None
    except (OSError, ValidationError) as error:
        raise StudyError(f"The study in {folder} cannot be read: {str(error).splitlines()[0]}") from error
    missing = [shown.id for shown in pictures if not (folder / shown.path).exists()]
    if missing:
        raise StudyError(f"{len(missing)} pictures of the study in {folder} are gone, for instance {missing[0]}.jpg.")
    return Study(folder, plan, pictures)


def make(
    folder: Path,
    real: Path,
    synthetic: Path,
    images: int = 60,
    seed: int = 0,
    side: int = 256,
    on_picture: Callable[[int, int], None] = lambda done, total: None,
) -> Study:
    """Choose pictures, write them blinded into ``folder``. The same study that is there already is only loaded.

    Args:
        real, synthetic: sets with a ``metadata.jsonl``.
        images: of both kinds together; fewer where the sets do not hold enough that match.
        side: of all pictures, in pixels; smaller pictures are not shown, since they would be told by their blur.

    Raises:
        StudyError: sets that are none, that have no rash in common, or a folder that holds another study.
    """
    if (folder / PLAN).exists():
        study = load(folder)
        asked = {"real": str(real), "synthetic": str(synthetic), "images": images, "seed": seed, "side": side}
        if {name: getattr(study.plan, name) for name in asked} != asked:
            raise StudyError(f"{folder} holds another study (see {PLAN}); give another --out, or the options of that one.")
        return study
    if any((folder / name).exists() for name in ("answers", KEY)):
        raise StudyError(f"{folder} holds the rest of another study; give another --out.")
    pairs = matched(_rows(real, side), _rows(synthetic, side), images // 2, seed)
    if not pairs:
        raise StudyError(
            f"{real} and {synthetic} have no picture of the same rash at {side}x{side} pixels or more, so nothing can be compared."
        )
    names = _names(seed)
    shown = []
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    for one, other in pairs:
        ids = next(names), next(names)
        for at, (row, root, kind) in enumerate(((one, real, "real"), (other, synthetic, "synthetic"))):
            data = blinded(root / row.file_name, side)
            entry = Shown(
                id=ids[at], kind=kind, rash=row.rash, area=row.area, tone=row.tone, tone_estimated=row.tone_estimated,
                set=str(root), file_name=row.file_name, match=ids[1 - at], same_tone=one.tone == other.tone,
            )  # fmt: skip
            (folder / entry.path).write_bytes(data)
            shown.append(entry)
            on_picture(len(shown), 2 * len(pairs))
    shown.sort(key=lambda entry: entry.id)
    diagnoses = (*sorted({row.rash for pair in pairs for row in pair}), SOMETHING_ELSE, CANNOT_TELL)
    plan = Plan(real=str(real), synthetic=str(synthetic), images=images, seed=seed, side=side, diagnoses=diagnoses)
    (folder / KEY).write_text("".join(f"{entry.model_dump_json()}\n" for entry in shown), "utf-8")
    (folder / PLAN).write_text(json.dumps(plan.model_dump(mode="json"), indent=1) + "\n", "utf-8")
    return load(folder)


def matched(real: Sequence[Row], synthetic: Sequence[Row], pairs: int, seed: int) -> list[tuple[Row, Row]]:
    """At most ``pairs`` pairs of a real and a synthetic row: first of the same rash and tone, then of the same rash.

    Every rash × tone that both sets hold has its turn before one comes again, rashes and tones as evenly as it goes. A group (patient, lesion, seed) comes twice only
    where a rash and tone has no other.
    """
    rng = random.Random(seed)
    found: list[tuple[Row, Row]] = []
    used: set[tuple[str, str]] = set()
    groups: set[tuple[str, str, str]] = set()

    def cells(key: Callable[[Row], tuple | None]) -> dict[tuple, tuple[list[Row], list[Row]]]:
        sides: tuple[dict, dict] = (defaultdict(list), defaultdict(list))
        for rows, by in zip((real, synthetic), sides, strict=True):
            for row in sorted(rows, key=lambda row: row.file_name):
                if (at := key(row)) is not None:
                    by[at].append(row)
        both = sorted(set(sides[0]) & set(sides[1]))
        for by in sides:
            for at in both:
                rng.shuffle(by[at])
        rng.shuffle(both)
        return {at: (sides[0][at], sides[1][at]) for at in both}

    def fresh(kind: Kind, rows: list[Row]) -> list[Row]:
        """Those not shown yet, of groups not shown yet where there are any."""
        left = [row for row in rows if (kind, row.file_name) not in used]
        return [row for row in left if (kind, row.source, row.group) not in groups] or left

    def pair(ours: list[Row], theirs: list[Row]) -> tuple[Row, Row] | None:
        ones, others = fresh("real", ours), fresh("synthetic", theirs)
        if not ones or not others:
            return None
        sites = {row.area: row for row in reversed(others) if row.area}
        one = next((row for row in ones if row.area in sites), ones[0])
        other = sites.get(one.area, others[0])
        for kind, row in (("real", one), ("synthetic", other)):
            used.add((kind, row.file_name))
            groups.add((kind, row.source, row.group))
        return one, other

    for key in (lambda row: (row.rash, row.tone) if row.tone else None, lambda row: (row.rash,)):
        open_cells = cells(key)
        values = [len(set(column)) for column in zip(*open_cells, strict=True)]
        taken: Counter[tuple] = Counter()

        def so_far(at: tuple, values: list[int] = values, taken: Counter[tuple] = taken) -> tuple:
            """How often this cell was taken, then its rash and its tone, each against an even share, the fuller one first."""
            shares = [many * taken[slot, value] for slot, (many, value) in enumerate(zip(values, at, strict=True))]
            return taken[at], max(shares), sum(shares)

        while open_cells and len(found) < pairs:
            at = min(open_cells, key=so_far)
            if chosen := pair(*open_cells[at]):
                found.append(chosen)
                taken.update([at, *enumerate(at)])
            else:
                del open_cells[at]
    return found


def blinded(path: Path, side: int) -> bytes:
    """The middle square of a picture at ``side`` × ``side``, coded as all others are, without any metadata.

    Raises `StudyError` for a picture that cannot be read.
    """
    try:
        with Image.open(path) as file:
            upright = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise StudyError(f"{path} cannot be read: {error}.") from error
    square = ImageOps.fit(upright, (side, side), Image.Resampling.LANCZOS)
    bare = Image.frombytes("RGB", square.size, square.tobytes())  # nothing comes along: no EXIF, no profile, no text
    buffer = io.BytesIO()
    bare.save(buffer, **JPEG)
    return buffer.getvalue()


def _rows(folder: Path, side: int) -> list[Row]:
    """The rows of a set whose pictures are large enough."""
    try:
        rows = read(folder)
    except ManifestError as error:
        raise StudyError(str(error)) from error
    if not rows:
        raise StudyError(
            f"{folder} has no {FILE}. Bring photographs in with `script2skin data import`; `script2skin generate` writes one itself."
        )
    return [row for row in rows if _large_enough(folder / row.file_name, side)]


def _large_enough(path: Path, side: int) -> bool:
    try:
        with Image.open(path) as file:
            return min(file.size) >= side
    except OSError:
        return False


def _names(seed: int) -> Iterator[str]:
    """Names without meaning, none twice."""
    rng, seen = random.Random(f"names/{seed}"), set()
    while True:
        name = f"{rng.getrandbits(48):012x}"
        if name not in seen:
            seen.add(name)
            yield name
