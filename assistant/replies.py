"""The wording of the answers: short Markdown made from canonical values and, at most, scrubbed words of the user.

What a user typed appears in a reply only through :func:`quoted`, which leaves nothing that Markdown or HTML could render.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial

from assistant.schema import Assumption, ImageRequest
from assistant.vocabulary import expand, vocabulary

#: Longest piece of the user's text that is quoted back, in characters; chosen by eye.
QUOTED = 40


def quoted(text: str) -> str:
    """``text`` between quotation marks, reduced to letters, digits, spaces, hyphens and apostrophes.

    An allow-list rather than escapes: Streamlit's Markdown also turns bare addresses, ``$…$`` and ``:name:`` into
    something else, and some of that survives a backslash.
    """
    plain = "".join(c if unicodedata.category(c)[0] in "LN" or c in "-'’" else " " for c in text[: 4 * QUOTED])
    plain = " ".join(plain.split())
    if len(plain) > QUOTED:
        plain = plain[: QUOTED - 1].rstrip() + "…"
    return f"“{plain}”"


def listed(words: Iterable[str], last: str = "and") -> str:
    """("a", "b", "c") → "a, b and c"."""
    *most, final = list(words)
    return f"{', '.join(most)} {last} {final}" if most else final


def number(count: int) -> str:
    return "one image" if count == 1 else f"{count} images"


#: Sites that "on the" does not suit.
PREPOSITIONS = {"groin": "in the", "beard": "in the", "armpit": "in the", "waist": "at the", "genital": "in the"}


def place(area: str) -> str:
    """ "elbow" → "on the elbow"; "between the toes" stays."""
    noun = f"{area} area" if area in ("genital", "beard") else area
    return area if area.startswith("between") else f"{PREPOSITIONS.get(area, 'on the')} {noun}"


def called(rash: str, severity: str | None = None, size: str | None = None, how_many: str | None = None) -> str:
    """ "eczema", "severe eczema", but "a mole", "a large mole", "multiple tiny moles": what can be counted is."""
    if rash == "warts" and how_many == "single":
        rash = "wart"
    elif not vocabulary().is_lesion(rash):
        return f"{severity} {rash}" if severity else rash
    elif how_many == "multiple":
        rash = f"{rash[:-2]}es" if rash.endswith("is") else f"{rash}s"
    words = " ".join(word for word in (how_many, size, severity, rash) if word)
    return words if how_many == "multiple" else f"a {words}"


def lesions(size: str | None, how_many: str | None) -> str:
    """("large", "single") → ", with a single large lesion"; empty when neither was said."""
    words = " ".join(word for word in (how_many, size) if word)
    if not words:
        return ""
    return f", with a {words} lesion" if how_many == "single" else f", with {words} lesions"


def subject(request: ImageRequest, tones: Sequence[str] = ()) -> str:
    """ "severe eczema at the elbow on fair skin, with tiny lesions"; ``tones`` in place of the request's own."""
    name = called(request.rash, request.severity, request.size, request.number)
    counted = vocabulary().is_lesion(request.rash) or name.startswith("a ")
    end = "" if counted else lesions(request.size, request.number)
    return f"{name} {place(request.area)} on {listed(dict.fromkeys(tones or [request.tone]))} skin{end}"


def together(requests: Sequence[ImageRequest]) -> list[ImageRequest]:
    """Requests that differ in their seeds only as one."""
    counts: dict[ImageRequest, int] = {}
    for request in requests:
        key = request.model_copy(update={"count": 1, "seed": 0})
        counts[key] = counts.get(key, 0) + request.count
    return [request.model_copy(update={"count": count}) for request, count in counts.items()]


def described(requests: Sequence[ImageRequest]) -> str:
    """All requests in one phrase: "6 images of eczema on the elbow on very fair, fair, … and black skin"."""
    requests = together(requests)
    total = sum(request.count for request in requests)
    if len(requests) == 1:
        return f"{number(total)} of {subject(requests[0])}"
    tones = list(dict.fromkeys(request.tone for request in requests))
    pairs = list(dict.fromkeys((request.rash, request.area) for request in requests))
    others = {(request.severity, request.size, request.number) for request in requests}
    shares = {sum(r.count for r in requests if (r.rash, r.area) == pair) for pair in pairs}
    if len(pairs) * len(tones) == len(requests) and len(others) == len(shares) == 1:
        severity, size, how_many = others.pop()
        kind, end = f"{severity} " if severity else "", lesions(size, how_many)
        naming = called
        if len({rash for rash, _ in pairs}) == 1 and vocabulary().is_lesion(pairs[0][0]):  # "multiple tiny moles"
            naming, end = partial(called, size=size, how_many=how_many), ""
        counts = {request.count for request in requests}
        each = f", {counts.pop()} of each" if len(counts) == 1 and total > len(requests) else ""
        counts = [r.count for r in requests]
        if len(pairs) == 1 and 1 < len(counts) <= 3 and len(set(counts)) > 1:
            split = listed(f"{r.count} on {r.tone}" for r in requests)
            return f"{number(total)} of {kind}{sites_listed(pairs, naming)}, {split} skin{end}"
        of = ":" if len({rash for rash, _ in pairs}) > 1 else " of"
        return f"{number(total)}{of} {kind}{sites_listed(pairs, naming)} on {listed(tones)} skin{end}{each}"
    severities = [request.severity for request in requests if request.severity]
    alike = {(r.rash, r.area, r.tone, r.size, r.number, r.count) for r in requests}
    if len(alike) == 1 and len(severities) == len(requests):
        return f"{number(total)} of {subject(requests[0].model_copy(update={'severity': None}))}: {listed(severities)}"
    groups = by_all_but_tone(requests)
    if len(groups) > 4:
        grades, tones = (list(dict.fromkeys(getattr(r, slot) for r in requests)) for slot in ("severity", "tone"))
        kind = f"{listed(grades)} " if None not in grades else ""
        return f"{number(total)} of {kind}{sites_listed(pairs)} on {listed(tones)} skin"
    if len(groups) == 1:
        return f"{number(total)} of {subject(requests[0], tones)}"
    parts = listed(f"{sum(r.count for r in group)} of {subject(group[0], [r.tone for r in group])}" for group in groups)
    return f"{number(total)}: {parts}"


