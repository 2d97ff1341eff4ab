"""Sentences to click: a first one for newcomers, and follow-ups that fit what was just drawn.

Each is a sentence that the parser understands and that is drawn or answered; a test says every one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.frames import Frame, Trained, known, nearest, site
from assistant.notes import usual_areas
from assistant.replies import called, listed, place
from assistant.schema import MAX_IMAGES_PER_TURN, ImageRequest
from assistant.vocabulary import vocabulary

#: First choices for newcomers: common, and different to look at. Chosen by eye.
FAMILIAR = ("eczema", "psoriasis", "acne", "tinea", "urticaria", "vitiligo")
#: Suggestions after an answer.
MANY = 4


def for_newcomers(trained: Trained | None) -> list[str]:
    """Complete first requests that show what can be said."""
    rashes = familiar(trained)
    tones = known("tone", trained)
    sentences = [
        f"A few images of {rashes[0]} {place(site(rashes[0], Frame(), trained))} on {tones[len(tones) // 4]} skin",
        f"Severe {rashes[1 % len(rashes)]} on {every_tone(trained)}",
        f"{rashes[2 % len(rashes)]} on {tones[-1]} skin".capitalize(),
        f"What does {rashes[0]} look like on dark skin?",
    ]
    return list(dict.fromkeys(sentences))


def familiar(trained: Trained | None) -> list[str]:
    names = known("rash", trained)
    return [*(name for name in FAMILIAR if name in names), *(name for name in names if name not in FAMILIAR)]


def naming(trained: Trained | None) -> list[str]:
    """Conditions to choose from."""
    return [name.capitalize() for name in familiar(trained)[:MANY]]


def complete_sentence(frame: Frame, values: Mapping[str, str]) -> str:
    """``values`` of rash, area and tone, with the frame's count and severity: "2 images of severe acne on fair skin"."""
    severity = f"{frame.severity[0]} " if frame.severity else ""
    where = f" {place(values['area'])}" if "area" in values else ""
    skin = f" on {values['tone']} skin" if "tone" in values else ""
    many = f"{frame.count} images of " if frame.count and 1 < frame.count <= MAX_IMAGES_PER_TURN else ""
    sentence = f"{many}{severity}{values['rash']}{where}{skin}"
    return sentence[0].upper() + sentence[1:]


def after_images(requests: Sequence[ImageRequest], trained: Trained | None) -> list[str]:
    """Follow-ups for what was drawn last, the most telling first; newcomers' sentences when nothing was."""
    if not requests:
        return for_newcomers(trained)
    last = requests[-1]
    tones = known("tone", trained)
    shown = {request.tone for request in requests}
    total = sum(request.count for request in requests)
    sentences = []
    if len(shown) == 1 and len(tones) > 1:
        sentences.append(f"Now on {contrast(last.tone, tones)} skin")
        if len(requests) == 1 or total * len(tones) <= MAX_IMAGES_PER_TURN:
            sentences.append(f"On {every_tone(trained)}")
    elif len(shown) > 1 and not vocabulary().is_lesion(last.rash):
        sentences.append(f"The last one again, but {'milder' if last.severity == 'severe' else 'more severe'}")
    elsewhere = [area for area in usual_areas(last.rash, known("area", trained)) if area != last.area]
    if elsewhere and len({request.area for request in requests}) == 1:
        sentences.append(f"Same but {place(elsewhere[0])}")
    if len(shown) == 1 and not vocabulary().is_lesion(last.rash):
        sentences.append("Milder" if last.severity == "severe" else "More severe")
    alike = nearest("rash", last.rash, trained, many=1)
    if len({request.rash for request in requests}) == 1 and alike and 2 * total <= MAX_IMAGES_PER_TURN:
        sentences.append(f"Compare with {alike[0]}")
    sentences += ["Another two", f"What does {called(last.rash)} look like on dark skin?"]
    return sentences[:MANY]


def every_tone(trained: Trained | None) -> str:
    """ "every skin tone", or those that the checkpoint knows."""
    tones = known("tone", trained)
    return "every skin tone" if trained is None or len(tones) == len(known("tone", None)) else f"{listed(tones)} skin"


def contrast(tone: str, tones: Sequence[str]) -> str:
    """The tone farthest from ``tone`` on the scale."""
    scale = vocabulary().names("tone")
    return max(tones, key=lambda other: abs(scale.index(other) - scale.index(tone)))
