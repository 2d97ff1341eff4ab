"""Shares with intervals, and agreement between readers. numpy and scipy only.

* Wilson's score interval of a share: Wilson 1927, J. Am. Stat. Assoc. 22:209; recommended over the usual one for few
  observations by Brown, Cai and DasGupta 2001, Statistical Science 16:101. From ``scipy.stats``.
* Where several readers answer on the same pictures, answers on one picture are not independent: Wilson's interval then takes
  the effective number of answers, that is their number over the design effect (Kish 1965, "Survey Sampling"; Korn and Graubard
  1998, Surv. Methodol. 24:193), which is never taken to be below 1. It speaks of other pictures for these readers, not of
  other readers.
* Newcombe's hybrid score interval of a difference of two shares: Newcombe 1998, Stat. Med. 17:873, method 10.
* Cohen's kappa of two readers: Cohen 1960, Educ. Psychol. Meas. 20:37.
* Fleiss' kappa of several: Fleiss 1971, Psychol. Bull. 76:378.
* Intervals of kappa: percentile bootstrap over pictures (Efron and Tibshirani 1993, chapter 13).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from scipy.stats import norm

CONFIDENCE = 0.95
#: Resamples; by eye, the second digit of a percentage is steady from there on.
ROUNDS = 2000


def wilson(share: float, of: float) -> tuple[float, float]:
    """95 % interval of a share of ``of`` (> 0) independent answers, which need not be a whole number."""
    z2 = float(norm.ppf((1 + CONFIDENCE) / 2)) ** 2
    centre, reach = share + z2 / (2 * of), np.sqrt(z2 * (share * (1 - share) / of + z2 / (4 * of**2)))
    return max(0.0, float((centre - reach) / (1 + z2 / of))), min(1.0, float((centre + reach) / (1 + z2 / of)))


def effective(right: Sequence[int], of: Sequence[int]) -> float:
    """How many independent answers as many as Σ ``of`` on some pictures are worth, ``right`` of them on each.

    At most their number, and at least one a picture: answers on one picture cannot be worth less than one.
    """
    hits, answers = np.array(right, float), np.array(of, float)
    pictures, n = len(answers), answers.sum()
    share = hits.sum() / n
    if pictures < 2 or share in (0, 1):
        return float(pictures)
    clustered = pictures / (pictures - 1) * ((hits - share * answers) ** 2).sum() / n**2
    return float(np.clip(n / max(1.0, clustered / (share * (1 - share) / n)), pictures, n))


def newcombe(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float]:
    """95 % interval of the difference of two shares, first less second, each (share, low, high)."""
    (p, p_low, p_high), (q, q_low, q_high) = first, second
    return float(p - q - np.hypot(p - p_low, q_high - q)), float(p - q + np.hypot(p_high - p, q - q_low))


def cohen(a: Sequence[Hashable], b: Sequence[Hashable]) -> float | None:
    """κ = (p_o − p_e) / (1 − p_e) of two readers' answers on the same pictures.

    None without a picture, and where both always gave one and the same answer: then nothing could disagree.
    """
    n = len(a)
    if n == 0:
        return None
    ours, theirs = Counter(a), Counter(b)
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / n
    expected = sum(ours[answer] * theirs[answer] for answer in ours) / n**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def fleiss(answers: Sequence[Sequence[Hashable]]) -> float | None:
    """Fleiss' κ; a row a picture, with the answers of all readers, the same number for each, two or more.

    None without a picture, and where every answer is one and the same. Raises ValueError for rows of different lengths.
    """
    if not answers:
        return None
    readers = len(answers[0])
    if readers < 2 or any(len(row) != readers for row in answers):
        raise ValueError("every picture needs the answers of the same two readers or more.")
    total: Counter[Hashable] = Counter()
    agreement = []
    for row in answers:
        counts = Counter(row)
        total += counts
        agreement.append((sum(c * c for c in counts.values()) - readers) / (readers * (readers - 1)))
    observed = float(np.mean(agreement))
    expected = sum((count / (len(answers) * readers)) ** 2 for count in total.values())
    return None if expected == 1 else (observed - expected) / (1 - expected)


def bootstrap(
    strata: Sequence[Sequence[int]], figure: Callable[[list[int]], float | None], seed: int = 0, rounds: int = ROUNDS
) -> tuple[float, float] | None:
    """95 % percentile interval of ``figure`` (item numbers → value), items drawn again within each stratum.

    None where ``figure`` has no value in most resamples.
    """
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        items = [int(i) for stratum in strata if len(stratum) for i in np.asarray(stratum)[rng.integers(len(stratum), size=len(stratum))]]
        if (value := figure(items)) is not None:
            values.append(value)
    if len(values) < rounds / 2:
        return None
    low, high = np.percentile(values, [100 * (1 - CONFIDENCE) / 2, 100 * (1 + CONFIDENCE) / 2])
    return float(low), float(high)
