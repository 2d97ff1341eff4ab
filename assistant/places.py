"""Body sites that depend on their neighbours: part and whole, nouns that are no sites, what a word like "athlete's foot" implies."""

from __future__ import annotations

from assistant.items import Item, label_at, next_index, prev_index, said_at, sentence_end
from assistant.vocabulary import Vocabulary, words


def implied_places(items: list[Item], v: Vocabulary) -> None:
    """Settle the place that a word like "athlete's foot" implies with a place said besides; the one that loses goes."""
    for item in [i for i in items if i.implied]:
        word = v.compound(item.implied)
        said = [i for i in items if i.label == "area" and not i.implied]
        for web in said:
            if web.id == "between the fingers" and "finger" not in web.said and word.area in ("foot", "toes", "between the toes"):
                web.id = "between the toes"  # "tinea pedis, interdigital"
        place = next((i for i in said if i.id in (word.area, *word.also)), None)
        if place is not None and not _of_another_rash(items, place, item):
            item.drop()
        elif any(i.id in word.within for i in said):
            for other in said:
                other.drop()


def _of_another_rash(items: list[Item], place: Item, item: Item) -> bool:
    """ "one psoriasis nail and one fungal nail": whether ``place`` was said of a condition before that of the word with a place."""
    a, b = items.index(place), items.index(item)
    if a < b and any(i.label == "rash" and i.id != items[b - 1].id for i in items[a + 1 : b - 1]) and any(i.label in ("number", "quantity", "count") or i.said == "one" for i in items[a:b]):
        return True  # "eczema on the palm, one of palmar psoriasis and one of tinea manuum"
    return a < b and label_at(items, a - 1) == "rash" and any(i.label == "conj" for i in items[a:b]) and any(i.label in ("number", "quantity", "count") for i in items[a:b])


def not_places(items: list[Item]) -> None:
    """Body nouns that name no site: "nail this", "palm-sized", "the size of a hand", "I'm back"."""
    for k, item in enumerate(items):
        if item.label != "area" or item.implied:
            continue
        before, after = said_at(items, k - 1), said_at(items, k + 1)
        if item.said in words("body_verb") and _is_body_verb(items, k):
            item.drop()
        elif item.id == "arm" and label_at(items, k - 1) in ("number", "word", "each", "adverb") and any(i.said in words("study") and said_at(items, n + 1) not in ("guide", "group", "session", "day", "notes") for n, i in enumerate(items)) and before not in ("the", "his", "her", "their"):
            item.drop()  # "randomised in 2 arms"
        elif item.said.split()[-1] in words("worn") and any(o.label == "area" and o is not item for o in items):
            item.drop()  # "from a nickel belt buckle, lower abdomen"
        elif (before in ("just", "only") and (label_at(items, k - 2) == "negate" or said_at(items, k - 2).endswith("n't") or said_at(items, k - 2) == "not") and any(o.label == "area" and o is not item for o in items[k:])) or (label_at(items, k - 1) == "negate" and before in ("not just", "not only") and any(o.label == "area" for o in items[k + 1 :]) and any(i.text == ":" for i in items[k:])):
            item.drop()  # "to show that it isn't just feet: one on the neck and one in the armpit"
        elif before == "by" and item.said in ("eye", "hand", "ear"):
            item.drop()  # "we rate severity by eye"
        elif item.said == "bottom" and after in ("row", "line", "panel", "half", "left", "right", "corner"):
            item.drop()  # "bottom row psoriasis on the elbow"
        elif item.id == "arm" and len(after) == 1 and items[k + 1].text.isupper() and after != "i":
            item.drop()  # "For arm A: …"
        elif before == "at" and said_at(items, k - 2) in ("look", "looking", "looks", "looked") and any(o.label == "area" and o is not item for o in items):
            item.drop()  # "three images of the heel would convince my students to look at feet"
        elif before == "about" and any(o.label == "area" and o is not item for o in items[:k]) and after in ("involvement", "disease", "problems", "health", "care"):
            item.drop()  # "for a talk about eye involvement"
        elif item.said == "behind" and after in ("these", "this", "those", "them", "it", "all"):
            item.drop()  # "the photographs behind these pictures"
        elif _is_near_another(items, k):
            item.drop()  # "on the face, near the eye"
        elif (after == "'s" and said_at(items, k + 2) == "length") or (item.said == "back" and after == "into"):
            item.drop()  # "an arm's length", "put my back into it"
        elif item.said == "back" and before == "the" and said_at(items, k - 2) in ("at", "in", "from") and any(i.said in words("in_room") for i in items[max(0, k - 6) : k]):
            item.drop()  # "the students at the back want it bigger"
        elif item.id == "beard" and label_at(items, k + 1) != "rash" and any(i.label == "people" for i in items[:k]) and any(i.said in ("with", "has", "wearing") for i in items[max(0, k - 3) : k]):
            item.drop()  # "on the face of a man with a beard"
        elif after in ("pain", "ache", "aches", "problems", "injury"):
            item.drop()  # "I have back pain from sitting here"
        elif after in ("sized", "size"):
            item.drop()
            items[k + 1].drop()
        elif before in ("a", "the", "an", "my", "your", "his", "her") and said_at(items, k - 2) == "of" and said_at(items, k - 3) == "size":
            item.drop()
            items[k - 3].drop()
        elif item.said == "back" and after == "from" and label_at(items, k - 1) in ("", "conj", "word") and label_at(items, next_index(items, k + 1)) not in ("area", "tone"):
            item.become("social", "greeting")  # "back from annual leave"
        elif item.said == "back" and (before in words("returned") and (before not in ("am", "are") or said_at(items, k - 2) in words("verb_before"))):
            item.become("social", "greeting")


