"""What was shown before and is meant again: "the others too", "the first set again", "swap the sites", "all of them".

Each function looks at the history and at one utterance and gives the frames that are meant, or None where it is about
something else. Images keep their seeds, so that what is shown again is the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant.frames import SEVERITY_UNSAID, Frame, Trained, images, known, total
from assistant.numbers import SMALL
from assistant.schema import VALUE_SLOTS, ImageRequest, ParsedTurn, Patch
from assistant.vocabulary import vocabulary

_REST = re.compile(
    r"\b(?:the )?(?:others?|rest|remaining|other (?:one|two|three|four|five))\b(?: (?:ones?|images?|pictures?|photos?))?(?: of (?:them|these|those))?"
)
_TOO = re.compile(r"\b(?:too|also|as well|likewise)\b")
_FIRST = re.compile(r"\b(?:the|my|our|that) (?:very )?(first|original|initial|earlier|previous) (?:set|request|batch|series|pictures|images|photos|ones)\b|\bthe (original)\b")
_BEGINNING = re.compile(r"\b(?:how|as|what) it was (?:at|in) the (?:beginning|start)\b|\b(?:go|going|get|take (?:me|us)|return) (?:back )?to (?:the beginning|where (?:we|i) started)\b")
_FIRST_ONE = re.compile(r"\bback to the (first|original)(?: (?:one|image|picture|photo))?\W*$|\bthe (?:very )?(first) (?:one|image|picture|photo) (?:again|once more)\W*$")
_ORDER = re.compile(r"\bthe other way (?:a)?round\b|\b(?:swap|switch|reverse|flip|exchange) (?:them|these|those|both|it|the order|the two|the images|the pictures|round|around)\b|^\W*swap\W*$")
_SLOTS = re.compile(r"\b(?:swap|switch|exchange|interchange) (?:the |their )?(tones|skin tones|skin|skins|colours|colors|sites|areas|places|locations|body sites|body parts|conditions|rashes|diseases)\b")
_SLOT_OF = {"t": "tone", "s": "tone", "c": "tone", "r": "rash", "d": "rash", "a": "area", "p": "area", "l": "area", "b": "area"}
_HALVES = re.compile(r"\b(?:split|divided?|shared?|distributed?|spread)\b.*\b(?:evenly|equally|between|among|amongst)\b|\b(?:evenly|equally) (?:split|divided|shared|distributed|spread)\b|\bhalf\b.*\bhalf\b|\bhalf\b.*\b(?:the )?(?:other half|rest|others)\b|\b50 ?[/:-] ?50\b|\bfifty[ -]fifty\b")
_HALF = re.compile(r"\bhalf(?: of)? (?:them|these|those|the (?:images|pictures|photos))\b")
_LIST = re.compile(r"\b(?:all|each|every one|every single one) of (?:them|these|those)\b|\bthem all\b")
_SHOW = re.compile(r"^(?:(?:ok|okay|yes|yeah|and|so|then|please|now|great|go on|can you|could you) ?,? ?)*(?:show|draw) (?:me|us)(?: (?:then|please|now|one))*\W*$")
_OTHER_SIDE = re.compile(r"(?:\bthe|^(?:and |on |now )*(?:the )?) ?other (?:\w+)\b|\bthe (?:left|right) one\b")


def _slot_named(noun: str) -> str:
    """The slot that "tones", "body sites", "conditions" are values of."""
    word = noun.removeprefix("body ")
    return "area" if word.startswith("site") else "rash" if word.startswith("condition") else _SLOT_OF[word[0]]


def _within(area: str, there: str) -> bool:
    """Whether a site's name stands in another's: "elbow" in "inner elbow"."""
    return re.search(rf"\b{re.escape(area)}\b", there) is not None


def _names_a_value(parsed: ParsedTurn) -> bool:
    """Whether a value of any slot is said."""
    return any(getattr(patch, slot) for patch in parsed.patches for slot in VALUE_SLOTS)


def drawn(states: Sequence) -> list:
    """The states in which something was drawn."""
    return [state for state in states if state.requests]


def others_too(states: Sequence, parsed: ParsedTurn) -> tuple[Frame, ...] | None:
    """ "the others too", "the third one too": images of the answer before that were left out, changed as those were.

    ``states`` up to the current one, which shows some of the images of the one before it, changed.
    """
    text = parsed.text.lower()
    shown = drawn(states)
    if len(shown) < 2 or not (_TOO.search(text) or text.startswith("and ") or (_MEANT.search(text) and parsed.targets)):
        return None
    now, before = list(images(shown[-1].requests)), list(images(shown[-2].requests))
    # single images of several conditions or sites share a seed
    marks = (("seed",), ("seed", "rash", "area"), ("seed", "rash", "area", "tone"), ("seed", "rash", "area", "severity"))
    by = next((names for names in marks if len({tuple(getattr(r, n) for n in names) for r in before}) == len(before)), marks[1])

    def key(request: ImageRequest) -> tuple:
        return tuple(getattr(request, name) for name in by)

    kept, keys = {key(request) for request in now}, [key(request) for request in before]
    if len(now) >= len(before) or not kept < set(keys) or len(set(keys)) < len(keys):
        return None
    if parsed.targets and not any(patch.model_fields_set for patch in parsed.patches):
        numbers = [n if n > 0 else len(before) + 1 + n for n in parsed.targets]
        if max(numbers) <= len(now) or max(numbers) > len(before):
            return None
        meant = [before[n - 1] for n in numbers if n > 0]
    elif _REST.search(text) and (not _names_a_value(parsed) or _says_the_same(parsed, now)):
        meant = [request for request in before if key(request) not in kept]
    else:
        return None
    old = next(request for request in before if key(request) == key(now[0]))
    change = {
        slot: getattr(now[0], slot)
        for slot in VALUE_SLOTS
        if len({getattr(request, slot) for request in now}) == 1 and getattr(now[0], slot) != getattr(old, slot)
    }
    return tuple(frame(request.model_copy(update=change)) for request in meant)


def _says_the_same(parsed: ParsedTurn, now: Sequence[ImageRequest]) -> bool:
    """ "do the other two on fair as well" where what was changed is on fair skin."""
    (patch, *more) = parsed.patches
    said = {slot: getattr(patch, slot) for slot in VALUE_SLOTS if getattr(patch, slot)}
    return not more and all({getattr(request, slot) for request in now} == set(values) for slot, values in said.items())


def first_set(states: Sequence, parsed: ParsedTurn):
    """The state that "the first set again", "back to the original" mean: the first drawn, or for "previous" the last but one."""
    text = parsed.text.lower()
    shown = drawn(states)
    if len(shown) < 2 or any(patch.rash for patch in parsed.patches):
        return None
    if _BEGINNING.search(text):
        return shown[0]
    found = _FIRST.search(text) or (total(shown[-1].frames) == 1 and _FIRST_ONE.search(text))
    if not found or not re.search(r"\b(?:again|back|return|revert|once more|restore|reshow)\b", text):
        return None
    return shown[-2] if "previous" in found[0] else shown[0]


_ORIGINAL = re.compile(r"\b(?:the|my|our) (?:original|very first) (?:two|three|four|five|six|\d+|set|batch|series|images|pictures|photos|pics|ones|request)\b|\bthe (?:first|initial) (?:set|batch|series|request)\b")


def first_changed(states: Sequence, parsed: ParsedTurn) -> tuple[Frame, ...] | None:
    """ "the original six but with eczema": what was drawn first, to be changed; as many of them as there were."""
    shown = drawn(states)
    if len(shown) < 2 or parsed.targets or not _ORIGINAL.search(parsed.text.lower()):
        return None
    if not _names_a_value(parsed):
        return None
    return tuple(map(frame, shown[0].requests))


_OF_EACH = re.compile(r"^\W*(?:(?:now|ok|okay|and|please|then|give me|show me|make|do|i want|i need) )*\w+ of each(?: one)?(?: please| pls)?\W*$")


def one_after_the_other(states: Sequence, parsed: ParsedTurn) -> tuple[Frame, ...] | None:
    """ "three of each" after one image on dark and then one on light skin: the two."""
    shown = drawn(states)[-2:]
    if len(shown) < 2 or not _OF_EACH.search(parsed.text.lower()) or _names_a_value(parsed):
        return None
    if any(len(state.requests) != 1 for state in shown) or shown[0].requests == shown[1].requests:
        return None
    return tuple(frame(state.requests[0]) for state in shown)


_BACK_TO = re.compile(r"\bback to (?:the|those|my) .*\b(?:ones?|images?|pictures?|photos?|pics|set)\b")


def earlier_ones(states: Sequence, parsed: ParsedTurn):
    """The state that "back to the four mild ones" means: the last one before that shows just that."""
    if not _BACK_TO.search(parsed.text.lower()) or len(parsed.patches) != 1:
        return None
    patch, shown = parsed.patches[0], drawn(states)
    said = {slot: set(getattr(patch, slot)) for slot in VALUE_SLOTS if getattr(patch, slot)}
    if not said:
        return None
    for state in reversed(shown[:-1]):
        fits = all({getattr(request, slot) for request in state.requests} == values for slot, values in said.items())
        if fits and patch.count in (None, sum(request.count for request in state.requests)):
            return state
    return None


def swapped(requests: Sequence[ImageRequest], parsed: ParsedTurn) -> tuple[Frame, ...] | None:
    """ "swap them" shows the two in the other order; "swap the sites" puts each on the other's site."""
    text = parsed.text.lower()
    if len(requests) < 2 or _names_a_value(parsed):
        return None
    if found := _SLOTS.search(text):
        slot = _slot_named(found[1])
        values = [getattr(request, slot) for request in requests]
        if len(set(values)) > 1:
            turned = [*values[1:], values[0]]
            return tuple(frame(r.model_copy(update={slot: v})) for r, v in zip(requests, turned, strict=True))
    return tuple(frame(request) for request in reversed(requests)) if _ORDER.search(text) else None


