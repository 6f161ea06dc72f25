"""Losses. Each is a mean over the examples that have the label; an unknown label is -1 and costs nothing.

Not here: which losses a model is trained with, and their weights (the recipes).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
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


def tokens(logits_of: Callable[[Tensor], Tensor], hidden: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the tokens that are asked for, of which alone the logits are computed.

    `hidden` (batch, tokens, width), `targets` (batch, tokens) the ids, or -1. It serves the next token, a masked one,
    and the next of a translation (with label smoothing: Szegedy et al. 2016).
    """
    asked = targets >= 0
    if not asked.any():
        return hidden.sum() * 0.0
    if asked.all():  # then nothing has to be picked out, which costs more than it seems on the way back
        wanted, known = hidden.flatten(0, -2), targets.flatten()
    else:
        wanted, known = hidden[asked], targets[asked]
    return functional.cross_entropy(logits_of(wanted).float(), known, label_smoothing=smoothing)


def masked(
    ids: Tensor, candidates: Tensor, *, mask: int, vocabulary: int, generator: torch.Generator, share: float = 0.15
) -> tuple[Tensor, Tensor]:
    """Ids with some hidden, and targets that ask for these (Devlin et al. 2019).

    `ids` and `candidates` (batch, tokens), true where a token may be hidden. Of those drawn, eight in ten become
    `mask`, one any token of the `vocabulary`, one stays. Targets are -1 elsewhere.
    """
    chance, kind = (torch.rand(ids.shape, generator=generator) for _ in range(2))
    drawn = candidates.bool() & (chance < share)
    any_token = torch.randint(vocabulary, ids.shape, generator=generator)
    hidden = torch.where(drawn & (kind < 0.8), mask, ids)
    hidden = torch.where(drawn & (kind >= 0.9), any_token, hidden)
    return hidden, ids.masked_fill(~drawn, -1)


def same_direction(vectors: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine to the teacher's vectors (for unit vectors, half the squared
    distance that Reimers & Gurevych 2020 use). `teacher` (batch, width); a row of zeros is no teacher.
    """
    known = teacher.abs().sum(-1) > 0
    return ((1 - functional.cosine_similarity(vectors, teacher, dim=-1)) * known).sum() / known.sum().clamp(min=1)


def agreement(first: Tensor, second: Tensor, known: Tensor) -> Tensor:
    """R-Drop (Liang et al. 2021): how far two passes differ, between which only the dropout does.

    The mean of both Kullback-Leibler divergences in nats. `first`, `second` logits (batch, labels) of which one label
    is true; `known` (batch) says which rows count.
    """
    one, other = torch.log_softmax(first.float(), -1), torch.log_softmax(second.float(), -1)
    apart = ((one.exp() - other.exp()) * (one - other)).sum(-1) / 2
    return (apart * known).sum() / known.sum().clamp(min=1)


def adversarial(embedding: nn.Embedding, loss_of: Callable[[], Tensor], *, size: float) -> tuple[Tensor, Tensor]:
    """The loss, and the loss where the embedded text is moved to where it rises fastest (Miyato et al. 2017).

    `loss_of` reads a batch through `embedding`, as often as it is called. Each text (tokens, width) moves along the
    slope of the loss, by `size` times its own length (L2): a model cannot escape by growing its embeddings.
    """
    embedded: list[Tensor] = []
    with embedding.register_forward_hook(lambda module, taken, given: embedded.append(given)):
        loss = loss_of()
    (slope,) = torch.autograd.grad(loss, embedded, retain_graph=True)
    lengths = [each.detach().flatten(1).norm(dim=1)[:, None, None] for each in (embedded[0], slope)]
    away = size * slope * lengths[0] / lengths[1].clamp(min=1e-12)
    with embedding.register_forward_hook(lambda module, taken, given: given + away):
        return loss, loss_of()


def class_weights(counts: Tensor, *, power: float = 0.5, largest: float = 5.0) -> Tensor:
    """Weights that lift rare classes: (mean count / count) ** power, at most `largest`. `counts` (labels)."""
    return (counts.mean() / counts.clamp(min=1)).pow(power).clamp(max=largest)
