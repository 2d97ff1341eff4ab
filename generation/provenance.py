"""Where a picture comes from, written into its PNG and into a JSON file beside it.

The record (a plain dict of JSON values) says all that is needed to draw the picture again: the request and which of
its images this is, seed, model and the hash of its weights, sampling settings and versions. It holds no time and no
path, so the same picture drawn twice gives the same bytes.
"""

from __future__ import annotations

import io
import json
import platform
import zlib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, PngImagePlugin

from assistant.schema import ImageRequest, LabelledRequest
from generation import files
from generation.errors import SaveError

if TYPE_CHECKING:
    from generation.generator import GeneratedImage

FORMAT = "script2skin/1"
NOTICE = "Synthetic image, not a photograph of a patient. Not for diagnosis."
#: Text chunk of the PNG that holds the whole record.
CHUNK = "script2skin"
#: IPTC's mark for pictures made by a trained model, which search engines and archives read from the XMP packet
#: (https://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia).
XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" Iptc4xmpExt:DigitalSourceType='
    '"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="r"?>'
)


@cache
def versions() -> dict[str, str]:
    """Versions of what decides the pixels."""
    names = ("script2skin", "torch", "diffusers", "transformers", "numpy", "pillow")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def record(request: ImageRequest, index: int, model: dict[str, Any], sampling: dict[str, Any]) -> dict[str, Any]:
    """The record of image ``index`` (from 0) of ``request``, before it is drawn."""
    return {
        "format": FORMAT,
        "notice": NOTICE,
        "caption": request.caption,
        "request": request.model_dump(mode="json", exclude=set() if request.matched else {"matched"}),
        "index": index,
        "seed": request.image_seed(index),
        "model": model,
        "sampling": sampling,
        "versions": versions(),
    }


def encode_png(image: Image.Image, sidecar: dict[str, Any]) -> bytes:
    """PNG bytes with the record in text chunks: readable ones for people's viewers, and all of it in `CHUNK`."""
    info = PngImagePlugin.PngInfo()
    sampling = sidecar["sampling"]
    chunks = {
        "Title": sidecar["caption"],
        "Description": sidecar["notice"],
        "Software": f"script2skin {sidecar['versions']['script2skin']}",
        "caption": sidecar["caption"],
        "request": sidecar["request"],
        "seed": sidecar["seed"],
        "model": sidecar["model"]["name"],
        "model_sha256": sidecar["model"]["sha256"],
        "steps": sampling["steps"],
        "guidance_scale": sampling["guidance_scale"],
        "versions": sidecar["versions"],
        CHUNK: sidecar,
        "XML:com.adobe.xmp": XMP,
    }
    for key, value in chunks.items():
        info.add_itxt(key, value if isinstance(value, str) else _json(value))
    buffer = io.BytesIO()
    # no longer than level 6 writes it, in a quarter of the time: after PNG's own filters next to nothing repeats but runs
    image.save(buffer, "PNG", pnginfo=info, compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def read_png(source: Path | bytes) -> dict[str, Any]:
    """The record inside a PNG that this project drew.

    Raises:
        ValueError: it has none.
    """
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        text = image.text.get(CHUNK) if isinstance(image, PngImagePlugin.PngImageFile) else None
    if text is None:
        raise ValueError("The picture holds no record of script2skin; programs that re-encode pictures drop it.")
    return json.loads(text)


def read_sidecar(path: Path) -> dict[str, Any]:
    """The record in a sidecar JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_request(source: Path | dict[str, Any]) -> tuple[ImageRequest, int]:
    """Request and image number out of a sidecar JSON file, a PNG, or a record."""
    if isinstance(source, Path):
        source = read_png(source) if source.suffix == ".png" else read_sidecar(source)
    kind = ImageRequest if source["request"].get("area") else LabelledRequest
    return kind.model_validate(source["request"]), source["index"]


def stem(sidecar: dict[str, Any]) -> str:
    """File name without suffix: every value of the request and the seed, as ``eczema_neck_fair_severe_0000000042``."""
    request = sidecar["request"]
    values = [request.get(slot) for slot in ("rash", "area", "tone", "severity", "size", "number")]
    return "_".join([*(value.replace(" ", "-") for value in values if value), f"{sidecar['seed']:010d}"])


def saved_at(sidecar: dict[str, Any], folder: Path) -> Path | None:
    """The PNG in ``folder`` that was drawn from this very record, or None."""
    for path in _names(folder, stem(sidecar)):
        if not path.exists():
            return None
        if _same(path.with_suffix(".json"), sidecar):
            return path
    return None


def save(image: GeneratedImage, folder: Path) -> Path:
    """Write a picture and its sidecar JSON; returns the PNG's path.

    Both appear whole or not at all, and no other picture's file is overwritten: another picture of the same name (other
    model or steps) gets a number.

    Raises:
        SaveError: the folder cannot be written; the sentence says why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = next(
            path
            for path in _names(folder, stem(image.sidecar))
            if not path.exists() or _same(path.with_suffix(".json"), image.sidecar)
        )
        sidecar = json.dumps(image.sidecar, indent=2, ensure_ascii=False) + "\n"
        files.write_whole(path.with_suffix(".json"), sidecar.encode())
        files.write_whole(path, image.png)
    except OSError as error:
        raise SaveError(f"The image could not be saved in {folder}: {files.disk_reason(error)}.") from error
    return path


def _names(folder: Path, stem: str):
    yield folder / f"{stem}.png"
    number = 2
    while True:
        yield folder / f"{stem}-{number}.png"
        number += 1


def _same(path: Path, sidecar: dict[str, Any]) -> bool:
    """Whether the sidecar file at ``path`` is of the same picture; what came out in drawing it does not count."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    came_out = {"measured_tone": None, "seen_rash": None, "alone": None}
    return isinstance(found, dict) and {**found, **came_out} == {**sidecar, **came_out}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
