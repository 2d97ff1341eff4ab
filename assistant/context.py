"""Values that depend on their neighbours: words with two meanings, scales from one value to another, whole slots."""

from __future__ import annotations

from functools import lru_cache

from assistant.items import FILLER, Item, id_at, label_at, next_index, prev_index, said_at, sentence_end
from assistant.notes import notes
from assistant.numbers import SMALL
from assistant.typos import is_english
from assistant.vocabulary import Vocabulary, vocabulary, words


def repeated(items: list[Item]) -> None:
    """ "urticaria with large wheals": a word that is a condition's own, beside the condition, is about its lesions."""
    for k, item in enumerate(items):
        if item.said == "herald" and label_at(items, k + 1) in ("lesion", "generic_rash") and not any(i.label == "rash" for i in items):
            item.become("rash", "pityriasis rosea")  # "three herald patches on the chest"
            items[k + 1].drop()
        if item.label == "outside_rash" and label_at(items, k + 1) == "rash" and (area := vocabulary().read("area", item.said.split()[-1])):
            item.become("area", area)  # "cracked heel eczema"
        if item.label != "rash":
            continue
        if said_at(items, k - 1) in ("aka", "a k a", "also known as", "i.e.", "ie", "i.e", "that is", "or rather", "also called") and any(i.label == "rash" and i.id == item.id for i in items[: k - 1]):
            item.drop()  # "ringworm of the groin aka jock itch"
            continue
        ends = k + 1 + (label_at(items, k + 1) == "area" and bool(items[k + 1].implied))
        if said_at(items, k - 1) == "(" and said_at(items, ends) == ")" and any(i.label == "rash" and i.id == item.id for i in items[:k]) and any(i.label == "area" and not i.implied for i in items[:k]):
            for bracketed in items[k:ends]:
                bracketed.drop()  # "tinea in the beard area (barber's itch)"
            continue
        if any(i.said in words("lectures") for i in items[max(0, k - 5) : k]) and any(i.said in ("about", "on", "of") for i in items[max(0, k - 3) : k]) and any(i.label == "rash" and i.id == item.id for i in items[: max(0, k - 4)]):
            item.drop()  # "a melanoma on the sole, for a talk about acral melanoma"
            continue
        if said_at(items, k - 1) == "half" and any(i.label == "rash" and i.id == item.id for i in items[: k - 1]):
            item.drop()  # "16 pictures of moles and melanomas, half moles, half melanomas"
            continue
        if item.said in words("own_lesions") and any(i.label == "rash" and i.id == item.id and i.said not in words("own_lesions") for i in items[k + 1 :]):
            item.become("lesion", "many")  # "wheals all over the thigh, i.e. urticaria"
            continue
        before = prev_index(items, k, ("size", "severity", "number", "descriptor", "word", "tone"))
        again = any(i.label == "rash" and i.id == item.id and i.said not in words("own_lesions") for i in items[:k])
        if again and (said_at(items, before) in ("with", "having", "showing") or (item.said in words("own_lesions") and (label_at(items, before) in ("request", "rash") or label_at(items, k + 1) in ("", "conj")))):
            item.become("lesion", "many")  # "a class on urticaria, show large wheals on the chest"


def allergies(items: list[Item]) -> None:
    """ "allergic reaction to nickel", "eyelid dermatitis from makeup": of something that touches the skin it is a contact
    dermatitis."""
    for k, item in enumerate(items):
        allergy = item.label == "outside_rash" and item.said.startswith("allerg")
        if not allergy and not (item.label == "rash" and item.id == "eczema" and item.said.endswith("dermatitis")):
            continue
        cause = next((j for j in range(k + 1, min(k + 6, len(items))) if items[j].said in words("comes_from") and (allergy or items[j].said != "to")), None)
        what = next_index(items, cause, ("adverb", "descriptor")) if cause is not None else None
        if said_at(items, what) in words("touches"):
            item.become("rash", "contact dermatitis")
            if allergy:
                items[cause].drop()
                items[what].drop()


def copies(items: list[Item]) -> None:
    """ "eczema on the hand and the same on black skin": what follows is a request of its own with all that went before."""
    for k, item in enumerate(items):
        if item.label != "modify" or item.id not in ("same", "again"):
            continue
        if label_at(items, k + 1) == "slot_noun" and id_at(items, k + 1) in ("severity", "size", "number") and any(i.label == id_at(items, k + 1) for i in items) and any(i.label == "rash" for i in items[:k]):
            item.drop()  # "one on fair and one on black skin, same severity, moderate"
            continue
        other = next((j for j in range(k + 1, min(k + 4, len(items))) if items[j].said.split()[-1:] == ["other"]), None)
        if other is not None and label_at(items, other + 1) == "area" and label_at(items, other + 2) in ("", "conj", "social"):
            items[other].drop()  # "the same on the other leg": which side is not drawn
            items[other + 1].become("descriptor", "side")
            items[other + 1].text = f"other {items[other + 1].text}"
            continue
        joined = label_at(items, prev_index(items, k, ("adverb", "add", "modify"))) == "conj"
        if joined and said_at(items, k + 1) != "seed" and label_at(items, k + 1) not in ("tone", "tone_with_skin", "skin", "area") and not (label_at(items, k + 1) == "slot_noun" and label_at(items, next_index(items, k + 1, ("conj", "adverb"))) in ("tone", "area")) and any(i.label == "rash" for i in items[:k]):
            item.become("copy")


