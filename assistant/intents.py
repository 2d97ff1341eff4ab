"""What a sentence is for: a request, a question, undo, …; and how a request relates to the one before it."""

from __future__ import annotations

import re

from assistant.items import Item, label_at, next_index
from assistant.schema import Patch

#: Words that say nothing about what is wanted; a sentence made of them only is no request.
_EMPTY = frozenset({"adverb", "conj", "idiom", "side", "time", "figure", "unit", "interjection"})


def command(items: list[Item]) -> str | None:
    """The intent of a sentence that is nothing but a command ("undo", "start over please"); None otherwise."""
    labels = [i.label for i in items if i.label not in (*_EMPTY, "social", "image")]
    kinds = {label for label in labels if label in ("undo", "redo", "reset", "help")}
    if len(kinds) == 1 and set(labels) <= kinds | {"modify", "request", "add", "question", "word"} and sum(i.label == "word" for i in items) <= 1:
        return kinds.pop()
    return None


def intent(items: list[Item], patches: tuple[Patch, ...], unknown: tuple, targets: tuple[int, ...]) -> tuple[str, str | None]:
    """(intent, topic) of a sentence."""
    said = {i.label for i in items}
    asks = "request" in said
    meaningful = [i for i in items if i.label not in _EMPTY]
    if not any(re.search(r"\w", i.text) for i in items):
        return "empty", None
    if not asks and (simple := command(items)):
        return simple, None
    valued = any(p.model_fields_set for p in patches) or bool(unknown) or bool(targets)
    named = any(getattr(p, s) for p in patches for s in ("rash", "area", "tone", "severity", "size", "number"))
    if "reset" in said and not named:
        return "reset", None
    about_someone = "person" in said or named_person(items)
    if about_someone and (asks or valued) and not (not asks and diagnosis(items, said, asks, valued)):
        return "person", None
    if "animal" in said and (asks or valued):
        return "off_topic", None
    first = next((i for i in meaningful if i.label not in ("social", "modify", "negate")), None)
    if (topic := diagnosis(items, said, asks, valued)) is not None:
        return "diagnosis", topic
    if (topic := question(items, said, asks, valued, first)) is not None:
        return "question", topic
    named = any(getattr(p, s) for p in patches for s in ("rash", "area", "tone", "severity", "size", "number"))
    if simple := command([i for i in items if not i.is_value]) if not named else None:
        return simple, None
    follow = said & {"add", "compare", "darker", "worse", "clear", "count"}
    if valued or follow or targets or (said & {"generic_rash"} and asks) or (said & {"image"}) or any(i.label == "modify" and i.id in ("same", "again", "pronoun") for i in items):
        words = [i for i in items if i.label == "word"]
        if not named and not unknown and not follow - {"count"} and asks and words and not said & {"generic_rash", "modify", "image", "slot_noun"} and not targets:
            return "off_topic", None
        return "request", None
    if asks and any(i.said in ("that", "this", "those", "these", "them", "it") for i in items) and not any(i.label == "word" for i in items):
        return "request", None
    if any(i.label == "descriptor" and i.id == "picture" for i in items) and not [i for i in items if i.label == "word"]:
        return "request", None
    if any(i.label == "modify" and i.id in ("change", "instead") for i in items) and said & {"slot_noun", "skin", "descriptor", "lesion"}:
        return "request", None
    if "help" in said:
        return "help", None
    if asks and [i for i in items if i.label == "word"]:
        return "off_topic", None
    if "social" in said and not [i for i in items if i.label == "word"]:
        return "social", next(i.id for i in items if i.label == "social")
    if said & {"interjection"} or [i.said for i in meaningful] == ["no"]:
        return "social", "no"
    if "generic_rash" in said or "skin" in said:
        return "request", None
    if "social" in said and len([i for i in items if i.label == "word"]) <= 2:
        return "social", next(i.id for i in items if i.label == "social")
    if not meaningful and any(i.label in ("idiom", "interjection") for i in items):
        return "social", None
    return "off_topic", None


_TITLES = frozenset({"mr", "mrs", "ms", "miss", "sir", "lord", "lady"})
_BEFORE_NAMES = frozenset({"of", "on", "like", "with", "as"})


def _opens(items: list[Item], k: int) -> bool:
    """Whether nothing but small words stands before ``k``."""
    return all(i.label in ("social", "conj", "modify", "interjection") or i.said in ("so", "but", "please") for i in items[:k])


def named_person(items: list[Item]) -> bool:
    """Whether someone is called by name: "Emma's face", "Ms Jones", "a picture of Jane Roe".

    Names are read off capitals, so a sentence that is mostly in capitals names nobody.
    """
    words = [i for i in items if i.text[:1].isalpha()]
    if sum(i.text[0].isupper() for i in words) * 2 > len(words) + 1:
        return False
    for k, item in enumerate(items):
        if item.label != "word" or not item.text.istitle() or not item.text.isalpha():
            continue
        if k and items[k - 1].said in _TITLES:
            return True
        after = [i.said if i.text in ("'s", "'") else i.label for i in items[k + 1 : k + 4]]
        if after[:1] == ["'s"] and set(after[1:]) & {"area", "skin"}:
            return True
        twice = k + 1 < len(items) and items[k + 1].label == "word" and items[k + 1].text.istitle()
        if twice and k and (items[k - 1].said in _BEFORE_NAMES or items[k - 1].label == "request"):
            return True
    return False


def _complains(items: list[Item], have: Item) -> bool:
    """"I have" followed at once by a rash: someone's own skin; "I have a patient with …" and "… a lecture on …" are not."""
    j = next_index(items, items.index(have), ("adverb", "severity", "size", "number", "word", "descriptor", "quantity", "side", "tone", "area"))
    return have.said.startswith("my") or label_at(items, j) in ("rash", "generic_rash", "lesion", "outside_rash", "number")


