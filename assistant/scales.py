"""Skin tones given by number: Fitzpatrick types and steps of the Monk scale."""

from __future__ import annotations

from collections.abc import Iterable

from assistant.items import Item, id_at, label_at, said_at
from assistant.numbers import ROMAN, numeral
from assistant.vocabulary import Vocabulary, words


def scale_steps(v: Vocabulary) -> dict[tuple[str, int], str]:
    """("fitzpatrick" | "monk", step) → tone."""
    entries = v.entries["tone"].values()
    steps = {("fitzpatrick", n): e.name for n, e in enumerate(entries, 1)}
    return steps | {("monk", n): e.name for e in entries for n in e.monk}


def read_scales(items: list[Item], tones: dict[tuple[str, int], str]) -> list[Item]:
    """Replace "Fitzpatrick types II to IV", "phototype 3", "type V skin", "Monk 7 and 9" by tone items.

    ``tones`` as :func:`scale_steps` gives it. A range names every tone between its ends.
    """
    out: list[Item] = []
    k = 0
    bare = not any(i.label in ("tone", "scale", "tone_people", "skin") for i in items)
    only = all(i.text in _BARE or i.label in ("conj", "negate", "adverb", "modify", "range", "request") for i in items)
    bare = bare and (only or any(i.label == "rash" for i in items))
    while k < len(items):
        if bare and _is_bare_type(items, k):
            out.append(Item("tone", tones["fitzpatrick", ROMAN[items[k].said]], items[k].text))
            k += 1
            continue
        steps, end = _steps_on(items, k) or _steps_of(items, k)
        names = dict.fromkeys(tones[s] for s in steps if s in tones)
        if names:
            if said_at(items, k - 1) in (*_EXPLAINS, "(") and _ends_in_group(items, k - 2):
                _explained(items, k - 2, names)
            out.append(Item("tone", "|".join(names), " ".join(i.text for i in items[k:end])))
            k = end
        else:
            out.append(items[k])
            k += 1
    return out


#: What stands between a group of tones and the types that it means.
_EXPLAINS = (",", ":", "-", "–", "i.e.", "ie", "namely")


def _explained(items: list[Item], k: int, names: Iterable[str]) -> None:
    """ "darker skin, types V and VI": the group that ends at ``k`` says no more than the types after it."""
    for item in items[max(0, k - 2) : k + 1]:
        dark = item.said.startswith("dark") or "olive" in item.values or item.id == "black"
        if item.label in ("tone", "darker") and all((name in _DARK) == dark for name in names):
            item.drop()


_DARK = ("olive", "brown", "black")
#: Skin types that can stand alone: "I" is a pronoun.
_BARE = ("II", "III", "IV", "V", "VI")


def _is_bare_type(items: list[Item], k: int) -> bool:
    """A Roman numeral by itself at the end of a part of a sentence ("psoriasis, knee, III"); "I" is a pronoun."""
    if items[k].text in _BARE and not any(i.label == "rash" for i in items):
        return True  # "only III and IV"
    alone = items[k].text in _BARE and label_at(items, k + 1) in ("", "conj")
    return alone and label_at(items, k - 1) in ("area", "rash", "conj", "number", "severity", "size")


def _steps_on(items: list[Item], k: int) -> tuple[list[tuple[str, int]], int] | None:
    """ "IV on the Fitzpatrick scale", "a 7 on the Monk scale": steps, and where they end."""
    if numeral(items[k]) is None or items[k].text in ("I", "i") or label_at(items, k - 1) in ("scale", "range", "conj"):
        return None
    steps, end = _numerals(items, k, 10)
    named = next((j for j in range(end, min(end + 3, len(items))) if items[j].label == "scale" and items[j].id != "type"), None)
    if not steps or named is None or named == end or said_at(items, end) not in ("on", "in", "of"):
        return None
    monk = items[named].id == "monk"
    if (named + 1 < len(items) and numeral(items[named + 1]) is not None) or max(steps) > (10 if monk else 6):
        return None
    return [("monk" if monk else "fitzpatrick", s) for s in steps], named + 1


