"""What a number counts: images, lesions in one image, or nothing; or which image it points at.

The words around a number decide: a unit after it ("35 years", "9 am"), a noun before it ("slide 5", "image 2"), the noun
that it counts ("3 severe eczema images", "a picture of three moles").
"""

from __future__ import annotations

from assistant.items import Item, id_at, label_at, next_index, prev_index, said_at, sentence_end
from assistant.schema import MIDDLE
from assistant.typos import is_english
from assistant.vocabulary import vocabulary, words

#: Labels that stand between a number and the noun it counts ("3 severe brown eczema images").
_ADJECTIVES = frozenset({
    "tone", "severity", "size", "rash", "area", "skin", "side", "adverb", "word", "generic_rash", "descriptor", "people",
})  # fmt: skip
_RASHES = ("rash", "generic_rash")
_PLACE = ("on", "in", "with", "at")
#: Conditions that are one lesion each, in the singular.
_ONE = ("wart", "verruca", "mole", "naevus", "nevus", "melanoma", "seborrheic keratosis", "seborrhoeic keratosis")
_ONE_OR_MORE = (*_ONE, "warts", "verrucas", "verrucae", "moles", "naevi", "nevi", "melanomas", "seborrheic keratoses", "seborrhoeic keratoses")
#: As many images as can be pointed at in one go.
_MANY = 20


def classify(items: list[Item]) -> None:
    """Turn every number and quantity into ``count``, ``number_of_lesions``, ``target``, or a ``figure`` without meaning."""
    _values_with_their_counts(items)
    for k, item in enumerate(items):
        if item.label == "modify" and item.said.startswith("the ") and item.said.endswith("s") and said_at(items, k + 1) in ("of", "with", "showing") and _names_rash(items, k + 2):
            item.become("image", "many")  # "provide me with the images of impetigo"
        if item.label == "ordinal":
            _ordinal(items, k)
        elif item.label == "middle":
            item.become("target", str(MIDDLE))
        elif item.label == "add" and item.id == "one" and label_at(items, k + 1) != "number" and any(i.label == "rash" for i in items[:k]):
            item.become("count")  # "eczema on the elbow and another on the knee"
            item.number = 1.0
        elif item.label == "quantity":
            item.number = float(item.id)
            item.become(*_role(items, k))
        elif item.label == "number" and item.number is not None:
            item.become(*_role(items, k))
        elif item.said == "the one" and said_at(items, k - 1) in ("just", "only") and (said_at(items, k + 1) in _PLACE or label_at(items, k + 1) == "image"):
            item.become("count")  # "two pictures in fair skin, and just the one in olive"
            item.number = 1.0
        elif item.said in words("so_often") and said_at(items, k + 1) in _PLACE and any(i.label == "rash" for i in items):
            after = next_index(items, k + 1)
            if label_at(items, after) in ("tone", "tone_with_skin", "tone_people", "area"):
                item.become("count")  # "twice on fair and once on black skin"
                item.number = float({"once": 1, "twice": 2, "thrice": 3}[item.said])
    _some_and_some(items)
    _larger_of_two(items)
    _so_many_each(items)
    _all_of_them(items)
    _shares(items)
    _the_rest(items)
    _one_of_each_kind(items)
    for k, item in enumerate(items):
        if item.label == "image":
            _image_noun(items, k)
    for k, item in enumerate(items):
        again = item.label == "number" and item.number is None and label_at(items, k + 1) == "rash" and any(i.label == "rash" and i.id == items[k + 1].id for i in items[:k])
        if again and label_at(items, k + 2) == "each" and label_at(items, k + 3) in ("image", "count"):
            for said in items[k + 1 : k + 4]:
                said.drop()  # "moles on the upper arm, multiple moles in each picture"
    if any(i.label == "number_of_lesions" for i in items):
        for item in items:
            if item.label == "worse" and item.said.startswith(("fewer", "less")) and item.said.split()[-1] in words("of_lesions"):
                item.drop()  # "fewer lesions, just one wart per picture"
    counts = [i for i in items if i.label == "count"]
    if any(i.label == "compare" for i in items) and sum(i.label == "rash" and not i.negated for i in items) > 1 and all(i.id == "noun" and i.number != 1 for i in counts):
        for item in counts:
            item.drop()  # "pictures of eczema and psoriasis side by side": one of each


def _on_one_site(items: list[Item], at: int) -> bool:
    """ "five warts on a finger": lesions of one image; "five warts on the fingers" are five images."""
    plural = items[at].said in _ONE_OR_MORE and items[at].said not in (*_ONE, "melanomas")
    site = next_index(items, at + 2, ("adverb", "side", "tone", "tone_with_skin", "skin", "descriptor", "word"))
    one = said_at(items, at + 1) in ("on", "in") and said_at(items, at + 2) in ("a", "an", "one", "his", "her")
    return plural and one and label_at(items, site) == "area" and not items[site].said.endswith("s") and not any(i.label == "image" and i.id != "one" for i in items)


def _names_lesions(items: list[Item]) -> bool:
    """Whether a condition that is one lesion each is said in the plural ("warts")."""
    return any(i.label == "rash" and i.said in _ONE_OR_MORE and i.said.endswith("s") for i in items)


def _names_rash(items: list[Item], k: int) -> bool:
    return label_at(items, next_index(items, k - 1, ("adverb", "severity", "size", "tone", "skin", "word", "descriptor"))) == "rash"


