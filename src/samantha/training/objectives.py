"""Losses. Each is a mean over the examples that have the label; an unknown label is -1 and costs nothing.

Not here: which losses a model is trained with, and their weights (the recipes).
"""

from torch import Tensor
from torch.nn import functional


def multi_label(logits: Tensor, targets: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy, summed over the labels of an example.

    `logits` (batch, labels); `targets` the same, probabilities, -1 where nothing is known. `weights` (labels)
    multiplies the loss of positives.
    """
    known = targets >= 0
    each = functional.binary_cross_entropy_with_logits(
        logits, targets.clamp(min=0), pos_weight=weights, reduction="none"
    )
    return (each * known).sum() / known.any(-1).sum().clamp(min=1)


def one_label(logits: Tensor, targets: Tensor, *, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy. `logits` (batch, labels); `targets` (batch) the index, or -1; `weights` (labels)."""
    known = targets >= 0
    if not known.any():
        return logits.sum() * 0.0
    return functional.cross_entropy(logits[known], targets[known], weight=weights, label_smoothing=smoothing)


def same_direction(vectors: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine to the teacher's vectors (for unit vectors, half the squared
    distance that Reimers & Gurevych 2020 use). `teacher` (batch, width); a row of zeros is no teacher.
    """
    known = teacher.abs().sum(-1) > 0
    return ((1 - functional.cosine_similarity(vectors, teacher, dim=-1)) * known).sum() / known.sum().clamp(min=1)


def class_weights(counts: Tensor, *, power: float = 0.5, largest: float = 5.0) -> Tensor:
    """Weights that lift rare classes: (mean count / count) ** power, at most `largest`. `counts` (labels)."""
    return (counts.mean() / counts.clamp(min=1)).pow(power).clamp(max=largest)
