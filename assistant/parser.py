"""One sentence → :class:`~assistant.schema.ParsedTurn`, without looking at any history.

    text ─normalise─▶ tokens ─span ruler─▶ items ─typos, numbers, context─▶ values and cues ─clauses─▶ patches

spaCy's blank English pipeline and its span ruler find the phrases of the vocabulary and of the grammar cues (both data,
see ``vocabulary/``); the steps after that are small functions on a list of :class:`~assistant.items.Item`.
"""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from rapidfuzz.distance import DamerauLevenshtein

from assistant import intents, modes
from assistant.background import set_background_aside, set_chatter_aside, tells
from assistant.clauses import explicit_tone_near
from assistant.clauses import patches as read_patches
from assistant.context import (
    allergies,
    ambiguous,
    copies,
    excepted,
    idle_quantities,
    ranges,
    repeated,
    weak_values,
    wholes,
)
from assistant.counting import classify
from assistant.items import Item, said_at
from assistant.leftovers import contradictions, count_problems, foreign, ignored
from assistant.negation import correct, negate
from assistant.normalise import Clean, normalise
from assistant.numbers import merge_numbers
from assistant.places import implied_places, not_places, within
from assistant.regions import wholes_of
from assistant.scales import read_scales, scale_steps
from assistant.schema import ParsedTurn
from assistant.sentence import Sentence
from assistant.typos import Repair
from assistant.vocabulary import SLOTS, Vocabulary, vocabulary, words


def _import_spacy():
    """spaCy without torch: thinc imports torch when it can, which takes seconds and is of no use to a blank pipeline."""
    hide = "torch" not in sys.modules
    if hide:
        sys.modules["torch"] = None  # makes thinc's guarded import fail
    try:
        import spacy
        from spacy.attrs import LANG, LOWER, NORM
        from spacy.tokenizer import Tokenizer
    finally:
        if hide:
            del sys.modules["torch"]
    return spacy, Tokenizer, {LANG, LOWER, NORM}


spacy, Tokenizer, _COMPARED = _import_spacy()


@spacy.registry.tokenizers("script2skin.whitespace")
def _whitespace_tokenizer():
    return lambda nlp: Tokenizer(nlp.vocab)


@lru_cache(maxsize=1)
def pipeline():
    """spaCy's blank English pipeline with a span ruler over all phrases of the vocabulary."""
    # split on white space only: normalise() has already set punctuation apart
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "script2skin.whitespace"}}})
    nlp.max_length = 10_000
    # of each new word only what the matcher compares: its shape, prefix and the like cost a tenth of the time
    for attribute in set(nlp.vocab.lex_attr_getters) - _COMPARED:
        del nlp.vocab.lex_attr_getters[attribute]
    ruler = nlp.add_pipe("span_ruler", config={"phrase_matcher_attr": "LOWER"})  # its matches: `Parser._spans`
    ruler.add_patterns([{"label": p.label, "id": p.id or "-", "pattern": _as_read(p.text)} for p in vocabulary().phrases])
    return nlp


#: An ICD-10 code of a skin condition ("L40", "L40.0").
_CODE = re.compile(r"[A-Z]\d\d(?:\.\d+)?", re.I)


def _as_read(phrase: str) -> str:
    """A phrase with its punctuation set apart as in a sentence ("athlete's" → "athlete 's")."""
    plain = len(phrase) == 1 or (phrase.isascii() and phrase.replace(" ", "").isalnum())
    return phrase if plain else normalise(phrase).text


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Nothing built inside is garbage, and looking for some took a fifth of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