_TOGETHER = re.compile(r"\b(?:(?:all|the) (two|three|four|five|2|3|4|5)|both|the pair|them|these|those|they)\b.*\b(?:(?:next to|beside) (?:each other|one another)|side by side|together|in one row|at once|in one go|at the same time)\b|^\W*(?:(?:ok|now|and|so|then)\W+)*both(?: together)?(?: please)?\s*(?:,|$)|^\W*(?:(?:nice|great|good|ok|okay|now|and|lovely|perfect|cool|thanks|please|show me|can i see)\W+)*(?:side by side|next to each other)(?: please)?\W*$|\bcompare (?:them|these|those|both|the two)\W*$|\bshow (?:me |us )?(?:both|the two)(?: of (?:them|these|those))?\W*$")
_ALL_OF = re.compile(r"\ball (two|three|four|five|six|[2-9]|1\d|20)\b")


def _how_many(said: str) -> int:
    return SMALL.get(said) or int(said)


def _last_drawn(states: Sequence, wanted: int) -> list[ImageRequest]:
    """The last ``wanted`` different requests that were drawn, fewer where there are fewer."""
    return list(dict.fromkeys(request for state in drawn(states) for request in state.requests))[-wanted:]


def together(states: Sequence, parsed: ParsedTurn) -> tuple[Frame, ...] | None:
    """ "now all three next to each other" after three answers of one image each; "put them side by side" after two."""
    found = _TOGETHER.search(parsed.text.lower())
    if not found or _BOTH.search(parsed.text.lower()) or _names_a_value(parsed):
        return None
    wanted = _how_many(found[1] or "two")
    seen = _last_drawn(states, wanted)
    now = [request for state in drawn(states)[-1:] for request in state.requests]
    return tuple(map(frame, seen)) if len(seen) == wanted and len(now) < wanted else None