def _role(items: list[Item], k: int) -> tuple[str, str]:
    """(label, id) of the number at ``k``."""
    step = next((i for i in items[:k] if i.label in ("darker", "worse") and i.id in ("1", "-1")), None)
    if step is not None and said_at(items, k + 1).rstrip("s") in {*words("step"), "notche"} and items[k].number == int(items[k].number):
        step.id = str(int(step.id) * int(items[k].number))
        return "figure", ""  # "darker then, two steps"
    if label_at(items, k + 1) == "slot_noun" and id_at(items, k + 1) == "severity" and items[k].number == len(vocabulary().names("severity")):
        return "count", ""  # "at three severities"
    if said_at(items, k + 1) == "slides" and said_at(items, k + 2) in ("of", "with", "showing", "worth", "'") and any(i.label == "rash" for i in items[k:]):
        items[k + 1].drop()
        return "count", ""  # "8 slides of hives"
    if items[k].number == 1 and label_at(items, k + 1) == "each" and items[k + 1].said.startswith("for") and label_at(items, k + 2) in ("word", "unit", "people") and any(i.label in ("count", "number") and i.number for i in items[:k]):
        items[k + 1].drop()
        return "figure", ""  # "seven pictures, one for every table in my workshop"
    if said_at(items, k + 1) in ("way", "fold", "part", "panel", "stage") and items[k].number > 1:
        return "figure", ""  # "for a three-way plate"
    if "." in items[k].text and label_at(items, k + 1) != "image":
        return "figure", ""  # "version 4.2"
    before = {i.said for i in items[max(0, k - 4) : k]}
    times = said_at(items, k + 1) == "times" and said_at(items, k + 2) not in ("a", "per", "an")
    if times and before & {"that", "it", "this", "them", "these"} and not before & {"said", "asked", "told", "had", "been"} and label_at(items, k + 2) in ("", "conj", "adverb"):
        items[k + 1].drop()  # "can I have that 4 times"
        return "count", ""
    if said_at(items, k - 1) == "=" and said_at(items, k - 2) == "n" and any(i.said == "x" for i in items):
        items[k - 2].drop()
        items[k - 1].become("each", "each")  # "{eczema, acne} x {fair, brown}, n=2"
        return "count", ""
    pairs = k + 1 + (said_at(items, k + 1) in ("matched", "matching"))
    if said_at(items, pairs) == "pairs" and max((sum(len(i.values) for i in items if i.label == slot) for slot in ("tone", "rash", "area", "severity")), default=0) == 2:
        items[pairs].become("each", "each")
        return "count", ""  # "matched pairs in very fair and black skin, 3 pairs"
    if said_at(items, k + 1) == "times" and said_at(items, k + 2) not in ("a", "per", "an") and _noun(items, k) is None and _so_often(items, k):
        items[k + 1].drop()
        return "count", ""  # "acne on the chin, six times", "2 times eczema on the neck"
    if label_at(items, k + 1) == "unit" and id_at(items, k + 1) in ("after", "both"):
        items[k + 1].drop()
        return "figure", ""
    if _is_times(items, k):
        return "count", ""
    if label_at(items, k + 1) in ("skin", "scale", "slot_noun") and label_at(items, k + 2) == "darker" and items[k].number == int(items[k].number):
        items[k + 2].id = str(int(items[k + 2].id) * int(items[k].number))
        return "figure", ""  # "one skin tone darker"
    if label_at(items, k + 1) == "scale" and items[k + 1].said.endswith("tones") and items[k].number == len(vocabulary().names("tone")):
        return "count", ""  # "on six skin tones", wherever the condition is said
    if label_at(items, k + 1) == "slot_noun" and items[k].number == sum(len(i.values) for i in items if i.label == items[k + 1].id):
        return "figure", ""  # "now 3 tones for that: fair, brown, black"
    if said_at(items, k - 1).split()[-1:] == ["seed"]:
        return "seed", ""
    fewer = said_at(items, k + 1).split()[:1] in (["fewer"], ["less"]) and label_at(items, k + 1) in ("times", "word", "adverb")
    if fewer and label_at(items, k + 2) not in ("lesion", "descriptor", "worse") and items[k].number == int(items[k].number):
        items[k + 1].become("times", str(-int(items[k].number)))
        return "figure", ""
    if _is_figure(items, k) or _is_audience(items, k):
        return "figure", ""
    if _is_target(items, k):
        return "target", ""
    if said_at(items, k + 1) == "of" and said_at(items, k + 2) == "them" and not any(i.label in ("count", "image", "request") for i in items[:k]) and _names_lesions(items[:k]):
        return "number_of_lesions", "multiple"  # "seborrhoeic keratoses on the back, several of them"
    if items[k].said in ("several", "many", "lots", "multiple") and said_at(items, k - 1) == "," and _names_lesions(items[:k]) and label_at(items, k + 1) in ("", "conj", "social") and not any(i.label in ("count", "image", "request") for i in items):
        return "number_of_lesions", "multiple"  # "warts on the fingers, several"
    if said_at(items, k + 1) == "of" and said_at(items, k + 2) in ("them", "these", "those", "which") and any(i.label == "count" for i in items[:k]):
        return "count", "part"
    at = _noun(items, k)
    noun = label_at(items, at)
    if items[k].said.endswith("pair of") and noun == "" and label_at(items, next_index(items, k, ("adverb", "tone", "tone_with_skin", "skin", "word", "descriptor"))) == "area":
        return "adverb", ""  # "onto a pair of light-skinned hands"
    if noun == "people" and items[k].said == "some" and id_at(items, at) == "one":
        return "adverb", ""  # "on some guy"
    if noun == "people" and any(i.label == "request" for i in items[k:]):
        return "figure", ""  # "We randomised 120 patients; please draw 4 images"
    anew = noun == "image" and said_at(items, at + 1) in ("of", "with", "showing") and _names_rash(items, at + 2)  # "the 3 images of melasma"
    if noun in ("", "image") and not anew and said_at(items, k - 1).split()[-1:] in (["the"], ["these"], ["those"]):
        if at is not None:
            items[at].drop()
        return "adverb", ""  # "the two", "those three images": drawn before
    if noun == "image":
        return "count", ""
    if items[k].number == 1 and items[k - 1].id == "pseudo" and label_at(items, k - 1) == "negate" and "never" not in items[k - 1].said and label_at(items, k + 1) in ("", "conj"):
        for item in items[:k]:
            if item.label == "count" and item.said in ("several", "many", "lots of", "a few", "multiple"):
                item.drop()
        return ("number_of_lesions", "multiple") if any(i.label in ("rash", "lesion") for i in items) else ("adverb", "")  # "several warts, not just one"
    if items[k].said == "one" and label_at(items, k + 1) == "size" and said_at(items, k + 2) == "one" and any(i.label == "rash" and i.said in _ONE for i in items[:k]):
        return "number_of_lesions", "single"  # "verruca on the sole, one big one"
    if items[k].number == 1 and noun == "rash" and items[at].said in _ONE and any(i.said in ("only", "just") for i in items):
        return "number_of_lesions", "single"  # "one big wart only"
    if noun == "rash" and _of_the_rash_before(items, k, at):
        items[at].become("lesion", "many")
        return "number_of_lesions", "single" if items[k].number == 1 else "multiple"
    if noun == "rash" and items[at].said in _ONE_OR_MORE and label_at(items, at + 1) == "each" and label_at(items, at + 2) == "image":
        if any(i.label == "rash" and i.id == items[at].id for i in items[:k]):
            items[at].drop()  # "warts on the fingers, four warts in each picture"
        items[at + 1].drop()
        items[at + 2].drop()
        return "number_of_lesions", "single" if items[k].number == 1 else "multiple"  # "only one wart per picture"
    if noun == "lesion" or (noun in _RASHES and _in_one_image(items, k)):
        return "number_of_lesions", "single" if items[k].number == 1 else "multiple"
    if noun == "rash" and said_at(items, k - 1) == "with" and vocabulary().read("area", said_at(items, k - 2)) and not items[k - 2].said.endswith("s") and items[at].said in _ONE_OR_MORE and not any(i.label in ("image", "count") for i in items[:k]):
        return "number_of_lesions", "single" if items[k].number == 1 else "multiple"  # "foot with several warts"
    if noun == "rash" and _on_one_site(items, at):
        return "number_of_lesions", "multiple"
    if items[k].said == "some" and not noun and label_at(items, k + 1) == "word" and not any(i.label in ("rash", "image") for i in items[k:]):
        return "adverb", ""  # "add a ruler and some hair"
    if items[k].said == "some" and noun == "rash" and any(i.label == "number" and i.number is not None and label_at(items, n + 1) == "image" for n, i in enumerate(items[k + 1 :], k + 1)):
        return "adverb", ""  # "some zits on the nose, two shots"
    after = items[sentence_end(items, k) :] if items[k].said == "some" else []
    if any(i.label == "number" and i.number is not None for i in after) and not any(i.label in ("rash", "outside_rash", "area", "tone") for i in after):
        return "adverb", ""  # "put some mild eczema on a dark forearm; one picture is plenty"
    if not noun and _is_pronoun(items, k):
        return "adverb", ""
    if id_at(items, k + 1) == "various" and label_at(items, k + 2) in ("slot_noun", "scale"):
        return "count", ""  # "on three different skin tones"
    if not noun and (items[k].number != int(items[k].number) or (label_at(items, k - 1) in ("word", "unit") and said_at(items, k - 1) not in {*words("amounts"), "x"} and items[k - 1].text[-1].isalpha() and _others_count(items, k))):
        return "figure", ""  # "kappa 0.71", "ticket 4417"
    if not noun and _counts_something_else(items, k):
        return "figure", ""
    if not noun and said_at(items, k - 1) in ("at", "in", "by", "on", "before", "until", "till", "after") and label_at(items, k + 1) not in ("image", "people", "rash", "add"):
        return "figure", ""
    return "count", ""


