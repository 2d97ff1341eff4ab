"""Numbers of a sentence: which value they have, and whether they count images, count lesions, point at an image or do neither.

Number words are read by text2num. Everything after "count" is decided by the words around a number: a unit after it
("35 years", "9 am"), a noun before it ("slide 5", "type 4"), the noun it counts ("3 severe eczema images").
"""

from __future__ import annotations

import re
from functools import lru_cache

from text_to_num import text2num

from assistant.items import Item, label_at, next_index, prev_index

_DIGITS = re.compile(r"\d+(?:\.\d+)?$")
_WORDS = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fourty fifty sixty seventy eighty ninety hundred thousand million billion".split()
)
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6}
#: Adjective-like items that stand between a number and the noun it counts ("3 severe brown eczema images").
_ADJECTIVES = frozenset({"tone", "severity", "size", "rash", "area", "skin", "side", "adverb", "compound", "word", "tone_people", "tone_with_skin", "severity_with_rash", "generic_rash", "descriptor", "people"})


@lru_cache(maxsize=256)
def _value_of(words: str) -> float | None:
    try:
        return float(text2num(words.replace("fourty", "forty"), "en"))
    except ValueError:
        return None


def merge_numbers(items: list[Item]) -> list[Item]:
    """Replace digits and runs of number words by ``number`` items: "twenty five" → 25, "half a" → 0.5, "minus 3" → -3."""
    out: list[Item] = []
    k = 0
    while k < len(items):
        item = items[k]
        word = item.text.lower()
        if item.label in ("word", "number") and _DIGITS.match(word):
            out.append(Item("number", "", item.text, float(word)))
            k += 1
            if k < len(items) and items[k].text.lower() in ("k", "hundred", "thousand", "million", "dozen"):
                out[-1].number *= {"k": 1e3, "hundred": 1e2, "thousand": 1e3, "million": 1e6, "dozen": 12}[items[k].text.lower()]
                k += 1
        elif item.label in ("word", "number") and word in _WORDS:
            run = [word]
            while k + len(run) < len(items) and items[k + len(run)].text.lower() in (_WORDS | {"and"}):
                run.append(items[k + len(run)].text.lower())
            while run[-1] == "and" or (len(run) > 1 and _value_of(" ".join(run)) is None):
                run.pop()
            value = _value_of(" ".join(run))
            if word == "one" and len(run) == 1 and out and out[-1].label == "number":
                value = None
            out.append(Item("number", "", " ".join(run), value) if value is not None else item)
            k += len(run)
            if k < len(items) and items[k].text.lower() == "dozen" and value is not None:
                out[-1].number = value * 12
                k += 1
        elif word == "half" and item.label == "word" and k + 1 < len(items) and items[k + 1].text.lower() in ("a", "an", "of"):
            out.append(Item("number", "", "half", 0.5))
            k += 2
        elif word == "a" and k + 1 < len(items) and items[k + 1].text.lower() == "half" and items[k + 1].label == "word":
            out.append(Item("number", "", "half", 0.5))
            k += 2
        else:
            out.append(item)
            k += 1
    merged: list[Item] = []
    for k, item in enumerate(out):
        if item.label == "number" and item.number == 0.5 and k > 1 and out[k - 1].text.lower() == "and" and out[k - 2].label == "number":
            merged.pop()
            merged[-1].number += 0.5  # "one and a half"
            continue
        if item.label == "number" and merged and merged[-1].text.lower() in ("minus", "negative"):
            item.number = -item.number
            merged[-1] = item
        else:
            merged.append(item)
    return merged


def numeral(item: Item) -> int | None:
    """A skin-type numeral: 1-10 in digits or words, or I-VI."""
    if item.label == "number" and item.number is not None and item.number == int(item.number):
        return int(item.number)
    return _ROMAN.get(item.text.lower())


#: What else has types with numbers.
_OTHER_TYPES = frozenset({"diabetes", "diabetic", "diabetics", "reaction", "hypersensitivity", "error", "herpes", "collagen"})


