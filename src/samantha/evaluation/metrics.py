"""Measures of quality: NumPy in, one number out. Each names its source.

Not here: what is measured (`samantha.evaluation.suites`), or how long something takes (benchmarks/).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
BINS = 15  # of the calibration error; the number of Guo et al. 2017


def f1(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Harmonic mean of precision and recall (van Rijsbergen 1979). Flags (n); 0 where there is nothing to find."""
    return float(_f1_of_columns(_column(predicted), _column(truth))[0])


def macro_f1(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean of the labels' F1, each label counting the same (Sokolova & Lapalme 2009). Flags (n, labels)."""
    return float(_f1_of_columns(np.asarray(predicted, bool), np.asarray(truth, bool)).mean())


def best_thresholds(probabilities: ArrayLike, truth: ArrayLike) -> Floats:
    """For each label the threshold of the highest F1 on these examples (Lipton et al. 2014, by trying all of them).

    `probabilities` and `truth` (n, labels); (labels). A label counts from its threshold on, which lies halfway
    between two probabilities that occur. A label without examples gets infinity.
    """
    scores, flags = np.asarray(probabilities, np.float64), np.asarray(truth, bool)
    return np.array([_best_threshold(scores[:, label], flags[:, label]) for label in range(scores.shape[1])])


def _best_threshold(scores: Floats, truth: Flags) -> float:
    if not truth.any():
        return float("inf")
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order])
    taken = np.arange(1, len(ranked) + 1)
    value = 2 * hits / (taken + truth.sum())
    value[np.append(ranked[1:] == ranked[:-1], False)] = -1  # equal scores are taken together
    best = int(value.argmax())
    return float(ranked[best] if best + 1 == len(ranked) else (ranked[best] + ranked[best + 1]) / 2)


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Rank correlation (Spearman 1904): Pearson's of the ranks, equal values sharing their mean rank.

    0 where one of the two is constant.
    """
    a, b = _ranks(np.asarray(first, np.float64)), _ranks(np.asarray(second, np.float64))
    a, b = a - a.mean(), b - b.mean()
    spread = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / spread) if spread else 0.0


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, *, bins: int = BINS) -> float:
    """Mean gap between confidence and accuracy (Naeini et al. 2015), over bins of equal numbers.

    `confidence` (n) is the probability of what was predicted, `correct` (n) whether that was right.
    """
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    order = np.argsort(sure, kind="stable")
    gaps = [abs(float((right[part] - sure[part]).sum())) for part in np.array_split(order, bins)]
    return sum(gaps) / len(sure)


def brier_skill(probabilities: ArrayLike, truth: ArrayLike) -> float:
    """1 - squared error / that of always saying how frequent each label is (Brier 1950, Murphy 1973).

    Both (n, labels). 1 is perfect, 0 as good as the prevalence of these examples, below 0 worse.
    """
    said, flags = np.asarray(probabilities, np.float64), np.asarray(truth, np.float64)
    return float(1 - ((said - flags) ** 2).mean() / ((flags.mean(axis=0) - flags) ** 2).mean())


def average_precision(scores: ArrayLike, truth: ArrayLike) -> float:
    """Precision at every gain of recall, summed (Manning et al. 2008, ch. 8). Both (n); 0 where nothing is true."""
    values, flags = np.asarray(scores, np.float64), np.asarray(truth, bool)
    if not flags.any():
        return 0.0
    order = np.argsort(-values, kind="stable")
    ranked, hits = values[order], np.cumsum(flags[order])
    last_of_equals = np.append(ranked[1:] != ranked[:-1], True)
    found, taken = hits[last_of_equals], np.arange(1, len(ranked) + 1)[last_of_equals]
    return float((np.diff(found, prepend=0) * found / taken).sum() / hits[-1])


def share(flags: ArrayLike) -> float:
    """How many of `flags` (n) are set, 0..1."""
    return float(np.asarray(flags, bool).mean())


def _f1_of_columns(predicted: Flags, truth: Flags) -> Floats:
    hits = (predicted & truth).sum(axis=0)
    all_named = predicted.sum(axis=0) + truth.sum(axis=0)
    return np.asarray(2 * hits / np.maximum(all_named, 1), np.float64)


def _column(flags: ArrayLike) -> Flags:
    return np.asarray(flags, bool).reshape(-1, 1)


def _ranks(values: Floats) -> Floats:
    _, position, count = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    return np.asarray(mean_rank[position], np.float64)