# --- numbers that count nothing


def _counts_something_else(items: list[Item], k: int) -> bool:
    if said_at(items, k + 1) == "of" and (said_at(items, k + 2) in ("us", "you") or (said_at(items, k + 2) in ("my", "our", "their", "the") and label_at(items, k + 3) in ("people", "unit"))):
        return True  # "only 2 of us", "one of my trainees"
    if said_at(items, k + 1) == "of" and said_at(items, k + 2) == "the" and label_at(items, k + 3) in ("number", "word", "figure"):
        return True  # "only 2 of the 9 countries"
    return _counts_a_plural(items, k)


def _counts_a_plural(items: list[Item], k: int) -> bool:
    """ "a webinar with 200 GPs", "for my 12 interns": a plural of something that is no image."""
    j = next((j for j in range(k + 1, min(k + 4, len(items))) if items[j].label not in ("adverb", "descriptor")), None)
    j = j + 1 if label_at(items, j) == "word" and label_at(items, (j or 0) + 1) == "word" and items[j + 1].said.endswith("s") else j
    plural = label_at(items, j) == "word" and items[j].said.endswith("s") and not items[j].said.endswith("ss") and len(items[j].said) > 2
    of_images = said_at(items, (j or 0) + 1) == "of" and label_at(items, next_index(items, (j or 0) + 1)) in ("image", "rash", "severity")
    return plural and not of_images and items[j].said not in words("collections") and (is_english(items[j].said) or items[j].text[:2].isupper())


