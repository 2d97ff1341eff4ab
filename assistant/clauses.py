"""From recognised values in a row to patches: lists fan out, a slot said again after others starts the next patch.

"eczema and psoriasis on the elbow" is one patch with two rashes; "eczema on the elbow and psoriasis on the knee" two
patches; in "fair skin: acne on the face and eczema on the hand" the tone is shared by both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from assistant.items import Item, label_at, next_index, prev_index, said_at, sentence_end
from assistant.schema import Patch
from assistant.vocabulary import SLOTS, vocabulary

_ADJECTIVAL = ("severity", "size", "number")
#: Words for skin that leave out more than the tone they name: "nothing on white skin", "no dark skin".
_LOOSELY = {"white": ("very fair", "fair"), "pale": ("very fair", "fair"), "caucasian": ("very fair", "fair"), "light": ("very fair", "fair"), "dark": ("brown", "black")}


@dataclass
class Clause:
    """Values of one patch by slot, in the order said, with where each slot was first said."""

    slots: dict[str, list[Item]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    each: bool = False
    #: What is left of a total whose parts differ: takes nothing from them.
    apart: bool = False
    darker: int = 0
    worse: int = 0
    times: float | None = None
    cleared: set[str] = field(default_factory=set)
    excluded: dict[str, list[str]] = field(default_factory=dict)
    #: Values of the clause before, for slots that "the same" leaves as they are.
    copied: dict[str, list[Item]] = field(default_factory=dict)

    def add(self, slot: str, item: Item) -> None:
        self.slots.setdefault(slot, []).append(item)
        if not self.order or self.order[-1] != slot:
            self.order.append(slot)

    def rank(self, slot: str) -> int:
        """Where the slot was said among the others; last where its value came from another clause."""
        return self.order.index(slot) if slot in self.order else len(self.order)

    @property
    def empty(self) -> bool:
        return not (self.slots or self.cleared or self.excluded or self.darker or self.worse or self.times)


def clauses(items: list[Item]) -> list[Clause]:
    """Split the items into clauses."""
    out = [Clause()]
    for k, item in enumerate(items):
        slot = item.label
        current = out[-1]
        if slot == "copy" and current.slots:
            out.append(Clause(copied=dict(current.slots)))
        elif slot == "each" and item.id == "each":
            current.each = not _is_sum(current, items, k)
        elif slot == "darker":
            if not (item.said.startswith("too ") and any(i.label == "darker" and i.id == item.id for i in items[k + 1 :])):
                current.darker += int(item.id)  # "too dark, go lighter" is one step
        elif slot == "worse":
            current.worse += int(item.id)
        elif slot == "times":
            current.times = float(item.id)
        elif slot == "clear":
            current.cleared.add(item.id)
        elif item.is_value and item.negated:
            current.excluded.setdefault(slot, []).extend(item.values if item.said not in _LOOSELY or not any(i.label == "rash" for i in items) else _LOOSELY[item.said])
        elif item.is_value or slot == "count":
            if item.hint and explicit_tone_near(items, k):
                continue
            if slot == "count" and "count" in current.slots and _times(items, k) and said_at(items, k - 2) != "," and sum(_times(items, n) for n in range(len(items))) > 1:
                current.slots["count"] = [item]  # "six images: fair skin x3 and black skin x3"
                current.order.append("count")
                continue
            if _starts_clause(current, slot, item, items, k) or (slot == "count" and _begins_anew(current, items, k)) or _heads_anew(out, slot, items, k) or _is_heading(current, slot, items, k):
                out.append(current := Clause(each=False))
            current.add(slot, item)
    for clause in out:
        if not clause.empty:
            clause.slots = clause.copied | clause.slots
    return [c for c in out if not c.empty or c is out[0]]


def _is_sum(clause: Clause, items: list[Item], k: int) -> bool:
    """ "four images: eczema and acne, each on the foot and the chest": what was counted before is all of them."""
    counted, rashes, areas = (clause.slots.get("count"), clause.slots.get("rash", []), [i for i in items[k:] if i.label == "area"])
    return bool(counted) and said_at(items, k + 1) in ("on", "at") and len(areas) > 1 and counted[0].number == len(rashes) * len(areas)


def _is_heading(clause: Clause, slot: str, items: list[Item], k: int) -> bool:
    """ "back: two of acne, two of tinea; scalp: one of psoriasis": a site before a colon, after what stands under the last one."""
    if slot == "area" and said_at(items, k + 1) == "(" and label_at(items, k + 2) == "count" and label_at(items, prev_index(items, k)) == "conj" and {"count", "tone"} <= clause.slots.keys():
        return True  # "on the elbow (2 fair, 2 black) and on the knee (2 fair, 2 black)"
    return slot == "area" and said_at(items, k + 1) == ":" and label_at(items, k - 1) == "conj" and "count" in clause.slots and any(i.label == "count" for i in items[k:])


def _begins_anew(clause: Clause, items: list[Item], k: int) -> bool:
    """ "I teach about fungal infections. Give me some images of ringworm": a count of a sentence that names its own condition;
    "psoriasis on the scalp and elbows. 1 mild scalp, 2 severe elbows": or says the same sites again, one by one."""
    if "rash" not in clause.slots or "count" in clause.slots:
        return False
    last = max(items.index(i) for said in clause.slots.values() for i in said if i in items)
    stopped = any(i.label == "conj" and i.id == "stop" for i in items[last:k])
    again = items[k : sentence_end(items, k)]
    areas = [i.id for i in clause.slots.get("area", ())]
    one_by_one = len(areas) > 1 and areas == [i.id for i in again if i.label == "area"] and sum(i.label == "count" for i in again) == len(areas)
    return stopped and (one_by_one or any(i.label == "rash" for i in again))


def _heads_anew(out: list[Clause], slot: str, items: list[Item], k: int) -> bool:
    """ "eczema on the neck: 2 fair, 2 black; acne on the back: 1 fair, 1 black": a condition before its counts, as one before it."""
    current = out[-1]
    if slot != "rash" or "rash" in current.slots or "count" not in current.slots or not any(i.label == "count" for i in items[k:]):
        return False
    counted = [c for c in out if {"rash", "count"} <= c.slots.keys()]
    leads = any(c.slots["count"][0].id == "noun" or c.rank("rash") < c.rank("count") for c in counted)
    return leads and label_at(items, prev_index(items, k)) == "conj"


def _times(items: list[Item], k: int) -> bool:
    """Whether the item is the number of "x3"."""
    return items[k].label == "count" and k > 0 and items[k - 1].said == "x"


def explicit_tone_near(items: list[Item], k: int) -> bool:
    """Whether a tone of the skin itself is said in the same noun phrase as the word for people at ``k``."""
    for step in (-1, 1):
        j = k + step
        while 0 <= j < len(items) and (items[j].label != "conj" or (step > 0 and items[j].text in (",", "-", "(") and label_at(items, j + 1) == "tone")):
            if items[j].label == "tone" and not items[j].hint:
                return True
            j += step
    return False


def _starts_clause(clause: Clause, slot: str, item: Item, items: list[Item], k: int) -> bool:
    """A slot said again after other slots closed it starts the next patch."""
    if slot == "area" and "rash" in clause.slots and label_at(items, k + 1) == "rash" and label_at(items, k - 1) == "conj" and items[k - 1].said != "or":
        return True  # "tinea pedis and plantar psoriasis"
    if slot in ("count", *_ADJECTIVAL) and {"rash", "area"} <= clause.slots.keys() and label_at(items, k - 1) == "conj" and items[k - 1].id != "stop":
        noun = next_index(items, k, ("adverb", *_ADJECTIVAL))
        if label_at(items, noun) == "rash" and item.id != "noun" and any(i.label == "area" for i in items[noun:]):
            return True  # "eczema on the elbow and three of eczema on the knee"
    if slot not in clause.slots:
        return False
    if slot == "count":
        if any(i.label == "each" and i.id == "each" for i in items[k + 1 : k + 3]) and not any(i.label == "rash" for i in items[k:]):
            clause.slots.pop("count")  # "six images …, one per tone"
            return False
        return True
    if slot == "rash" and _has_article(items, k) and "count" not in clause.slots and clause.slots.keys() & {*_ADJECTIVAL} and clause.order[-1] == "rash":
        return True  # "an early melanoma and a mole"
    if clause.order[-1] == slot:
        return False
    again = slot in ("area", "tone") and item.id in {said.id for said in clause.slots[slot]}  # "nappy rashes: contact dermatitis on the buttocks"
    return not again or (slot == "area" and clause.order[-1] == "tone" and label_at(items, k + 1) == "tone")


def _has_article(items: list[Item], k: int) -> bool:
    """Whether the condition at ``k`` stands with an article of its own ("and a harmless mole")."""
    j = k - 1
    while label_at(items, j) in ("word", "descriptor"):
        j -= 1
    return j > 0 and items[j].said in ("a", "an")


def patches(items: list[Item]) -> tuple[Patch, ...]:
    """The patches of a sentence; shared values are handed to every clause they belong to."""
    parts = _under_headings(_without_bare(clauses(items)))
    if any(i.said in ("altogether", "in total", "all told", "all in all") for i in items) and sum("count" in c.slots for c in parts) == 1:
        for clause in parts:
            clause.each = False  # "same number per tone, six tones, 12 altogether"
    _parts_of_a_whole(parts)
    _merge_lone_counts(parts, items)
    _drop_total(parts)
    _said_of_both(parts, items)
    _said_last(parts, items)
    _one_for_each(parts, items)
    _share(parts)
    _share_place(parts, items)
    _share_count(parts)
    parts = _respectively(parts, items)
    if not any("count" in c.slots for c in parts) and any(i.label == "add" and i.id == "one" for i in items):
        parts[0].slots["count"] = [Item("count", "", "one", 1.0)]  # "another", "one more"
    return tuple(p for p in (_patch(c) for c in parts) if p.model_fields_set)


def _without_bare(parts: list[Clause]) -> list[Clause]:
    """ "acne scars? I mean bad acne on the back": what is said again, with more, says nothing by itself."""
    def said(clause: Clause, slot: str) -> set[str]:
        return {i.id for i in clause.slots.get(slot, ())}

    bare = [
        here for here, after in pairwise(parts)
        if here.slots and not after.copied and "count" not in here.slots and not (here.excluded or here.cleared or here.darker or here.worse or here.times)
        and ("rash" in here.slots or "count" in after.slots) and all(said(here, slot) == said(after, slot) for slot in here.slots)
    ]  # fmt: skip
    for here, after in pairwise(parts):
        values = {slot for slot in here.slots if slot != "count"}
        alone = set(after.slots) == {"rash", "count"} and said(after, "rash") == said(here, "rash") and "count" not in here.slots and len(here.slots) > 1
        if alone and not after.copied and not after.each and after.slots["count"][0].id != "part":
            here.slots["count"] = after.slots["count"]  # "tinea barbae in a black man. Let's go for tinea, 3 images"
            bare.append(after)
        if "count" in here.slots and "count" not in after.slots and "rash" in values and here.rank("rash") < here.rank("count") and not after.copied and all(said(here, slot) == said(after, slot) for slot in values):
            after.slots["count"] = here.slots["count"]  # "for my slide on interdigital tinea I'd like two pictures of tinea pedis between the toes"
            bare.append(here)
    return [part for part in parts if not any(part is b for b in bare)]


def _under_headings(parts: list[Clause]) -> list[Clause]:
    """ "on the elbow (2 fair, 2 black) and on the knee (2 fair, 2 black)": a site before counts is that of all that follow."""
    first, rest = parts[0], parts[1:]
    bare = [c for c in rest if c.slots.keys() == {"area"}]
    counted = [c for c in rest if "count" in c.slots]
    heads = [c for c in rest if c.order[:1] == ["area"]]
    if not heads or len(counted) < 2 or "area" not in first.slots or len(bare) + len(counted) != len(rest) or rest[-1] in bare:
        return parts
    total = first.slots["count"][0].number if "count" in first.slots else None
    adds_up = total == sum(c.slots["count"][0].number or 0 for c in counted)
    if not (adds_up or (bare and total is None)):
        return parts
    area = first.slots["area"]
    for clause in rest:
        area = clause.slots.get("area", area)
        clause.slots = {slot: said for slot, said in first.slots.items() if slot != "count"} | {"area": area} | clause.slots
    return counted


def _parts_of_a_whole(parts: list[Clause]) -> None:
    """ "acne from mild to severe: one mild, two moderate and three severe": the counts of its parts follow, so the whole says nothing."""
    first, rest = parts[0], parts[1:]
    if len(rest) < 2 or "count" in first.slots or not all("count" in c.slots for c in rest):
        return
    whole = [
        slot for slot in ("severity", "tone", "area") if slot in first.slots and all(slot in c.slots for c in rest)
        and {v for i in first.slots[slot] for v in i.values} == {v for c in rest for i in c.slots[slot] for v in i.values}
    ]  # fmt: skip
    if not whole:
        return
    for clause in rest:
        for slot, said in first.slots.items():
            if slot not in whole:
                clause.slots.setdefault(slot, said)
    parts.pop(0)


def _said_of_both(parts: list[Clause], items: list[Item]) -> None:
    """ "an image of tinea and one of psoriasis, both moderate"."""
    for k, item in enumerate(items):
        both = (item.label == "each" and item.id in ("either", "all")) or item.said in ("both", "all")
        if both and label_at(items, k + 1) in _ADJECTIVAL and label_at(items, k + 2) in ("", "conj") and len(parts) > 1:
            for clause in parts:
                clause.slots.setdefault(items[k + 1].label, [items[k + 1]])


def _said_last(parts: list[Clause], items: list[Item]) -> None:
    """ "one on fair and one on black skin, severe": after a comma at the end, it is said of all images of one condition."""
    last = parts[-1]
    of_all = any(i.said in ("all", "both", "everything") and label_at(items, k + 1) in ("adverb", "tone", "severity", "size") for k, i in enumerate(items))
    if len(parts) < 2 or last.copied or (not of_all and sum("rash" in c.slots for c in parts) > 1):
        return
    k = len(items)
    while (k := prev_index(items, k, ("social", "idiom", "adverb", "slot_noun", "conj"))) is not None and items[k].label in _ADJECTIVAL and items[k - 1].text in (",", "-", "–"):
        slot = items[k].label
        if any(slot in c.slots for c in parts[:-1]) or last.slots.get(slot) != [items[k]] or last.order[-1] != slot:
            return
        for clause in parts:
            clause.slots[slot] = last.slots[slot]
        last.order.remove(slot)


def _merge_lone_counts(parts: list[Clause], items: list[Item]) -> None:
    """"four images: two of acne, two of eczema": a total whose parts follow says nothing more."""
    k = 0
    while k < len(parts) - 1:
        here, nxt = parts[k], parts[k + 1]
        if set(here.slots) == {"count"} and here.slots["count"][0] in items and label_at(items, items.index(here.slots["count"][0]) + 1) == "add" and not any("rash" in c.slots for c in parts):
            here.apart = True  # "three more and one on black skin"
            k += 1
        elif set(here.slots) == {"count"} and "count" in nxt.slots and nxt.slots["count"][0].id != "noun":
            parts.pop(k)
        elif set(here.slots) <= {"count"} and set(nxt.slots) and nxt.slots.get("count", [None])[0] is not None and nxt.slots["count"][0].id == "noun":
            nxt.slots["count"] = here.slots["count"]
            parts.pop(k)
        elif set(nxt.slots) == {"count"} and nxt.slots["count"][0].id == "noun":
            here.cleared |= nxt.cleared
            parts.pop(k + 1)
        else:
            k += 1


def _drop_total(parts: list[Clause]) -> None:
    """"three patients with psoriasis, one fair and two black": the parts add up to the first count, which goes."""
    first, rest = parts[0], parts[1:]
    if "rash" in first.slots:
        rest = list(takewhile(lambda c: "rash" not in c.slots, rest))  # up to the next condition's
    counts = [c.slots["count"][0].number or 0 for c in rest if "count" in c.slots]
    said_apart = {s for c in rest for s in c.slots} - {"count"}
    if not rest or len(counts) != len(rest) or "count" not in first.slots or said_apart & first.slots.keys():
        return
    total = first.slots["count"][0]
    for clause in rest:
        for slot, said in first.slots.items():
            clause.slots.setdefault(slot, said)
    if total.id == "noun" or sum(counts) == total.number:
        parts.pop(0)
    elif all(c.slots["count"][0].id == "part" for c in rest) and total.number is not None and sum(counts) < total.number:
        first.slots["count"] = [Item("count", "", total.text, total.number - sum(counts))]
        first.apart = True


def _share(parts: list[Clause]) -> None:
    first, last = parts[0], parts[-1]
    if len(parts) < 2:
        return
    for before, here in pairwise(parts):
        own_rash = "rash" in here.slots
        here.each |= before.each and before.order[:1] == ["tone"] and "tone" not in here.slots  # "for each of fair and black skin two of …"
        for slot in ("rash", "area", "tone", "severity", "size", "number"):
            if slot in here.slots or slot not in before.slots:
                continue
            if slot == "tone" or not own_rash or (slot == "area" and _leads(first, slot) and before.slots[slot] is first.slots.get(slot)):
                here.slots[slot] = before.slots[slot]
    said_once = "rash" in last.slots and not any("rash" in c.slots for c in parts[:-1])
    if said_once:
        for clause in parts[:-1]:
            clause.slots["rash"] = last.slots["rash"]  # "mild on the elbow and severe on the knee, psoriasis"
    bare = all(set(c.slots) <= {"rash", "count", *_ADJECTIVAL} for c in parts[:-1])
    if said_once and "area" in last.slots and last.rank("area") < last.rank("rash") and not any("area" in c.slots for c in parts[:-1]):
        for clause in parts[:-1]:
            clause.slots["area"] = last.slots["area"]  # "one very fair and one black forearm with eczema"
    for slot in ("area", "tone"):
        if slot in last.slots and last.order and (last.order[-1] == slot or (bare and (said_once or not _leads(last, slot)))):
            for clause in [c for c in parts[:-1] if not (c.apart or last.copied)]:
                clause.slots.setdefault(slot, last.slots[slot])


def _share_place(parts: list[Clause], items: list[Item]) -> None:
    """ "melanoma on the leg, and next to it a mole, same place"."""
    if any(i.said.split()[-1:] == ["same"] and label_at(items, k + 1) in ("slot_noun", "word") and items[k + 1].said in ("place", "site", "area", "spot", "location", "position") for k, i in enumerate(items)):
        for before, here in pairwise(parts):
            if "area" in before.slots:
                here.slots.setdefault("area", before.slots["area"])


def _leads(clause: Clause, slot: str) -> bool:
    """Whether the slot was said before the clause's rash ("On the elbow: eczema …")."""
    return "rash" in clause.order and slot in clause.order and clause.rank(slot) < clause.rank("rash")


