"""How many training pictures stand behind each condition × site × tone, and when the chat says that they are few.

A checkpoint's folder may hold ``coverage.json``, written by ``script2skin data coverage``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

from assistant.replies import listed, subject
from assistant.schema import ImageRequest

FILE = "coverage.json"
#: What stands for a site or tone that nobody stated.
UNKNOWN = ""
#: Fewer training pictures of a combination than this are few: fewer than where it has been measured that the number does not
#: matter. Of 360 pictures of the embedded checkpoint, 354 of them with 5 to 28 training pictures behind them, the judge
#: sees the rash as asked as often with few as with many (Spearman's rank correlation 0.00, p 0.93), since every rash, site and
#: tone is learnt from hundreds of other pictures too; with fewer than 5 there were six pictures.
FEW = 5
#: Combinations that a notice names before it only counts.
NAMED = 2


class Coverage(BaseModel):
    """Training pictures by source, rash, area and tone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: False where the pictures themselves are not kept and the counts follow from how they were made.
    exact: bool
    #: How it was counted, in words.
    note: str = ""
    #: Columns of ``counts``; the last, "", is for pictures whose tone nobody stated.
    tones: tuple[str, ...] = Field(min_length=1)
    #: source → rash → area ("" where nobody stated it) → pictures of each tone.
    counts: dict[str, dict[str, dict[str, tuple[NonNegativeInt, ...]]]]

    @model_validator(mode="after")
    def one_count_a_tone(self) -> Coverage:
        for source, rashes in self.counts.items():
            for rash, areas in rashes.items():
                for area, counts in areas.items():
                    if len(counts) != len(self.tones):
                        raise ValueError(f"{source}, {rash}, {area}: {len(counts)} counts for {len(self.tones)} tones")
        return self

    def images(self, rash: str, area: str, tone: str) -> int:
        """Pictures of just this combination, of all sources; those whose site or tone nobody stated are in none."""
        at = self.tones.index(tone) if tone in self.tones else None
        found = (rashes.get(rash, {}).get(area) for rashes in self.counts.values())
        return 0 if at is None else sum(counts[at] for counts in found if counts)

    def cells(self) -> Counter[tuple[str, str, str, str]]:
        """Pictures by (source, rash, area, tone)."""
        return Counter(
            {
                (source, rash, area, tone): count
                for source, rashes in self.counts.items()
                for rash, areas in rashes.items()
                for area, counts in areas.items()
                for tone, count in zip(self.tones, counts, strict=True)
                if count
            }
        )

    @classmethod
    def of(cls, cells: Counter[tuple[str, str, str, str]], tones: Iterable[str], exact: bool, note: str = "") -> Coverage:
        """From pictures by (source, rash, area, tone)."""
        columns = (*tones, UNKNOWN)
        counts: dict[str, dict[str, dict[str, tuple[int, ...]]]] = {}
        for source, rash, area, _ in sorted(cells):
            row = tuple(cells[source, rash, area, tone] for tone in columns)
            counts.setdefault(source, {}).setdefault(rash, {})[area] = row
        return cls(exact=exact, note=note, tones=columns, counts=counts)

    def __add__(self, other: Coverage) -> Coverage:
        """The pictures of both: what a model was made from, and what it learnt further."""
        tones = dict.fromkeys(tone for tone in (*self.tones, *other.tones) if tone)
        notes = " ".join(filter(None, dict.fromkeys([self.note, other.note])))
        return Coverage.of(self.cells() + other.cells(), tones, self.exact and other.exact, notes)


def notice(requests: Sequence[ImageRequest], coverage: Coverage | None, before: Sequence[ImageRequest] = ()) -> str:
    """One sentence on the combinations of ``requests`` that few training pictures show; empty where there is none.

    Those of ``before`` were spoken of already.
    """
    if coverage is None:
        return ""
    told = {(request.rash, request.area, request.tone) for request in before}
    few = {}
    for request in requests:
        key = (request.rash, request.area, request.tone)
        if key not in told and (images := coverage.images(*key)) < FEW:
            plain = request.model_copy(update={"severity": None, "size": None, "number": None})
            few[key] = f"{subject(plain)} ({images or 'none'})"
    if not few:
        return ""
    named = list(few.values())[:NAMED]
    if len(few) > NAMED:
        named.append(f"{len(few) - NAMED} more of these combinations")
    look = "look at such an image" if len(few) == 1 else "look at such images"
    return f"Few training pictures show {listed(named)}: {look} with care."