_EXTREME = re.compile(r"\b(?:(worst|most severe|severest|most extreme)|(mildest|least severe|most mild)) (?:one|ones|image|picture|of (?:them|these|those))\b")


def extreme(requests: Sequence[ImageRequest], parsed: ParsedTurn) -> tuple[Frame, ...] | None:
    """ "I only need the worst one" where several severities are shown."""
    found = _EXTREME.search(parsed.text.lower())
    graded = [request for request in requests if request.severity]
    scale = vocabulary().names("severity")
    said = any(getattr(patch, slot) for patch in parsed.patches for slot in VALUE_SLOTS if slot != "severity")
    if not found or said or len({request.severity for request in graded}) < 2:
        return None
    wanted = (max if found[1] else min)((request.severity for request in graded), key=scale.index)
    return tuple(frame(request) for request in graded if request.severity == wanted)


_THE = re.compile(r"\bthe (dermatitis|keratosis|pityriasis|lichen)\b")


def short_name(states: Sequence, parsed: ParsedTurn) -> ParsedTurn:
    """ "go back to the dermatitis" where contact dermatitis was drawn, and no eczema: that is meant; so are "the keratoses"."""
    now = {request.rash for state in drawn(states)[-1:] for request in state.requests}
    near = [(typed, near) for slot, typed, near in parsed.unknown if slot == "rash" and near in now]
    if len(near) == len(parsed.unknown) == 1 and len(parsed.patches) == 1 and not parsed.patches[0].rash:
        patch = parsed.patches[0].model_copy(update={"rash": (near[0][1],)})
        return parsed.model_copy(update={"patches": (patch,), "unknown": (), "repaired": (*parsed.repaired, *near)})
    found = _THE.search(parsed.text.lower())
    if not found or len(parsed.patches) != 1 or len(parsed.patches[0].rash) != 1:
        return parsed
    shown = dict.fromkeys(request.rash for state in reversed(drawn(states)) for request in state.requests)
    meant = next((rash for rash in shown if found[1] in rash), None)
    if meant is None or parsed.patches[0].rash[0] in shown:
        return parsed
    return parsed.model_copy(update={"patches": (parsed.patches[0].model_copy(update={"rash": (meant,)}),)})


