"""What cannot be drawn as said, and words that were not understood."""

from __future__ import annotations

import re
from itertools import pairwise

from assistant.items import Item, id_at, label_at, said_at
from assistant.typos import is_english
from assistant.vocabulary import words

#: Last code point of Latin letters with their European accents (Latin Extended-B).
_LATIN = 0x24F


def count_problems(items: list[Item]) -> list[str]:
    """ "count_zero", "count_negative", "count_fraction"; "no pictures" becomes a count of zero."""
    found = []
    for k, item in enumerate(items):
        if item.label != "count" or item.number is None:
            continue
        if item.id == "noun" and said_at(items, k - 1) in ("no", "zero"):
            item.number = 0.0
        if item.number == 0:
            found.append("count_zero")
        elif item.number < 0:
            found.append("count_negative")
        elif item.number != int(item.number):
            found.append("count_fraction")
    return found


def contradictions(items: list[Item]) -> list[str]:
    """Two values side by side that exclude each other ("fair black skin"), or a word whose place is elsewhere."""
    found = []
    elsewhere = any(i.label == "area" and not i.implied and not i.negated for i in items)
    if elsewhere and sum(i.label == "rash" for i in items) == 1 and any(i.label == "area" and i.implied for i in items):
        found.append("contradiction:area")  # "scalp ringworm on the foot"
    if _one_tone_twice(items):
        found.append("contradiction:tone")  # "fair skin, Fitzpatrick VI"
    graded = {i.id for i in items if i.label == "severity" and not i.negated}
    for a, b in pairwise(items):
        if a.label == "severity" and len(graded) == 3:
            continue  # "mild moderate and severe"
        plain = not (a.hint or b.hint or a.negated or b.negated)
        if plain and a.label == b.label and a.label in ("tone", "severity", "size", "number") and a.id != b.id:
            found.append(f"contradiction:{a.label}")
    return found


_SCALE = re.compile(r"\b(?:fitz\w*|fst|phototype|type|monk|mst)\b")


def _one_tone_twice(items: list[Item]) -> bool:
    """Whether a tone in words and another on a scale stand for one skin: with a comma between them, not "and"."""
    at = [k for k, i in enumerate(items) if i.label == "tone" and not (i.negated or i.hint)]
    if len(at) != 2 or items[at[0]].id == items[at[1]].id or sum(bool(_SCALE.search(items[k].said)) for k in at) != 1:
        return False
    return all(i.label in ("skin", "adverb") or i.said in (",", "(") for i in items[at[0] + 1 : at[1]])


def foreign(items: list[Item], text: str) -> bool:
    """Whether a text is mostly in another script, or has more of other languages' small words than English ones."""
    letters = [] if text.isascii() else [c for c in text if c.isalpha()]
    if letters and sum(ord(c) > _LATIN for c in letters) > len(letters) / 2:
        return True
    strange = sum((i.label in ("word", "adverb") and i.said in words("foreign")) or (i.label == "word" and not i.text.isascii() and i.text.isalpha()) for i in items)
    english = sum(i.label in ("adverb", "request", "conj", "modify") and i.text.isalpha() and i.said not in words("foreign") for i in items)
    return strange >= 2 and strange > english


#: Units of what could be drawn to measure, were it drawn to measure.
_MEASURES = ("mm", "cm", "inch", "inches", "centimetres", "centimeters", "millimetres", "millimeters")


