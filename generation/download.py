"""Drawn pictures as files to take away: the PNG bytes as they were drawn, each with its sidecar JSON."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable

from assistant.store import SavedImage
from generation import provenance


def file_name(image: SavedImage) -> str:
    """What ``script2skin generate`` would call it: ``eczema_neck_fair_0000000042.png``."""
    return f"{provenance.stem(image.details)}.png"


def archive(pictures: Iterable[tuple[SavedImage, bytes]]) -> bytes:
    """A ZIP of pictures and their sidecars, numbered in the order given. PNG does not shrink, so it is stored."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for number, (image, png) in enumerate(pictures, start=1):
            name = f"{number:02d}_{file_name(image)}"
            archive.writestr(name, png)
            archive.writestr(
                name.removesuffix(".png") + ".json", json.dumps(image.details, indent=2, ensure_ascii=False)
            )
    return file.getvalue()