def _comparative(items: list[Item], k: int) -> bool:
    """ "nastier", "more dramatic", "less angry": a step of severity, unless it describes what is drawn anew."""
    item, before = items[k], said_at(items, k - 1)
    graded = _graded()
    if item.label == "word" and item.said.endswith("er"):
        stems = (item.said[:-3] + "y" if item.said.endswith("ier") else "", item.said[:-2], item.said[:-1])
        value = next((graded[stem] for stem in stems if stem in graded), None)
        if value is not None:
            item.become("worse", "-1" if value == "mild" else "1")
            return True
        return False
    if item.label != "severity_with_rash" or before not in ("more", "less") or label_at(items, k + 1) in ("rash", "image", "lesion", "generic_rash"):
        return False
    item.become("worse", "1" if (before == "more") == (item.id != "mild") else "-1")
    items[k - 1].drop()
    return True


@lru_cache(maxsize=1)
def _graded() -> dict[str, str]:
    """Adjectives of a rash and the severity that they say ("nasty": severe)."""
    return {p.text: p.id for p in vocabulary().phrases if p.label == "severity_with_rash"} | {"ugly": "severe"}


def _of_a_collection(items: list[Item], k: int) -> bool:
    """ "a small test set for a classifier": no size of lesions."""
    return any(
        i.said in words("collections") and all((o.label in ("word", "descriptor", "adverb") and o.said not in ("for", "in", "of", "on", "to", "with")) or o.said in words("collections") for o in items[k + 1 : n])
        for n, i in enumerate(items[k + 1 : k + 4], k + 1)
    )


def weak_values(items: list[Item]) -> None:
    """Words that are a value only in company: "white" beside "skin", "Irish" beside a person."""
    _both_ways(items)
    for k, item in enumerate(items):
        if _comparative(items, k):
            continue
        if item.label == "size" and label_at(items, k + 1) == "image" and items[k + 1].said.rstrip("s") in words("of_a_picture"):
            item.drop() if item.said in ("wee", "little") else item.become("descriptor", "picture")  # "a small picture of eczema"
            continue
        if item.label == "size" and (_of_a_collection(items, k) or label_at(items, next_index(items, k, ("tone", "tone_people", "tone_with_skin"))) == "people"):
            item.drop()  # "a small child", "a large white man"
            continue
        if item.label in ("severity", "severity_with_rash") and item.id == "severe" and said_at(items, k - 1) == "too" and label_at(items, k - 2) == "negate" and any(i.label == "rash" for i in items):
            items[k - 1].drop()  # "acne on the chest, nothing too dramatic"
            items[k - 2].drop()
            item.become("severity", "mild")
            continue
        if item.label in ("severity", "severity_with_rash") and said_at(items, k + 1) in words("felt") and label_at(items, k + 2) not in ("rash", "generic_rash", "lesion"):
            items[k + 1].text = f"{item.text} {items[k + 1].text}"  # "severe itching" is seen by nobody
            item.drop()
            continue
        if item.label == "severity" and said_at(items, k + 1) == "pigmented" and label_at(items, k + 2) in ("skin", "people"):
            items[k + 1].become("tone", {"mild": "medium", "moderate": "olive", "severe": "black"}[item.values[0]])  # "mildly pigmented skin"
            item.drop()
            continue
        if said_at(items, k + 1) == "free":
            item.become("word")  # "keloid-free"
        elif item.label in ("tone", "tone_with_skin") and said_at(items, k + 1) in ("coloured", "colored") and label_at(items, k + 2) in ("word", "lesion", "descriptor"):
            items[k + 1].drop()
            item.drop()  # "honey-coloured crusts"
        elif item.label == "tone_from":
            speaker = any(i.said in ("i am", "i'm", "im", "we are", "we're", "am") for i in items[max(0, k - 6) : k])
            of_someone = (label_at(items, prev_index(items, k)) == "people" and not speaker) or said_at(items, k - 1) in ("someone", "somebody")
            item.label, item.hint = ("tone" if of_someone else "word"), of_someone
        elif item.label == "tone_people":
            item.label, item.hint = "tone", True
        elif item.label == "tone":
            # "a black woman" is said of the person, "a dark-skinned woman" of the skin
            item.hint = label_at(items, k + 1) == "people" and not said_at(items, k + 1).startswith("skinned")
        elif item.label == "tone_with_skin":
            told = item.said in words("nations") and item.text.istitle() and said_at(items, k - 1) in ("a", "an", "the", "some", "two", "of", "on", "in")
            item.hint = told
            told = told or _beside(items, k, ("skin", "people"), ("tone", "tone_people", "tone_with_skin")) or _alone(items, k)
            ends = (label_at(items, k + 1) in ("", "conj", "number") or said_at(items, k + 1) == "one") and said_at(items, k - 1) == "on"
            told = told or (ends and any(i.label in ("skin", "tone") for i in items))  # "black skin, and the same on white"
            told = told or (label_at(items, k + 1) == "area" and id_at(items, k + 1) not in ("nail", "lips", "scalp"))  # "white legs"
            told = told or (said_at(items, k - 1) in ("is", "was") and label_at(items, k - 2) == "skin")  # "skin is white"
            told = told or _after_age(items, k)
            told = told or (id_at(items, k - 1) == "unsay" and label_at(items, k + 1) in ("", "conj", "modify", "social"))  # "remove the white"
            told = told or (k > 0 and all(i is item or i.label in ("modify", "social", "conj", "adverb", "request") for i in items))  # "now white"
            told = told or (said_at(items, k - 1) in ("is", "was", "'s") and (said_at(items, k - 2) in ("she", "he", "they") or label_at(items, k - 2) == "people"))
            item.label = "tone" if told else "word"
        elif item.label == "severity_with_rash" and item.said == "superficial" and id_at(items, k + 1) == "tinea":
            item.drop()  # "superficial fungal infections": their kind
        elif item.label == "severity_with_rash":
            told = _beside(items, k, ("rash", "generic_rash", "lesion"), ("severity", "descriptor"))
            strong = {said_at(items, k - 1), item.said.split()[0]} & words("intensifier")
            told = told or (_alone(items, k) and any(i.label == "rash" for i in items))  # "dandruff on the scalp, heavy, dark skin"
            ones = said_at(items, k + 1) in ("one", "ones", "case", "cases", "form", "example", "examples", "presentation")  # "zits on the back, bad ones"
            told = told or ((bool(strong) or ones) and any(i.label == "rash" for i in items))
            told = told or (ones and not any(i.label in ("word", "question") and i.text.isalpha() for i in items))  # "now worst case"
            told = told or (bool(strong) and said_at(items, k - 1) in (",", "but", "and", "-") and label_at(items, k + 1) in ("", "conj") and any(i.is_value for i in items[:k]))
            told = told or (bool(strong) and label_at(items, k + 1) in ("", "conj") and any(i.label == "modify" and i.id in ("pronoun", "would", "change") for i in items))
            item.label = "severity" if told else "word"


