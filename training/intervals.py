"""Intervals of differences between two ways to train, paired: the same held-out pictures and the same seeds under both.

Pictures are drawn again by group (patient or lesion) within each class, seeds with replacement (Efron and Tibshirani 1993,
chapter 8). A bootstrap of S values has (S − 1)/S of their variance, which with five seeds is a fifth too little, so deviations
over seeds are stretched by √(S/(S − 1)). The interval is the mean ± t · the bootstrap's standard error, with Satterthwaite's
(1946) degrees of freedom for the two sources of chance: with two seeds it is as wide as two seeds deserve.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """``value`` with its 95 % interval, the two-sided ``p`` of no difference, and the plain percentiles of the bootstrap."""

    value: float
    low: float
    high: float
    p: float
    percentiles: tuple[float, float]
    seeds: int

    def record(self) -> dict[str, Any]:
        return asdict(self)


def resamples(strata: Sequence[Hashable], groups: Sequence[Hashable], count: int, seed: int = 0) -> np.ndarray:
    """How often each of N pictures counts in each of ``count`` resamples, (count, N) float32; a group counts as a whole.

    A group lies in the stratum of its first picture, so every resample has as many groups of each stratum as there are.
    """
    rng = np.random.default_rng(seed)
    numbers = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    of = np.array([numbers[group] for group in groups])
    first: dict[int, Hashable] = {}
    for number, stratum in zip(of, strata, strict=True):
        first.setdefault(int(number), stratum)
    times = np.zeros((count, len(numbers)), np.float32)
    for stratum in dict.fromkeys(first.values()):
        members = np.array([number for number, own in first.items() if own == stratum])
        times[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=count)
    return times[:, of]


def interval(differences: np.ndarray, resampled: np.ndarray, seed: int = 1, most: float = 1.0) -> Interval:
    """Of the ``differences`` (S,) by seed, and of those in each resample of the pictures, ``resampled`` (B, S).

    Resamples in which a figure cannot be told (NaN) are left out. One seed: the chance of pictures alone. ``most``: no difference
    can be larger; few seeds would reach beyond it.
    """
    seeds = len(differences)
    kept = resampled[np.isfinite(resampled).all(1)]
    value = float(np.mean(differences))
    if not np.isfinite(value) or len(kept) < 20:
        return Interval(value, float("nan"), float("nan"), float("nan"), (float("nan"), float("nan")), seeds)
    weights = np.full((len(kept), seeds), 1 / seeds)
    if seeds > 1:
        drawn = np.random.default_rng(seed).multinomial(seeds, np.full(seeds, 1 / seeds), size=len(kept)) / seeds
        weights += np.sqrt(seeds / (seeds - 1)) * (drawn - 1 / seeds)
    means = (kept * weights).sum(1)
    by_pictures = float(kept.mean(1).var())
    by_seeds = float(np.var(differences, ddof=1)) / seeds if seeds > 1 else 0.0
    error = float(means.std())
    if error < 1e-12:
        p = 1.0 if abs(value) < 1e-12 else 0.0
        return Interval(value, value, value, p, (value, value), seeds)
    spread = by_pictures**2 / 1e4 + (by_seeds**2 / (seeds - 1) if seeds > 1 else 0.0)  # resampled pictures: as good as normal
    freedom = min(1e4, (by_pictures + by_seeds) ** 2 / spread) if spread > 0 else 1e4
    reach = float(stats.t.ppf(0.975, freedom)) * error
    low, high = np.percentile(means, [2.5, 97.5])
    p = float(2 * stats.t.sf(abs(value) / error, freedom))
    return Interval(value, max(-most, value - reach), min(most, value + reach), p, (float(low), float(high)), seeds)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's (1979) p-values: the chance of one wrong claim among all stays below the level. NaN counts as 1."""
    values = np.nan_to_num(np.asarray(p, float), nan=1.0)
    order = np.argsort(values, kind="stable")
    adjusted = np.minimum(1, np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values))))) if len(values) else values
    out = np.empty(len(values))
    out[order] = adjusted
    return out.tolist()