def _share_count(parts: list[Clause]) -> None:
    """A count said once, first, for several clauses is shared out; with "each" it is for each."""
    if any(c.each and "count" in c.slots and c.slots["count"][0].id != "noun" for c in parts):
        for clause in parts:
            if "count" in clause.slots and clause.slots["count"][0].id == "noun":
                del clause.slots["count"]  # "Images needed: … Also … Two of each"
    counted = [c for c in parts if "count" in c.slots]
    if len(parts) < 2 or len(counted) != 1 or counted[0].slots["count"][0].number is None:
        return
    if counted[0] is not parts[0] and counted[0].order[:1] == ["count"] and "rash" in counted[0].order:
        return  # "eczema on the elbow and three of eczema on the knee"
    total = counted[0].slots["count"][0]
    each = any(c.each for c in parts)
    sizes = [1] * len(parts)
    n = int(total.number) if total.number == int(total.number) else 0
    if n <= 0:
        return
    for i, clause in enumerate(parts):
        share = n if each else max(1, n // len(sizes) + (i < n % len(sizes)))
        clause.slots["count"] = [Item("count", total.id, total.text, float(share))]
        clause.each = each


def _says_respectively(items: list[Item]) -> bool:
    return any(i.label == "each" and i.id == "respectively" for i in items)


def _one_for_each(parts: list[Clause], items: list[Item]) -> None:
    """ "acne on the chin and psoriasis on the elbow, fair and brown respectively": the last values are one for each clause."""
    last = parts[-1]
    if len(parts) < 2 or not _says_respectively(items):
        return
    for slot in ("tone", "severity", "size"):
        said = last.slots.get(slot, [])
        if len(said) == len(parts) and not any(slot in clause.slots for clause in parts[:-1]):
            for clause, item in zip(parts, said, strict=True):
                clause.slots[slot] = [item]


def _respectively(parts: list[Clause], items: list[Item]) -> list[Clause]:
    """"eczema and acne on the hand and face respectively": zip the lists instead of crossing them."""
    if not _says_respectively(items) or len(parts) != 1:
        return parts
    lists = {s: v for s, v in parts[0].slots.items() if s != "count"}
    n = max((len(v) for v in lists.values()), default=1)
    if n < 2 or any(len(v) not in (1, n) for v in lists.values()):
        return parts
    zipped = []
    for i in range(n):
        clause = Clause(each=parts[0].each)
        for slot, values in parts[0].slots.items():
            clause.add(slot, values[i] if slot != "count" and len(values) == n else values[0])
        zipped.append(clause)
    if "count" in parts[0].slots:
        for clause in zipped[1:]:
            clause.slots.pop("count")
        _share_count(zipped)
    return zipped


def _some_of(item: Item, tones: tuple[str, ...], count: int) -> tuple[str, ...]:
    """ "two images on skin of colour": two tones of a group that words name as a whole, the middle one of them for a single image."""
    if item.said not in {word for group in vocabulary().groups.get("tone", ()) for word in group.words}:
        return tones
    if count == 1:
        return tones[len(tones) // 2 :][:1]
    return tones[-count:] if "black" in tones else tones[:count]


def _patch(clause: Clause) -> Patch:
    fields: dict = {}
    for slot in SLOTS:
        said = clause.slots.get(slot, [])
        if slot == "area" and any(not i.implied for i in said):
            said = [i for i in said if not i.implied]
        excluded = clause.excluded.get(slot, [])
        values = tuple(dict.fromkeys(v for i in said for v in i.values if v not in excluded))
        if values:
            fields[slot] = values
        elif slot in clause.cleared:
            fields[slot] = ()
    count = next((i.number for i in clause.slots.get("count", []) if i.number is not None), None)
    if count and not clause.each and len(clause.slots.get("tone", [])) == 1 and count < len(fields.get("tone", ())):
        fields["tone"] = _some_of(clause.slots["tone"][0], fields["tone"], int(count))
    if count is not None and count == int(count) and count > 0:
        fields["count"] = int(count)
    if clause.each:
        fields["each"] = True
    if clause.darker:
        fields["tone_step"] = clause.darker
    if clause.worse:
        fields["severity_step"] = clause.worse
    if clause.times and "count" not in fields:
        fields.update({"count_factor": clause.times} if clause.times > 0 else {"count_step": int(clause.times)})
    if clause.excluded:
        fields["excluded"] = {s: tuple(dict.fromkeys(v)) for s, v in clause.excluded.items()}
    return Patch(**fields)