def _both_ways(items: list[Item]) -> None:
    """ "on darker skin compared to lighter skin": dark and light skin, not steps that undo each other."""
    steps = [i for i in items if i.label == "darker"]
    if len(steps) == 2 and {i.id for i in steps} == {"1", "-1"} and steps[-1].said.endswith(("skin", "skinned", "tone", "complexion", "tones")) and any(i.label == "rash" for i in items):
        for item in steps:
            item.become("tone", "black" if item.id == "1" else "fair")
    group = next((i for i in items if i.label == "tone" and i.said.split()[0] in ("darker", "lighter")), None)
    if group is not None and len(steps) == 1 and steps[0].said in ("darker", "lighter") and steps[0].said != group.said.split()[0]:
        steps[0].become("tone", "black" if steps[0].said == "darker" else "fair")
        group.become("tone", "fair" if steps[0].said == "darker" else "black")  # "darker and lighter skin tones"


def _after_age(items: list[Item], k: int) -> bool:
    """ "67M white.", "a 45 yo F, white": said of the patient."""
    j = prev_index(items, k, ("conj",))
    j = prev_index(items, j) if j is not None and items[j].text in ("M", "F", "m", "f") else j
    return label_at(items, k + 1) in ("", "conj") and j is not None and items[j].label == "unit" and label_at(items, j - 1) in ("number", "figure")


def _alone(items: list[Item], k: int) -> bool:
    """Whether ``k`` stands by itself between marks or the ends of a list ("psoriasis, knee, white")."""
    marks = [said_at(items, j) in ("", ",", ";", ".", "-", "–", "/", ":", "?", "!") for j in (k - 1, k + 1)]
    return all(marks) and len(items) > 1


def idle_quantities(items: list[Item]) -> None:
    """ "a lot of work", "many students": many of something that is no lesion."""
    looked_through = ("adverb", "descriptor", "side", "tone", "tone_people", "tone_with_skin", "size", "severity", "severity_with_rash")
    for k, item in enumerate(items):
        if item.label == "number" and item.said in ("single", "solitary", "isolated", "lone") and label_at(items, k + 1) in ("word", "unit") and items[k + 1].text.isalpha() and label_at(items, k + 2) in ("", "conj"):
            item.drop()  # "a single dermatome"
            continue
        if item.label != "number" or item.id != "multiple":
            continue
        if item.said.endswith(" of") and said_at(items, k + 1) in ("that", "those", "these", "them", "this", "it"):
            item.drop()  # "we've plenty of that"
            continue
        if said_at(items, k - 1) in ("see", "get", "have", "treat", "saw", "seen") and any(i.said in ("these", "them", "those", "this") for i in items[k + 1 : k + 3]):
            item.drop()  # "we see a lot of these"
            continue
        if (label_at(items, k - 1) != "request" or said_at(items, k - 2) in ("we", "i", "they", "you")) and said_at(items, k - 1).split()[-1:] in (["see"], ["get"], ["treat"], ["saw"], ["sees"], ["gets"], ["treats"], ["have"]) and item.said.endswith(" of") and said_at(items, k - 2) not in ("can", "could", "may", "to", "let"):
            item.drop()  # "I see a lot of eczema"
            continue
        if said_at(items, k + 1) == "of" and said_at(items, k + 2) in ("our", "my", "your", "their") and label_at(items, k + 3) not in _COUNTED:
            item.drop()  # "many of our residents are south asian"
            continue
        j = next_index(items, k, looked_through)
        if label_at(items, j) == "people" and said_at(items, k - 1) != "not" and not any(i.label == "rash" for i in items[:k]):
            item.drop()  # "I look after a lot of South Asian patients"
            continue
        if label_at(items, j) == "social":
            item.drop()  # "many greetings"
            continue
        if label_at(items, j) == "word" and label_at(items, next_index(items, j, looked_through)) not in _COUNTED and is_english(items[j].said):
            item.drop()


