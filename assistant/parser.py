"""One sentence → :class:`~assistant.schema.ParsedTurn`, without looking at any history.

    text ─normalise─▶ tokens ─span ruler─▶ items ─typos, numbers, context─▶ values and cues ─clauses─▶ patches

spaCy's blank English pipeline and its span ruler find the phrases of the vocabulary and of the grammar cues (both data,
see ``vocabulary/``); the steps after that are small functions on a list of :class:`~assistant.items.Item`.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache

from assistant import intents
from assistant.clauses import patches as read_patches
from assistant.items import FILLER, Item, label_at, next_index, prev_index
from assistant.negation import negate
from assistant.normalise import Clean, normalise
from assistant.numbers import classify, merge_numbers, read_scales
from assistant.schema import ParsedTurn, Patch
from assistant.typos import Repair, is_english
from assistant.vocabulary import SLOTS, Vocabulary, vocabulary


def _import_spacy():
    """spaCy without torch: thinc imports torch when it can, which takes seconds and is of no use to a blank pipeline."""
    hide = "torch" not in sys.modules
    if hide:
        sys.modules["torch"] = None  # makes thinc's guarded import fail
    try:
        import spacy
        from spacy.tokenizer import Tokenizer
    finally:
        if hide:
            del sys.modules["torch"]
    return spacy, Tokenizer


spacy, Tokenizer = _import_spacy()


@spacy.registry.tokenizers("script2skin.whitespace")
def _whitespace_tokenizer():
    return lambda nlp: Tokenizer(nlp.vocab)


@lru_cache(maxsize=1)
def pipeline():
    """spaCy's blank English pipeline with a span ruler over all phrases of the vocabulary."""
    # split on white space only: normalise() has already set punctuation apart
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "script2skin.whitespace"}}})
    nlp.max_length = 10_000
    ruler = nlp.add_pipe(
        "span_ruler", config={"phrase_matcher_attr": "LOWER", "spans_filter": {"@misc": "spacy.first_longest_spans_filter.v1"}}
    )
    ruler.add_patterns([{"label": p.label, "id": p.id or "-", "pattern": _as_read(p.text)} for p in vocabulary().phrases])
    return nlp


_PLAIN = re.compile(r"[a-z0-9 ]+|.", re.S)


def _as_read(phrase: str) -> str:
    """A phrase with its punctuation set apart as in a sentence ("athlete's" → "athlete 's")."""
    return phrase if _PLAIN.fullmatch(phrase) else normalise(phrase).text


class Parser:
    """Reads sentences; building one is cheap after the first, and ``parse`` has no state.

    >>> Parser().parse("two pictures of eczema on the elbow, fair and brown skin").patches[0].tone
    ('fair', 'brown')
    """

    def __init__(self):
        self.vocabulary: Vocabulary = vocabulary()
        self._nlp = pipeline()
        self._repair = _repair()
        self._tones = _scale_steps(self.vocabulary)
        self._of_site = _of_site(self.vocabulary)

    def parse(self, text: str) -> ParsedTurn:
        clean, sides = self._plain_sites(normalise(text))
        problems = list(clean.problems)
        items = self._items(clean.text)
        items, repaired = self._repaired(clean.text, items)
        if foreign(items, clean.text):
            problems.append("other_language")
        items = self._resolve(items)
        unknown = tuple(dict.fromkeys((i.label[8:], i.text, i.id or None) for i in items if i.label.startswith("outside_") and not i.negated))
        targets = intents.targets(items)
        problems += count_problems(items) + contradictions(items)
        patches = read_patches(items)
        intent, topic = intents.intent(items, patches, unknown, targets)
        if "other_language" in problems and not any(getattr(p, s) for p in patches for s in SLOTS):
            intent, patches = "empty", ()
        return ParsedTurn(
            text=text,
            intent=intent,
            patches=patches,
            mode=intents.mode(items, patches, unknown, targets) if intent == "request" else "new",
            targets=targets,
            repaired=repaired,
            ignored=tuple(dict.fromkeys((*sides, *ignored(items)))) if intent == "request" else (),
            unknown=unknown,
            problems=tuple(dict.fromkeys(problems)),
            topic=topic,
            first=intents.first(items) if intent == "request" else None,
        )

    def _plain_sites(self, clean: Clean) -> tuple[Clean, tuple[str, ...]]:
        """"back of her left hand" → "back of the hand", so that the site's phrase is found; "left" is handed back."""
        sides: list[str] = []

        def plain(match: re.Match[str]) -> str:
            sides.extend(re.findall(r"\b(left|right)\b", match[2].lower()))
            return f"{match[1]} the {match[3]}"

        return clean._replace(text=self._of_site.sub(plain, clean.text)), tuple(sides)

    def _items(self, text: str) -> list[Item]:
        doc = self._nlp(text)
        spans = {s.start: s for s in doc.spans["ruler"]}
        items: list[Item] = []
        k = 0
        while k < len(doc):
            span = spans.get(k)
            if span is None:
                items.append(Item("word", "", doc[k].text))
                k += 1
                continue
            id_ = "" if span.id_ == "-" else span.id_
            if span.label_ == "compound":
                rash, area, word = id_.split("|")
                items += [Item("rash", rash, span.text), Item("area", area, span.text, implied=word)]
            else:
                items.append(Item(span.label_, id_, span.text))
            k = span.end
        return items

    def _repaired(self, text: str, items: list[Item]) -> tuple[list[Item], tuple[tuple[str, str], ...]]:
        """Misspelt words put right, then everything read again so that repaired words find their phrases."""
        found = {}
        for item in items:
            if item.label == "word" and item.text not in found and (good := self._repair(item.text)):
                found[item.text] = good
        if not found:
            return items, ()
        text = " ".join(found.get(word, word) for word in text.split(" "))
        return self._items(text), tuple(found.items())

    def _resolve(self, items: list[Item]) -> list[Item]:
        items = merge_numbers(items)
        items = implied_places(items, self.vocabulary)
        items = read_scales(items, self._tones)
        weak_values(items)
        ambiguous(items)
        ranges(items, self.vocabulary)
        classify(items)
        wholes(items, self.vocabulary)
        negate(items)
        excepted(items, self.vocabulary)
        return items


