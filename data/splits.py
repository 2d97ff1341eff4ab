"""Which split a group of images belongs to: from its name alone, so nothing has to be remembered.

A group (patient, lesion, scene) gets a number in [0, 1) from a hash of its name. Images that come later
never move the ones before, the order of files plays no part, and a group cannot cross a split.
The price is that the shares hold on average only: with 20 groups a split can come out empty.
"""

from __future__ import annotations

import hashlib
import math

SHARES = (0.8, 0.1, 0.1)


def split_of(group: str, shares: tuple[float, float, float] = SHARES, seed: int = 0) -> str:
    """Split of ``group``: train, validation or test, with probability ``shares`` (which sum to 1).

    Raises ``ValueError`` for shares that are negative or do not sum to 1.
    """
    if min(shares) < 0 or not math.isclose(sum(shares), 1.0, abs_tol=1e-9):
        raise ValueError(f"shares for train, validation and test must be at least 0 and sum to 1, not {shares}.")
    digest = hashlib.sha256(f"{seed}\0{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < shares[0]:
        return "train"
    # `place` beyond the first two by a rounding error alone must not fall into a test split of share 0
    return "validation" if place < shares[0] + shares[1] or shares[2] == 0 else "test"
