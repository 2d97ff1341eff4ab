"""A source into a set: pictures opened, mended and measured, one manifest row each; every file accounted for.

An import that was stopped goes on where it was: rows are kept in ``metadata.jsonl.part`` as they come, and a picture
that is in the set already is left as it is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from assistant.caption import caption, compose
from assistant.vocabulary import vocabulary
from data import manifest
from data.manifest import Labels, Row
from data.pictures import UnusablePicture, is_plain_jpeg, open_rgb, picture_ita, read_mask, shrink
from data.sources import Item, Skipped
from data.splits import SHARES, split_of
from generation.ita import tone_of

PART = f"{manifest.FILE}.part"
SKIPPED = "skipped.jsonl"


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

    @property
    def found(self) -> int:
        return self.added + self.present + len(self.skipped)

    def reasons(self) -> list[tuple[str, int]]:
        """Reasons for skipping, without their particulars, the most frequent first."""
        return Counter(skip.reason.split(":")[0].split(" (")[0] for skip in self.skipped).most_common()


def import_source(
    items: Iterable[Item | Skipped],
    source: Source,
    out: Path,
    side: int = 512,
    progress: Callable[[int], None] = lambda found: None,
) -> Report:
    """Bring ``items`` into the set at ``out``; its other rows stay. ``progress`` gets the number of files seen so far.

    ``side``: shorter side in pixels that larger pictures are scaled down to. Files left out are listed in
    ``skipped.jsonl`` of ``out``. Raises :class:`manifest.ManifestError` for a manifest that cannot be read or
    that would have a group in two splits.
    """
    (out / "images" / source.name).mkdir(parents=True, exist_ok=True)
    rows = _rows_so_far(out)
    report, seen = Report(), {}
    with (out / PART).open("a", encoding="utf-8") as part:
        for item in items:
            try:
                _bring(item, source, out, side, rows, seen, report, part)
            except UnusablePicture as reason:
                report.skipped.append(Skipped(item.path, str(reason)))
            progress(report.found)
    manifest.write(out, rows.values())
    _list_skipped(out, source.name, report.skipped)
    (out / PART).unlink()
    return report


def row_text(labels: Labels) -> str:
    """Canonical caption of what is known; a rash that the vocabulary does not have stands in it under its own name."""
    return caption(labels) if labels.rash in vocabulary().names("rash") else compose(labels)


def _bring(item, source, out, side, rows, seen, report, part) -> None:
    if isinstance(item, Skipped):
        report.skipped.append(item)
        return
    key = item.key or hashlib.sha256(_bytes(item.path)).hexdigest()[:16]
    if key in seen:
        raise UnusablePicture(f"same picture as another: {seen[key]}")
    seen[key] = item.path
    file_name = f"images/{source.name}/{key}.jpg"
    if file_name in rows and (out / file_name).is_file():
        report.present += 1
        return
    row = _make(item, source, out, side, file_name)
    rows[file_name] = row
    part.write(row.model_dump_json() + "\n")
    part.flush()
    report.added += 1


def _make(item: Item, source: Source, out: Path, side: int, file_name: str) -> Row:
    picture = open_rgb(item.path)
    mask = read_mask(item.mask, picture.size) if item.mask else None
    angle = picture_ita(picture, mask, item.dermoscopic)
    labels, estimated = item.labels, False
    if labels.tone is None and angle is not None:
        labels, estimated = labels.model_copy(update={"tone": tone_of(angle)}), True
    group = item.group or _look_alike(picture)
    small = shrink(picture, side)
    if small is picture and is_plain_jpeg(item.path):
        _keep(item.path, out / file_name)
    else:  # 4:4:4, since redness lives in the channels that JPEG would halve
        _save(small, out / file_name, "JPEG", quality=95, subsampling=0)
    mask_name = None
    if mask is not None:
        mask_name = str(Path(file_name.replace("images/", "masks/", 1)).with_suffix(".png").as_posix())
        _save(mask.resize(small.size, Image.Resampling.NEAREST), out / mask_name, "PNG")
    return Row(
        **labels.model_dump(),
        file_name=file_name,
        text=row_text(labels),
        source=source.name,
        license=source.license,
        group=group,
        split=item.split or split_of(group, source.shares, source.seed),
        tone_estimated=estimated,
        ita=None if angle is None else round(angle, 1),
        mask_file_name=mask_name,
        original_label=item.original_label,
    )


def _look_alike(picture: Image.Image) -> str:
    """A name that a picture shares with its resized or recompressed copies: 64-bit perceptual hash (DCT)."""
    import imagehash

    return f"phash-{imagehash.phash(picture)}"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusablePicture(f"not readable ({error.strerror})") from None


def _save(picture: Image.Image, path: Path, kind: str, **options) -> None:
    """Write under another name first, so that a stop leaves no half picture behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.tmp")
    picture.save(half, kind, **options)
    half.replace(path)


def _keep(original: Path, path: Path) -> None:
    half = path.with_name(f".{path.name}.tmp")
    shutil.copyfile(original, half)
    half.replace(path)


def _rows_so_far(out: Path) -> dict[str, Row]:
    rows = {row.file_name: row for row in manifest.read(out)}
    if (out / PART).exists():
        _drop_half_line(out / PART)
        rows.update((row.file_name, row) for row in manifest.iterate(out / PART))
    return rows


def _drop_half_line(path: Path) -> None:
    """A stop in the middle of a line costs that picture only."""
    whole, end, _ = path.read_text(encoding="utf-8").rpartition("\n")
    path.write_text(whole + end, encoding="utf-8")


def _list_skipped(out: Path, name: str, skipped: list[Skipped]) -> None:
    path = out / SKIPPED
    others = [line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)["source"] != name] if path.exists() else []
    lines = [json.dumps({"source": name, "path": str(skip.path), "reason": skip.reason}, ensure_ascii=False) for skip in skipped]
    path.write_text("".join(line + "\n" for line in others + lines), encoding="utf-8")