#: What "many" and "a lot of" may count.
_COUNTED = ("rash", "generic_rash", "lesion", "image", "outside_rash")


def _beside(items: list[Item], k: int, nouns: tuple[str, ...], values: tuple[str, ...]) -> bool:
    """Whether one of ``nouns`` or ``values`` stands next to ``k``, with only joins and fillers between."""
    between = (*values, "conj", "adverb", "side", "range")
    for step in (1, -1):
        j = k + step
        while 0 <= j < len(items) and abs(j - k) < 6:
            if items[j].label in nouns:
                return True
            if step == 1 and "severity" in values and (items[j].said in words("occurrence") or (items[j].said == "of" and said_at(items, j - 1) in words("occurrence"))):
                j += step
                continue  # "a nasty looking case of tinea", "a bad outbreak of chickenpox"
            if step == 1 and "people" in nouns and items[j].label == "descriptor" and items[j].id == "person":
                j += step
                continue  # "white elderly woman"
            adjective = step == 1 and items[j].label in ("word", "area", "tone", "tone_with_skin", "severity_with_rash") and label_at(items, next_index(items, j, ("descriptor",))) in nouns  # "slight benign naevi", "nasty hand eczema"
            if step == -1 and items[j].said in ("in", "on", "of", "at", "with"):
                break  # "hand eczema in a heavy smoker"
            if (items[j].label not in between and not adjective) or items[j].said in (".", ";"):
                break
            j += step
    return False


def ambiguous(items: list[Item]) -> None:
    """Words whose meaning the neighbours decide: "go back", "light eczema", "a dark mole", "beside the nose"."""
    for k, item in enumerate(items):
        sampled = item.said == "sample" and k == 0 and label_at(items, 1) in ("number", "quantity") and label_at(items, 2) in ("rash", "severity", "size", "tone")
        if item.label == "image" and item.said in words("image_verb") and (sampled or _is_verb(items, k)):
            item.become("request")
        elif item.label == "modify" and item.said == "again" and all(i is item or i.label in ("social", "conj") or i.said in ("please", "pls", "and", "ok") for i in items):
            item.become("add", "fresh")  # as "try again"
        elif item.label == "modify" and item.said.split()[0] == "set" and any(i.said in ("a", "an", "the", "our", "this", "'s", "their", "my") for i in items[max(0, k - 3) : k]):
            item.drop()  # "a balanced set to test a classifier"
        elif _goes_back(items, k):
            steps = next(i for i in items[k + 1 :] if i.number is not None)
            item.become("undo", str(int(steps.number)))
            for after in items[k + 1 : items.index(steps) + 2]:
                after.drop()
        elif item.label == "outside_rash" and item.said in words("also_lesions") and _of_a_rash(items, k):
            item.become("lesion", "many")
        elif item.label == "reset" and item.said == "clear" and label_at(items, k + 1) in ("image", "adverb"):
            item.drop()  # "two clear pictures"
        elif item.label == "reset" and item.said == "clear" and said_at(items, k - 1) in ("more", "not", "so", "as", "too"):
            item.drop()  # "make it more clear"
            items[k - 1].drop()
        elif item.label == "area" and item.said == "back" and _is_return(items, k):
            item.become("modify", "change")
        elif item.label == "add" and item.id == "more" and label_at(items, k + 1) == "descriptor" and items[k + 1].id in ("colour", "surface", "kind", "shape"):
            item.drop()  # "thicker scale and more red"
        elif item.label == "add" and item.id == "one" and label_at(items, k + 1) in ("worse", "darker"):
            item.drop()  # "and one more darker"
        elif item.label == "add" and said_at(items, k + 1) in words("step") and label_at(items, k + 2) in ("worse", "darker"):
            item.drop()  # "another notch more severe"
        elif item.label == "add" and item.said == "too" and label_at(items, k + 1) in ("word", "severity", "descriptor", "size", "severity_with_rash"):
            item.drop()  # "it is too strong"
        elif k == 0 and item.label == "conj" and "also" in item.said:
            item.become("add", "also")
        elif item.label == "area" and item.id == "toes" and _joined_to(items, k, "between the fingers"):
            item.id = "between the toes"
        elif item.label == "tone":
            _colour(items, k)
        elif item.label == "compare" and item.said in ("next to", "beside", "alongside") and label_at(items, next_index(items, k)) == "area":
            item.drop()
        elif item.said == "round" and said_at(items, k + 1) in ("the", "his", "her", "their", "a"):
            item.drop()  # "round the waist"
        elif item.label == "darker" and label_at(items, k - 1) == "question" and any(i.label == "modify" and i.id == "change" and "tone" in {o.label for o in items[n:]} for n, i in enumerate(items[k:], k)):
            items[k - 1].drop()  # "the brown one isn't dark enough, go for black"
            item.drop()
        elif item.label == "rash" and item.id == "eczema" and item.said == "dermatitis" and said_at(items, k - 1) in ("about", "of", "on") and any(i.label == "rash" and i.said.endswith(" dermatitis") for i in items[k + 1 :]):
            item.drop()  # "a handout about dermatitis in hairdressers: contact dermatitis on the fingers"
        elif item.said == "put" and label_at(items, k - 1) in ("", "conj", "social") and said_at(items, k + 1) == "the" and label_at(items, k + 2) == "rash":
            item.become("modify", "change")  # "put the psoriasis on fair skin and the eczema on black skin"
        elif item.said == "take" and said_at(items, k + 1) == "the" and any(i.said in ("away", "out", "off") for i in items[k + 2 : k + 6]):
            item.become("negate", "forward")  # "take the psoriasis away, only eczema"
        elif item.said in ("visible", "obvious", "noticeable", "pronounced") and said_at(items, k - 1) in ("less", "more") and not any(i.label in ("word", "rash", "descriptor", "lesion", "question") for i in (*items[: k - 1], *items[k + 1 :])):
            item.become("worse", "-1" if said_at(items, k - 1) == "less" else "1")
            items[k - 1].drop()
        elif item.label == "severity" and item.said in words("stage") and any(i.label == "rash" and i.id in ("melanoma", "mole", "seborrheic keratosis") for i in items) and sum(i.label == "rash" for i in items) == 1:
            item.become("descriptor")  # "an early melanoma": of a stage, and a lesion has no severity
        elif item.label == "slot_noun" and item.id == "severity" and said_at(items, k - 1) in ("increasing", "rising", "growing", "ascending", "decreasing", "progressive", "progressively", "falling"):
            item.become("severity", "|".join(vocabulary().names("severity")))  # "in increasing severity"
        elif item.said == "than" and any({"better", "rather", "prefer", "nicer"} & set(i.said.split()) for i in items[:k]):
            a, b = prev_index(items, k, ("adverb", "word", "worse", "social", "question")), next_index(items, k, ("adverb",))
            if label_at(items, a) in ("area", "tone", "rash") and label_at(items, a) == label_at(items, b):
                items[b].drop()  # "knee is better than leg", "I'd rather have scalp than face"
        elif item.label == "darker" and item.said in ("darker skin", "lighter skin") and said_at(items, k - 1) == "with" and label_at(items, k - 2) == "people" and any(i.label == "rash" for i in items):
            item.become("tone", "brown" if item.id == "1" else "fair")  # "for patients with darker skin. Melasma on the face"
        elif item.label == "add" and item.id == "also" and said_at(items, k + 1) in ("i", "we") and not any(i.label in ("rash", "area") for i in items):
            item.drop()  # "dark skin, also I forgot severe"
        elif item.said in ("prefer", "i prefer", "i'd prefer", "rather") or item.said.endswith("prefer"):
            over = next((j for j in range(k + 2, min(k + 6, len(items))) if items[j].said in ("over", "to", "than")), None)
            if over is not None and items[over - 1].is_value and label_at(items, next_index(items, over)) == items[over - 1].label:
                items[next_index(items, over)].drop()  # "I prefer nose over cheeks"
        elif item.label == "worse" and said_at(items, k - 1) in ("something", "anything", "things"):
            item.drop()  # "often mistaken for something worse"
        elif item.label == "bigger":
            item.label = "size"
        elif item.label == "more_lesions":
            item.label = "number_of_lesions"


