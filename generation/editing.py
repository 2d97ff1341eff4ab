"""``script2skin edit``: a picture file changed (:mod:`generation.edit`), saved as a new one with its record; the file itself stays."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from assistant.schema import ImageRequest
from generation import files, provenance
from generation.edit import LONGEST, SIZES, Edit, Edited, EditError, edited

#: What is said of a photograph that was changed: that it is one must not be hidden.
NOTICE = "Photograph altered by script2skin. Not for diagnosis."
#: IPTC's mark for a picture that a program has changed, in place of the one for pictures made by a trained model.
ALTERED = provenance.XMP.replace("trainedAlgorithmicMedia", "algorithmicallyEnhanced")


def edit_file(
    path: Path, edit: Edit, out: Path, mask: Path | None = None, rash: str | None = None, area: str | None = None, tone: str | None = None, seed: int = 0
) -> tuple[Path, dict[str, Any]]:
    """Change the picture at ``path`` and save it in ``out``; a picture that this project drew says itself what is on it.

    Args:
        mask: picture of the same size, white where the lesion is; found unless given.
        rash, area, tone: of a photograph that has no record, as far as they are known.

    Returns:
        The new PNG and its record, which also lies beside it as JSON, with the masks before and after.

    Raises:
        EditError, SaveError
    """
    rgb, record = _opened(path), _record_of(path)
    request = {**(record["request"] if record else {}), **{k: v for k, v in (("rash", rash), ("area", area), ("tone", tone)) if v}}
    if not request.get("rash"):
        raise EditError(f"{path} has no record of what is on it; say --rash, and --area where it shows a face.")
    result = edited(rgb, edit, _mask(mask, rgb.shape[:2]) if mask else None, request["rash"], request.get("area"), seed)
    request = _asked(request, edit)
    sidecar = {
        **(record or {"format": provenance.FORMAT, "versions": provenance.versions()}),
        "notice": record["notice"] if record else NOTICE,
        "caption": _caption(request), "request": request,
        "edit": {"of": path.name, "of_sha256": files.file_sha256(path), "mask": "given" if mask else "found", "seed": seed, **result.record},
    }  # fmt: skip
    for before in ("measured_tone", "seen_rash"):
        sidecar.pop(before, None)
    return _save(out, f"{path.stem}_{_name(edit)}", result, sidecar, bool(record)), sidecar


def _opened(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, ValueError) as error:
        raise EditError(f"{path} is no picture that can be read.") from error
    if min(image.size) < 64:
        raise EditError(f"{path} has {image.width} × {image.height} pixels; at least 64 on each side are needed.")
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    try:
        with Image.open(path) as file:
            image = file.convert("L")
    except (OSError, ValueError) as error:
        raise EditError(f"{path} is no picture that can be read.") from error
    if abs(image.width * shape[0] - image.height * shape[1]) > max(image.size):
        raise EditError(f"The mask has {image.width} × {image.height} pixels; it must have the picture's shape.")
    found = np.asarray(image.resize(shape[::-1], Image.Resampling.BILINEAR)) > 127
    if not found.any():
        raise EditError(f"{path} is black all over; the lesion must be white.")
    return found


def _record_of(path: Path) -> dict[str, Any] | None:
    """The record inside a PNG of this project, or beside it."""
    try:
        return provenance.read_png(path)
    except (OSError, ValueError):
        pass
    try:
        record = provenance.read_sidecar(path.with_suffix(".json"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("format") == provenance.FORMAT and "request" in record else None


def _asked(request: dict[str, Any], edit: Edit) -> dict[str, Any]:
    """The values that the picture has after the edit."""
    size = edit.size if edit.size in SIZES else None
    changed = {"tone": edit.tone, "size": size, "number": "multiple" if edit.more else None}
    return {**request, **{slot: value for slot, value in changed.items() if value}, "count": 1}


def _caption(request: dict[str, Any]) -> str:
    from assistant.caption import caption

    slots = dict.fromkeys(("rash", "area", "tone", "severity", "size", "number")) | {k: v for k, v in request.items() if k in ImageRequest.model_fields}
    try:
        return caption(ImageRequest.model_construct(**slots))
    except ValueError as error:
        raise EditError(str(error)) from error


def _name(edit: Edit) -> str:
    move = edit.move if isinstance(edit.move, str) else edit.move and f"to-{edit.move[0]:g}-{edit.move[1]:g}"
    size = f"{edit.size:g}x" if isinstance(edit.size, float) else edit.size
    return "_".join(part.replace(" ", "-") for part in (edit.tone, size, move, edit.more and f"{edit.more}-more") if part)


def _save(out: Path, stem: str, result: Edited, sidecar: dict[str, Any], drawn: bool) -> Path:
    """PNG with its record inside, the record beside it, both masks beside that. Raises SaveError."""
    from generation.errors import SaveError

    info = PngImagePlugin.PngInfo()
    words = json.dumps(sidecar, ensure_ascii=False, sort_keys=True)
    for key, value in (
        ("Title", sidecar["caption"]), ("Description", sidecar["notice"]), ("caption", sidecar["caption"]), (provenance.CHUNK, words),
        ("XML:com.adobe.xmp", provenance.XMP if drawn else ALTERED),
    ):  # fmt: skip
        info.add_itxt(key, value)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for suffix, mask in (("before", result.before), ("after", result.after)):
            files.write_whole(out / f"{stem}.mask-{suffix}.png", _png(Image.fromarray(mask.astype(np.uint8) * 255)))
        path = out / f"{stem}.png"
        files.write_whole(path.with_suffix(".json"), (json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n").encode())
        files.write_whole(path, _png(Image.fromarray(result.rgb), info))
    except OSError as error:
        raise SaveError(f"The image could not be saved in {out}: {files.disk_reason(error)}.") from error
    return path


def _png(image: Image.Image, info: PngImagePlugin.PngInfo | None = None) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()