@lru_cache(maxsize=1)
def _repair() -> Repair:
    words = {w for p in vocabulary().phrases if p.label in (*SLOTS, "compound", "image", "skin") for w in p.text.split() if w.isalpha()}
    return Repair(frozenset(words))


def _of_site(v: Vocabulary) -> re.Pattern[str]:
    """A preposition, whose and which one, and the last words of a site's phrase ("of", "her left", "hand")."""
    heads, tails = set(), set()
    for phrase in v.phrases:
        if phrase.label == "area" and " the " in phrase.text:
            head, tail = phrase.text.split(" the ", 1)
            heads.add(head.split()[-1])
            tails.add(tail)
    whose = r"the|his|her|their|my|your|our|a|an|both|each|one|left|right|(?:\w+ )?(?:patient|man|woman|child|person|boy|girl|baby) 's"
    either = "|".join(sorted(tails, key=len, reverse=True))
    return re.compile(rf"\b({'|'.join(sorted(heads))}) ((?:(?:{whose}) )+)({either})\b", re.I)


def _scale_steps(v: Vocabulary) -> dict[tuple[str, int], str]:
    entries = v.entries["tone"].values()
    steps = {("fitzpatrick", n): e.name for n, e in enumerate(entries, 1)}
    return steps | {("monk", n): e.name for e in entries for n in e.monk}


# --- context


def implied_places(items: list[Item], v: Vocabulary) -> list[Item]:
    """Settle the place that a word like "athlete's foot" implies with a place said besides; the one that loses goes."""
    for item in [i for i in items if i.implied]:
        word = v.compound(item.implied)
        said = [i for i in items if i.label == "area" and not i.implied]
        if any(i.id in word.also or i.id == word.area for i in said):
            item.drop()
        elif any(i.id in word.within for i in said):
            for other in said:
                other.drop()
    return items


def weak_values(items: list[Item]) -> None:
    """Words that are a value only in company: "white" beside "skin", "Irish" beside a person."""
    for k, item in enumerate(items):
        if label_at(items, k + 1) == "word" and items[k + 1].text.lower() == "free":
            item.drop("word")  # "keloid-free"
        elif item.label == "tone_people":
            item.label, item.hint = "tone", True
        elif item.label == "tone" and label_at(items, k + 1) == "people" and not items[k + 1].text.lower().startswith("skinned"):
            item.hint = True  # "a black woman": said of the person
        elif item.label == "tone_with_skin":
            if _beside(items, k, ("skin", "people"), values=("tone", "tone_people", "tone_with_skin")):
                item.label = "tone"
            else:
                item.drop("word")
        elif item.label == "severity_with_rash":
            if _beside(items, k, ("rash", "generic_rash", "lesion", "compound"), values=("severity",)):
                item.label = "severity"
            else:
                item.drop("word")


def _beside(items: list[Item], k: int, nouns: tuple[str, ...], values: tuple[str, ...]) -> bool:
    """Whether one of ``nouns`` stands next to ``k``, with only ``values``, joins and fillers between."""
    between = (*values, "conj", "adverb", "side", "range")
    for step in (1, -1):
        j = k + step
        while 0 <= j < len(items) and abs(j - k) < 6:
            if items[j].label in nouns:
                return True
            if items[j].label not in between or items[j].text in (".", ";"):
                break
            j += step
    return False