def _is_figure(items: list[Item], k: int) -> bool:
    before = label_at(items, k - 1)
    pointed = before == "unit" and id_at(items, k - 1) in ("before", "both")
    counts = label_at(items, k + 1) == "image" or (_counts_images(items, k) and (not items[k].text.isdigit() or said_at(items, k - 1) in words("gathering")))
    if before == "scale" or (said_at(items, k - 1) in words("graded") and not _counts_images(items, k)) or (pointed and not counts):
        return True  # "slide 5", but not "show my class two pictures"
    if before == "other_subject" and _noun(items, k) is None:
        return True  # "to illustrate paragraph four"
    if before == "negate" and said_at(items, k - 1) in ("instead of", "rather than", "not"):
        return True  # "five instead of three"
    if said_at(items, k - 1) in ("and", "to", "-") and label_at(items, k - 2) == "figure" and _noun(items, k) is None:
        return True  # "slides 3 and 4"
    if said_at(items, k + 1) == "x" and said_at(items, k + 2) in words("enlarged"):
        items[k + 2].become("descriptor")  # "at 10x magnification"
        return True
    if k < 3 and said_at(items, k + 1) == ":" and label_at(items, k - 1) in ("word", "unit"):
        return True  # "Station 3: a man with …"
    if label_at(items, k + 1) in ("conj", "range") and label_at(items, k + 2) == "number" and label_at(items, k + 3) == "unit" and id_at(items, k + 3) in ("after", "both"):
        return True  # "between 30 and 55 years of age"
    if label_at(items, k + 1) == "add" and label_at(items, k + 2) == "unit" and id_at(items, k + 2) in ("after", "both"):
        items[k + 1].drop()
        return True  # "6 more months"
    year = 1900 <= (items[k].number or 0) < 2100 and label_at(items, _noun(items, k)) != "image"
    return year or _is_age(items, k) or _is_digit(items, k)


def _is_audience(items: list[Item], k: int) -> bool:
    """ "my 200 first-year students", "an audience of 150", "BMI 31"."""
    between = ("word", "ordinal", "idiom", "descriptor", "add", "people")
    j = next((j for j in range(k + 1, min(k + 5, len(items))) if items[j].label not in between and not items[j].hint), None)
    if label_at(items, j) == "unit" and items[j].said in words("audience"):
        for item in items[k + 1 : j]:
            item.drop()  # "8 visiting Dutch colleagues": of no patient
        return True
    gathering = said_at(items, k - 1) == "of" and said_at(items, k - 2) in words("gathering")
    group = label_at(items, k - 1) == "number" and said_at(items, k - 1).endswith("group of")
    noun = label_at(items, _noun(items, k))
    if group and noun == "image":
        items[k - 1].drop()  # "a group of 4 images"
    elif (gathering or group) and noun not in ("lesion", *_RASHES):
        if group:
            items[k - 1].drop()
        return True
    if label_at(items, k - 1) == "word" and (label_at(items, k + 1) in ("word", "request") or said_at(items, k + 1) in words("auxiliary")) and noun == "":
        return True  # "Station 12 requires …", "Reviewer 2 will be happy"
    before = items[k - 2] if said_at(items, k - 1) == "of" and k > 1 else items[k - 1] if k else None
    return before is not None and before.label in ("word", "adverb") and len(before.text) > 1 and before.text[:2].isupper() and not before.text.endswith("X")


def _is_times(items: list[Item], k: int) -> bool:
    """ "x3", "3x"; not "2 x 3 cm"."""
    before, after = said_at(items, k - 1) == "x", said_at(items, k + 1) == "x"
    measured = (before and label_at(items, k - 2) in ("number", "figure", "count")) or (after and label_at(items, k + 2) == "number" and items[k + 2].number is not None)
    enlarged = after and said_at(items, k + 2) in words("enlarged")
    return (before or after) and not (measured or enlarged) and label_at(items, k + 1) != "unit" and items[k].number is not None