def whole_set(states: Sequence, parsed: ParsedTurn) -> tuple[Frame, ...] | None:
    """ "now all of them on black skin" after one of three was picked: the three."""
    shown = drawn(states)
    if len(shown) < 2 or parsed.targets or not (_LIST.search(parsed.text.lower()) or _ALL_OF.search(parsed.text.lower())) or any(patch.rash for patch in parsed.patches):
        return None
    now = list(images(shown[-1].requests))
    whole = next((state for state in reversed(shown) if sum(request.count for request in state.requests) > 1), None)
    counted = _ALL_OF.search(parsed.text.lower())
    if len(now) != 1 or whole is None or now[0].seed not in {request.seed for request in images(whole.requests)}:
        return None
    if counted and _how_many(counted[1]) != sum(request.count for request in whole.requests):
        return None
    return tuple(map(frame, whole.requests))


def gathered(states: Sequence, parsed: ParsedTurn) -> tuple[Frame, ...] | None:
    """ "show all three on black skin" after three answers of one image each: the three."""
    found = _ALL_OF.search(parsed.text.lower())
    shown = drawn(states)
    if not found or not shown or parsed.targets or any(patch.rash or patch.area or patch.count for patch in parsed.patches):
        return None
    wanted = _how_many(found[1])
    seen = _last_drawn(states, wanted)
    return tuple(map(frame, seen)) if len(shown[-1].requests) == 1 == shown[-1].requests[0].count and len(seen) == wanted else None


