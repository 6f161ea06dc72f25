"""The encoder as a thing to train: what it begins as, what it costs to be wrong, and what it says of many texts.

Not here: which texts, in which order, for how long (`samantha.recipes.encoder`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from samantha.training import data, objectives
from samantha.training.data import Batch
from samantha.training.loop import Losses
from samantha.training.models.encoder import Encoder, Shape, trunk_from_bert
from samantha.training.vocabulary import extended, first_embeddings

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Beginning:
    """The original trunk as a teacher, and the encoder that starts from it with more characters and with heads."""

    teacher: Encoder
    teacher_tokenizer: Tokenizer
    encoder: Encoder
    tokenizer: Tokenizer


def begin(
    base: Path,
    shape: Shape,
    *,
    pairs: Sequence[tuple[str, str]],
    characters: Sequence[str],
    heads: Mapping[str, int],
    seed: int,
) -> Beginning:
    """Read a trunk of `shape` from `base`. `pairs` (English, Chinese) say where each of `characters` begins."""
    torch.manual_seed(seed)
    tokenizer = tokenizer_of(base)
    trunk = trunk_from_bert(load_file(base / "model.safetensors"), shape)
    teacher = Encoder(shape).eval()
    teacher.trunk.load_state_dict(trunk)
    new = first_embeddings(pairs, characters, tokenizer, trunk["tokens.weight"])
    more = extended(tokenizer, characters)
    encoder = Encoder(replace(shape, vocabulary=more.get_vocab_size(), heads=heads))
    encoder.trunk.load_state_dict({**trunk, "tokens.weight": torch.cat([trunk["tokens.weight"], new])})
    return Beginning(teacher, tokenizer, encoder, more)


def tokenizer_of(base: Path) -> Tokenizer:
    """The tokenizer in folder `base`, which neither fills up nor cuts."""
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def losses_of(
    weights: Mapping[str, float], *, one_of: frozenset[str], of_levels: Sequence[int] = ()
) -> Callable[[nn.Module, Batch], Losses]:
    """The loss of each head that has a weight and that a batch has labels for, and of the vector, times the weight.

    `one_of` names the heads of which one label is true; `of_levels` are the levels of the utterances, so that rare
    ones count for more. With a weight for "agreement", batches with danger in them are read twice, and both readings
    have to agree on it.
    """
    rare = {}
    if of_levels:
        counts = torch.bincount(torch.tensor(of_levels), minlength=3).float()
        rare["level"] = objectives.class_weights(counts)

    def losses(network: nn.Module, batch: Batch) -> Losses:
        output = network(batch.ids, batch.mask)
        parts = {}
        if "vector" in weights:
            parts["vector"] = objectives.same_direction(output.vector, batch.teacher)
        for head, logits in output.logits.items():
            targets = batch.targets[head]
            if head not in weights or not (targets >= 0).any():
                continue
            if head in one_of:
                parts[head] = objectives.one_label(logits, targets, weights=rare.get(head))
            else:
                parts[head] = objectives.multi_label(logits, targets)
        if weights.get("agreement") and "level" in parts and (batch.targets["level"] > 0).any():
            again, levels = network(batch.ids, batch.mask).logits["level"], batch.targets["level"]
            parts["level"] = (parts["level"] + objectives.one_label(again, levels, weights=rare.get("level"))) / 2
            parts["agreement"] = objectives.agreement(output.logits["level"], again, levels >= 0)
        return {name: loss * weights[name] for name, loss in parts.items()}

    return losses


def outputs(model: Encoder, tokenizer: Tokenizer, texts: Sequence[str], *, size: int = 128) -> dict[str, Floats]:
    """`vector` (texts, width), and the logits of each head (texts, labels)."""
    model.eval()
    order = sorted(range(len(texts)), key=lambda number: len(texts[number].encode()))
    found: dict[str, Floats] = {}
    with torch.inference_mode():
        for start in range(0, len(order), size):
            at = order[start : start + size]
            output = model(*data.padded(tokenizer, [texts[number] for number in at]))
            for name, values in {"vector": output.vector, **output.logits}.items():
                found.setdefault(name, np.zeros((len(texts), values.shape[1]), np.float32))[at] = values.numpy()
    return found
