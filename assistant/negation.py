"""What a sentence names in order to leave it out: cues with direction and termination, as medspaCy's ConText does it.

Cues are data (``vocabulary/cues.yaml``, label ``negate``): "forward" cues cover the values after them, "pseudo" cues
("not only", "no more than") cover nothing, "stop" words end a scope ("but", "only"). Reference: Harkema et al. 2009, ConText.
"""

from __future__ import annotations

from assistant.items import Item, id_at, label_at, next_index, prev_index, said_at, sentence_end
from assistant.vocabulary import SLOTS, words

#: Cues that cover one noun phrase: whatever comes after a preposition belongs to the rest of the sentence.
_PHRASE_CUES = ("without", "instead", "rather", "except", "other", "apart", "in place", "as opposed", "aside", "excluding", "minus", "sans")
_JOINS = ("or", "nor", "and", "/", ",")


def negate(items: list[Item]) -> None:
    """Mark the values in the scope of a negation; ranges and lists of one slot stay together."""
    for k, item in enumerate(items):
        before = prev_index(items, k, ("adverb", "conj")) if item.label == "negate" else None
        if item.label == "negate" and item.said.startswith(("except", "apart from")) and label_at(items, before) == "modify" and items[before].id in ("same", "again"):
            item.drop()  # "the same except on the knee" is "the same but"
        elif (item.label == "negate" and (item.id == "forward" or _but_one(items, k))) or (item.label == "each" and item.id == "unsay"):
            _cover(items, k)
        elif item.label == "negate" and item.id in ("aside", "backward"):
            _set_aside(items, k)
        elif item.said in ("clear", "free", "alone") and any(i.said.split()[0] in ("keep", "keeping", "leave", "leaving") for i in items[max(0, k - 5) : k]):
            item.become("negate", "backward")  # "but keep the eyelids clear"
            _set_aside(items, k)
        elif item.label == "rash" and said_at(items, k - 1) == "like" and _but_rather(items, k):
            item.drop()
        elif item.label == "rash" and said_at(items, next_index(items, k, ("adverb", "area"))) == "type" and label_at(items, (next_index(items, k, ("adverb", "area")) or k) + 1) == "rash":
            item.drop()  # "nappy rash type eczema"
        elif item.label == "rash" and said_at(items, k + 1) == "like" and any(i.label == "rash" for i in items[k + 2 : k + 7]):
            item.drop()  # "wart-like seborrheic keratosis"
        elif item.label == "rash" and said_at(items, k - 1) in ("looks like", "look like", "looking like") and said_at(items, k - 2) in ("that", "which") and any(i.label == "rash" for i in items[:k]):
            item.drop()  # "eczema that looks like psoriasis"
        elif item.label == "modify" and item.id == "change":
            _replaced(items, k)
    _elsewhere_instead(items)
    rashes = [i for i in items if i.label == "rash"]
    if len(rashes) == 1 and rashes[0].negated and (any(i.label == "area" and i.negated for i in items) or any(i.said in ("never", "never found", "never seen", "hardly", "rarely") or (i.label == "negate" and i.said.startswith("never")) for i in items[: items.index(rashes[0])])):
        end = sentence_end(items, items.index(rashes[0]))
        if any(i.label in ("request", "count") for i in items[end:]) and any(i.said in ("it", "that", "one", "this") for i in items[end:]) and any(i.label == "area" and not i.negated for i in items[end:]):
            rashes[0].negated = False  # "I do not want eczema in the elbow crease. I want it on the eyelid"
    for k, item in enumerate(items):  # "we got nothing for dark skin in our app. eczema, dark skin"
        if item.negated and any(i.label == item.label and i.id == item.id and not i.negated for i in items[sentence_end(items, k) :]):
            item.drop()


