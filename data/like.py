"""Requests for synthetic pictures with the labels that a set has: a synthetic set beside a real one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from assistant.schema import VALUE_SLOTS, ImageRequest, LabelledRequest
from assistant.vocabulary import vocabulary
from data.manifest import Row


def requests_like(rows: Iterable[Row], seed: int, count: int | None = None, balanced: bool = False) -> tuple[list[ImageRequest], int]:
    """Requests with the labels of the training pictures among ``rows``, as often as they have them.

    Args:
        seed: of the first image; every other one has the next.
        count: images in all; as many as the set has unless given.
        balanced: every condition as often as the others.

    Returns:
        The requests, and how many pictures were left out because the vocabulary lacks their condition or nobody knows their tone.

    Raises:
        ValueError: no picture is left.
    """
    learnt = [row for row in rows if row.split == "train"]
    known = [row for row in learnt if row.tone and row.rash in vocabulary().entries["rash"]]
    labels = Counter(tuple(getattr(row, slot) for slot in VALUE_SLOTS) for row in known)
    if not labels:
        raise ValueError("No training picture of this set has both a condition of the vocabulary and a tone, so there is nothing to draw.")
    rash = VALUE_SLOTS.index("rash")
    of_each = Counter(label[rash] for label in labels.elements())
    weights = {label: many / of_each[label[rash]] if balanced else many for label, many in labels.items()}
    drawn = _shared_out(weights, len(known) if count is None else count)
    requests = []
    for label in sorted(labels, key=str):
        if drawn[label]:
            values = dict(zip(VALUE_SLOTS, label, strict=True))
            requests.append(LabelledRequest(**values, count=drawn[label], seed=seed % 2**32))
            seed += drawn[label]
    return requests, len(learnt) - len(known)


def _shared_out(weights: dict[tuple, float], total: int) -> dict[tuple, int]:
    """``total`` in whole numbers by ``weights``: the largest remainders get what rounding down leaves."""
    everything = sum(weights.values())
    exact = {key: total * weight / everything for key, weight in weights.items()}
    shares = {key: math.floor(value) for key, value in exact.items()}
    rest: Sequence[tuple] = sorted(exact, key=lambda key: (shares[key] - exact[key], str(key)))
    for key in rest[: total - sum(shares.values())]:
        shares[key] += 1
    return shares
