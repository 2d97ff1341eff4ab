from collections import Counter

import pytest

from data.splits import split_of

FIRST_TWELVE = ["train", "validation", "train", "validation", "train", "train", "validation", "train", "train", "train", "train", "train"]


def test_shares_hold_on_average():
    counts = Counter(split_of(f"patient {i}", (0.7, 0.2, 0.1)) for i in range(5000))
    assert counts["train"] / 5000 == pytest.approx(0.7, abs=0.03)
    assert counts["validation"] / 5000 == pytest.approx(0.2, abs=0.03)
    assert counts["test"] / 5000 == pytest.approx(0.1, abs=0.03)


def test_a_group_keeps_its_split_for_ever():
    # written down once: another hash would reshuffle everybody's test sets
    assert [split_of(f"patient {i}") for i in range(12)] == FIRST_TWELVE


def test_another_seed_is_another_split():
    groups = [f"patient {i}" for i in range(200)]
    assert [split_of(g, seed=0) for g in groups] != [split_of(g, seed=1) for g in groups]


def test_a_share_of_nothing_gets_nothing():
    assert {split_of(str(i), (0.5, 0.5, 0.0)) for i in range(500)} == {"train", "validation"}
    assert {split_of(str(i), (1.0, 0.0, 0.0)) for i in range(500)} == {"train"}
    assert {split_of(str(i), (0.0, 0.0, 1.0)) for i in range(500)} == {"test"}


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (0.0, 0.0, 0.0)])
def test_shares_have_to_sum_to_one(shares):
    with pytest.raises(ValueError, match="sum to 1"):
        split_of("a", shares)