def by_all_but_tone(requests: Sequence[ImageRequest]) -> list[list[ImageRequest]]:
    """Requests that differ in tone and count only, together."""
    groups: dict[tuple, list[ImageRequest]] = {}
    for r in requests:
        groups.setdefault((r.rash, r.area, r.severity, r.size, r.number), []).append(r)
    return list(groups.values())


def sites_listed(pairs: Sequence[tuple[str, str]], called: Callable[[str], str] = called) -> str:
    """(rash, area) pairs: "eczema and psoriasis on the elbow and on the knee", or each with its own site."""
    rashes = list(dict.fromkeys(rash for rash, _ in pairs))
    areas = list(dict.fromkeys(area for _, area in pairs))
    if len(rashes) * len(areas) == len(pairs):
        rash = listed(called(rash) for rash in rashes) if len(rashes) <= 6 else f"{len(rashes)} conditions"
        where = listed(place(area) for area in areas) if len(areas) <= 6 else f"on {len(areas)} sites"
        return f"{rash} {where}"
    if len(pairs) <= 4:
        return listed(f"{called(rash)} {place(area)}" for rash, area in pairs)
    return listed(called(rash) for rash in rashes) if len(rashes) <= 6 else f"{len(rashes)} conditions"


def assumptions(assumed: Sequence[Assumption]) -> list[str]:
    """One sentence for each kind of assumption."""
    sentences = []
    areas = [a for a in assumed if a.slot == "area"]
    if len(areas) == 1:
        sentences.append(f"No site was named; **{areas[0].value}** is a typical one.")
    elif areas:
        sentences.append("No site was named; each condition is on a typical one.")
    tones = next((a for a in assumed if a.slot == "tone"), None)
    if tones is not None and "conversation" in tones.why:
        sentences.append("Skin tone as before.")
    elif tones is not None and "," in tones.value:
        sentences.append("No single skin tone was named; the images are spread over the tones.")
    elif tones is not None:
        sentences.append(f"No skin tone was named; I took **{tones.value}**, chosen at random.")
    sentences += [f"{a.why[0].upper()}{a.why[1:]}." for a in assumed if a.slot == "count"]
    return sentences


def readings(repaired: Sequence[tuple[str, str]]) -> list[str]:
    if not repaired:
        return []
    return ["I read " + listed(f"{quoted(typed)} as {meant}" for typed, meant in repaired[:3]) + "."]


@lru_cache(maxsize=1)
def not_drawn() -> frozenset[str]:
    """Words for people and sides, which pictures here never show."""
    cues = vocabulary().cues
    templates = [*cues["people"]["one"], *cues["people"]["many"], *cues["descriptor"]["person"], *cues["descriptor"]["side"]]
    return frozenset(form for template in templates for form in expand(template))


def left_over(ignored: Sequence[str], unknown: Sequence[tuple[str, str, str | None]]) -> list[str]:
    """What of the sentence was not used."""
    words = list(dict.fromkeys([typed for _, typed, _ in unknown] + list(ignored)))
    if not words:
        return []
    age = vocabulary().words["age"]
    people = [w for w in words if w.lower() in not_drawn() or w.lower().endswith(tuple(age))]
    words = [w for w in words if w not in people]
    sides = [w for w in people if re.search(r"left|right|side|lateral", w.lower())]
    kind = [
        f"{what} ({listed(quoted(w) for w in said[:3])})."
        for what, said in (
            ("Age, sex and build are not drawn", [w for w in people if w not in sides]),
            ("Left and right are not told apart", sides),
        )
        if said
    ]
    if not words:
        return kind
    more = f" and {len(words) - 3} more" if len(words) > 3 else ""
    return ["I could not use " + (", ".join if more else listed)([quoted(w) for w in words[:3]]) + more + ".", *kind]
