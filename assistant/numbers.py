"""Numbers of a sentence and their values. Number words are read by text2num."""

from __future__ import annotations

import re
from functools import lru_cache

from text_to_num import text2num

from assistant.items import Item
from assistant.vocabulary import words

_DIGITS = re.compile(r"\d+(?:\.\d+)?$")
#: Ordinals beyond those of the grammar cues.
_NTH = re.compile(r"(\d+)(?:st|nd|rd|th)$")
_TIMES = {"k": 1e3, "hundred": 1e2, "thousand": 1e3, "million": 1e6, "dozen": 12}
#: Larger numbers are read as this one: far beyond any count, and a float takes no more than 308 digits.
_LARGEST = 1e12
#: Small numbers as phrases of several words end with them ("all three").
SMALL = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6}


@lru_cache(maxsize=256)
def _value_of(run: str) -> float | None:
    try:
        return float(text2num(run.replace("fourty", "forty"), "en"))
    except ValueError:
        return None


def merge_numbers(items: list[Item]) -> list[Item]:
    """Digits and runs of number words as ``number`` items: "twenty five" → 25, "one and a half" → 1.5, "minus 3" → -3."""
    out: list[Item] = []
    k = 0
    while k < len(items):
        number, used = _number_at(items, k)
        if number is None:
            out.append(items[k])
        elif number.number == 0.5 and len(out) > 1 and out[-1].said == "and" and out[-2].label == "number":
            out.pop()
            out[-1].number += 0.5
        elif out and out[-1].said in ("minus", "negative"):
            number.number = -number.number
            out[-1] = number
        else:
            out.append(number)
        k += used
    return out


def _number_at(items: list[Item], k: int) -> tuple[Item | None, int]:
    """The number that starts at ``k``, if any, and how many items it takes."""
    item = items[k]
    if item.label == "word" and (nth := _NTH.match(item.said)):
        return Item("ordinal", nth[1], item.text), 1
    if item.label != "word" and item.said not in ("one", "a"):
        return None, 1
    following = items[k + 1].said if k + 1 < len(items) else ""
    if item.said == "half" and following == "of" and sum(i.said in ("half", "rest") for i in items) > 1:
        return None, 1  # "half of them on fair skin and half on brown"
    if (item.said == "half" and following in ("a", "an", "of")) or (item.said == "a" and following == "half"):
        return Item("number", "", "half", 0.5), 2
    if _DIGITS.match(item.said):
        return Item("number", "", item.text, min(float(item.said) * _TIMES.get(following, 1), _LARGEST)), 2 if following in _TIMES else 1
    if item.said not in words("number"):
        return None, 1
    run = [item.said]
    while k + len(run) < len(items) and (items[k + len(run)].said in words("number") or items[k + len(run)].said == "and"):
        run.append(items[k + len(run)].said)
    while run[-1] == "and" or (len(run) > 1 and _value_of(" ".join(run)) is None):
        run.pop()
    value = _value_of(" ".join(run))
    if value is None:
        return None, 1
    dozen = k + len(run) < len(items) and items[k + len(run)].said == "dozen"
    return Item("number", "", " ".join(run), value * (12 if dozen else 1)), len(run) + dozen


def numeral(item: Item) -> int | None:
    """A skin-type numeral: a whole number in digits or words, or I-VI."""
    if item.label == "number" and item.number is not None and item.number == int(item.number):
        return int(item.number)
    return ROMAN.get(item.said)
