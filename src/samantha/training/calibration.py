"""Logits to probabilities that mean what they say, and thresholds on these.

Fitted on texts that the model was not trained on. Not here: applying them (`samantha.adapters.onnx_encoder`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Logits times `scale` plus `shift`, label by label (Platt 1999)."""

    scale: Floats
    shift: Floats

    def sigmoid(self, logits: Floats) -> Floats:
        return np.asarray(1 / (1 + np.exp(-(logits * self.scale + self.shift))), np.float32)

    def softmax(self, logits: Floats) -> Floats:
        raised = np.exp(logits * self.scale + self.shift - (logits * self.scale + self.shift).max(-1, keepdims=True))
        return np.asarray(raised / raised.sum(-1, keepdims=True), np.float32)

    def plain(self) -> dict[str, list[float]]:
        return {"scale": [round(float(x), 5) for x in self.scale], "shift": [round(float(x), 5) for x in self.shift]}


def platt(logits: Floats, labels: Floats, *, prior: float = 4.0) -> Fitted:
    """A scale and a shift for each label, drawn to (1, 0) where there are few positives.

    `logits`, `labels` (texts, labels). `prior` is the strength of that draw, in nats at a distance of one.
    """
    pairs = []
    for logit, label in zip(logits.T, labels.T, strict=True):

        def cost(at: NDArray[np.float64], logit: Floats = logit, label: Floats = label) -> float:
            z = logit * at[0] + at[1]
            return float((np.logaddexp(0, z) - label * z).sum() + prior * ((at[0] - 1) ** 2 + at[1] ** 2))

        pairs.append(minimize(cost, np.array([1.0, 0.0]), method="L-BFGS-B").x)
    scale, shift = np.array(pairs, np.float32).T
    return Fitted(scale, shift)


def temperature(logits: Floats, labels: NDArray[np.int64]) -> Fitted:
    """One scale for all labels of a softmax (Guo et al. 2017). `logits` (texts, labels), `labels` (texts)."""

    def cost(log_scale: float) -> float:
        z = logits * np.exp(log_scale)
        z = z - z.max(-1, keepdims=True)
        return float((np.log(np.exp(z).sum(-1)) - z[np.arange(len(z)), labels]).sum())

    scale = float(np.exp(minimize_scalar(cost, bounds=(-3, 1.5), method="bounded").x))
    return Fitted(np.full(logits.shape[1], scale, np.float32), np.zeros(logits.shape[1], np.float32))


def best_thresholds(labels: Floats, probabilities: Floats, *, few: int = 8) -> list[float]:
    """The threshold of highest F1 for each label; with few positives, drawn to a common one that is best for all."""
    grid = np.arange(0.05, 0.75, 0.01)

    def f1(truth: Floats, found: NDArray[np.bool_]) -> float:
        true = float((found * truth).sum())
        return 2 * true / max(1.0, float(found.sum() + truth.sum()))

    table = np.array(
        [[f1(truth, each >= at) for at in grid] for truth, each in zip(labels.T, probabilities.T, strict=True)]
    )
    common = grid[table.mean(0).argmax()]
    positives = labels.sum(0)
    own = np.array([grid[_smooth(row).argmax()] for row in table])
    trust = positives / (positives + few)
    return [float(at) for at in trust * own + (1 - trust) * common]


def _smooth(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over five neighbours, so that no lucky spike is chosen."""
    return np.convolve(np.pad(row, 2, mode="edge"), np.ones(5) / 5, mode="valid")


def level_thresholds(
    probabilities: Floats, truth: NDArray[np.int64], ordinary: Floats, *, alarms: float = 0.01
) -> tuple[float, float]:
    """Thresholds of concern and of crisis, on texts that were held out.

    That of crisis is the lowest which takes at most `alarms` of the `ordinary` texts for one: a missed crisis is worse
    than a false alarm, but somebody who is met with a help line every other day stops talking. Look-alikes do not
    decide it, for they are far rarer in talk than among what is written to train on. That of concern is right most
    often. `probabilities` and `ordinary` (texts, 3).
    """
    some = probabilities[:, 1:].sum(-1)
    grid = np.arange(0.05, 0.81, 0.01)
    allowed = [at for at in grid if (ordinary[:, 2] >= at).mean() <= alarms]
    gained = [((some >= at) & (truth > 0)).sum() - ((some >= at) & (truth == 0)).sum() for at in grid]
    return float(grid[int(np.argmax(gained))]), float(allowed[0] if allowed else grid[-1])


def danger_figures(probabilities: Floats, truth: NDArray[np.int64], thresholds: list[float]) -> dict[str, float]:
    """Recall of crisis, and how often harmless texts are taken for one."""
    crisis = probabilities[:, 2] >= thresholds[2]
    return {
        "crisis_recall": round(float(crisis[truth == 2].mean()), 4),
        "crisis_false_alarms": round(float(crisis[truth == 0].mean()), 4),
    }


def mean_average_precision(labels: Floats, scores: Floats) -> float:
    """The mean over labels of the mean precision at each positive; labels without a positive are left out."""
    each = []
    for truth, score in zip(labels.T, scores.T, strict=True):
        hit = truth[np.argsort(-score, kind="stable")]
        if hit.any():
            each.append(float((hit.cumsum() / np.arange(1, len(hit) + 1))[hit > 0].mean()))
    return float(np.mean(each))