def read_scales(items: list[Item], tones: dict[tuple[str, int], str]) -> list[Item]:
    """Replace "Fitzpatrick types II to IV", "phototype 3", "type V skin", "Monk 7 and 9" by tone items.

    ``tones`` maps ("fitzpatrick" | "monk", step) to the tone's name. A range names every tone between its ends.
    """
    out: list[Item] = []
    k = 0
    while k < len(items):
        item = items[k]
        scale = {"type": "fitzpatrick", "fitzpatrick": "fitzpatrick", "monk": "monk"}.get(item.id) if item.label == "scale" else None
        if item.label == "skin" and "skin" in item.text.lower():
            scale = "fitzpatrick"
        if scale is None:
            out.append(item)
            k += 1
            continue
        j = k + 1
        while j < len(items) and (items[j].label in ("scale", "skin") or items[j].text.lower() in ("tone", "skin", "of", "is", "are", "from", ":", "#", "=", "(", "no", "number", "level", "step", "shade", "to", "be")):
            if items[j].label == "scale" and items[j].id == "monk":
                scale = "monk"
            j += 1
        steps, j_end = _numerals(items, j, 10 if scale == "monk" else 6)
        around = {i.text.lower() for i in (*items[max(k - 1, 0) : k], *items[j_end : j_end + 1])}
        if item.id == "type" and around & _OTHER_TYPES:
            steps = []
        if not steps or (item.label == "skin" and label_at(items, j_end) in ("image", "unit")):
            out.append(item)
            k += 1
            continue
        names = dict.fromkeys(tones[scale, s] for s in steps if (scale, s) in tones)
        out.append(Item("tone", "|".join(names), " ".join(i.text for i in items[k:j_end])))
        k = j_end
    return out


def _numerals(items: list[Item], j: int, top: int) -> tuple[list[int], int]:
    """Numerals from ``j`` on ("II, III and V", "2 to 4", "IV-VI"), and where they end."""
    steps: list[int] = []
    end = j
    while j < len(items):
        value = numeral(items[j])
        if value is None or not 1 <= value <= top or (steps and items[j].text.isdigit() != digits) or label_at(items, j + 1) == "image":
            break
        digits = items[j].text.isdigit()
        if steps and join == "range":
            lo, hi = steps[-1], value
            steps += list(range(lo + 1, hi + 1)) if hi >= lo else list(range(lo - 1, hi - 1, -1))
        else:
            steps.append(value)
        end = j = j + 1
        join = ""
        while j < len(items) and (items[j].label in ("conj", "range", "adverb", "scale") and items[j].id != "stop" and items[j].text.lower() not in ("on", "of", "in", "at")):
            if items[j].label == "range":
                join = "range"
            j += 1
        if j == end:
            break
    return steps, end


def classify(items: list[Item]) -> None:
    """Turn every ``number`` and ``quantity`` item into ``count`` (of images), ``number`` of lesions, ``target``, or nothing."""
    for k, item in enumerate(items):
        if item.label == "ordinal":
            _ordinal(items, k)
        if item.label == "add" and item.id == "one" and any(i.label == "rash" for i in items[:k]) and label_at(items, k + 1) != "number":
            item.label, item.id, item.number = "count", "", 1.0  # "eczema on the elbow and another on the knee"
            continue
        if item.label == "quantity":
            item.number = float(item.id)
        elif item.label != "number" or item.number is None:
            continue
        _decide(items, k)
    _alternatives(items)
    _image_nouns(items)


def _alternatives(items: list[Item]) -> None:
    """"two or three images", "2-4 images": the larger number is meant."""
    for k in range(len(items) - 2):
        a, join, b = items[k : k + 3]
        if a.label == b.label == "count" and (join.label == "range" or join.text.lower() == "or") and a.number is not None and b.number is not None:
            a.drop("figure")
            join.drop()


