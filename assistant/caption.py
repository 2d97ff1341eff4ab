"""The canonical caption, and the reader that turns captions of any style back into values.

The caption is all that the text encoder ever sees. It is made from canonical names only, never from raw text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

from assistant.vocabulary import SLOTS, vocabulary


class Captioned(Protocol):
    """What :func:`caption` needs: canonical names, None for what was not said."""

    rash: str
    area: str | None
    tone: str | None
    severity: str | None
    size: str | None
    number: str | None


def caption(request: Captioned) -> str:
    """``{rash} type of rash at the {area} area on a {tone} skin[, severity][, size][, number]``; what is None is left out.

    Raises ValueError for a value that is not a canonical name of its slot.
    """
    v = vocabulary()
    for slot in SLOTS:
        value = getattr(request, slot)
        if value is not None and value not in v.entries[slot]:
            raise ValueError(f"{value!r} is no {slot} of the vocabulary; use one of: {', '.join(v.names(slot))}.")
    return compose(request, "lesion" if v.is_lesion(request.rash) else "rash")


def compose(request: Captioned, kind: str = "rash") -> str:
    """The words of :func:`caption`, also for a rash under a data set's own name. ``kind``: "rash" or "lesion"."""
    text = f"{request.rash} type of {kind}"
    if request.area:
        text += f" at the {request.area} area"
    if request.tone:
        text += f" on {'an' if request.tone[0] in 'aeiou' else 'a'} {request.tone} skin"
    return ", ".join([text, *filter(None, (request.severity, request.size, request.number))])


_CAPTION = re.compile(
    r"(?P<rash>[a-z ]+?) type of (?:rash|lesion) (?:(?:at|on|around|in)(?: the)? )?(?P<area>.+?)(?: area)? on an? (?P<tone>[a-z ]+?) skin(?P<rest>(?:, [a-z]+)*)"
)


@lru_cache(maxsize=4096)
def _read(text: str) -> tuple[tuple[str, str | tuple[str, ...]], ...]:
    from assistant.parser import Parser

    v = vocabulary()
    low = " ".join(text.lower().split())
    match = _CAPTION.fullmatch(low)
    if match:
        area = tuple(a for part in re.split(r",| and ", match["area"]) if (a := v.read("area", re.sub(r"^the | area$", "", part.strip()))))
        found = {"rash": v.read("rash", match["rash"]), "area": area or None, "tone": v.read("tone", match["tone"])}
        for word in match["rest"].split(", ")[1:]:
            found |= {slot: word for slot in ("severity", "size", "number") if word in v.entries[slot]}
        if all(found.values()):
            return tuple((slot, value) for slot, value in found.items())
    patches = Parser().parse(text).patches
    values = {slot: tuple(dict.fromkeys(x for p in patches for x in getattr(p, slot))) for slot in SLOTS}
    return tuple((slot, value) for slot, value in values.items() if value)


def read_caption(text: str) -> dict[str, str | tuple[str, ...]]:
    """Values of a caption by slot; a slot that the caption does not name is left out.

    A slot with several values ("the nose area and cheek area") is a tuple, any other a string.

    >>> read_caption("acne type of rash on the fore head area on a fair skin")
    {'rash': 'acne', 'area': 'forehead', 'tone': 'fair'}
    """
    return {slot: value[0] if isinstance(value, tuple) and len(value) == 1 else value for slot, value in _read(text)}
