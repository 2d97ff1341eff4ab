"""Groups of a set: what belongs to one patient, lesion or case, and what looks alike, joins; a group has one split.

Rules, in this order:

1. What is in the set stays as it is: no picture changes its split or leaves it because others come. A new picture whose
   group is in another official split than the pictures already there is left out, and so is one that would join two
   groups of different splits.
2. Of new pictures of one group in two official splits of their sources those in the one that is held out more stay (test
   before validation before train), since a model must not learn what it is tested on; the others are left out.
3. A group without an official split gets one by its name (:mod:`data.splits`).

Of exact copies the first stays. Whatever is left out is listed with its reason, never dropped in silence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from data.manifest import Row, Split
from data.splits import SHARES, split_of

#: Held out most comes first.
HELD_OUT: tuple[Split, ...] = ("test", "validation", "train")


@dataclass(frozen=True)
class Member:
    """A picture and what decides its group and its split."""

    row: Row
    sha256: str
    #: Patient, lesion or case in the words of its source; its own name where there is none.
    own_group: str
    #: Official split of its source; of a picture in the set: its split.
    split: Split | None


@dataclass(frozen=True)
class Settled:
    """``rows`` of the set, and the new pictures that are left out: their place among the new ones and the reason."""

    rows: list[Row]
    left_out: dict[int, str]


class Union:
    """Disjoint sets of 0 … n − 1."""

    def __init__(self, count: int):
        self._parent = list(range(count))

    def find(self, at: int) -> int:
        while self._parent[at] != at:
            self._parent[at] = self._parent[self._parent[at]]
            at = self._parent[at]
        return at

    def join(self, first: int, second: int) -> None:
        low, high = sorted((self.find(first), self.find(second)))
        self._parent[high] = low


def settle(
    old: list[Member], new: list[Member], alike: Iterable[tuple[int, int]],
    shares: tuple[float, float, float] = SHARES, seed: int = 0,
) -> Settled:  # fmt: skip
    """Groups and splits of pictures in the set (``old``) and of ``new`` ones; ``alike``: pairs of places in ``old + new``."""
    members = [*old, *new]
    copies = _copies(members, len(old))
    union = _joined(members, len(old), [*alike, *copies.items()])
    together: dict[int, list[int]] = defaultdict(list)
    for at in range(len(members)):
        together[union.find(at)].append(at)
    left_out = {at: _copy_reason(members[at], members[first]) for at, first in copies.items()}
    rows: dict[int, Row] = {}
    for group in together.values():
        split = _split(members, group, len(old), shares, seed)
        for at in group:
            if at >= len(old) and at not in left_out and (split is None or members[at].split not in (None, split)):
                left_out[at] = _leak_reason(members, group, at, split, len(old))
        kept = [at for at in group if at not in left_out]
        name = _name([members[at] for at in kept])
        for at in kept:
            # without one split there is no one group: what is in the set stays as it is
            rows[at] = members[at].row.model_copy(update={"group": name, "split": split} if split else {})
    return Settled([rows[at] for at in sorted(rows)], {at - len(old): reason for at, reason in left_out.items()})


def _copies(members: list[Member], old: int) -> dict[int, int]:
    """New pictures whose bytes were there before, and where."""
    first: dict[str, int] = {}
    found = {}
    for at, member in enumerate(members):
        if member.sha256 and first.setdefault(member.sha256, at) != at and at >= old:
            found[at] = first[member.sha256]
    return found


def _joined(members: list[Member], old: int, pairs: Iterable[tuple[int, int]]) -> Union:
    union = Union(len(members))
    first: dict[tuple[str, str], int] = {}
    sources = tuple({f"{member.row.source}:" for member in members})
    for at, member in enumerate(members):
        keys = [(member.row.source, member.own_group)]
        if at < old:
            keys.append((member.row.source, member.row.group))
        # joined with others before, of whatever source: see _name
        keys += [("", name) for name in {member.own_group, member.row.group} if name.startswith(sources)]
        for key in keys:
            union.join(first.setdefault(key, at), at)
    for i, j in pairs:
        union.join(i, j)
    return union


def _name(group: list[Member]) -> str:
    """The source's own name, or where several are joined the first of them, with its source ("isic2017:ISIC_0000164")."""
    names = sorted({(member.row.source, member.own_group) for member in group})
    if len(names) == 1:
        return names[0][1]
    return min((own if ":" in own else f"{source}:{own}" for source, own in names), default="")


def _split(members: list[Member], group: list[int], old: int, shares, seed: int) -> Split | None:
    """The one split of ``group``; ``None`` where pictures already in the set are in two."""
    there = {members[at].row.split for at in group if at < old}
    if there:
        return there.pop() if len(there) == 1 else None
    official = {members[at].split for at in group} - {None}
    return next((split for split in HELD_OUT if split in official), None) or split_of(
        _name([members[at] for at in group]), shares, seed
    )


def _copy_reason(member: Member, first: Member) -> str:
    other = "" if member.row.rash == first.row.rash else ", under another label"
    return f"same picture as another{other}: {first.row.file_name} ({first.row.rash})"


def _leak_reason(members: list[Member], group: list[int], at: int, split: Split | None, old: int) -> str:
    own = members[at].split
    if split is None:
        splits = sorted({members[each].row.split for each in group if each < old})
        return f"would join groups of two splits of the set: {' and '.join(splits)}"
    there = next(each for each in group if members[each].split == split)
    return f"in {own}, but one group with a picture in {split}: {members[there].row.file_name}"