def _is_age(items: list[Item], k: int) -> bool:
    """A number that ends "the patient is 28"."""
    if said_at(items, k + 1) == "y" and label_at(items, k + 2) in ("", "conj"):
        return True  # "child 4 y, pale"
    told = said_at(items, k + 2) in ("has", "is", "with", "who", "presents", "presented", "came", "comes", "had", "was", "presenting", "complains")
    if said_at(items, k - 1) == said_at(items, k + 1) == "," and told and any(i.label == "people" for i in items[:k]):
        return True  # "a patient of mine, 62, has …"
    alone = _noun(items, k) is None and label_at(items, k + 1) in ("", "conj", "adverb", "tone", "tone_with_skin", "scale", "skin")
    someone = id_at(items, k - 2) == "one" if label_at(items, k - 2) == "people" else label_at(items, k - 2) == "word" and _said_with_article(items, k - 2)
    if said_at(items, k - 1) == "," and someone and alone and (items[k].number or 0) > _MANY - 8 and (items[k].number > _MANY or any(i.label in ("count", "quantity", "image") for i in items)):
        return True  # "on a female, 24"
    of = prev_index(items, k) if said_at(items, k - 1) != "of" else k - 1
    of = of if said_at(items, of) == "of" else next((j for j in range(k - 1, max(-1, k - 3), -1) if said_at(items, j) == "of"), k)
    if (label_at(items, of - 1) == "people" or said_at(items, of - 1) in words("parents")) and said_at(items, of) == "of" and label_at(items, _noun(items, k)) != "image":
        return True  # "a man of seventy", "a boy of about four"
    aged = label_at(items, of - 1) == "word" and said_at(items, of - 1) not in words("amounts") and _said_with_article(items, of - 1)
    if aged and said_at(items, of) == "of" and (items[k].number or 0) > _MANY - 5 and (items[k].number > _MANY or label_at(items, k + 1) in ("", "conj", "adverb", "tone", "tone_with_skin", "skin")) and _noun(items, k) is None:
        return True  # "a gardener of 66"
    who = label_at(items, k - 2) == "people" or said_at(items, k - 2) in ("he", "she")
    return who and said_at(items, k - 1) in ("is", "was", "'s", "turned") and label_at(items, k + 1) in ("", "conj")


def _said_with_article(items: list[Item], k: int) -> bool:
    return any(i.said in ("a", "an") for i in items[max(0, k - 3) : k])


def _is_digit(items: list[Item], k: int) -> bool:
    """A number that says which finger or toe ("fingers 2 to 4")."""
    j = prev_index(items, k, ("range", "conj", "figure"))
    site = id_at(items, j).endswith(("fingers", "toes", "nail")) and label_at(items, j) == "area"
    site = site and label_at(items, (j or 0) + 1) in ("figure", "number", "word")  # not "between the fingers and two on the wrist"
    if j is not None and k == j + 1 and items[j].said.endswith("s") and label_at(items, k + 1) == "":
        return False  # "psoriasis nails 4"
    joined = all(label_at(items, i) == "figure" or items[i].said in ("to", "-", "and", "or") for i in range((j or 0) + 1, k))
    return site and joined and items[k].label == "number" and not _counts_images(items, k) and label_at(items, k + 1) in ("", "conj", "range", "adverb")


def _is_pronoun(items: list[Item], k: int) -> bool:
    """ "one" that stands for an image ("the black one", "this one")."""
    before = ("tone", "severity", "size", "ordinal", "area", "each")
    if said_at(items, k - 2) in ("on", "in") and said_at(items, k + 1) in ("on", "in"):
        return False  # "one on white one on black"
    if said_at(items, k - 2) == "one" and label_at(items, k - 1) == label_at(items, k + 1):
        return False  # "one mild one severe"
    if said_at(items, k - 2) in ("a", "an") and label_at(items, k - 1) in ("area", "tone") and any(i.label == "add" and i.id == "also" for i in items):
        return False  # "show me a toenail one as well"
    return items[k].said == "one" and (
        label_at(items, k - 1) in before or said_at(items, k - 1) in ("this", "that", "the", "which", "same") or said_at(items, k - 2) == "the"
    )


def _so_often(items: list[Item], k: int) -> bool:
    """Whether "six times" says how often something is drawn: at the end of a part, or before a condition."""
    after = label_at(items, k + 2)
    told = any(i.label == "rash" for i in items[:k]) and (after in ("", "conj", "social") or said_at(items, k + 2) in ("please", "pls"))
    asked = label_at(items, k - 1) in ("", "conj", "request", "question", "each", "adverb") or said_at(items, k - 1) in ("drawn", "make", "do")
    counted = any(i.label == "image" for i in items)
    return (told or after == "rash") and (asked or told) and not counted


# --- numbers that point at an image


def _is_target(items: list[Item], k: int) -> bool:
    """ "number 3", "image 2", "pictures 2 and 4"."""
    if _counts_images(items, k):
        return False
    before = label_at(items, k - 1)
    if before == "target_noun":
        return True
    if before == "image" and id_at(items, k - 1) == "one":
        return items[k].said != "one" or (k > 1 and said_at(items, k - 2) not in ("a", "an"))
    if before == "image":
        return label_at(items, k - 2) != "count" and items[k].number <= _MANY and label_at(items, k + 1) in ("conj", "", "adverb", "range")
    if before in ("target", "conj") and label_at(items, prev_index(items, k, ("adverb", "conj", "side"))) == "target":
        return label_at(items, k + 1) not in ("adverb", "rash") or said_at(items, k + 1) in (*_PLACE, "be", "a bit", "a little", "should", "could")
    return False


