"""What a classifier's probabilities are worth, in numpy: every figure for many weightings of the pictures at once.

``weights`` (B, N) say how often each of N pictures counts in each of B resamples, so that a bootstrap is one call and a plain
figure is the call with one row of ones. A figure that cannot be told (no picture of a class) is NaN. scikit-learn would need B
calls.

* auroc: area under the receiver operating characteristic, ties counted half (Hanley and McNeil 1982); over classes the plain
  mean of one class against the rest.
* sensitivity: the largest that any threshold reaches while the specificity is at least the one asked for; the threshold is set
  on the same pictures, so it is optimistic where they are few.
* ece: expected calibration error over ten equal bins of confidence (Guo et al. 2017, arXiv 1706.04599); of one class: of its
  probability against how often it is true.
* brier: squared error of the probabilities, summed over the classes (Brier 1950).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Name → whether more of it is better.
BETTER = {"accuracy": 1, "balanced_accuracy": 1, "auroc": 1, "sensitivity": 1, "ece": -1, "brier": -1}
#: Of one class against the rest.
BY_CLASS = ("recall", "auroc", "sensitivity", "ece")
BINS = 10


def scores(chances: np.ndarray, truth: np.ndarray, weights: np.ndarray, specificity: float) -> dict[str, np.ndarray]:
    """Each of `BETTER`, (B,). ``chances``: (N, C), rows sum to 1; ``truth``: class numbers (N,)."""
    classes = range(chances.shape[1])
    right = chances.argmax(1) == truth
    error = ((chances - np.eye(len(classes))[truth]) ** 2).sum(1)
    with np.errstate(invalid="ignore"):
        return {
            "accuracy": _mean(weights, right),
            "balanced_accuracy": _over([_mean(weights[:, truth == c], right[truth == c]) for c in classes if (truth == c).any()]),
            "auroc": _over([auroc(chances[:, c], truth == c, weights) for c in classes if (truth == c).any()]),
            "sensitivity": _over([sensitivity(chances[:, c], truth == c, weights, specificity) for c in classes if (truth == c).any()]),
            "ece": ece(chances.max(1), right, weights),
            "brier": _mean(weights, error),
        }


def class_scores(chances: np.ndarray, truth: np.ndarray, weights: np.ndarray, specificity: float, number: int) -> dict[str, np.ndarray]:
    """Each of `BY_CLASS` for class ``number``, (B,)."""
    mine = truth == number
    with np.errstate(invalid="ignore"):
        return {
            "recall": _mean(weights[:, mine], chances[mine].argmax(1) == number),
            "auroc": auroc(chances[:, number], mine, weights),
            "sensitivity": sensitivity(chances[:, number], mine, weights, specificity),
            "ece": ece(chances[:, number], mine, weights),
        }


def auroc(score: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) of scores (N,) and which of them are positive, (N,)."""
    yes, no = _by_score(score, positive, weights)
    below = no.cumsum(1) - no
    return _divided((yes * (below + no / 2)).sum(1), yes.sum(1) * no.sum(1))


def sensitivity(score: np.ndarray, positive: np.ndarray, weights: np.ndarray, specificity: float) -> np.ndarray:
    """(B,): the largest share of positives at or above a threshold that at most 1 − ``specificity`` of the negatives reach."""
    yes, no = (part[:, ::-1].cumsum(1) for part in _by_score(score, positive, weights))
    allowed = no <= (1 - specificity) * no[:, -1:] + 1e-9
    return _divided(np.where(allowed, yes, 0).max(1), np.where(no[:, -1] > 0, yes[:, -1], 0))


def ece(confidence: np.ndarray, right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,): mean distance between confidence and how often it is right, over `BINS` bins."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    off = np.zeros((len(confidence), BINS))
    off[np.arange(len(confidence)), bins] = right - confidence
    return _divided(np.abs(weights @ off).sum(1), weights.sum(1))


def reliability(confidence: np.ndarray, right: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean confidence, share right, pictures) of each bin that is not empty."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [(float(confidence[bins == b].mean()), float(right[bins == b].mean()), int((bins == b).sum())) for b in np.unique(bins)]


def _by_score(score: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of positives and of negatives at each different score, lowest first, (B, S) each."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    sorted_weights, yes = weights[:, order].astype(float), positive[order]
    return np.add.reduceat(sorted_weights * yes, starts, axis=1), np.add.reduceat(sorted_weights * ~yes, starts, axis=1)


def _mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return _divided(weights @ values.astype(float), weights.sum(1))


def _over(values: Sequence[np.ndarray]) -> np.ndarray:
    return np.mean(np.stack(values), axis=0)


def _divided(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