def _taken_back(items: list[Item], k: int) -> None:
    """ "spots on my back? no, sorry: show acne on the shoulders": what was only asked about, and then not wanted."""
    if items[k].said not in ("no", "no sorry", "sorry no", "nope", "no no") or said_at(items, k - 1) != "?":
        return
    anew = {i.label for i in items[k + 1 :] if i.is_value}
    if "rash" in anew:
        for item in items[:k]:
            if item.is_value and item.label in anew:
                item.drop()


def _elsewhere_instead(items: list[Item]) -> None:
    """ "I don't want warts on the fingers this time. Warts on the toes.": what is not wanted is the site."""
    for k, item in enumerate(items):
        if item.label != "rash" or not item.negated:
            continue
        end = sentence_end(items, k)
        site = next((i for i in items[k:end] if i.label == "area" and not i.negated), None)
        if site is not None and any(i.label == "rash" and i.id == item.id and not i.negated for i in items[end:]):
            site.negated = True
            item.drop()


def correct(items: list[Item]) -> None:
    """ "on the cheek, no wait, on the forehead": of two values of a slot, the one before a word of correction goes."""
    for k in range(len(items)):
        if k > 2 and items[k].said in ("rather", "sorry", "i mean", "i meant", "really", "actually") and label_at(items, k + 1) in ("", "conj", "range", "adverb"):
            b, join, a = items[k - 1], items[k - 2], items[k - 3]
            if a.label == b.label and a.is_value and join.text in ("-", "–", ","):
                a.drop()  # "on the foot - ankle rather - of somebody"
                items[k].drop()
        if items[k].is_value and said_at(items, k + 1) in ("'s", "is", "are") and said_at(items, k + 2) == "not":
            later = next((i for i in items[k + 3 :] if i.label == items[k].label), None)
            if later is not None and any(i.text == "," for i in items[k + 3 : items.index(later)]) and not any(i.is_value for i in items[k + 3 : items.index(later)]):
                items[k].drop()  # "ankle's not ideal, shin"
        _taken_back(items, k)
        if not _corrects(items, k):
            continue
        if items[k].said in ("i mean", "i meant") and label_at(items, k - 1) == "rash" and any(i.label == "rash" and i.id == items[k - 1].id for i in items[: k - 1]):
            items[k - 1].drop()  # "dandruff on the scalp, seb derm i mean"
        b = next_index(items, k, ("adverb", "side", "conj", "skin", "modify", "correction", "request"))
        slot = label_at(items, b)
        if b is None or b > k + 6 or slot not in (*SLOTS, "count", "number"):
            continue
        stop = max((j for j in range(k - 1) if items[j].label == "conj" and items[j].id == "stop"), default=-1)
        a = next((j for j in range(k - 1, max(stop, k - 9), -1) if items[j].label == slot), None)
        if a is None or any(i.label == "negate" for i in items[max(0, a - 4) : a]):
            continue  # "I did not mean the ear, I meant the neck" says it itself
        noun = next_index(items, b)
        if slot in ("severity", "size", "number") and label_at(items, noun) == "rash":
            earlier = next((j for j in range(k - 1, a, -1) if items[j].label == "rash"), None)
            if earlier is not None:  # "severe nappy rash... no, sorry, severe eczema"
                items[a].drop()
                a = earlier
            if any(i.label == "area" for i in items[noun : sentence_end(items, noun)]):
                for item in items[a:k]:
                    if item.label == "area":
                        item.drop()  # "severe nappy-area ... sorry, severe eczema behind the knees"
        if slot == "area" and label_at(items, a + 1) == label_at(items, b + 1) == "rash" and items[a + 1].id == items[b + 1].id:
            items[a + 1].drop()  # "hand eczema, oops, foot eczema"
        if slot == "rash" and items[a].id == items[b].id and any(i.label == "area" for i in items[b : sentence_end(items, b)]):
            for item in items[a:k]:
                if item.label == "area":
                    item.drop()  # "tinea on the foot. correction: tinea on the hand"
        if a + 1 < k and items[a + 1].implied:
            items[a + 1].drop()  # the site of "athlete's foot"
        items[a].drop()
        for between in items[k:b]:
            between.drop()