def _is_verb(items: list[Item], k: int) -> bool:
    """ "could you render hives", "picture eczema", and not "render of hives"."""
    opens = label_at(items, k - 1) in ("", "conj") or said_at(items, k - 1) in ("please", "pls", "kindly")
    if items[k].said in ("render", "sketch") and opens and said_at(items, k + 1) not in ("of", "on", "with", "showing") and label_at(items, k + 1) != "target":
        return any(i.label in ("rash", "image") for i in items[k + 1 : k + 9])  # "Render three photographs"
    asked = k == 0 or said_at(items, k - 1) in ("you", "please", "to", "and", "pls", "can", "could")
    return asked and label_at(items, k + 1) not in ("", "word", "number", "adverb")


def _goes_back(items: list[Item], k: int) -> bool:
    """ "go back one", "back two steps": and nothing after that."""
    item = items[k]
    back = item.said == "back" if item.label == "area" else item.label == "undo" and item.said == "go back"
    number = items[k + 1] if k + 1 < len(items) and items[k + 1].label == "number" else None
    if not back or number is None or number.number is None or number.number != int(number.number) or not 0 < number.number < 20:
        return False
    end = k + 3 if said_at(items, k + 2) in ("step", "steps", "image", "images", "change", "changes", "more") else k + 2
    return label_at(items, end) in ("", "conj", "social") and (item.label == "undo" or end == k + 3 or not any(i.is_value for i in items[:k]))


def _of_a_rash(items: list[Item], k: int) -> bool:
    """ "with bigger blisters", "chickenpox with more blisters": of the condition that is drawn."""
    graded = label_at(items, k - 1) in ("size", "bigger", "number", "quantity", "add", "word", "severity", "severity_with_rash") and said_at(items, k - 1) not in ("draw", "a")
    the = said_at(items, k - 1).split()[-1:] == ["the"] and (label_at(items, k + 1) in ("bigger", "size", "worse", "number") or said_at(items, k + 1) in ("more", "less")) and any(i.label == "modify" for i in items[:k])
    if the:
        return True  # "make the blisters larger"
    if said_at(items, k + 1) == "of" and label_at(items, next_index(items, k + 1)) == "rash":
        return True  # "just one blister of chickenpox"
    return any(i.label == "rash" for i in items[:k]) or said_at(items, 0) == "with" or (graded and said_at(items, 0) in ("with", "make", "now", "and", "but", "same", "more", "bigger", "larger", "smaller", "fewer", "have"))