_SAME_PLACE = re.compile(r"\b(?:same (?:body )?(?:place|site|area|spot|location|position)|ditto|idem)\b")
_THERE = re.compile(r"(?<!hi )(?<!hello )(?<!hey )(?<!over )\bthere(?= (?:too|as well|instead|please|now|look)\b|\W*$|,)")


def there(requests: Sequence[ImageRequest], about_area: Sequence[str], patches: Sequence[Patch], parsed: ParsedTurn) -> tuple[Patch, ...]:
    """ "show what scabies would look like there": the site spoken of, be it drawn or only named in a question."""
    areas = tuple(about_area) or tuple(dict.fromkeys(request.area for request in requests))
    if not areas or any(patch.mentions("area") for patch in patches) or not any(patch.rash for patch in patches):
        return tuple(patches)
    if not (_THERE.search(parsed.text.lower()) or _SAME_PLACE.search(parsed.text.lower())):
        return tuple(patches)
    return tuple(patch.model_copy(update={"area": areas}) for patch in patches)


def halves(parsed: ParsedTurn) -> bool:
    """ "half on black, half on fair", "50/50": what is there is shared out."""
    return bool(_HALVES.search(parsed.text.lower()))


def half_changed(requests: Sequence[ImageRequest], parsed: ParsedTurn) -> tuple[tuple[Frame, ...], tuple[Frame, ...]] | None:
    """ "half of them on black skin": the images that stay and those that change; None where they cannot be halved."""
    shown = list(images(requests))
    if not _HALF.search(parsed.text.lower()) or halves(parsed) or len(shown) < 2 or len(shown) % 2:
        return None
    middle = len(shown) // 2
    return tuple(map(frame, shown[:middle])), tuple(map(frame, shown[middle:]))


_FURTHER = re.compile(
    r"^\W*(?:(?:and|now|ok|okay|no|make it|go|please|can it be|could it be)\W+)*"
    r"(?:(?:even|still|yet|much|a lot) (?:more|further|stronger)|more so|(?:a (?:bit|little|tad|touch) )?further|more than that|(?:a (?:bit|little) )?more still|(?P<less>(?:a (?:bit|little|tad|touch) |even |still |slightly )?less|not so much))(?: please)?\W*$"
)


def further(states: Sequence, parsed: ParsedTurn) -> Patch | None:
    """ "even more" after "more severe" or "darker": the step again that the last answer took."""
    shown = drawn(states)
    found = _FURTHER.search(parsed.text.lower())
    if len(shown) < 2 or not found:
        return None
    for slot, step in (("severity", "severity_step"), ("tone", "tone_step")):
        now, before = _last_two_values(shown, slot)
        if now != before and now is not None:
            scale = vocabulary().names(slot)
            unsaid = SEVERITY_UNSAID if slot == "severity" else ""
            way = scale.index(now) - scale.index(before or unsaid)
            way = -way if found["less"] else way  # "a bit less": a step back
            return Patch(**{step: 1 if way > 0 else -1}) if way else None
    return None


def _last_two_values(shown: Sequence, slot: str) -> tuple[str | None, str | None]:
    """The value of ``slot`` in the last answer and in the one before; both None where either shows several."""
    now, before = ({getattr(request, slot) for request in state.requests} for state in (shown[-1], shown[-2]))
    return (now.pop(), before.pop()) if len(now) == len(before) == 1 else (None, None)


_MEANT = re.compile(r"\bi (?:meant|mean)\b")


def the_other_way(states: Sequence, parsed: ParsedTurn) -> ParsedTurn:
    """ "sorry, I meant lighter" after "darker": a step the other way from what was there before."""
    shown = drawn(states)
    if len(shown) < 2 or not _MEANT.search(parsed.text.lower()) or len(parsed.patches) != 1:
        return parsed
    patch = parsed.patches[0]
    for slot, field in (("tone", "tone_step"), ("severity", "severity_step")):
        step, scale = getattr(patch, field), vocabulary().names(slot)
        now, before = _last_two_values(shown, slot)
        if step and patch.model_fields_set == {field} and now is not None and before is not None:
            took = scale.index(now) - scale.index(before)
            if took * step < 0:
                return parsed.model_copy(update={"patches": (patch.model_copy(update={field: step - took}),)})
    return parsed