def _ordinal(items: list[Item], k: int) -> None:
    """ "the second one", "the last two images", "2nd": a pointer at an image; "the second toe" is none."""
    item, n = items[k], int(items[k].id)
    if label_at(items, k + 1) == "number" and said_at(items, k + 1) != "one":
        in_order = n == 1 and label_at(items, k - 1) in ("", "conj") and label_at(items, k + 2) in ("rash", "severity", "size")
        if in_order:
            item.drop()  # "first 2 warts on the shin, then an eczema on the elbow"
        else:
            _several(items, k, n)
        return
    after, said, before = label_at(items, k + 1), said_at(items, k + 1), said_at(items, k - 1)
    if before == "a" and said == "one" and n > 1:
        items[k + 1].drop()
        if not any(i.is_value for i in items):
            item.become("add", "one")  # "and a third one"
            return
        item.become("count")  # "and a second one on the buttock"
        item.number = 1.0
        return
    if before == "a" and n > 1 and said in _PLACE and any(i.label == "count" for i in items[:k]):
        item.become("count")  # "two on medium skin and a third on black"
        item.number = 1.0
        return
    alone = after == "" or said in ("?", ".", "!", ":")
    if said == "of" and said_at(items, k + 2) in ("those", "these", "them", "the images", "the pictures", "those images", "these images"):
        items[k + 2].drop()  # "the first of those but more severe"
        item.become("target")
        item.number = float(n)
        return
    noun = said in ("one", "ones") or (after == "image" and id_at(items, k + 1) == "one")
    joined = after == "conj" and any(i.label == "ordinal" for i in items[k + 2 : k + 4]) and label_at(items, k - 1) not in ("word", "area")
    noun_left_out = (
        before in ("the", "and", ",")
        and after in ("adverb", "conj", "modify", "ordinal")
        and said in (*_PLACE, "again", "but", "and", "to", ",", "instead", "now", "might", "could", "should", "can", "be")
    )
    noun_left_out = noun_left_out and not (n == 1 and any("then" in i.said.split() for i in items[k + 1 : k + 9]))  # "first on fair, then on black"
    described = before.endswith("the") and (after in ("tone", "rash", "darker") or said in ("looks", "is", "was", "seems", "looked", "are", "were", "look", "seem")) and n != -1 and label_at(items, k + 2) != "image"
    graded = after == "worse" and (before == "the" or said.startswith("one "))  # "the first one more severe"
    if alone or noun or joined or noun_left_out or described or graded:
        item.become("target")
        item.number = float(n)
        if noun:
            items[k + 1].drop()


def _several(items: list[Item], k: int, n: int) -> None:
    """ "the first two", "the last three images"."""
    count = int(items[k + 1].number or 0)
    if abs(n) == 1 and 0 < count <= _MANY:
        items[k].become("target", "|".join(str(i) for i in (range(1, count + 1) if n == 1 else range(-count, 0))))
        items[k + 1].drop()
        items[k + 1].number = None
        if label_at(items, k + 2) == "image":
            items[k + 2].drop()


# --- what is counted


def _noun(items: list[Item], k: int) -> int | None:
    """Index of the noun that a number counts: an image, person, lesion or rash reached through adjectives only."""
    rash = None
    for j in range(k + 1, min(k + 9, len(items))):
        label, said = items[j].label, items[j].said
        if label == "image":
            return j
        if label in ("people", "lesion") and (rash is None or label == "lesion"):
            return j + 1 if label_at(items, j + 1) == "image" else j
        if label in _RASHES:
            rash = j if rash is None else rash
        elif label == "each" and items[j].id == "various":
            continue
        elif label == "adverb" and said == "of" and rash is None:
            inner = next_index(items, j, ("adverb", "severity", "size", "tone", "word"))
            return inner if label_at(items, inner) == "lesion" else None
        elif (label == "adverb" and said in (*_PLACE, "of", "for", "is", "are", "showing", "'s")) or (
            label not in _ADJECTIVES and label != "number" and id_at(items, j) != "more"
        ):
            break
    return rash


def _of_the_rash_before(items: list[Item], k: int, at: int) -> bool:
    """ "warts on the hand of a boy, about six warts": after a mark, of what was asked for without a number."""
    mark = prev_index(items, k, ("adverb", "side", "negate"))
    counted = any(i.label in ("count", "number", "quantity") and i.number != 0 for i in items[:k])
    again = any(i.label == "rash" and i.id == items[at].id for i in items[:k])
    return again and not counted and items[at].said.endswith("s") and items[mark].text in (",", "-", "–", "(", ";")


def _counts_images(items: list[Item], k: int) -> bool:
    return label_at(items, _noun(items, k)) == "image"


def _others_count(items: list[Item], k: int) -> bool:
    """Whether another number says how many images are meant."""
    return any(i.label == "count" or (i.label in ("number", "quantity") and n != k and _counts_images(items, n)) or i.label == "image" for n, i in enumerate(items))


def _in_one_image(items: list[Item], k: int) -> bool:
    """Whether what is counted lies in a picture that is named ("a picture of three moles", "five warts in one picture")."""
    for j in range(k - 1, -1, -1):
        if items[j].text in (",", ";") and label_at(items, k - 1) == "conj":
            break  # "eight images, four eczema on the wrist"
        if items[j].said in ("so", "but", "hence"):
            break  # "we're short of images, so I'd appreciate half a dozen of psoriasis on the scalp"
        if items[j].label == "image":
            return True
        if items[j].id == "stop" and items[j].label == "conj":
            return False
    later = next((j for j in range(k + 2, len(items)) if items[j].label == "image" and items[j].id == "one"), None)
    return later is not None and any(i.said in ("in", "on", "within", "into") for i in items[max(k, later - 3) : later])