def ignored(items: list[Item]) -> tuple[str, ...]:
    """Words not understood that look as if they mattered: describing a rash or a place, or in no dictionary."""
    out = []
    named = any(i.label in ("rash", "outside_rash") for i in items)
    placed = any(i.label in ("area", "outside_area") for i in items)
    loud = sum(i.text.isupper() for i in items) * 2 > len(items)
    for k, item in enumerate(items):
        if item.label == "figure" and label_at(items, k + 1) == "adverb" and said_at(items, k + 1) in _MEASURES:
            out.append(f"{item.text} {items[k + 1].text}")
        elif item.label == "descriptor":
            time_left = item.said == "left" and label_at(items, k - 2) == "figure"  # "15 minutes left"
            agreed = item.said == "right" and k == 0 and said_at(items, 1) == ","  # "Right, …"
            of_person = item.id == "person" and label_at(items, k + 1) == "people" and item.said in ("older", "younger")
            of_person = of_person and items[k + 1].said.split()[-1] in words("kind_of_person")  # which says it itself
            without = f"{items[k - 1].text} " if (k and items[k - 1].said == "without") or (k > 1 and items[k - 1].said == "no") else ""
            of_picture = item.id == "person" and label_at(items, k + 1) == "image"  # "our old photo"
            out += [] if time_left or agreed or of_person or of_picture else [without + item.text]
        elif item.said in ("from", "to", "due to", "caused by") and any(i.label == "rash" and i.id == "contact dermatitis" for i in items) and (what := _cause(items, k)):
            out.append(what)
        elif item.label == "adverb" and item.said.startswith(("from ", "under ")) and item.said.endswith(" watch"):
            out.append(f"watch {items[k + 1].text}" if label_at(items, k + 1) == "word" else "watch")  # "from a watch strap, on the wrist"
        elif item.label == "adverb" and item.said.startswith("near the "):
            out.append(item.text)  # "on the forehead, near the eye"
        elif item.said in ("close up", "closeup", "macro") and said_at(items, k + 1) != "of" and named:
            out.append(item.text)  # "a wart on a finger, close up": how near, no request says
        elif named and not placed and ((item.said == "everywhere" and k and items[k - 1].label in ("rash", "lesion", "severity")) or (item.said == "over" and id_at(items, k - 1) == "all" and label_at(items, k + 1) in ("", "conj"))):
            out.append("all over" if item.said == "over" else item.text)  # "hives everywhere, severe"
        elif item.said == "body" and said_at(items, k - 1) in ("and", "&") and label_at(items, k - 2) == "area":
            out.append(item.text)  # "all over the face and body"
        elif item.label == "figure" and said_at(items, k + 1).endswith(tuple(words("age"))):
            out.append(f"{item.text} {items[k + 1].text}")
        elif item.label == "people" and (noun := item.text.split()[-1]).lower() in words("kind_of_person"):
            out.append(noun)
        elif item.label in ("word", "unit") and named and not placed and _place_of_its_own(items, k):
            out.append(item.text)
        elif item.label == "word" and 1 < len(item.text) <= 4 and item.text.isalpha() and item.text.isupper() and not named and not loud:
            out.append(item.text)  # "BP on the neck": it stands where the condition should
        elif item.label == "word" and item.text.isalpha() and len(item.text) > 3:
            described = label_at(items, k + 1) in ("rash", "lesion", "generic_rash", "area", "skin")
            described = described and not (item.said.endswith("ing") and said_at(items, k - 1) in {*words("we_are"), "are", "is", "was", "were", "been"})  # "we're doing eczema"
            described = described and item.said not in ("called", "named")
            if (described and item.said.endswith(tuple(words("adjective_ending")))) or not is_english(item.text):
                out.append(item.text)
    return tuple(dict.fromkeys(out))


def _cause(items: list[Item], k: int) -> str:
    """ "from a watch strap", "to nickel": what a contact dermatitis comes from, as typed."""
    j = k + 1
    while said_at(items, j) in ("a", "an", "the", "his", "her", "their", "some", "new"):
        j += 1
    words_ = []
    while label_at(items, j) == "word" and is_english(items[j].said) and len(words_) < 3:
        words_.append(items[j].text)
        j += 1
    return " ".join(words_)


def _place_of_its_own(items: list[Item], k: int) -> bool:
    """ "tinea on the table": a noun where the site should stand, at the end of a part of the sentence."""
    ends = label_at(items, k + 1) in ("", "conj")
    j = k - 1
    while said_at(items, j) in ("the", "a", "an"):
        j -= 1
    return ends and j < k - 1 and said_at(items, j).split()[:1] in (["on"], ["at"]) and items[k].said not in words("shown_on")