def _is_return(items: list[Item], k: int) -> bool:
    """ "go back", "change it back", "back to fair": no place."""
    if k and (said_at(items, k - 1).split()[-1] in words("motion") or id_at(items, k - 1) == "pronoun"):
        return True
    if k > 1 and label_at(items, k - 1) in ("slot_noun", "severity", "size", "number") and label_at(items, k + 1) in ("", "conj"):
        verb = next((i for i in items[max(0, k - 4) : k] if i.said.split()[-1] in words("motion")), None)
        if verb is not None:
            return True  # "bring the size back"
    return said_at(items, k + 1) == "to" and said_at(items, k - 1) not in ("the", "on", "his", "her", "upper", "from")


def _colour(items: list[Item], k: int) -> None:
    """A tone before a rash or a lesion: "light eczema" is mild, "a dark mole" has that colour."""
    item, after = items[k], label_at(items, k + 1)
    if item.said in ("light", "dark") and said_at(items, k - 1) == "the" and ((after == "word" and is_english(items[k + 1].said)) or (said_at(items, k - 2) == "in" and after in ("", "conj"))):
        item.drop()  # "took the light twice", "in the dark"
        return
    if item.said.endswith("ish") and after == "tone":
        item.drop()  # "pinkish pale skin"
    if item.said not in words("colour") and item.said != "medium":
        return
    if item.said in ("light", "medium") and after in ("rash", "generic_rash"):
        item.become("severity", "mild" if item.said == "light" else "moderate")
    elif said_at(items, k + 1) == "in" and said_at(items, k + 2) in ("colour", "color") and sum(i.label == "tone" for i in items) > 1:
        item.become("descriptor")  # "a mole brown in colour on fair skin"
    elif after == "descriptor" and item.said != "medium" and _describes_lesion(items, k):
        items[k + 1].text = f"{item.text} {items[k + 1].text}"  # "dark red plaques"
        item.drop()
    elif item.said.startswith("light") and any(i.label == "tone" and i.hint and i.id == "black" for i in items[k + 1 : k + 3]):
        item.id = "brown"  # "a light-skinned black woman"
    elif label_at(items, k - 1) == "area" and after == "rash" and any(i.label == "rash" and i.id == items[k + 1].id for i in items[:k]):
        return  # "mole neck fair mole neck brown"
    elif (item.said != "medium" and _said_of_a_lesion(items, k)) or (item.said != "medium" and (_of_the_lesion(items, k) or after == "lesion" or id_at(items, k + 1) in ("mole", "melanoma", "seborrheic keratosis"))):
        item.become("descriptor")


def _of_the_lesion(items: list[Item], k: int) -> bool:
    """ "a blotchy brown melasma on a woman with light brown skin": the colour of a lesion, where the skin has its own."""
    skin = next((j for j in range(k + 2, len(items)) if items[j].label == "tone"), None)
    named = label_at(items, k + 1) == "rash" and label_at(items, k - 1) not in ("tone", "conj", "skin") and skin is not None and label_at(items, skin + 1) in ("skin", "people")
    return named and not any(i.label in ("conj", "count", "number", "rash", "modify", "correction") for i in items[k + 2 : skin])


def _said_of_a_lesion(items: list[Item], k: int) -> bool:
    """ "a mole that is large and dark, on fair skin"."""
    j = prev_index(items, k, ("adverb", "size", "severity", "descriptor", "conj"))
    that = j is not None and items[j].said in ("that is", "which is", "that are", "which are", "that's")
    lesion = any(i.id in ("mole", "melanoma", "seborrheic keratosis") and i.label == "rash" for i in items[: j or 0])
    return that and lesion and label_at(items, k + 1) not in ("skin", "people") and not any(i.id == "stop" and i.label == "conj" for i in items[j:k])


def _describes_lesion(items: list[Item], k: int) -> bool:
    """Whether the tone at ``k`` belongs to a description ("dark red plaques", "brown scaly patches"), not to skin or a person."""
    j = next_index(items, k, ("descriptor", "adverb", "size", "severity", "word"))
    noun = label_at(items, j)
    said = any(i.label == "tone" and i is not items[k] for i in items)
    return noun not in ("skin", "people") and (items[k + 1].id == "colour" or (said and noun in ("lesion", "generic_rash")))


def _joined_to(items: list[Item], k: int, area: str) -> bool:
    """Whether the site at ``k`` shares the preposition of ``area`` ("between the fingers and toes")."""
    j = prev_index(items, k, (*FILLER, "conj"))
    return j is not None and items[j].id == area and all(i.said in ("and", "or", "&", "the", "/") for i in items[j + 1 : k])


