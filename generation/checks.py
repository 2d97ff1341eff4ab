"""What is looked at before a picture is called a result: the caption before, the pixels after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assistant.schema import VALUE_SLOTS, ImageRequest
from generation import ita
from generation.errors import CaptionError

if TYPE_CHECKING:
    import torch

#: Standard deviation in grey levels (0 to 255) below which a picture shows nothing; by eye. Smooth skin without any
#: lesion, the flattest thing that is asked for, has above 3.
BLANK_DEVIATION = 1.0


def check_caption(request: ImageRequest, tokenizer: Any, identifier: str = "") -> str:
    """The canonical caption of a request, if it reads back into the same values and the text encoder reads all of it.

    ``identifier``, the model's own word for the condition, goes before it.

    The check keeps two promises: nothing but recognised values reaches the text encoder, and nothing is cut off
    without a word (Stable Diffusion drops what is beyond its limit).

    Raises:
        CaptionError
    """
    from assistant.caption import read_caption

    try:
        caption = request.caption
    except ValueError as error:
        raise CaptionError(str(error)) from error
    values = read_caption(caption)
    if any(values.get(slot) != getattr(request, slot) for slot in VALUE_SLOTS):
        raise CaptionError(f"{caption!r} is not a canonical caption, so it is not drawn.")
    caption = f"{identifier} {caption}".strip()
    tokens = len(tokenizer(caption, truncation=False)["input_ids"])
    if tokens > tokenizer.model_max_length:
        raise CaptionError(
            f"{caption!r} is {tokens} tokens long, but this model's text encoder reads {tokenizer.model_max_length}."
        )
    return caption


def failure(decoded: torch.Tensor) -> str | None:
    """Why a decoded picture [3, height, width] in [-1, 1] is no result, in a few words; None when it is one."""
    import torch

    if not torch.isfinite(decoded).all():
        return "the picture holds values that are not numbers"
    if (decoded.float().clamp(-1, 1) * 127.5).std(dim=(1, 2)).max() < BLANK_DEVIATION:
        return "the picture is blank"
    return None


def measured_tone(angle: float | None, tone: str, drawn_again: int = 0, stops: float = 0.0) -> dict[str, Any] | None:
    """Colour of the skin in a picture, whose ITA is ``angle`` degrees, beside ``tone``; None where too little skin shows.

    ``ita`` in degrees and its colour class, never a Fitzpatrick type; ``asked``, the band of the tone that was asked for; how
    many times it was ``drawn_again`` for its sake, and by how many ``stops`` its exposure was set.
    """
    if angle is None:
        return None
    return {"ita": round(angle, 1), "colour": ita.colour_class(angle), "asked": list(ita.band(tone)), "drawn_again": drawn_again, "stops": stops}


def seen_rash(seen: str, chance: float, asked: str, as_asked: bool, drawn_again: int) -> dict[str, Any]:
    """The condition that a picture is taken for, the ``chance`` (0–1) that it is the one ``asked`` for, whether that is enough for it to
    count as such, and how many times it was ``drawn_again`` for its sake."""
    return {"rash": asked if as_asked else seen, "chance": round(chance, 3), "as_asked": as_asked, "drawn_again": drawn_again}


def passes_for(record: Mapping[str, Any]) -> str | None:
    """The condition that the checkpoint's classifier takes a picture for, by its record, where it is not the one asked for."""
    seen = record.get("seen_rash")
    return None if seen is None or seen["as_asked"] else seen["rash"]
