"""Kappa, intervals and design effect on numbers that can be worked out by hand."""

import pytest

from study.agreement import bootstrap, cohen, effective, fleiss, newcombe, wilson


def test_cohens_kappa_by_hand():
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: observed 0.7, by chance 0.5 · 0.6 + 0.5 · 0.4 = 0.5
    a = ["yes"] * 25 + ["no"] * 25
    b = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen(a, b) == pytest.approx(0.4)
    assert cohen(a, a) == 1
    assert cohen(["yes", "no"], ["no", "yes"]) == -1
    assert cohen(["yes"] * 5, ["yes"] * 5) is None and cohen([], []) is None


def test_fleiss_kappa_of_his_kind_of_table():
    # ten subjects, fourteen raters, five categories: the worked example of the literature, kappa 0.210
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    assert fleiss([[category for category, count in enumerate(row) for _ in range(count)] for row in table]) == pytest.approx(0.210, abs=5e-4)
    # three readers, two pictures: agreement 1 and 1/3, by chance (4/6)² + (2/6)² = 5/9: (6/9 − 5/9) / (4/9) = 1/4
    assert fleiss(["aaa", "abb"]) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="same two readers"):
        fleiss(["aa", "a"])


def test_wilsons_interval_is_that_of_the_textbook():
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(1, 5) == pytest.approx((0.5655, 1), abs=1e-4)
    low, high = newcombe((56 / 70, *wilson(56 / 70, 70)), (48 / 80, *wilson(48 / 80, 80)))
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=1e-4)  # Newcombe 1998, table II, (a), method 10


def test_readers_who_always_agree_are_worth_one():
    assert effective([3, 0, 3, 0, 3, 0], [3] * 6) == 6
    assert effective([3, 3, 3], [3] * 3) == 3, "all right: nothing can be told of how alike they are"
    assert effective([1, 2, 1, 2, 1, 2], [3] * 6) == 18


def test_the_bootstrap_holds_the_truth_and_nothing_gives_nothing():
    low, high = bootstrap([range(100)], lambda items: sum(i < 30 for i in items) / len(items))
    assert 0.18 < low < 0.3 < high < 0.42
    assert bootstrap([range(5)], lambda items: None, rounds=20) is None