def ranges(items: list[Item], v: Vocabulary) -> None:
    """ "from fair to brown", "mild - severe": every value of the scale between the two ends.

    After a verb of change the same words mean a replacement ("change from fair to brown"), see :mod:`assistant.negation`.
    """
    if any(i.label == "modify" and i.id == "change" and i.said not in ("back to", "vary", "use", "try", "keep") for i in items):
        return
    for k, item in enumerate(items):
        if item.label != "range":
            continue
        a, b = prev_index(items, k, (*FILLER, "skin", "people")), next_index(items, k, (*FILLER, "skin", "range"))
        if label_at(items, a) != label_at(items, b) or label_at(items, a) not in ("tone", "severity"):
            continue
        names = v.names(items[a].label)
        lo, hi = names.index(items[a].values[-1]), names.index(items[b].values[0])
        step = 1 if hi >= lo else -1
        items[a].id = "|".join(names[i] for i in range(lo, hi + step, step))
        items[b].drop()


def wholes(items: list[Item], v: Vocabulary) -> None:
    """ "every skin tone" names all values of the slot, "any severity" clears it, "various tones" spreads over them."""
    for k, item in enumerate(items):
        if item.label == "number_of_lesions":
            item.label = "number"
        elif item.label == "tone" and item.said.split()[-1] in ("darkest", "lightest", "palest", "fairest") and (count := _beside_extreme(items, k)) is not None:
            names = v.names("tone")  # "only the darkest two", "bar the two palest"
            item.become("tone", "|".join(names[-int(count.number) :] if item.said.endswith("darkest") else names[: int(count.number)]))
            count.drop()
        elif item.label == "slot_noun" and item.id == "tone" and item.said.split()[0] in ("whole", "full", "entire", "complete"):
            item.become("tone", "|".join(v.names("tone")))  # "the whole Fitzpatrick range"
        elif item.label == "each" and item.id == "either" and said_at(items, k - 1) == "of" and label_at(items, k - 2) in ("image", "count"):
            item.become("each", "each")  # "2 images of either"
        elif item.label == "each" and item.id != "either":
            _whole(items, k, v)
        elif item.label in ("number", "count") and k + 1 < len(items) and (slot := _slot_of(items, k + 1)) in ("tone", "severity") and item.number == len(v.names(slot)):
            items[k + 1].become(slot, "|".join(v.names(slot)))  # "six skin tones", "three severities"
            item.drop()
        elif item.label == "negate" and item.said in ("no", "without", "remove", "drop"):
            j = next_index(items, k, ("adverb", "each"))
            if slot := _slot_of(items, j):
                items[j].become("clear", slot)
                item.drop()
        elif item.label == "after_any" and label_at(items, k + 1) == "question" and items[k + 1].said.split()[0] in ("where", "which", "what", "how"):
            items[k + 1].drop()  # "doesn't matter where on the body"
        elif item.label == "after_any" and (slot := _slot_of(items, j := prev_index(items, k))):
            items[j].become("clear", slot)


def _beside_extreme(items: list[Item], k: int) -> Item | None:
    """The number of "the darkest two", "the two palest"."""
    for j in (k + 1, k - 1):
        if label_at(items, j) in ("count", "adverb", "figure") and (items[j].number or 0) in (2, 3, 4, 5) and (j < k or label_at(items, j + 1) not in ("image", "rash")):
            return items[j]
    return None


def _whole(items: list[Item], k: int, v: Vocabulary) -> None:
    item = items[k]
    if said_at(items, k - 1) in ("which", "what") or ("other" in item.said and said_at(items, k - 1) in ("do you have", "have you got", "are there")) or (item.id == "all" and id_at(items, k + 1) == "various"):
        item.drop()  # "which other conditions do you have?", "across different skin tones"
        return
    skip = ("adverb", "each", "number", "unit", "tone_with_skin", "word") if item.id == "all" else ("adverb", "each")
    if item.id == "each" and said_at(items, k + 1) in ("of", "the") and any(i.said in ("remaining", "other") for i in items[k + 1 : k + 4]):
        skip = (*skip, "word")  # "one image for each of the remaining tones"
    j = next_index(items, k, skip)
    slot = "tone" if label_at(items, j) == "skin" else _slot_of(items, j)
    if item.id == "all" and label_at(items, j) == "count" and j + 1 < len(items) and (named := _slot_of(items, j + 1)) and items[j].number == len(v.names(named)):
        items[j].drop()  # "all twenty conditions"
        j, slot = j + 1, named
    if slot is None:
        return
    if item.id == "all" and (number := SMALL.get(item.said.split()[-1])) and number != len(v.names(slot)):
        items[j].drop()  # "all three conditions": those drawn before
        item.drop()
        return
    if items[j].label == "generic_rash" and items[j].id == "one" and item.said.split()[0] == "the":
        item.drop()  # "now the full rash"
        return
    part = next_index(items, j) if slot == "area" and said_at(items, j + 1) == "of" else None
    if label_at(items, part) == "area":
        items[j].drop()  # "every area of the face"
        item.drop()
        return
    if item.id == "all" and slot == "area":
        usual = any(i.said in ("usual", "typical", "classic", "common", "favourite", "favorite", "normal") for i in items[k + 1 : j])
        if any(i.label == "area" for i in items[j:]):
            items[j].drop()  # "all the usual places: elbows, knees, scalp"
            item.drop()
            return
        usual = usual or any(i.said in ("usual", "typical", "classic", "common") for i in items[j : j + 6])
        few = any(i.label == "count" and i.id != "noun" and (i.number or 99) <= 20 for i in items) and not any(i.label == "each" and i.id == "each" for i in items)
        if (usual or few) and (sites := _usual_sites(items)):
            items[j].become(slot, "|".join(sites))
            item.drop()
            return
    said = [n for n, i in enumerate(items) if i.label == slot and i.id and not i.negated and not _left_out(items, n)]
    if item.id == "each" and said:
        items[j].drop()  # "on the back and chest, 3 images for each site"
        return
    told = next_index(items, j, ("adverb", "from", "conj"))
    if item.id == "all" and label_at(items, told) == slot and len(items[told].values) > 1:
        items[j].drop()  # "all skin tones from fair to brown"
        item.drop()
        return
    several = item.id == "various" or (slot == "area" and item.said.split()[-1] in ("random", "arbitrary") and items[j].said.endswith("s"))
    if item.id in ("all", "various") and slot == "tone" and _explained_later(items, j):
        items[j].drop()  # "redness looks different across skin types: hives on fair and black skin"
        item.drop()
        return
    if item.id in ("any", "unsay") and not several:
        items[j].become("clear", slot)
        item.drop()
    elif several:
        if slot == "tone":  # all of them, or as many as images were asked for; "a different tone" is any
            counted = any(i.label == "count" for i in items) or not items[j].said.endswith("s")
            items[j].become("clear", slot) if counted else items[j].become(slot, "|".join(v.names(slot)))
        elif slot == "area" and (sites := _usual_sites(items)):
            items[j].become(slot, "|".join(sites))
        elif slot == "severity":
            items[j].become(slot, "|".join(v.names(slot)))  # "with varying severity"
        elif slot == "size" and any(i.label == "rash" for i in items):
            items[j].text = f"{item.text} {items[j].text}"  # "in different sizes": of each image one size is said
            items[j].become("descriptor")
    elif item.id in ("all", "each") and slot in ("tone", "rash", "area", "severity"):
        items[j].become(slot, "|".join(v.names(slot)))
        if item.id == "all":
            item.drop()