def _decide(items: list[Item], k: int) -> None:
    item, value = items[k], items[k].number
    before, after = items[k - 1] if k else None, items[k + 1] if k + 1 < len(items) else None
    if after is not None and after.label == "unit" and after.id in ("after", "both"):
        item.drop("figure")
        after.drop()
        return
    site = before is not None and (before.label == "area" or (before.label in ("range", "conj") and label_at(items, k - 2) == "figure" and label_at(items, k - 3) == "area"))
    if site and not _counts_images(items, k) and item.label == "number" and label_at(items, k + 1) in ("", "conj", "range", "adverb") and _digit_site(items, k):
        item.drop("figure")  # "fingers 2 to 4"
        return
    if _is_age(items, k) or (before is not None and before.text.lower() in ("and", "to", "-") and label_at(items, k - 2) == "figure" and _noun(items, k) is None):
        item.drop("figure")  # "the patient is 28", "slides 3 and 4"
        return
    if before is not None and (before.label == "scale" or (before.label == "unit" and before.id in ("before", "both"))):
        item.drop("figure")
        return
    if before is not None and (before.label == "target_noun" or (before.label == "image" and before.id == "one" and (item.text != "one" or (k > 1 and items[k - 2].text.lower() not in ("a", "an"))))) and not _counts_images(items, k):
        item.label = "target"
        return
    if before is not None and before.label == "image" and before.id == "many" and label_at(items, k - 2) != "count" and value < 21 and label_at(items, k + 1) in ("conj", "", "adverb", "range"):
        item.label = "target"
        return
    if before is not None and before.label in ("target", "conj") and _continues_targets(items, k):
        item.label = "target"
        return
    if before is not None and before.label == "negate" and before.text.lower() in ("instead of", "rather than", "not"):
        item.drop("figure")
        return
    if [i.text.lower() for i in items[k + 1 : k + 3]] in (["of", "them"], ["of", "these"], ["of", "those"], ["of", "which"]) and any(i.label == "count" for i in items[:k]):
        item.label, item.id = "count", "part"
        return
    noun = _noun(items, k)
    if noun is not None and items[noun].label == "image":
        item.label = "count"
        return
    if noun is not None and items[noun].label == "lesion":
        item.label, item.id = "number_of_lesions", "single" if value == 1 else "multiple"
        return
    if noun is not None and items[noun].label in ("rash", "compound", "generic_rash"):
        if _image_noun_governs(items, k):
            item.label, item.id = "number_of_lesions", "single" if value == 1 else "multiple"
        else:
            item.label = "count"
        return
    if item.text.lower() == "one" and before is not None and (before.label in ("tone", "severity", "size", "ordinal", "tone_people", "area", "each") or before.text.lower() in ("this", "that", "the", "which", "each", "every", "same") or k > 1 and items[k - 2].text.lower() == "the"):
        item.drop()
        return
    if before is not None and before.text.lower() in ("at", "in", "by", "on") and label_at(items, k + 1) not in ("image", "people", "rash", "add"):
        item.drop("figure")
        return
    item.label = "count"


def _is_age(items: list[Item], k: int) -> bool:
    """A number that ends "the patient is 28"."""
    who = items[k - 2] if k > 1 else None
    return (
        who is not None
        and items[k - 1].text.lower() in ("is", "was", "'s", "turned")
        and (who.label == "people" or who.text.lower() in ("he", "she"))
        and label_at(items, k + 1) in ("", "conj")
    )


def _digit_site(items: list[Item], k: int) -> bool:
    j = prev_index(items, k, ("range", "conj", "figure", "adverb"))
    return label_at(items, j) == "area" and items[j].id in ("fingers", "toes", "nail", "between the toes", "between the fingers")


def _counts_images(items: list[Item], k: int) -> bool:
    noun = _noun(items, k)
    return noun is not None and items[noun].label == "image"


def _continues_targets(items: list[Item], k: int) -> bool:
    j = prev_index(items, k, ("adverb", "conj", "side"))
    return label_at(items, j) == "target" and not _counts_images(items, k) and label_at(items, k + 1) not in ("adverb", "rash") or (
        label_at(items, j) == "target" and items[k - 1].label in ("conj", "target") and label_at(items, k + 1) in ("adverb",) and items[k + 1].text.lower() in ("on", "in", "with", "at")
    )


def _noun(items: list[Item], k: int) -> int | None:
    """The noun a number counts: an image, person, lesion or rash reached through adjectives only."""
    best = None
    for j in range(k + 1, min(k + 9, len(items))):
        label = items[j].label
        if label == "image":
            return j
        if label == "people" and (best is None or items[best].label == "people"):
            return j if label_at(items, j + 1) != "image" else j + 1
        if label == "lesion":
            return j if not (best is not None and label_at(items, j + 1) == "image") else j + 1
        if label in ("rash", "compound", "generic_rash"):
            best = best if best is not None else j
        elif label == "add" and items[j].id == "more":
            continue
        elif label == "adverb" and items[j].text.lower() in ("of", "on", "at", "in", "with", "for", "is", "are", "showing", "'s"):
            if items[j].text.lower() == "of" and best is None:
                nxt = next_index(items, j, ("adverb", "severity", "size", "tone", "word"))
                return None if nxt is None or items[nxt].label not in ("lesion",) else nxt
            break
        elif label not in _ADJECTIVES:
            break
    return best