def steps_on(states: Sequence, parsed: ParsedTurn) -> bool:
    """Whether words that say nothing by themselves ("a bit less") go on with the last step."""
    return parsed.intent == "off_topic" and further(states, parsed) is not None


def bare_show(parsed: ParsedTurn) -> bool:
    """ "show me": whatever was spoken of."""
    return parsed.intent in ("off_topic", "social") and _SHOW.search(parsed.text.lower()) is not None


def every_listed(slot: str, patches: Sequence[Patch], parsed: ParsedTurn, trained: Trained | None) -> tuple[Patch, ...] | None:
    """ "psoriasis on all of them" after a list of ``slot`` was given: the patches with all of it."""
    if not slot or not _LIST.search(parsed.text.lower()) or any(getattr(patch, slot) for patch in patches):
        return None
    return tuple(patch.model_copy(update={slot: tuple(known(slot, trained))}) for patch in patches or (Patch(),))


_OTHER_TONES = re.compile(r"\b(?:other|remaining|rest of the)(?: five| four| three| two)? (?:skin )?(?:tones|types|skins|colours|colors|complexions|skin types|phototypes)\b")


def other_tones(requests: Sequence[ImageRequest], patches: Sequence[Patch], parsed: ParsedTurn) -> tuple[Patch, ...]:
    """ "the same in all the other skin tones": those that are not shown."""
    shown = {request.tone for request in requests}
    every = vocabulary().names("tone")
    if not shown or not _OTHER_TONES.search(parsed.text.lower()):
        return tuple(patches)
    left = tuple(tone for tone in every if tone not in shown)
    return tuple(patch.model_copy(update={"tone": left}) if left and set(patch.tone) == set(every) else patch for patch in patches)


_BOTH = re.compile(r"\b(?:both|all (two|three|four|five)) (?:of )?(?:the |these |those )?(?:skin )?(tones|skins|colours|colors|complexions|types|sites|areas|places|locations|conditions|rashes)\b")


_BOTH_ALONE = re.compile(r"^\W*(?:now |and |ok |so |then |please |do |show |draw |make |try |me |let's |can you |could you )*both,? (?:of them )?(?:again |once more |too |as well |together,? |side by side,? )?(?:on|at|in|with) ")


def _last_two_rashes(states: Sequence, patches: Sequence[Patch]) -> tuple[Patch, ...] | None:
    """ "both on the chin" after impetigo and then contact dermatitis: the two of them, where nothing that is shown is two."""
    shown = drawn(states)[-2:]
    if len(shown) < 2 or any(patch.rash for patch in patches):
        return None
    before, now = ({slot: list(dict.fromkeys(getattr(r, slot) for r in state.requests)) for slot in VALUE_SLOTS} for state in shown)
    if any(len(values) == 2 for values in now.values()):
        return None
    for slot in ("rash", "area"):  # "now both on olive skin" after one of two was picked
        if len(before[slot]) == 2 and set(now[slot]) < set(before[slot]) and not any(getattr(patch, slot) for patch in patches):
            return tuple(patch.model_copy(update={slot: tuple(before[slot])}) for patch in patches)
    if len(now["rash"]) != 1 or len(before["rash"]) != 1:
        return None
    if now["rash"] == before["rash"]:  # "both again on fair skin" after the sole and then the nail
        areas = (*before["area"], *now["area"])
        return tuple(patch.model_copy(update={"area": areas}) for patch in patches) if len(set(areas)) == 2 and not any(patch.area for patch in patches) else None
    return tuple(patch.model_copy(update={"rash": (*before["rash"], *now["rash"])}) for patch in patches)