def _left_out(items: list[Item], n: int) -> bool:
    """ "exclude olive and medium. … for each of the remaining tones": named after a word that leaves it out."""
    while label_at(items, n - 1) == "conj" and label_at(items, n - 2) == items[n].label:
        n -= 2
    k = prev_index(items, n)
    return (label_at(items, k) == "negate" and id_at(items, k) not in ("stop", "pseudo")) or (label_at(items, k) == "each" and id_at(items, k) == "unsay")


def _explained_later(items: list[Item], j: int) -> bool:
    """Whether a sentence after the one of ``j`` names the condition and its tones."""
    stop = next((n for n in range(j, sentence_end(items, j)) if items[n].said == "so"), sentence_end(items, j))
    later = {i.label for i in items[stop:] if not i.negated}
    return {"rash", "tone"} <= later and not any(i.label == "rash" for i in items[:stop])


def _usual_sites(items: list[Item]) -> list[str]:
    """ "three images of eczema on different sites": as many of its usual ones, three where no number is said."""
    rash = next((i.id for i in items if i.label == "rash" and not i.negated), None)
    count = next((i.number for i in items if i.label == "count" and i.number), 3)
    return list(notes()[rash].areas[: max(1, int(count))]) if rash in notes() else []


def _slot_of(items: list[Item], j: int | None) -> str | None:
    """The slot that a noun stands for ("skin types", "severity", "rash"); None for any other word."""
    if j is None:
        return None
    item = items[j]
    if item.label == "slot_noun":
        return item.id
    told = item.label == "question" and item.id == "vocabulary" and not item.said.startswith(("what", "which"))  # "each of the conditions you know"
    if item.label == "generic_rash" or (told and any(word in item.said for word in ("condition", "disease", "rash"))):
        return "rash"
    tone = (item.label == "scale" and item.id != "type") or (item.label == "skin" and item.said not in ("skin", "skinned"))
    return "tone" if tone else None


def excepted(items: list[Item]) -> None:
    """ "every tone except black": take what is negated out of the values named as a whole; a group yields to its members
    said by name ("on skin of colour: brown and black skin")."""
    groups = {word for group in vocabulary().groups.get("tone", ()) for word in group.words}
    said = [i for i in items if i.label == "tone" and not i.negated]
    bracketed = [k for k, i in enumerate(items) if i.label == "tone" and said_at(items, k - 1) == "("]
    for k in bracketed:  # "dark skin (Fitzpatrick V and VI)": the bracket says it better
        j = prev_index(items, k - 1, ("skin", "adverb", "slot_noun"))
        if label_at(items, j) == "tone" and items[j].said in words("loose_tone"):
            items[j].drop()
    if any(i.said not in groups for i in said):
        for k, item in enumerate(items):
            if item not in said or item.said not in groups:
                continue
            if label_at(items, k - 1) == "conj" and label_at(items, k - 2) == "tone":
                item.id = "fair" if "fair" in item.values else item.values[-1]  # "light, medium and dark skin tones"
            else:
                item.drop()
    for item in items:
        if item.is_value and not item.negated and len(item.values) > 1:
            out = {x for i in items if i.negated and i.label == item.label for x in i.values}
            if left := [x for x in item.values if x not in out]:
                item.id = "|".join(left)