def _larger_of_two(items: list[Item]) -> None:
    """ "two or three images", "2-4 images": the larger number is meant."""
    for a, join, b in zip(items, items[1:], items[2:], strict=False):
        between = join.said == "and" and any(i.said == "between" and items.index(i) == items.index(a) - 1 for i in items)
        if a.label == b.label == "count" and a.number is not None and b.number is not None and (join.label == "range" or join.said == "or" or between):
            a.become("figure")
            join.drop()


def _one_of_each_kind(items: list[Item]) -> None:
    """ "a mild and a severe one", "a fair one and a black one": as many as there are kinds."""
    for slot in ("tone", "severity", "size"):
        kinds = [k for k, i in enumerate(items) if i.label == slot and said_at(items, k - 1) in ("a", "an", "one")]
        ends = bool(kinds) and said_at(items, kinds[-1] + 1) == "one" and label_at(items, kinds[-1] + 1) == "adverb"
        between = items[kinds[0] : kinds[-1]] if ends else []
        if len(kinds) > 1 and all(i.label in (slot, "conj", "adverb") for i in between) and not any(i.label in ("count", "rash", "number_of_lesions") for i in items):
            items[kinds[-1] + 1].become("count")
            items[kinds[-1] + 1].number = float(len(kinds))


def _the_rest(items: list[Item]) -> None:
    """ "six images, two of them on brown skin and the rest on black skin": four."""
    counts = [i for i in items if i.label == "count"]
    for k, item in enumerate(items):
        if item.said in ("rest", "remainder") and (said_at(items, k + 1) in ("on", "in", "with", "at", "of") or label_at(items, k + 1) in ("severity", "tone", "area", "size")) and len(counts) > 1 and None not in {c.number for c in counts}:
            left = (counts[0].number or 0) - sum(c.number or 0 for c in counts[1:] if items.index(c) < k)
            if left > 0:
                item.become("count", "part")
                item.number = left
                return


def _values_with_their_counts(items: list[Item]) -> None:
    """ "eczema on the neck (fair: 2, black: 2)": read as "2 fair, 2 black"."""
    if any(said_at(items, k - 1) == "(" for k, i in enumerate(items) if i.label in ("tone", "severity")):  # "(fair 2, black 2)"
        bare = [k for k, i in enumerate(items) if i.label in ("tone", "severity") and said_at(items, k - 1) in ("(", ",") and label_at(items, k + 1) == "number" and items[k + 1].number is not None and said_at(items, k + 2) in (",", ")", "")]
        if len(bare) > 1:
            for k in bare:
                items[k : k + 2] = [items[k + 1], items[k]]
    bracketed = [k for k, i in enumerate(items) if i.label in ("tone", "severity", "area", "rash") and said_at(items, k + 1) == "(" and label_at(items, k + 2) == "number" and said_at(items, k + 3 + (label_at(items, k + 3) == "image")) == ")"]
    if len(bracketed) > 1 and all(label_at(items, k - 1) == "conj" for k in bracketed) and len({items[k].label for k in bracketed}) == 1:  # "fingers (2), sole (2)"
        for k in bracketed:
            if label_at(items, k + 3) == "image":
                items[k + 3].drop()
            items[k + 1].drop()
            items[k : k + 3] = [items[k + 2], items[k], items[k + 1]]
    pairs = [
        k for k, i in enumerate(items) if i.label in ("tone", "severity", "area", "rash") and said_at(items, k + 1) in (":", "=")
        and label_at(items, k + 2) == "number" and items[k + 2].number is not None and label_at(items, k + 3) in ("", "conj")
        and (i.label in ("tone", "severity") or label_at(items, k - 1) in ("", "conj"))
    ]  # fmt: skip
    if len(pairs) > 1 and len({items[k].label for k in pairs}) == 1:
        for k in pairs:
            items[k + 1].drop()
            items[k : k + 3] = [items[k + 2], items[k], items[k + 1]]


def _some_and_some(items: list[Item]) -> None:
    """ "a few cases, some on fair and some on black skin": parts of those."""
    some = [k for k, i in enumerate(items) if i.label == "count" and i.said == "some" and said_at(items, k + 1) in ("on", "in", "with", "at")]
    if len(some) > 1 and any(i.label == "count" and k not in some for k, i in enumerate(items)):
        for k in some:
            items[k].drop()


def _so_many_each(items: list[Item]) -> None:
    """ "on tan skin and also on dark skin, 3 and 3": that many of each."""
    for k in range(1, len(items) - 2):
        first, join, second = items[k : k + 3]
        ends = label_at(items, k + 3) in ("", "conj", "social")
        if first.label == second.label == "count" and first.number == second.number and join.said in ("and", "+", "&", "plus") and ends and label_at(items, k - 1) in ("", "conj", "adverb", "range"):
            second.become("each", "each")


def _all_of_them(items: list[Item]) -> None:
    """ "two on fair skin and three on brown skin, and all five show acne": the sum of what was counted before."""
    for k, item in enumerate(items):
        before = [i.number or 0 for i in items[:k] if i.label == "count" and i.id != "noun"]
        if item.label == "count" and said_at(items, k - 1).split()[-1:] == ["all"] and len(before) > 1 and item.number == sum(before):
            item.become("figure")
            if label_at(items, k - 1) == "each":
                items[k - 1].drop()  # "the same tone for all four"