_GO = frozenset("go going went come coming get getting take taking bring switch change turn move put set step look looking roll revert return".split())
_COLOURS = frozenset({"black", "brown", "dark", "pale", "light", "light brown", "dark brown", "tan", "olive", "fair"})


#: Nouns for images that are verbs after "please" or "you".
_IMAGE_VERBS = frozenset({"render", "picture", "image", "sketch", "view", "sample", "photograph"})


def ambiguous(items: list[Item]) -> None:
    """Words whose meaning the neighbours decide: "go back", "light eczema", "a dark mole", "a single picture"."""
    for k, item in enumerate(items):
        word = item.text.lower()
        nxt = items[k + 1] if k + 1 < len(items) else None
        prev = items[k - 1] if k else None
        if item.label == "image" and word in _IMAGE_VERBS and nxt is not None and nxt.text.lower() not in ("of", "with") and (nxt.label not in ("word", "number", "adverb")) and (prev is None or prev.text.lower() in ("you", "please", "to", "and", "pls", "can", "could")):
            item.label, item.id = "request", ""
        elif item.label == "area" and word == "back":
            verb = prev is not None and (prev.text.lower() in _GO or prev.text.lower().split()[-1] in _GO or prev.label == "modify" and prev.id in ("change", "pronoun") and prev.text.lower() not in ("try", "use", "now", "actually", "i meant", "i mean"))
            if verb or nxt is not None and nxt.text.lower() == "to" and not (prev is not None and prev.text.lower() in ("the", "on", "his", "her", "upper", "from")):
                item.label, item.id = "modify", "change"
        elif item.label == "tone" and word in _COLOURS and nxt is not None:
            if word in ("light", "medium") and nxt.label in ("rash", "generic_rash"):
                item.label, item.id = "severity", "mild" if word == "light" else "moderate"
            elif nxt.label == "lesion" or nxt.label == "rash" and nxt.id in ("mole", "melanoma", "seborrheic keratosis"):
                item.drop("descriptor")
        elif item.label == "compare" and word in ("next to", "beside", "alongside") and label_at(items, next_index(items, k)) == "area":
            item.drop()  # "beside the nose" is a place
        elif item.label == "area" and item.id == "toes" and _joined_to(items, k, "between the fingers"):
            item.id = "between the toes"
        elif item.label == "bigger":
            item.label = "size"
        elif item.label == "more_lesions":
            item.label = "number_of_lesions"


def _joined_to(items: list[Item], k: int, area: str) -> bool:
    """Whether the site at ``k`` shares the preposition of ``area`` ("between the fingers and toes")."""
    j = prev_index(items, k, (*FILLER, "conj"))
    return j is not None and items[j].id == area and all(i.text.lower() in ("and", "or", "&", "the", "/") for i in items[j + 1 : k])


def ranges(items: list[Item], v: Vocabulary) -> None:
    """"from fair to brown", "mild - severe": every value of the scale between the two ends."""
    change = any(i.label == "modify" and i.id == "change" and i.text.lower() not in ("back to", "vary", "use", "try", "keep") for i in items)
    for k, item in enumerate(items):
        if item.label != "range" or change:
            continue
        a, b = prev_index(items, k, (*FILLER, "skin", "people")), next_index(items, k, (*FILLER, "skin"))
        if a is None or b is None or items[a].label != items[b].label or items[a].label not in ("tone", "severity"):
            continue
        names = v.names(items[a].label)
        lo, hi = names.index(items[a].values[-1]), names.index(items[b].values[0])
        step = 1 if hi >= lo else -1
        items[a].id = "|".join(names[i] for i in range(lo, hi + step, step))
        items[b].drop()


def wholes(items: list[Item], v: Vocabulary) -> None:
    """"every skin tone" names all values of the slot, "any severity" clears it."""
    for k, item in enumerate(items):
        if item.label == "number_of_lesions":
            item.label = "number"
            continue
        if item.label not in ("each", "negate") or item.label == "negate" and item.text.lower() not in ("no", "without", "remove", "drop", "without a"):
            continue
        j = next_index(items, k, ("adverb", "each", "number", "unit", "tone_with_skin", "word") if item.id == "all" else ("adverb", "each"))
        if j is None:
            continue
        slot = "tone" if items[j].label == "skin" and item.label == "each" else _slot_of(items[j])
        if item.id == "various":
            if slot == "tone":  # spread over the tones: all of them, or as many as images were asked for
                counted = any(i.label == "count" for i in items)
                items[j].label, items[j].id = ("clear", "tone") if counted else ("tone", "|".join(v.names("tone")))
            continue
        plural_all = item.label == "each" and item.id in ("all", "each", "either")
        if slot in ("tone", "rash", "area", "severity") and plural_all and slot is not None:
            if item.id == "either":
                continue
            items[j].label, items[j].id = slot, "|".join(v.names(slot))
            if item.id == "all":
                item.drop()
        elif slot is not None and item.id in ("any", "forward"):
            items[j].label, items[j].id = "clear", slot
            item.drop()
    for k, item in enumerate(items):
        if item.label == "after_any":
            j = prev_index(items, k)
            slot = _slot_of(items[j]) if j is not None else None
            if slot is not None:
                items[j].label, items[j].id = "clear", slot