def _corrects(items: list[Item], k: int) -> bool:
    """Whether what follows at ``k`` takes back what was said; "actually", "no" and "wait" do so after a comma or a dash."""
    if k == 0 or items[k].label == "correction" or items[k].said in ("i mean", "i meant", "but i meant", "sorry i meant", "sorry i mean", "correction", "oops"):
        return k > 0
    return items[k].said in ("no", "actually", "wait", "sorry", "rather", "scratch that", "make that", "no no", "nope") and (items[k - 1].said in (",", "-", "–", "...", "or") or items[k - 1].said in words("hesitation"))


def _but_rather(items: list[Item], k: int) -> bool:
    """ "a rash like eczema but it's tinea": what it is comes after "but"."""
    but = next((j for j in range(k + 1, len(items)) if items[j].said == "but"), None)
    return but is not None and but <= k + 3 and any(i.label == "rash" for i in items[but : but + 5])


def _set_aside(items: list[Item], k: int) -> None:
    """ "no history of eczema", "psoriasis was ruled out": what is named only to say that it is not there has no meaning."""
    step = -1 if items[k].id == "backward" else 1
    slot = None
    so = next((n for n in range(k, len(items)) if items[n].said == "so"), None)
    keeps = so is not None and items[k].said.endswith(("have", "has", "got")) and not any(i.label == "rash" for i in items[so:])
    j = k + step
    while 0 <= j < len(items) and items[j].said not in ("if", "when", "because", "while", "so"):
        item = items[j]
        if item.is_value or item.label in ("generic_rash", "outside_rash"):
            adjective = step == -1 and slot is not None and item.label in ("severity", "size", "number")
            if slot not in (None, item.label) and not adjective:
                return
            slot = slot or item.label
            if not (keeps and item.label == "rash"):
                item.drop()  # "I already have plenty of eczema on fair skin, so give me olive and brown": still of eczema
        elif item.label not in ("adverb", "word", "descriptor", "side", "severity") and not (slot and item.said in ("or", "nor", "and")):
            break
        j += step
    if slot is None and step == 1:
        items[k].id = "backward"  # "psoriasis ruled out"
        _set_aside(items, k)


def _but_one(items: list[Item], k: int) -> bool:
    """"every tone but black": "but" after a whole slot takes one value out."""
    a, b = prev_index(items, k), next_index(items, k)
    if items[k].said != "but" or a is None or b is None:
        return False
    return (items[b].label == "target" and items[a].label == "each") or (items[a].label == items[b].label and len(items[a].values) > 1)