def _is_near_another(items: list[Item], k: int) -> bool:
    """ "near the eye" after a site of the same condition: where on that site."""
    near = items[k].said.startswith("near ") or any(i.said in ("near", "close to", "close", "next to") for i in items[max(0, k - 3) : k])
    for item in reversed(items[:k]):
        if not near or item.label == "rash" or item.said in ("and", "or") or (item.label == "conj" and item.id == "stop"):
            return False
        if item.label == "area":
            return True
    return False


def _is_body_verb(items: list[Item], k: int) -> bool:
    """ "let's nail this", "to back it up"; not "show it on the face"."""
    before = said_at(items, k - 1)
    if label_at(items, k - 1) == "conj" and label_at(items, k - 2) == "area":
        return False  # "hand, wrist and elbow for every tone"
    subject, after = before in ("we", "i", "you", "they") and said_at(items, k - 2) not in ("can", "could", "will", "do"), said_at(items, k + 1)
    if (subject or before == "to") and (after in ("a", "an", "our", "some") or label_at(items, k + 1) in ("number", "quantity")):
        return True  # "we shoulder a lot of work", "to face an audience"
    lets = before in ("let's", "lets") or (before == "'s" and said_at(items, k - 2) == "let")
    if prev_index(items, k, ("conj", "social", "adverb")) is None and said_at(items, k - 1) not in ("the", "on", "of", "a", "my") and said_at(items, k + 1) in ("this", "that", "it", "up", "these"):
        return True  # "back this up with two pictures"
    return lets or (before in words("verb_before") and said_at(items, k + 1) in words("verb_object"))


