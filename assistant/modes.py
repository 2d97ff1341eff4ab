"""How a request relates to the one before it: new, a change, more of it, or beside it; and which images it points at."""

from __future__ import annotations

from collections import Counter

from assistant.items import Item, label_at, said_at
from assistant.sentence import Sentence
from assistant.vocabulary import SLOTS, words


def mode(s: Sentence) -> str:
    """"new", "modify", "add" or "compare"; see :class:`assistant.schema.ParsedTurn`."""
    rash = any(p.rash for p in s.patches) or any(slot == "rash" for slot, *_ in s.unknown)
    rest = any(p.mentions("area") or p.mentions("tone") for p in s.patches) or any(slot == "area" for slot, *_ in s.unknown)
    if rash and any(p.area for p in s.patches) and _same_skin(s):
        return "new"  # "now warts on the sole, same skin": the tone alone stays
    if "compare" in s.labels or (s.has("each", "either") and not s.valued):
        return _comparison(s, rash)
    if s.has("modify", "same", "again", "would", "instead") or s.targets:
        return "add" if s.has("add", "one", "more", "fresh") else "modify"
    if _adds(s, complete=rash and rest):
        return "add"
    if s.has("modify", "pronoun") and not rash:
        return "modify"
    if s.has("modify", "change") and not (rash and rest and s.asks):
        return "modify"
    if any(_that_one(s.items, k) for k, i in enumerate(s.items) if i.is_value) and "also" not in s.labels:
        return "modify"
    if not rash:
        return "new" if s.asks and "generic_rash" in s.labels and "modify" not in s.labels else "modify"
    if rash and s.items[0].said in ("only", "just", "keep") and said_at(s.items, 1) == "the" and label_at(s.items, 2) == "rash":
        return "modify"  # "only the eczema, back of the knee"
    if rash and _only_that(s.items):
        return "modify"  # "lichen planus only, fair skin"
    if rash and not rest and any(i.label == "number" for i in s.items) and any(i.said in ("per", "in each", "on each") for i in s.items):
        return "modify"  # "only one wart per picture"
    if rash and rest and any(i.said in words("next_one") for i in s.items):
        return "new"  # "ok next topic, impetigo on the chin, olive skin"
    if s.has("modify", "now") or label_at(s.items, 0) == "conj":
        in_full = any(p.rash and p.area and p.tone for p in s.patches)  # "now melanoma on the heel of someone with very fair skin"
        return "new" if s.asks or in_full else "modify"
    if any(p.excluded.get("rash") for p in s.patches):
        return "modify"
    return "new" if rest or s.asks or s.labels & {"image", "count"} else "modify"


def _only_that(items: list[Item]) -> bool:
    """ "lichen planus only": of several conditions that are shown, that one."""
    first = next((k for k, i in enumerate(items) if i.label not in ("social", "conj")), 0)
    return label_at(items, first) == "rash" and said_at(items, first + 1) == "only" and sum(i.label == "rash" for i in items) == 1 and not any(i.label in ("area", "count", "request") for i in items)


def _same_skin(s: Sentence) -> bool:
    k = next((k for k, i in enumerate(s.items) if i.said == "same"), None)
    return k is not None and label_at(s.items, k + 1) in ("skin", "slot_noun") and s.items[k + 1].said.split()[0] in ("skin", "tone", "colour", "color", "complexion") and not s.has("modify", "again")


def _comparison(s: Sentence, rash: bool) -> str:
    """ "compare with psoriasis" keeps the last request; "compare eczema and psoriasis" names both sides itself."""
    with_last = label_at(s.items, s.index("compare") + 1) in ("adverb", "range", "modify") and _with_last(s)
    both = len(s.patches) > 1 or any(len(getattr(p, slot)) > 1 for p in s.patches for slot in ("rash", "area", "tone", "severity"))
    rashes_only = [p.model_fields_set for p in s.patches] == [{"rash"}]
    if with_last or not both or rashes_only:
        return "compare"
    return "new" if rash else "modify"


def _adds(s: Sentence, complete: bool) -> bool:
    """ "another two", "also on the knee"; not "not only … but also", nor "also" inside a complete request."""
    adds = [i for i in s.of("add") if not (i.id == "also" and s.has("negate", "pseudo"))]
    aside = complete and s.asks and all(i.id == "also" for i in adds) and not (adds and adds[0] is s.items[0])
    last = [i for i in s.items if i.label not in ("conj", "social") and i.said != "please"][-1:]
    if aside and len(s.patches) == 1 and last == adds[-1:]:
        return True  # "gimme tinea pedis as well"
    return bool(adds) and not aside


def first(items: list[Item]) -> str | None:
    """A command to carry out before the request: "start over with psoriasis", "undo that and show the knee"."""
    return next((i.label for i in items if i.label in ("reset", "undo") and "mind" not in i.said), None)


def adds(s: Sentence) -> bool:
    """ "add black", "add two of psoriasis": what was drawn stays; "add two on black skin" are those two."""
    counted = any(i.id != "noun" for i in s.of("count"))
    return s.has("add", "also") and ("rash" in s.labels or not counted)