def _cover(items: list[Item], k: int) -> None:
    if (label_at(items, k + 1) == "conj" and items[k + 1].id != "and") or k + 1 == len(items):
        return  # "no, on the neck": an answer, not a negation
    if k == 0 and items[k].said == "no" and said_at(items, 1) in ("the", "on", "in", "at", "i", "it", "not"):
        items[k].drop()  # "no the elbows": a correction
        return
    if items[k].said == "no" and said_at(items, k + 1).rstrip("s") in ("picture", "image", "photo", "example", "photograph", "illustration") and any(i.said in ("have", "i have", "we have", "has", "got", "with", "i've", "we've", "'ve") for i in items[:k]) and not any(i.label == "request" for i in items[:k]):
        items[k + 1].drop()  # "I have a lecture in ten minutes and no picture of vitiligo"
        return
    near = [i.said.split()[-1] for i in items[k + 1 : k + 4]]
    if "enough" in near or ("have" in near and "any" in near and any(i.said.rstrip("s") in words("of_a_picture") | {"example"} for i in items[k + 1 : k + 6])):
        return  # "we never have enough pictures of eczema on darker skin": they are wanted
    verb = next_index(items, k)
    if id_at(items, verb) == "difference" or said_at(items, verb) in words("mix_up"):
        return  # "I can never tell apart seborrheic dermatitis and psoriasis"
    if label_at(items, k + 1) == "area" and said_at(items, k + 2) in words("redness"):
        items[k + 2].become("descriptor", "kind")  # "no facial redness": of a sign, and not of the face
        items[k + 2].text = f"{items[k + 1].text} {items[k + 2].text}"
        items[k + 1].drop()
        return
    if items[k].said == "not" and said_at(items, k + 1) in ("caused", "due", "related", "from") and label_at(items, next_index(items, k + 1)) == "rash":
        items[next_index(items, k + 1)].drop()  # "not caused by fungus"
        return
    but = next((j for j in range(k + 1, len(items)) if items[j].label == "negate" and items[j].id == "stop"), None)
    slot = None
    for j in range(k + 1, len(items)):
        item = items[j]
        if item.label == "negate" and item.id in ("stop", "forward", "aside"):
            return
        if (item.label == "conj" and item.id == "stop") or item.label in ("request", "modify", "count", "compare"):
            return
        if item.label == "conj" and not _list_goes_on(items, j, slot):
            return
        if item.label == "range" and slot is not None and item.said in ("-", "–"):
            return  # "not on the face - on the neck"
        if items[k].said.split()[0] in words("remove") and item.label in ("outside_rash", "outside_area") and item.id:
            item.become(item.label[8:], item.id)  # "drop the keratosis"
        elif item.label in ("outside_rash", "outside_area") and slot in (None, item.label[8:]):
            slot, item.negated = item.label[8:], True  # "urticaria without angioedema on the back"
            continue
        if item.label in ("word", "descriptor", "lesion") and slot is None and items[k].said.startswith(("without", "no", "sans")) and not _value_soon(items, j):
            return  # "without scaling on the elbow"
        if items[k].said.startswith("rather") and item.said in ("on", "in") and any(i.label == "descriptor" for i in items[k + 1 : j]):
            return  # "grey rather than red on black skin"
        if item.label == "target":
            item.label = "dropped"  # "all but the second one" points at what is not wanted
            return
        if item.is_value:
            if slot is not None and item.label != slot and not (but is not None and j < but and not items[k].said.startswith(_PHRASE_CUES)):
                return
            slot = item.label
            item.negated = True


def _value_soon(items: list[Item], j: int) -> bool:
    return label_at(items, j + 1) in ("rash", "area", "tone", "severity", "size", "number")


def _list_goes_on(items: list[Item], j: int, slot: str | None) -> bool:
    """Whether the connector at ``j`` joins one more value of the slot in scope ("not the face or the neck")."""
    if items[j].said not in _JOINS:
        return False
    if items[j].text == ",":
        # "not the face, the neck": a comma alone ends the scope
        return False
    for item in items[j + 1 : j + 4]:
        if item.is_value:
            return slot is None or item.label == slot
        if item.label not in ("adverb", "side", "severity"):
            return False
    return False


def _replaced(items: list[Item], k: int) -> None:
    """"replace eczema with psoriasis", "change from fair to black": what stands before the hinge is left out."""
    hinge = next((j for j in range(k + 1, len(items)) if items[j].said in ("with", "to", "for", "into", "by", "-", "to the")), None)
    stop = sentence_end(items, k + 1)
    if hinge is None or hinge > stop:
        return
    after = {i.label.removeprefix("outside_") for i in items[hinge + 1 : stop]}  # "swap scalp for eyebrows", too
    for item in items[k + 1 : hinge]:
        if item.is_value and item.label in after:
            item.negated = True
    if any(i.negated for i in items[k + 1 : hinge]) and items[hinge].label == "range":
        items[hinge].drop()
    for j in range(hinge + 1, stop - 2):  # "replace eczema with tinea and elbow with face"
        new = next_index(items, j + 2)
        if items[j].said == "and" and items[j + 1].is_value and items[j + 2].said in ("with", "to", "for", "by", "into") and label_at(items, new) == items[j + 1].label:
            items[j + 1].negated = True
