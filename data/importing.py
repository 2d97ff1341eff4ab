"""A source into a set: pictures opened, mended, measured, compared and grouped; every file accounted for.

1. Each picture is made and written down in ``metadata.jsonl.part`` as it comes, in several threads. An import that was
   stopped, at whatever moment, goes on there; a picture that is in the set already is left as it is.
2. The new pictures are compared with each other and with those of the set (:mod:`data.lookalikes`).
3. Groups and splits are settled (:mod:`data.groups`), and manifest, fingerprints and ``skipped.jsonl`` are written.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from data import manifest, prints, skipped
from data.groups import HELD_OUT, Member, settle
from data.labels import row_text
from data.lookalikes import PIXELS, Embedding, Print, candidates, fingerprint, look_alikes
from data.manifest import Row, Split
from data.pictures import UnusablePicture, is_plain_jpeg, open_rgb, picture_ita, read_mask, shrink, upright_size
from data.prints import Known
from data.sources import Item, Skipped
from data.splits import SHARES
from generation.ita import tone_of

PART = f"{manifest.FILE}.part"

#: Called with the stage, the number done and the number in all.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Source:
    """What every row of one source has in common."""

    name: str
    license: str
    shares: tuple[float, float, float] = SHARES
    seed: int = 0


@dataclass
class Report:
    """Where every file of a source went: ``found == added + present + len(skipped)``."""

    added: int = 0
    #: In the set already, from an earlier import.
    present: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    #: Pairs of look-alikes that an added picture is one of.
    alike: int = 0

    @property
    def found(self) -> int:
        return self.added + self.present + len(self.skipped)

    def reasons(self) -> list[tuple[str, int]]:
        """Reasons for skipping, without their particulars, the most frequent first."""
        return Counter(skipped.kind_of(skip.reason) for skip in self.skipped).most_common()


@dataclass(frozen=True)
class Draft:
    """A picture that is made, with what settles its group and its split later."""

    row: Row
    known: Known
    split: Split | None

    def line(self) -> str:
        look = self.known.print
        vector = {"type": str(look.vector.dtype), "data": base64.b64encode(look.vector.tobytes()).decode()}
        return json.dumps({
            "row": self.row.model_dump(), "own_group": self.known.own_group, "split": self.split,
            "sha256": look.sha256, "phash": look.phash, "vector": vector,
        }, ensure_ascii=False)  # fmt: skip

    @classmethod
    def of_line(cls, line: str) -> Draft:
        """Raises ``ValueError`` or ``KeyError`` for what is no such line."""
        said = json.loads(line)
        vector = np.frombuffer(base64.b64decode(said["vector"]["data"]), dtype=said["vector"]["type"])
        known = Known(Print(said["sha256"], said["phash"], vector), said["own_group"])
        return cls(Row.model_validate(said["row"]), known, said["split"])

    def member(self) -> Member:
        return Member(self.row, self.known.print.sha256, self.known.own_group, self.split)


def import_source(
    items: Iterable[Item | Skipped],
    source: Source,
    out: Path,
    side: int = 512,
    progress: Progress = lambda stage, done, total: None,
    workers: int | None = None,
    embedding: Embedding = PIXELS,
) -> Report:
    """Bring ``items`` into the set at ``out``; its other rows stay.

    ``side``: shorter side in pixels that larger pictures are scaled down to. ``workers``: threads, as many as there are
    processors unless given; the result does not depend on it. ``embedding`` names candidates for look-alikes. Files left
    out are listed in ``skipped.jsonl`` of ``out``. Raises :class:`manifest.ManifestError` for a manifest that cannot be
    read, and for a set that another import is writing to.
    """
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # such a file is refused and listed
        _sweep(out)
        rows = {row.file_name: row for row in manifest.read(out)}
        drafts = _drafts_so_far(out, rows, embedding)
        report = Report()
        seen = _make_all(items, source, out, side, rows, drafts, report, progress, workers, embedding)
        _settle_all(source, out, rows, drafts, seen, report, progress, workers, embedding)
    return report


def _make_all(items, source, out, side, rows, drafts, report, progress, workers, embedding) -> dict[str, tuple[Path, str]]:
    """Every item made, skipped or found to be there; ``drafts`` and their file get what is new.

    Returns the path of each picture of the set that an item stands for, and how it was counted.
    """
    there = frozenset(name for name in (*rows, *drafts) if (out / name).is_file())
    make = partial(_make, source=source, out=out, side=side, there=there, embedding=embedding)
    ordered = sorted(items, key=_held_out_first)
    seen: dict[str, tuple[Path, str]] = {}
    with (out / PART).open("a", encoding="utf-8") as part, ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        try:
            for item, (name, made) in zip(ordered, pool.map(make, ordered), strict=True):
                if isinstance(made, str):
                    report.skipped.append(Skipped(item.path, made))
                elif name in seen:
                    label = (drafts[name].row if name in drafts else rows[name]).rash
                    report.skipped.append(Skipped(item.path, _same(item, label, seen[name][0])))
                elif made is None:
                    report.present += 1
                    seen[name] = item.path, "present"
                else:
                    part.write(made.line() + "\n")
                    part.flush()
                    drafts[name] = made
                    report.added += 1
                    seen[name] = item.path, "added"
                progress("Pictures", report.found, len(ordered))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return seen


def _settle_all(source, out, rows, drafts, seen, report, progress, workers, embedding) -> None:
    known = _known(out, [row for name, row in rows.items() if name not in drafts], progress, workers, embedding)
    blind = [name for name in rows if name not in drafts and name not in known]  # its file is gone or was damaged since
    names = [*known, *drafts]
    looks = [each.print for each in (*known.values(), *(draft.known for draft in drafts.values()))]
    progress("Comparing", 0, 1)
    pairs = candidates(looks, len(known), embedding)
    alike = look_alikes([out / name for name in names], pairs, lambda done: progress("Comparing", done, len(pairs)))
    old = [
        *(Member(rows[name], each.print.sha256, each.own_group, rows[name].split) for name, each in known.items()),
        *(Member(rows[name], "", rows[name].group, rows[name].split) for name in blind),
    ]
    later = [tuple(at if at < len(known) else at + len(blind) for at in pair) for pair in alike]
    new = [draft.member() for draft in drafts.values()]
    settled = settle(old, new, later, source.shares, source.seed)
    foreign = _leave_out(out, [(new[at].row, reason) for at, reason in settled.left_out.items()], seen, report)
    kept = {row.file_name for row in settled.rows}
    report.alike = sum(names[i] in kept and names[j] in kept for i, j in alike)
    known |= {name: draft.known for name, draft in drafts.items()}
    prints.write(out, {name: each for name, each in known.items() if name in kept}, embedding.name)
    manifest.write(out, settled.rows)
    skipped.write(out, source.name, [*((source.name, skip) for skip in report.skipped), *foreign])
    (out / PART).unlink()


def _make(item: Item | Skipped, source: Source, out: Path, side: int, there: frozenset[str], embedding: Embedding) -> tuple[str, Draft | str | None]:
    """The file name of ``item`` in the set with its draft, why it is skipped, or ``None`` where it is ``there`` already."""
    if isinstance(item, Skipped):
        return "", item.reason
    try:
        sha256 = _sha256(item.path)
        key = item.key or sha256[:16]
        name = f"images/{_slug(item.source or source.name)}/{key}.jpg"
        return name, None if name in there else _draft(item, source, out, side, name, sha256, key, embedding)
    except UnusablePicture as reason:
        return "", str(reason)


def _draft(item: Item, source: Source, out: Path, side: int, name: str, sha256: str, key: str, embedding: Embedding) -> Draft:
    picture = open_rgb(item.path, max(side, 256))
    mask = read_mask(item.mask, upright_size(item.path)) if item.mask else None
    angle = item.ita if item.ita is not None else picture_ita(picture, mask, item.dermoscopic)
    labels, estimated = item.labels, item.tone_estimated
    if labels.tone is None and angle is not None:
        labels, estimated = labels.model_copy(update={"tone": tone_of(angle)}), True
    small = shrink(picture, side)
    if small is picture and is_plain_jpeg(item.path) and small.size == upright_size(item.path):
        _keep(item.path, out / name)
    else:  # 4:4:4, since redness lives in the channels that JPEG would halve
        _save(small, out / name, "JPEG", quality=95, subsampling=0)
    mask_name = None
    if mask is not None:
        mask_name = str(Path(name.replace("images/", "masks/", 1)).with_suffix(".png").as_posix())
        _save(mask.resize(small.size, Image.Resampling.NEAREST), out / mask_name, "PNG")
    text = row_text(labels)
    row = Row(
        **labels.model_dump(),
        file_name=name,
        text=text,
        captions=tuple(said for said in dict.fromkeys(item.captions) if said != text),
        source=item.source or source.name,
        license=item.license or source.license,
        group=item.group or key,
        split=item.split or "train",
        tone_estimated=estimated,
        ita=None if angle is None else round(angle, 1),
        mask_file_name=mask_name,
        original_label=item.original_label,
    )
    return Draft(row, Known(fingerprint(sha256, picture, embedding), item.group or key), item.split)


def _known(out: Path, rows: list[Row], progress: Progress, workers: int | None, embedding: Embedding) -> dict[str, Known]:
    """What is known of the pictures of the set by file name; what no import has left is measured now."""
    known = prints.read(out, embedding.name)
    fresh = [row for row in rows if row.file_name not in known]

    def look(row: Row) -> Known | None:
        try:
            picture = open_rgb(out / row.file_name, 256)
            return Known(fingerprint(_sha256(out / row.file_name), picture, embedding), row.group)
        except UnusablePicture:
            return None

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for done, (row, each) in enumerate(zip(fresh, pool.map(look, fresh), strict=True), start=1):
            if each:
                known[row.file_name] = each
            progress("Pictures of the set", done, len(fresh))
    return {row.file_name: known[row.file_name] for row in rows if row.file_name in known and (out / row.file_name).is_file()}


def _leave_out(out: Path, left: list[tuple[Row, str]], seen: dict[str, tuple[Path, str]], report: Report) -> list[tuple[str, Skipped]]:
    """Pictures that could not be settled are taken out again and listed.

    Returns those that no item of this import stands for, with their source: left from another one that was stopped.
    """
    foreign = []
    for row, reason in left:
        (out / row.file_name).unlink(missing_ok=True)
        if row.mask_file_name:
            (out / row.mask_file_name).unlink(missing_ok=True)
        if row.file_name not in seen:
            foreign.append((row.source, Skipped(out / row.file_name, reason)))
            continue
        path, counted = seen[row.file_name]
        setattr(report, counted, getattr(report, counted) - 1)
        report.skipped.append(Skipped(path, reason))
    return foreign


def _same(item: Item, label: str, first: Path) -> str:
    other = "" if item.labels.rash == label else ", under another label"
    return f"same picture as another{other}: {first} ({label})"


def _held_out_first(item: Item | Skipped) -> int:
    """So that of two exact copies that of the test pictures stays."""
    split = item.split if isinstance(item, Item) else None
    return HELD_OUT.index(split) if split else len(HELD_OUT)


def _slug(name: str) -> str:
    """``name`` as the name of a folder, which it cannot leave."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "pictures"


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnusablePicture(f"not readable ({error.strerror})") from None