class Parser:
    """Reads sentences; building one is cheap after the first, and ``parse`` has no state.

    >>> Parser().parse("two pictures of eczema on the elbow, fair and brown skin").patches[0].tone
    ('fair', 'brown')
    """

    @_collector_paused()
    def __init__(self):
        self.vocabulary: Vocabulary = vocabulary()
        self._nlp = pipeline()
        ruler = self._nlp.get_pipe("span_ruler")
        self._match, strings = ruler.phrase_matcher, self._nlp.vocab.strings
        # what a match says; of two of the same words the ruler would take the one whose numbers are lower
        self._said = {
            key: (named["label"], "" if named["id"] == "-" else named["id"], strings[named["label"]], strings[named["id"]])
            for key, named in ruler._match_label_id_map.items()
        }
        self._repair = _repair()
        self._tones = scale_steps(self.vocabulary)
        self._of_site = _of_site(self.vocabulary)
        self._wholes_of = wholes_of()
        self._codes = {e.icd10: e.name for e in self.vocabulary.entries["rash"].values() if e.icd10}
        self._abbreviations = {a: e.name for e in self.vocabulary.entries["rash"].values() for a in e.abbreviations}
        self._slips = dict(slip.split("=") for slip in words("slips"))

    def parse(self, text: str) -> ParsedTurn:
        clean, sides = self._plain_sites(normalise(text))
        problems = list(clean.problems)
        slips = [(word, self._slips[word.lower()]) for word in clean.text.split(" ") if word.lower() in self._slips]
        clean = clean._replace(text=" ".join(self._slips.get(word.lower(), word) for word in clean.text.split(" ")))
        items = self._items(clean.text)
        repaired: tuple[tuple[str, str], ...] = ()
        if foreign(items, clean.text):
            problems.append("other_language")
        else:
            items, repaired = self._repaired(clean.text, items)
        items = self._resolve(items)
        unknown = tuple(dict.fromkeys((i.label[8:], i.text, i.id or None) for i in items if i.label.startswith("outside_") and not i.negated))
        problems += count_problems(items) + contradictions(items)
        sentence = Sentence(items, read_patches(items), unknown, modes.targets(items))
        intent, topic = intents.intent(sentence)
        if intent in ("off_topic", "request") and "? " in text and (asked := self._asked_first(text)) is not None:
            return asked.model_copy(update={"text": text})
        if intent in ("off_topic", "request") and (asked := self._asked_last(text, intent == "request")) is not None:
            return asked.model_copy(update={"text": text, "patches": asked.patches or sentence.patches})
        problems += modes.open_changes(sentence) if intent == "request" else []
        patches = sentence.patches
        if "other_language" in problems and not sentence.named:
            intent, patches = "empty", ()
        request = intent == "request"
        people = intents.person_words(sentence) if request else []
        return ParsedTurn(
            text=text,
            intent=intent,
            patches=patches,
            mode=modes.mode(sentence) if request else "new",
            first=modes.first(items) if request else None,
            targets=sentence.targets,
            dropped=modes.targets(items, "dropped") if request else (),
            plural=request and any(i.label == "count" and i.id == "noun" and i.number > 1 for i in items) and not any(i.label == "count" and i.id != "noun" for i in items),
            seed=_seed(items) if request else None,
            steps=modes.steps(items) if intent == "undo" else 1,
            returns=request and any((i.label == "modify" and i.said.endswith("back to")) or i.said in ("return to", "revert to") for i in items),
            edits=request and modes.edits(sentence),
            keeps=request and (modes.adds(sentence) or modes.beside(sentence)),
            selects=request and modes.selects(sentence),
            definite=any(i.label == "rash" and said_at(items, k - 1).split()[-1:] == ["the"] for k, i in enumerate(items)),
            repaired=(*(slip for slip in slips if self.vocabulary.read("rash", slip[1])), *repaired, *((i.text, i.id) for i in items if i.is_value and not (i.negated or i.implied) and (i.said in self.vocabulary.loose or (i.label == "severity" and i.said in words("stage"))))),
            people_tones=tuple((i.text, i.id) for k, i in enumerate(items) if request and i.label == "tone" and i.hint and not i.negated and self.vocabulary.read("tone", i.said) is None and not explicit_tone_near(items, k) and not any(o.label == "tone" and o.id == i.id and not o.hint for o in items)),
            ignored=tuple(dict.fromkeys((*sides, *ignored(items), *people))) if request else (),
            unknown=unknown,
            problems=tuple(dict.fromkeys(problems)),
            topic=topic,
        )

    def _asked_first(self, text: str) -> ParsedTurn | None:
        """ "Which skin tones do you have? I ask because our audience is very mixed": the question by itself."""
        first, _, rest = text.strip().partition("? ")
        if "?" in rest:
            return None
        told = self._resolve(self._items(normalise(rest).text))
        if any(i.label in ("rash", "count", "image") for i in told) or not tells(told):
            return None
        alone = self.parse(f"{first}?")
        return alone if alone.intent in ("question", "help") else None

    def _asked_last(self, text: str, told: bool) -> ParsedTurn | None:
        """ "Our hospital is strict about consent, so I have to ask. Are these real people?": the question by itself.

        ``told``: only where what stands before it asks for nothing.
        """
        before, mark, last = text.strip().rpartition(". " if ". " in text else ": ")
        if not mark or not last.endswith("?") or len(before.split()) < 3:
            return None
        if told and not tells(self._resolve(self._items(normalise(before).text))):
            return None
        alone = self.parse(last)
        return alone if alone.intent in ("question", "help") else None

    def _plain_sites(self, clean: Clean) -> tuple[Clean, tuple[str, ...]]:
        """"back of her left hand" → "back of the hand", so that the site's phrase is found; "left" is handed back."""
        sides: list[str] = []

        def plain(match: re.Match[str]) -> str:
            sides.extend(re.findall(r"\b(left|right)\b", match[2].lower()))
            whose = re.search(r"(\w+ \w+) 's ", match[2])  # "the sole of a black patient 's foot"
            return f"{match[1]} the {match[3]}{f' of a {whose[1]}' if whose else ''}"

        return clean._replace(text=self._of_site.sub(plain, clean.text)), tuple(sides)

    def _items(self, text: str) -> list[Item]:
        doc = self._nlp.make_doc(text)
        spans = self._spans(doc)
        items: list[Item] = []
        texts = text.split()
        loud = sum(w.isupper() and len(w) > 1 for w in texts) * 2 > len(texts)
        k = 0
        while k < len(texts):
            span, text = spans.get(k), texts[k]
            if span is None or (text in self._abbreviations and span[0] == k + 1 and not loud):
                rash = self._by_short_name(text, loud)
                items.append(Item("rash", rash, text) if rash else Item("word", "", text))
                k += 1
                continue
            end, label, id_ = span
            text = " ".join(texts[k:end])
            if label == "compound":
                rash, area, word = id_.split("|")
                items += [Item("rash", rash, text), Item("area", area, text, implied=word)]
            else:
                items.append(Item(label, id_, text))
            k = end
        return items

    def _spans(self, doc: Any) -> dict[int, tuple[int, str, str]]:
        """Start → (end, label, id) of the phrases found, the longest and then the first ones where they overlap: what
        spaCy's filter of the longest spans keeps, without an object for each of the many that it does not (a sixth of the time)."""
        found = sorted((start - end, start, *self._said[key][2:], end, key) for key, start, end in self._match(doc))
        taken: set[int] = set()
        spans = {}
        for _, start, _, _, end, key in found:
            if start not in taken and end - 1 not in taken:
                spans[start] = (end, *self._said[key][:2])
                taken.update(range(start, end))
        return spans

    def _by_short_name(self, word: str, loud: bool) -> str | None:
        """The rash of an ICD-10 code or, where not everything is in capitals (``loud``), of an abbreviation ("AD")."""
        if _CODE.fullmatch(word):
            return self._codes.get(word[:3].upper()) or self._codes.get(word.upper())
        return None if loud else self._abbreviations.get(word)

    def _repaired(self, text: str, items: list[Item]) -> tuple[list[Item], tuple[tuple[str, str], ...]]:
        """Misspelt words put right, then everything read again so that repaired words find their phrases."""
        found = {}
        loud = sum(i.text.isupper() for i in items) * 2 > len(items)
        title = sum(i.text[:1].isupper() for i in items) * 2 > len(items)
        for item in items:
            if item.label != "word" or item.text in found or item.said in words("foreign"):
                continue
            if item.text.isupper() and len(item.text) < 5 and not loud:
                continue  # "HIV"
            named = items.index(item) > 0 and item.text.istitle() and not title and not self._names_a_rash(item.text)
            good = self._repair.command(item.text, words("commands")) or self._repair(item.text)
            if named and good and DamerauLevenshtein.distance(item.said, good) > 1:
                continue  # "at Tohoku University"
            if good and not self._doubtful(items, item, good):
                found[item.text] = good
        if not found:
            return items, ()
        text = " ".join(found.get(word, word) for word in text.split(" "))
        return self._items(text), tuple(found.items())

    def _names_a_rash(self, word: str) -> bool:
        """Whether a misspelt word is a condition's name ("Exzema")."""
        good = self._repair(word)
        return good is not None and self.vocabulary.read("rash", good) is not None

    def _doubtful(self, items: list[Item], item: Item, good: str) -> bool:
        """Whether a repair would give a site, tone or rash that is said already a second value, on little evidence."""
        slot = next((s for s in ("rash", "area", "tone") if self.vocabulary.read(s, good)), None)
        k = items.index(item)
        listed = any(i.label == "conj" and i.id != "stop" for i in (*items[max(0, k - 2) : k], *items[k + 1 : k + 2]))
        filled = slot is not None and any(i.label == slot and i is not item for i in items)
        phrase = k + 1 < len(items) and (items[k + 1].said == "of" or (slot == "tone" and items[k + 1].label == "skin"))  # "bakc of the hand", "on blak skin"
        return filled and not listed and not phrase and (len(item.text) < 5 or DamerauLevenshtein.distance(item.said, good) > 1)

    def _resolve(self, items: list[Item]) -> list[Item]:
        """Settle what each phrase means among its neighbours; every step relies on those before it."""
        items = read_scales(merge_numbers(items), self._tones)
        repeated(items)
        not_places(items)
        set_chatter_aside(items)
        correct(items)
        within(items, self.vocabulary, self._wholes_of)
        implied_places(items, self.vocabulary)
        copies(items)
        allergies(items)
        idle_quantities(items)
        weak_values(items)
        ambiguous(items)
        ranges(items, self.vocabulary)
        classify(items)
        set_background_aside(items)
        wholes(items, self.vocabulary)
        negate(items)
        excepted(items)
        return items


def _seed(items: list[Item]) -> int | None:
    """The number of "seed 42", if it can be a seed."""
    said = next((i.number for i in items if i.label == "seed"), None)
    return int(said) if said is not None and said == int(said) and 0 <= said < 2**32 else None


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