def both(states: Sequence, patches: Sequence[Patch], parsed: ParsedTurn) -> tuple[Patch, ...] | None:
    """ "and on the shins, both tones" after brown and then fair: the last two values of the slot that were drawn."""
    found = _BOTH.search(parsed.text.lower())
    if not found:
        return _last_two_rashes(states, patches) if _BOTH_ALONE.search(parsed.text.lower()) else None
    slot, wanted = _slot_named(found[2]), _how_many(found[1] or "two")
    now = {getattr(request, slot) for state in drawn(states)[-1:] for request in state.requests}
    if len(now) >= wanted or any(getattr(patch, slot) for patch in patches):
        return None
    values = list(dict.fromkeys(getattr(r, slot) for state in reversed(drawn(states)) for r in state.requests))[:wanted]
    return tuple(patch.model_copy(update={slot: tuple(values[::-1])}) for patch in patches or (Patch(),)) if len(values) == wanted else None


_ASKS = re.compile(r"\b(?:show|draw|generate|create|give|make|want|need|see|images?|pictures?|photos?|pics?)\b")


def goes_on(requests: Sequence[ImageRequest], patches: Sequence[Patch], parsed: ParsedTurn) -> bool:
    """ "several warts", "severe tinea" where that was drawn: where it was, on the skin it was on."""
    if len(patches) != 1 or _ASKS.search(parsed.text.lower()) or set(patches[0].rash) != {request.rash for request in requests}:
        return False
    return bool(patches[0].model_fields_set & {"count", "number", "severity", "size"}) and not (patches[0].mentions("area") or patches[0].mentions("tone"))


_ONES = re.compile(r"\bthe (?:[a-z]+ ){1,3}(?:ones?|images?|pictures?|photos?)\b")


def nearly_named(requests: Sequence[ImageRequest], patches: Sequence[Patch], parsed: ParsedTurn) -> tuple[Patch, ...]:
    """ "the finger ones" where "between the fingers" is shown: a site that is not shown stands for the one that has its name in it."""
    if not _ONES.search(parsed.text.lower()) or not (parsed.edits or parsed.selects):
        return tuple(patches)
    shown = {request.area for request in requests}

    def meant(area: str) -> str:
        within = [there for there in shown if _within(area, there)]
        return within[0] if area not in shown and len(within) == 1 else area

    return tuple(patch.model_copy(update={"area": tuple(map(meant, patch.area))}) if patch.area else patch for patch in patches)


def own_area(states: Sequence, patches: Sequence[Patch], parsed: ParsedTurn) -> tuple[Patch, ...]:
    """ "the melanoma too" where a melanoma was drawn on the leg before: there, and not where the last image was."""
    if not parsed.definite or len(patches) != 1 or len(patches[0].rash) != 1 or patches[0].area:
        return tuple(patches)
    (rash,) = patches[0].rash
    shown = drawn(states)
    if not shown or any(request.rash == rash for request in shown[-1].requests):
        return tuple(patches)
    for state in reversed(shown):
        areas = tuple(dict.fromkeys(request.area for request in state.requests if request.rash == rash))
        if areas:
            return (patches[0].model_copy(update={"area": areas}),)
    return tuple(patches)


def same_site(requests: Sequence[ImageRequest], patches: Sequence[Patch], parsed: ParsedTurn) -> tuple[Patch, ...] | None:
    """ "on the other knee" where the back of the knee was drawn: the same site, for left and right are not told apart."""
    if not requests or not _OTHER_SIDE.search(parsed.text.lower()):
        return None
    areas = [area for patch in patches for area in patch.area]
    shown = {request.area for request in requests}
    if areas and all(any(_within(area, there) for there in shown) for area in areas):
        return tuple(patch.without({"area"}) for patch in patches)
    return None


def frame(request: ImageRequest) -> Frame:
    """What was drawn, as a frame from the same seed."""
    said = {slot: (value,) if (value := getattr(request, slot)) else () for slot in VALUE_SLOTS}
    return Frame(**said, count=request.count, seed=request.seed)