_FRACTIONS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fifth": 5, "fifths": 5, "tenth": 10, "tenths": 10}


def _shares(items: list[Item]) -> None:
    """ "80% fair, 20% black, 10 images", "two thirds on the chest, one third on the back": of the one number of images that is said."""
    found: list[tuple[int, float]] = []
    for k, item in enumerate(items[:-1]):
        number = item.number if item.label in ("count", "figure", "number") else None
        unit = items[k + 1].said
        if number and unit in ("%", "percent"):
            found.append((k, number / 100))
        elif number and (unit in _FRACTIONS or (items[k + 1].label in ("ordinal", "target") and items[k + 1].id in ("3", "5", "10"))):
            found.append((k, number / (_FRACTIONS.get(unit) or int(items[k + 1].id))))
    shares = {k for k, _ in found}
    totals = [i for k, i in enumerate(items) if i.label == "count" and k not in shares and i.number]
    if len(found) < 2 or abs(sum(share for _, share in found) - 1) > 0.02 or len(totals) != 1:
        return
    total = totals[0].number
    if not all(label_at(items, next_index(items, k + 1)) in ("tone", "area", "rash", "severity", "tone_with_skin") for k in shares) or any(abs(total * share - round(total * share)) > 0.05 for _, share in found):
        return
    for k, share in found:
        items[k].become("count")
        items[k].number = float(round(total * share))
        items[k + 1].drop()
    noun = _noun(items, items.index(totals[0]))
    if label_at(items, noun) == "image":
        items[noun].drop()
    totals[0].become("figure")


# --- nouns for images


def _image_noun(items: list[Item], k: int) -> None:
    """A noun without a number: "a picture" counts 1, "pictures" 3; "the images" refers back."""
    item = items[k]
    if _counted(items, k):
        return
    if label_at(items, k + 1) == "target":
        item.drop()  # "image 2"
        return
    j = prev_index(items, k, _ADJECTIVES - {"adverb"})
    before = items[j] if j is not None else Item("", "", "")
    if before.label == "negate" and label_at(items, k + 1) == "adverb" and said_at(items, k + 1) in ("of", "with", "on"):
        item.drop()  # "no images of the face": the face is not wanted
        return
    if item.id == "many" and any(i.label == "negate" or i.said.endswith("n't") or i.said in ("avoid", "hate", "hates", "avoiding", "without") for i in items[max(0, k - 5) : k]) and any(i.label == "word" or i.said in ("patient", "use", "real") for i in items[max(0, k - 3) : k]) and label_at(items, k + 1) in ("", "conj"):
        item.drop()  # "I'd rather not use patient photographs"
        return
    between = any(i.label in ("word", "unit") for i in items[(j or 0) + 1 : k]) and said_at(items, k + 1) in ("of", "showing", "with")
    if item.id == "many" and (label_at(items, k - 1) == "compare" or (items[k + 1 : k + 2] and items[k + 1].said in ("comparing", "contrasting"))):
        item.drop()  # "side by side images of tinea and eczema", "images comparing psoriasis and eczema": one of each
        return
    if before.said == "my own":
        return  # "for comparison with my own drawings"
    if (before.said in words("pointing") and not between) or (before.label == "each" and not (before.id == "any" and item.id == "many")) or before.label == "target" or (before.label == "modify" and before.id in ("same", "pronoun")):
        return
    j = prev_index(items, k, ("adverb", "tone", "tone_with_skin", "tone_people", "skin", "descriptor", "rash", "area", "darker"))
    if said_at(items, k - 1) in words("lacks") or (said_at(items, j) in words("lacks") and said_at(items, j) != "without"):
        item.drop()  # "as a medical writer I often lack pictures"
        return
    if before.label == "times":
        return  # "one less image"
    again = item.said in ("case", "form", "instance", "presentation") and label_at(items, k - 1) == "severity" and any(i.label in ("image", "count") for i in items[:k]) and any(i.label == "rash" for i in items[:k])
    if again and not any(i.label == "rash" for i in items[k:]):
        item.drop()  # "photos of vitiligo on the hand, a really bad case"
        return
    article = any(i.said in ("a", "an", "one", "single") for i in items[max(0, k - 4) : k])
    a_kind = item.said in ("case", "version", "variant")
    if item.id == "one" and (not article or a_kind) and not any(i.label in ("rash", "request") for i in items):
        return  # "ok, mild version", "more like a severe case"
    if before.label == "number" and not before.negated:
        before.become("count")  # "a single picture", "many pictures"
        before.number = 1.0 if before.said == "single" or item.id == "one" else 3.0
    else:
        item.number = 1.0 if item.id == "one" else 3.0
        item.become("count", "noun")


def _counted(items: list[Item], k: int) -> bool:
    """Whether a count stands before this noun, with only adjectives, "of" and collection words between."""
    for j in range(k - 1, max(-1, k - 10), -1):
        item = items[j]
        if item.label == "count" or (item.label == "add" and item.id == "one"):
            return True
        between = item.label in _ADJECTIVES or item.label in ("collection", "add", "number") or (item.label == "conj" and item.id != "stop")
        if not between or item.said in _PLACE:
            return False
    return False
