"""Repair of misspelt vocabulary words; a valid word never becomes another one.

Only words that are neither English nor in the vocabulary are looked at, and only repaired to a vocabulary word that is
close (rapidfuzz) and starts alike, so "exzema" becomes "eczema" and "hail" stays hail.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from itertools import groupby

from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

#: Edits allowed by length of the typed word; chosen by eye on misspellings seen in dermatology forums.
_EDITS = ((4, 1), (5, 1), (8, 2), (99, 3))


@lru_cache(maxsize=1)
def english_words() -> frozenset[str]:
    """82,765 English words (SymSpell's frequency dictionary, MIT licence)."""
    text = resources.files("symspellpy").joinpath("frequency_dictionary_en_82_765.txt").read_text(encoding="utf-8-sig")
    return frozenset(line.split(" ", 1)[0] for line in text.splitlines())


def is_english(word: str) -> bool:
    word = word.lower()
    return word in english_words() or (word.endswith("s") and word[:-1] in english_words())


def _single(word: str) -> str:
    """Doubled letters once."""
    return "".join(letter for letter, _ in groupby(word))


class Repair:
    """Repairs single words towards ``words``, the single words that vocabulary phrases are made of."""

    def __init__(self, words: frozenset[str]):
        self.words = words
        self._by_first: dict[str, list[str]] = {}
        for word in sorted(words):
            if len(word) > 3:
                self._by_first.setdefault(word[0], []).append(word)
        self.all = sorted(w for w in words if len(w) > 3)

    @lru_cache(maxsize=4096)  # noqa: B019 - one instance lives as long as the parser
    def __call__(self, word: str) -> str | None:
        """The vocabulary word (or two, "fairskin" → "fair skin") meant by a misspelt one; None when none is near."""
        low = word.lower()
        if not low.isalpha() or not 2 < len(low) < 30 or low in self.words or is_english(low):
            return None
        slip = process.extractOne(low, self.all, scorer=DamerauLevenshtein.distance, score_cutoff=1) if len(low) > 6 else None
        for cut in range(3, len(low) - 2):
            if slip is not None:
                break  # "dermatits" is one letter short of a word
            if low[:cut] in self.words and low[cut:] in self.words:
                return f"{low[:cut]} {low[cut:]}"
        if len(low) < 5:
            return self._short(low)
        edits = next(e for n, e in _EDITS if len(low) <= n)
        near = process.extract(low, self.all, scorer=DamerauLevenshtein.distance, score_cutoff=edits, limit=8)
        if not near:
            return None
        # of equally near words, the one with the same letters: "balck" is black, not back
        # then one with a letter doubled ("chinn"); and a wrong letter is likelier than one too many: "browm" is brown, not brow
        found, distance, _ = min(
            near, key=lambda n: (n[1], sorted(n[0]) != sorted(low), _single(n[0]) != _single(low), len(n[0]) < len(low))
        )
        if found[0] != low[0] and (distance > 1 or len(low) < 6):
            alike = process.extractOne(low, self._by_first.get(low[0], []), scorer=DamerauLevenshtein.distance, score_cutoff=edits)
            return alike[0] if alike else None
        return found

    def command(self, word: str, commands: frozenset[str]) -> str | None:
        """The word of command that a word in small letters is one slip away from; None when there is none or several."""
        if not (word.isalpha() and word.islower() and len(word) > 2) or is_english(word) or word in self.words:
            return None
        near = [c for c in commands if DamerauLevenshtein.distance(word, c) == 1]
        return near[0] if len(near) == 1 else None

    def _short(self, low: str) -> str | None:
        """A word of three or four letters is repaired only if one letter is missing or two are swapped, in one way."""
        near = [w for w in self._by_first.get(low[0], []) if len(w) - len(low) in (0, 1) and DamerauLevenshtein.distance(low, w) == 1]
        near = [w for w in near if len(w) > len(low) or sorted(w) == sorted(low)]
        near = near or [w for w in self.all if w[1:] == low]  # "rist"
        return near[0] if len(near) == 1 else None