def within(items: list[Item], v: Vocabulary, wholes_of: dict[str, tuple[str, ...]]) -> None:
    """ "the sole of a black foot", "palm, left hand", "hand (palm)": one place, the more specific one.

    ``wholes_of``: part → areas that contain it.
    """
    one_rash = sum(i.label == "rash" for i in items) == 1
    for k, item in enumerate(items):
        if item.label not in ("area", "word"):
            continue
        if item.label == "area" and not item.implied:
            _shared_part(items, k, v)
        others = item.label == "area" and [i.id for n, i in enumerate(items[k + 1 :], k + 1) if i.label == "area" and not _ruled_out(items, n)]
        if one_rash and item.label == "area" and label_at(items, k - 1) == "tone" and said_at(items, k - 2) not in ("and", "or", "&", "/", "plus") and any(o.label == "area" and item.id in wholes_of.get(o.id, ()) for o in items[:k]):
            item.drop()  # "psoriasis of the nails, three variations on black hands"
            continue
        if item.said == "periungual" and others:
            item.drop()  # "periungual warts on the thumb"
            continue
        if one_rash and item.label == "area" and said_at(items, k + 1) == "with" and any(item.id in wholes_of.get(o, ()) for o in others):
            item.drop()  # "foot with several warts on the toes"
            continue
        if one_rash and item.label == "area" and label_at(items, k + 1) == "rash" and others and all(item.id in wholes_of.get(o, ()) for o in others):
            item.drop()  # "hand eczema, both the palm and the back of the hand"
            continue
        if one_rash and item.label == "area" and not item.implied and _named_again(items, k, wholes_of):
            item.drop()
            continue
        if item.said == "back" and said_at(items, k + 1) == "of" and said_at(items, k + 2) in ("it", "that") and (p := prev_index(items, k, _NOT_AREA)) is not None:
            if merged := v.read("area", f"back of the {items[p].said}"):
                item.id = merged  # "on the neck, but on the back of it"
                items[p].drop()
            continue
        j = next((j for j in range(k + 1, min(k + 7, len(items))) if items[j].label == "area" and not _ruled_out(items, j)), None)
        near = label_at(items, k + 1) == "rash" and j is not None and j <= k + 5 and _only(items[k + 2 : j], ("adverb",))
        if (one_rash or near) and item.label == "area" and label_at(items, k + 1) == "rash" and j is not None and _part(item.id, items[j].id, wholes_of):
            (items[j] if items[j].id in wholes_of.get(item.id, ()) else item).drop()  # "hand eczema on the back of the hand"
            continue
        if item.label == "word" and j is not None and said_at(items, k + 1) == "of" and _only(items[k + 1 : j], _BETWEEN) and (merged := v.read("area", f"{item.said} of the {items[j].said}")):
            items[j].id = merged
            item.drop()
        if item.label != "area" or item.implied or j is None or items[j].implied:
            continue
        between, other = items[k + 1 : j], items[j]
        if not _only(between, (*_BETWEEN, "conj")):
            continue
        joins = [i.said for i in between]
        plain = [i for i in between if i.label == "conj"]
        if item.said.startswith(("web", "interdigital", "finger web")) and other.id in ("toes", "foot", "between the toes") and not plain:
            item.id = "between the toes"
            other.drop()
        elif item.said.startswith("web") and other.id in ("fingers", "hand") and not plain:
            other.drop()  # "web spaces fingers"
        elif item.said in v.loose and joins == ["("]:
            item.drop()  # "flexural (popliteal fossa)"
        elif "of" in joins[:1] and (merged := v.read("area", f"{item.said} of the {other.said}")):
            item.id = merged
            other.drop()
        elif item.id == "nail" and other.id in ("thumb", "fingers", "toes", "hand", "foot") and (joins[:1] == ["of"] or (joins and joins[0] == "on")):
            other.drop()  # "the nail of the thumb"
        elif item.said in ("back", "backs") and joins[:1] == ["of"]:
            item.drop()  # "the back of the left heel"
        elif (_part(item.id, other.id, wholes_of) and (joins[:1] == ["of"] or "'s" in joins or (not plain and joins and joins[0] in ("on", "in", "at")) or joins == ["("] or (joins[:1] == [","] and any(i.said in ("left", "right", "both") for i in between)))) or (_part(item.id, other.id, wholes_of) and not between):
            (other if other.id in wholes_of.get(item.id, ()) or other.id == item.id else item).drop()


def _ruled_out(items: list[Item], k: int) -> bool:
    """ "hand eczema, no nails": the word before says that the site is to be left out."""
    return label_at(items, prev_index(items, k, ("adverb", "side", "each"))) == "negate"


def _shared_part(items: list[Item], k: int, v: Vocabulary) -> None:
    """ "the creases of the knees and elbows": of both."""
    part, of, _ = items[k].said.rpartition(" of the ")
    j = next_index(items, k)
    if not of or label_at(items, j) != "conj" or items[j].said not in ("and", "or", "&", "/"):
        return
    other = next_index(items, j)
    if label_at(items, other) == "area" and (merged := v.read("area", f"{part} of the {items[other].said}")):
        items[other].id = merged


def _named_again(items: list[Item], k: int, wholes_of: dict[str, tuple[str, ...]]) -> bool:
    """ "lesson on the foot: tinea between the toes": after a colon or a full stop a part of the same place is named."""
    stop = sentence_end(items, k + 1)
    return any(i.label == "area" and items[k].id in wholes_of.get(i.id, ()) for i in items[stop:]) and not any(
        i.label in ("area", "count", "number") for i in items[k + 1 : stop]
    )


#: What is looked through to find the site before.
_NOT_AREA = ("adverb", "conj", "negate", "tone", "skin", "severity", "side", "word")
#: What may stand between a part and the whole it is of ("the sole of a black foot").
_BETWEEN = ("adverb", "each", "side", "tone", "tone_people", "tone_with_skin", "people", "skin", "descriptor", "severity")


def _only(items: list[Item], labels: tuple[str, ...]) -> bool:
    return all(i.label in labels for i in items)


def _part(a: str, b: str, wholes_of: dict[str, tuple[str, ...]]) -> bool:
    return a == b or a in wholes_of.get(b, ()) or b in wholes_of.get(a, ())