def _image_noun_governs(items: list[Item], k: int) -> bool:
    """Whether an image noun stands earlier in the same clause ("a picture of three moles")."""
    for j in range(k - 1, -1, -1):
        if items[j].label == "image":
            return True
        if items[j].label == "conj" and items[j].id == "stop" or items[j].text == ":":
            return False
    for j in range(k + 2, len(items)):
        if items[j].label == "image" and items[j].id == "one":
            before = [i.text.lower() for i in items[max(k, j - 3) : j]]
            return any(w in ("in", "on", "within", "into") for w in before)  # "five warts in one picture"
    return False


def _ordinal(items: list[Item], k: int) -> None:
    """"the second one", "the last two images", "2nd": a pointer at an image; "the second toe" and "first" alone are not."""
    item = items[k]
    n = int(item.id)
    nxt = k + 1
    number = items[nxt] if label_at(items, nxt) == "number" and items[nxt].text.lower() != "one" else None
    if number is not None and number.number and number.number < 21:
        count = int(number.number)
        if n == 1 or n == -1:
            item.label = "target"
            item.id = "|".join(str(i) for i in (range(1, count + 1) if n == 1 else range(-count, 0)))
            number.drop()
            if label_at(items, nxt + 1) == "image":
                items[nxt + 1].drop()
        return
    follower = items[nxt] if nxt < len(items) else None
    if follower is None or follower.text in "?.!" or follower.text.lower() in ("one", "ones") or follower.label == "image" and follower.id == "one":
        item.label = "target"
        if follower is not None and follower.label != "conj":
            follower.drop()
            follower.number = None
    elif follower.label == "conj" and any(i.label == "ordinal" for i in items[nxt + 1 : nxt + 3]) and label_at(items, k - 1) not in ("word", "area"):
        item.label = "target"
    elif follower.label in ("adverb", "conj", "modify", "ordinal") and k and (items[k - 1].text.lower() in ("the", "and", ",") ) and follower.text.lower() in ("on", "with", "in", "at", "but", "and", "to", ",", "instead", "now"):
        item.label = "target"
    elif follower.label in ("tone", "rash", "darker") and k and items[k - 1].text.lower() == "the" and label_at(items, nxt + 1) not in ("image",):
        item.label = "target" if n != -1 else item.label
    if item.label == "target":
        item.number = float(n)


def _image_nouns(items: list[Item]) -> None:
    """A noun for images without a number: "a picture" counts 1, "pictures" 3; "the images" refers back."""
    for k, item in enumerate(items):
        if item.label != "image":
            continue
        j = prev_index(items, k, _ADJECTIVES - {"adverb"})
        before = items[j] if j is not None else None
        word = before.text.lower() if before is not None else ""
        if _counted(items, k):
            continue
        if label_at(items, k + 1) == "target":
            item.drop()
            continue
        if before is not None and before.label == "negate" and label_at(items, k + 1) == "adverb" and items[k + 1].text.lower() in ("of", "with", "on"):
            item.drop()  # "no images of the face": the face is not wanted
            continue
        if word in ("the", "this", "that", "these", "those", "your", "his", "her", "its", "my", "our") or before is not None and (before.label == "each" or before.label == "modify" and before.id in ("same", "pronoun") or before.label == "target"):
            continue
        if before is not None and before.label == "number" and before.id in ("single", "multiple") and not before.negated:
            before.label, before.number = "count", 1.0 if before.id == "single" else 3.0
            continue
        if item.id == "one":
            item.label, item.number, item.id = "count", 1.0, "noun"
        else:
            item.label, item.number, item.id = "count", 3.0, "noun"


def _counted(items: list[Item], k: int) -> bool:
    """Whether a count stands before this noun, with only adjectives, "of" and collection words between."""
    for j in range(k - 1, max(-1, k - 10), -1):
        if items[j].label == "count":
            return True
        if items[j].label == "add" and items[j].id == "one":
            return True
        if items[j].label == "image" or items[j].label == "conj" and items[j].id in ("stop",):
            return False
        if items[j].label not in _ADJECTIVES and items[j].label not in ("collection", "add", "number", "conj", "severity"):
            return False
        if items[j].text.lower() in ("with", "on", "at", "in"):
            return False
    return False