def _save(picture: Image.Image, path: Path, kind: str, **options) -> None:
    """Write under another name first, so that a stop leaves no half picture behind."""
    with _whole(path) as half:
        picture.save(half, kind, **options)


def _keep(original: Path, path: Path) -> None:
    with _whole(path) as half:
        shutil.copyfile(original, half)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A name to write to that becomes ``path`` when all is written; two threads that write one picture do not meet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{threading.get_ident()}.tmp")
    yield half
    half.replace(path)


def _sweep(out: Path) -> None:
    """Half pictures that an import left when it was killed."""
    for folder in ("images", "masks"):
        for half in (out / folder).rglob(".*.tmp"):
            half.unlink()


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    try:
        with FileLock(out / ".import.lock", timeout=0):
            yield
    except Timeout:
        raise manifest.ManifestError(f"another import is writing to {out}; wait for it to end.") from None


def _drafts_so_far(out: Path, rows: dict[str, Row], embedding: Embedding) -> dict[str, Draft]:
    """Drafts of an import that was stopped, by file name; the half line that it may have left is cut off."""
    part = out / PART
    if not part.exists():
        return {}
    written = part.read_bytes()
    whole = written[: written.rfind(b"\n") + 1]
    os.truncate(part, len(whole))
    size = embedding.of(Image.new("RGB", (64, 64))).shape
    drafts = {}
    for number, line in enumerate(whole.decode("utf-8").splitlines(), start=1):
        try:
            draft = Draft.of_line(line)
        except (ValueError, KeyError, TypeError):
            raise manifest.ManifestError(f"{part}, line {number}: no draft of a picture. Remove the file and import again.") from None
        if draft.row.file_name not in rows and (out / draft.row.file_name).is_file() and draft.known.print.vector.shape == size:
            drafts[draft.row.file_name] = draft
    return drafts