def _steps_of(items: list[Item], k: int) -> tuple[list[tuple[str, int]], int]:
    """Steps that the scale at ``k`` is followed by, and where they end; none when there is no scale."""
    item = items[k]
    bracketed = k and items[k - 1].text == "(" and any(i.label in ("tone", "skin", "scale") for i in items[:k])  # "darker skin (V-VI)"
    bracketed = bracketed or (said_at(items, k - 1) in _EXPLAINS and _ends_in_group(items, k - 2))  # "darker skin types, V and VI"
    joined = label_at(items, k + 1) == "range" or (bracketed and label_at(items, k + 1) == "conj" and k + 2 < len(items) and items[k + 2].text in _BARE)
    if item.text in (*_BARE, "I") and joined and (bracketed or any(i.label == "scale" for i in items[:k])):
        steps, end = _numerals(items, k, 6)  # "for Fitzpatrick I-II and 2 for V-VI"
        return ([("fitzpatrick", s) for s in steps], end) if len(steps) > 1 else ([], k)
    counted = said_at(items, k - 1) in ("on", "in", "for") and (label_at(items, k - 2) in ("number", "quantity") or said_at(items, k - 2) in words("so_often"))
    if item.text in (*_BARE, "I") and counted and any(i.label == "scale" for i in items[:k]) and numeral(item) is not None:
        return [("fitzpatrick", ROMAN[item.said])], k + 1  # "two on type IV, two on V"
    if item.label != "scale" and not (item.label == "skin" and "skin" in item.said) and not _is_numbered_tone(items, k):
        return [], k
    scale = "monk" if item.id == "monk" else "fitzpatrick"
    j = k + 1
    while j < len(items) and (items[j].label in ("scale", "skin") or items[j].said in words("before_type")):
        scale = "monk" if items[j].id == "monk" else scale
        j += 1
    steps, end = _numerals(items, j, 10 if scale == "monk" else 6, item.said.endswith("s"), item.label == "skin")
    around = {i.said for i in (*items[max(k - 1, 0) : k], *items[end : end + 1])}
    other = (item.id == "type" and around & words("other_types")) or (item.label == "skin" and items[min(j, len(items) - 1)].said == "one")
    told = item.label == "skin" and label_at(items, k - 1) in ("tone", "tone_with_skin", "tone_people")  # "brown skin 3 pcs"
    if other or told or (item.label == "skin" and label_at(items, end) in ("image", "unit")):
        return [], k
    return [(scale, s) for s in steps], end


def _ends_in_group(items: list[Item], k: int) -> bool:
    """Whether a tone that leaves open which one it is ends at ``k``: "darker skin types", "skin of colour", "dark skin"."""
    if label_at(items, k) in ("skin", "slot_noun", "scale"):
        return label_at(items, k - 1) in ("tone", "darker") or (label_at(items, k - 1) == "skin" and label_at(items, k - 2) in ("tone", "darker"))
    return label_at(items, k) == "darker" or (label_at(items, k) == "tone" and (len(items[k].values) > 1 or items[k].said.endswith("skin")))


def _is_numbered_tone(items: list[Item], k: int) -> bool:
    """ "tone VI", "tone=3", and not "each tone, 3 images"."""
    if items[k].said not in ("tone", "tones") or label_at(items, k - 1) == "each":
        return False
    j = k + 1 + (k + 1 < len(items) and items[k + 1].said in ("=", ":"))
    return j < len(items) and numeral(items[j]) is not None and (items[j].text.isdigit() or items[j].text.isupper())


def _numerals(items: list[Item], j: int, top: int, plural: bool = False, skin: bool = False) -> tuple[list[int], int]:
    """Numerals from ``j`` on ("II, III and V", "2 to 4", "IV-VI", after a plural "4 5 and 6"), and where they end.

    All are written alike (in "type V, 5 pictures" the 5 is no type), and a number of images is none.
    """
    steps: list[int] = []
    end, span = j, False
    while j < len(items):
        value = numeral(items[j])
        alike = not steps or _script(items[j]) == _script(items[end - 1])
        pronoun = (plural or skin) and items[j].text == "I" and said_at(items, j + 1) in words("i_do")
        if value is None or pronoun or not 1 <= value <= top or not alike or label_at(items, j + 1) == "image" or (said_at(items, j + 1) == "x" and items[j].text.isdigit() and label_at(items, j + 2) != "number") or (id_at(items, j + 1) == "each" and _script(items[j]) != "roman"):
            break
        if steps and span:
            down = value < steps[-1]
            steps += range(steps[-1] - 1, value - 1, -1) if down else range(steps[-1] + 1, value + 1)
        else:
            steps.append(value)
        end = j = j + 1
        span = False
        while j < len(items) and _joins(items[j]):
            span = span or items[j].label == "range"
            j += 1
        if j == end and not plural:
            break
    return steps, end


def _script(item: Item) -> str:
    """Digits, Roman numerals or words."""
    return "digits" if item.text.isdigit() else "roman" if item.said in ROMAN else "words"


def _joins(item: Item) -> bool:
    if item.label == "adverb" and item.said in words("own"):
        return False
    return item.label in ("conj", "range", "adverb", "scale", *(("compare",) if item.said in ("vs", "versus") else ())) and item.id != "stop" and item.said not in ("on", "of", "in", "at")