def beside(s: Sentence) -> bool:
    """ "compare with psoriasis", "next to tinea": what was drawn stays; "now compare on the elbow" moves the comparison."""
    joins = ("next to", "beside", "alongside", "versus", "vs")
    return "compare" in s.labels and (_with_last(s) or s.items[s.index("compare")].said in joins)


def _with_last(s: Sentence) -> bool:
    """Whether what was drawn last is one side: "compare with …", "compare it …"."""
    return said_at(s.items, s.index("compare") + 1) in ("with", "to", "against", "it", "this", "that")


def changes(s: Sentence) -> bool:
    """Whether there is a verb of change ("change it"), unlike "keep it" and "try again"."""
    return any(i.label == "modify" and i.id == "change" and (i.said == "back" or (i.said.split()[0] in words("vary") and not i.said.endswith(" back"))) for i in s.items)


def open_changes(s: Sentence) -> list[str]:
    """What is to be changed without a word of into what: "change the tone" (which:tone), "change it" (which:), "another
    shade" (direction)."""
    if s.has("add", "one") and not s.named and any(i.said in words("step") for i in s.items) and not s.labels & {"darker", "worse"}:
        return ["direction"]
    if s.valued or s.labels & {"darker", "worse", "clear", "times", "count", "seed", "undo", "image", "again"}:
        return []
    if not changes(s) or s.has("modify", "same", "again") or s.labels & {"add", "compare", "people", "descriptor", "generic_rash", "lesion"}:
        return []
    slot = next((i.id for i in s.of("slot_noun") if i.id in SLOTS), "tone" if "skin" in s.labels else "")
    return [f"which:{slot}"]


def steps(items: list[Item]) -> int:
    """How far an undo goes back: "undo twice", "undo, undo"; "never mind, undo that" is one step in two phrasings."""
    by_words = Counter()
    for item in items:
        if item.label == "undo":
            by_words[item.said] += int(item.id or 1)
    return max(by_words.values(), default=1)


def edits(s: Sentence) -> bool:
    """ "make the acne severe", "the tinea should be mild", "and the fair ones mild"; "keep" and "leave" alone change nothing."""
    passive = ("keep", "leave", "use", "try", "go with", "go for", "actually", "wait", "oops", "hang on", "hold on")
    also = label_at(s.items, 0) == "conj" and any(_that_one(s.items, k) for k, i in enumerate(s.items) if i.is_value and i.label != "rash")
    return also or any(i.label == "modify" and i.id == "change" and i.said not in passive for i in s.items)


def selects(s: Sentence) -> bool:
    """Whether values may point at what was shown: "just the psoriasis", "keep the fair one", "the black one darker"."""
    if s.has("modify", "now", "same", "instead") or s.labels & {"add", "compare"}:
        return False
    for k, item in enumerate(s.items):
        if item.is_value and not item.negated:
            if s.items[-1].said in ("only", "alone") and not any(i.label == "rash" for i in s.items):
                return True  # "the ones on black skin only"
            before = [i.said for i in s.items[max(0, k - 4) : k] if i.label != "conj"]
            if any(w in ("only", "just", "keep", "leave") for w in before) and not any(w.startswith("make") for w in before):
                return True
            if _that_one(s.items, k) or (item.label == "rash" and said_at(s.items, k + 1) == "only" and sum(i.label == "rash" for i in s.items) == 1):
                return True  # "lichen planus only, fair skin"
    return False


def _that_one(items: list[Item], k: int) -> bool:
    """ "the black one", "the eczema images": what was shown."""
    before = [i.said for i in items[max(0, k - 4) : k] if i.label != "conj"]
    after = said_at(items, k + 1)
    if items[k].label == "rash" and before[-2:] == ["of", "the"] and label_at(items, k - 3) == "count":
        return True  # "4 of the rosacea"
    if items[k].label == "rash" and k < 4 and before in (["the"], ["now", "the"], ["ok", "the"], ["and", "the"], ["then", "the"]) and after in ("on", "in", "with"):
        return True  # "the eczema on black skin"
    while label_at(items, k - 1) == "conj" and label_at(items, k - 2) == items[k].label:
        k -= 2  # "the brown and black ones"
    j = k - 2 if label_at(items, k - 1) in ("tone", "severity", "size", "rash", "descriptor") else k - 1
    opens = k == 0 and after in ("one", "ones") and items[k].label != "rash"  # "light ones milder"
    return (opens or said_at(items, j).split()[-1:] == ["the"]) and after in ("one", "ones", "image", "images", "picture", "pictures", "photo", "photos")


def targets(items: list[Item], label: str = "target") -> tuple[int, ...]:
    """1-based images pointed at; negative ones count from the end. ``label``: "target" or "dropped"."""
    found: list[int] = []
    for k, item in enumerate(items):
        if item.label != label:
            continue
        if item.id:
            found += [int(n) for n in item.id.split("|")]
        elif item.number is not None:
            n = int(item.number)
            if found and label_at(items, k - 1) == "range" and found[-1] > 0:
                found += range(found[-1] + 1, n)
            found.append(n)
    return tuple(dict.fromkeys(n for n in found if n))