def _slot_of(item: Item) -> str | None:
    if item.label == "slot_noun":
        return item.id
    if item.label == "scale" and item.id != "type":
        return "tone"
    if item.label == "skin" and len(item.text.split()) > 1 or item.label == "skin" and item.text.lower() in ("complexion", "skintone", "skins", "complexions", "pigmentation"):
        return "tone"
    if item.label == "generic_rash":
        return "rash"
    return None


def excepted(items: list[Item], v: Vocabulary) -> None:
    """"every tone except black": take what is negated out of the values named as a whole."""
    for item in items:
        if item.is_value and not item.negated and len(item.values) > 1:
            out = {x for i in items if i.negated and i.label == item.label for x in i.values}
            left = [x for x in item.values if x not in out]
            if left:
                item.id = "|".join(left)


# --- problems and leftovers


def count_problems(items: list[Item]) -> list[str]:
    found = []
    for k, item in enumerate(items):
        if item.label == "count" and item.number is not None:
            if item.number < 0:
                found.append("count_negative")
            elif item.number == 0:
                found.append("count_zero")
            elif item.number != int(item.number):
                found.append("count_fraction")
        if item.label == "count" and item.id == "noun" and label_at(items, k - 1) == "negate" and items[k - 1].text.lower() in ("no", "zero"):
            item.number = 0.0
            found.append("count_zero")
    return found


def contradictions(items: list[Item]) -> list[str]:
    """Two different values of one slot side by side in one noun phrase ("fair black skin")."""
    found = []
    if any(i.implied and i.label == "area" for i in items):
        rashes = [i for i in items if i.label == "rash"]
        if len(rashes) == 1 and any(i.label == "area" and not i.implied and not i.negated for i in items):
            found.append("contradiction:area")
    for a, b in zip(items, items[1:], strict=False):
        if a.label == b.label and a.label in ("tone", "severity", "size", "number") and a.id != b.id and not (a.hint or b.hint or a.negated or b.negated):
            found.append(f"contradiction:{a.label}")
    return found


_FOREIGN = frozenset(
    "der die das und ein eine einer auf mit zeig zeige mir bitte bilder bild von haut für nicht ist am im "
    "el la los las un una en con muéstrame muestrame por favor de del piel imágenes imagenes para "
    "le les des une sur avec montre moi s'il vous plait plaît peau du au je voudrais "
    "il lo gli uno sulla con mostrami per favore pelle della "
    "o os um uma na no com mostre pele por favor do da een het op met toon laat huid van".split()
)
_SHARED = frozenset({"die", "am", "des", "on", "no", "do", "a", "in", "con", "me", "as", "de", "la", "le", "un", "o", "la", "en", "per", "favor", "van"})


def foreign(items: list[Item], text: str) -> bool:
    """Whether a text is mostly in another script, or full of another language's small words."""
    letters = [c for c in text if c.isalpha()]
    if letters and sum(ord(c) > 0x24F for c in letters) > len(letters) / 2:
        return True
    words = [i.text.lower() for i in items if i.label == "word"]
    strange = [w for w in words if w in _FOREIGN and w not in _SHARED]
    english = sum(i.label in ("adverb", "request", "conj", "modify") and i.text.isalpha() and i.text.lower() not in _FOREIGN for i in items)
    return len(strange) >= 2 and len(strange) > english


_ADJECTIVE_ENDINGS = ("y", "ed", "ous", "al", "ic", "ar", "ish", "ive", "ular", "oid", "ing", "form")


def ignored(items: list[Item]) -> tuple[str, ...]:
    """Words not understood that look as if they mattered: describing a rash or a place, or in no dictionary."""
    out = []
    for k, item in enumerate(items):
        if item.label == "descriptor" and not (item.text.lower() == "left" and k and items[k - 1].label == "adverb" and k > 1 and items[k - 2].label == "figure"):
            out.append(item.text)
        elif item.label == "word" and item.text.isalpha() and len(item.text) > 3:
            describes = label_at(items, k + 1) in ("rash", "lesion", "generic_rash", "area", "skin") and item.text.lower().endswith(_ADJECTIVE_ENDINGS)
            if describes or not is_english(item.text):
                out.append(item.text)
    return tuple(dict.fromkeys(out))


__all__ = ["ParsedTurn", "Parser", "Patch", "pipeline"]