def diagnosis(items: list[Item], said: set[str], asks: bool, valued: bool) -> str | None:
    cues = [i for i in items if i.label == "diagnosis" and (i.id != "have" or (not asks and _complains(items, i)))]
    if not cues:
        return "identify" if not asks and _is_it(items) else None
    cue = cues[0]
    if asks and cue.id == "treatment":
        return None if any(i.label == "image" or i.label == "count" for i in items) else cue.id
    if asks and items.index(cue) > next(k for k, i in enumerate(items) if i.label == "request"):
        return None
    return "identify" if cue.id == "have" else cue.id


def _is_it(items: list[Item]) -> bool:
    """ "is it chickenpox?" asks what someone has; "is it contagious?" asks about what was drawn."""
    return any(
        a.said in ("is", "was") and b.said == "it" and label_at(items, next_index(items, k + 1)) in ("rash", "outside_rash")
        for k, (a, b) in enumerate(zip(items, items[1:], strict=False))
    )


_AUXILIARIES = frozenset({"can", "will", "do", "does", "did", "is", "are"})


def question(items: list[Item], said: set[str], asks: bool, valued: bool, first: Item | None) -> str | None:
    """The topic asked about; None when it is no question or asks for images ("can you show me what …")."""
    cues = [i for k, i in enumerate(items) if i.label == "question" and (i.said not in _AUXILIARIES or (not asks and _opens(items, k)))]
    if not cues or (asks and items.index(cues[0]) > next((k for k, i in enumerate(items) if i.label == "request"), 99)):
        return None if not any(c.id == "vocabulary" for c in cues) or said & {"rash"} else "vocabulary"
    if any(i.label == "modify" and i.id in ("would", "same") for i in items) or "compare" in said:
        return None
    if "rash" in said and any(c.said in ("what would", "how would") for c in cues):
        return None  # "what would psoriasis look like on the scalp?" is answered by a picture
    strong = [c for c in cues if c.id not in ("appearance", "definition") or len(c.text.split()) > 1]
    if first is not None and first.label != "question" and not [c for c in strong if c.id not in ("appearance",)]:
        return None
    order = ("vocabulary", "difference", "contagion", "cause", "site", "person_have", "definition", "appearance")
    if any("look" in c.said or "appearance" in c.said for c in cues):
        topic = "appearance"
    else:
        topic = next((o for o in order if any(c.id == o for c in cues)), "appearance")
    if asks and topic == "difference":
        return None  # "the difference between … and …, show me"
    about_last = any(c.said.startswith("which ") for c in cues) or (topic not in ("appearance", "definition") and (said & {"modify"} or any(w in ("it", "they") for i in items for w in i.said.split())))
    if not (valued or about_last or said & {"generic_rash", "rash", "tone", "skin", "slot_noun", "scale"}) and topic != "vocabulary":
        return None
    return topic


def first(items: list[Item]) -> str | None:
    """A command to carry out before the request: "start over with psoriasis", "undo that and show the knee"."""
    return next((i.label for i in items if i.label in ("reset", "undo") and "mind" not in i.said), None)


def mode(items: list[Item], patches: tuple[Patch, ...], unknown: tuple, targets: tuple[int, ...]) -> str:
    """"new", "modify", "add" or "compare"; see :class:`assistant.schema.ParsedTurn`."""
    said = {i.label for i in items}
    changes = [i for i in items if i.label == "modify"]
    rash = any(p.rash for p in patches) or any(slot == "rash" for slot, *_ in unknown)
    rest = any(p.mentions("area") or p.mentions("tone") for p in patches) or any(slot == "area" for slot, *_ in unknown)
    if "compare" in said:
        k = next(k for k, i in enumerate(items) if i.label == "compare")
        with_last = label_at(items, k + 1) in ("adverb", "range", "modify") and items[k + 1].said in ("with", "to", "against", "it", "this", "that")
        both = len(patches) > 1 or any(len(getattr(p, s)) > 1 for p in patches for s in ("rash", "area", "tone", "severity"))
        return "compare" if with_last or not both else "new" if rash else "modify"
    if any(i.id in ("same", "again", "would", "instead") for i in changes) or targets:
        return "add" if any(i.label == "add" and i.id in ("one", "more") for i in items) else "modify"
    only = any(i.label == "negate" and i.id == "pseudo" for i in items)
    adds = [i for i in items if i.label == "add" and not (only and i.id == "also")]
    if adds and not (rash and rest and all(i.id == "also" for i in adds) and "request" in said and adds[0] is not items[0]):
        return "add"
    asks = "request" in said or any(i.label in ("image", "count") for i in items)
    if any(i.id == "pronoun" for i in changes) and not rash:
        return "modify"
    if any(i.id == "change" for i in changes) and not (rash and rest and "request" in said):
        return "modify"
    if not rash:
        return "new" if "generic_rash" in said and "request" in said and not changes else "modify"
    if any(i.id == "now" for i in changes) or label_at(items, 0) == "conj":
        return "new" if ("request" in said and rest) or "request" in said else "modify"
    if any(p.excluded.get("rash") for p in patches):
        return "modify"
    if asks or rest:
        return "new"
    return "modify"


def targets(items: list[Item]) -> tuple[int, ...]:
    """1-based images pointed at; negative ones count from the end."""
    found: list[int] = []
    for k, item in enumerate(items):
        if item.label != "target":
            continue
        if item.id:
            found += [int(n) for n in item.id.split("|")]
        elif item.number is not None:
            n = int(item.number)
            if found and label_at(items, k - 1) == "range" and found[-1] > 0:
                found += range(found[-1] + 1, n)
            found.append(n)
    return tuple(dict.fromkeys(n for n in found if n))
