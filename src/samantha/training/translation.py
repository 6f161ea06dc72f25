"""Sequence to sequence as a thing to train: how it begins, what it costs to be wrong, what it writes, how good that is.

Not here: the pairs (`samantha.training.pairs`), or for how long (`samantha.recipes.pairs`).
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from samantha.core.errors import SettingError
from samantha.training import decoding, objectives, pairs, tokens
from samantha.training.decoding import Decoding
from samantha.training.devices import moved
from samantha.training.loop import Losses
from samantha.training.models import seq2seq_lstm, seq2seq_transformer
from samantha.training.models.encoder import Trunk
from samantha.training.models.seq2seq_lstm import Seq2SeqLSTM
from samantha.training.models.seq2seq_transformer import Seq2SeqTransformer
from samantha.training.pairs import Batch, Codec, Example

Model = Seq2SeqLSTM | Seq2SeqTransformer
Shape = seq2seq_lstm.Shape | seq2seq_transformer.Shape
TOGETHER = 64  # texts that are translated in one batch
_HAN = re.compile("[\u3400-\u9fff]")


def begin(
    shape: Shape, codec: Codec, *, dropout: float, seed: int, device: torch.device, trunk: Trunk | None = None
) -> Model:
    """A model of `shape` for the vocabularies of `codec`, of which a pretrained `trunk` reads if there is one."""
    torch.manual_seed(seed)
    read, written = codec.reads.get_vocab_size(), codec.writes.get_vocab_size()
    model: Model
    if isinstance(shape, seq2seq_lstm.Shape):
        model = Seq2SeqLSTM(replace(shape, source_vocabulary=read, target_vocabulary=written), dropout=dropout)
    elif trunk is None:
        model = Seq2SeqTransformer(replace(shape, source_vocabulary=read, target_vocabulary=written), dropout=dropout)
    else:
        tie = "output" if shape.tie == "all" else shape.tie  # its tokens are others than those that are written
        sizes = replace(
            shape, source_vocabulary=read, target_vocabulary=written, memory_width=trunk.shape.width, tie=tie
        )
        model = Seq2SeqTransformer(sizes, encoder=trunk, dropout=dropout)
    return model.to(device)


def check_length(trunk: Trunk, longest_source: int) -> None:
    """Raises `SettingError` where a pretrained `trunk` cannot read `longest_source` tokens."""
    if longest_source > trunk.shape.positions:
        raise SettingError(
            "longest_source is {longest}, and the encoder reads {most} tokens at most.",
            longest=longest_source,
            most=trunk.shape.positions,
        )


# -- learning ---------------------------------------------------------------------------------------------------


def losses_of(*, smoothing: float, agreement: float) -> Callable[[Model, Batch], Losses]:
    """Cross-entropy of each token after those before it; with `agreement`, of two passes that have to agree."""

    def losses(model: Model, batch: Batch) -> Losses:
        hidden = model(batch.source, batch.mask, batch.target)
        return {"loss": objectives.tokens(model.logits, hidden, batch.following, smoothing=smoothing)}

    def losses_of_two(model: Model, batch: Batch) -> Losses:
        asked = batch.following >= 0
        first, second = (model.logits(model(batch.source, batch.mask, batch.target)[asked]).float() for _ in range(2))
        apart = objectives.agreement(first, second, torch.ones_like(batch.following[asked]))
        right = batch.following[asked].repeat(2)
        loss = functional.cross_entropy(torch.cat([first, second]), right, label_smoothing=smoothing)
        return {"loss": loss, "agreement": agreement * apart}

    return losses_of_two if agreement else losses


def count(batch: Batch) -> int:
    """Tokens of the target that are learned from."""
    return int((batch.following >= 0).sum())


@torch.inference_mode()
def held_out_loss(model: Model, examples: Sequence[Example], size: int) -> float:
    """Nats a token of the target, mean over all of `examples`, in batches of `size` tokens."""
    total, known = 0.0, 0
    for group in pairs.groups(examples, size):
        batch = moved(pairs.batch_of(group), _device(model))
        hidden = model(batch.source, batch.mask, batch.target)
        total += objectives.tokens(model.logits, hidden, batch.following).item() * count(batch)
        known += count(batch)
    return total / known


def _device(model: Model) -> torch.device:
    return next(model.parameters()).device


# -- writing, and how good it is --------------------------------------------------------------------------------


def written(model: Model, codec: Codec, texts: Sequence[str], how: Decoding, *, longest: int) -> list[str]:
    """What `model` makes of each of `texts`, of which it reads `longest` tokens."""
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    found = [""] * len(texts)
    for start in range(0, len(order), TOGETHER):
        at = order[start : start + TOGETHER]
        source, mask = pairs.source_batch(codec.reads, [texts[number] for number in at], longest)
        for number, ids in zip(at, _ids(model, source, mask, how), strict=True):
            found[number] = tokens.decode(codec.writes, ids)
    return found


def _ids(model: Model, source: Tensor, mask: Tensor, how: Decoding) -> list[list[int]]:
    device, chance = _device(model), torch.Generator()
    writer = cast(decoding.Writer[Any], model)  # either of two, each with a state of its own
    return decoding.write(writer, source.to(device), mask.to(device), how, generator=chance)


@dataclass(frozen=True, slots=True)
class Quality:
    """BLEU (Papineni et al. 2002) and chrF (Popović 2015) of a set, 0 to 100, and their settings as sacrebleu says
    them (Post 2018), without which the figures mean nothing."""

    bleu: float
    chrf: float
    bleu_settings: str
    chrf_settings: str


def quality(said: Sequence[str], expected: Sequence[str], *, lower_case: bool) -> Quality:
    """How near what was `said` is to what was `expected`. Chinese is counted by character, the rest by word (13a)."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    together = "".join(expected)
    chinese = len(_HAN.findall(together)) > 0.3 * len(together)
    bleu, chrf = BLEU(lowercase=lower_case, tokenize="zh" if chinese else "13a"), CHRF(lowercase=lower_case)
    words, letters = (metric.corpus_score(list(said), [list(expected)]).score for metric in (bleu, chrf))
    return Quality(words, letters, str(bleu.get_signature()), str(chrf.get_signature()))


def keep_quality(path: Path, found: Quality, said: Sequence[str], expected: Sequence[str]) -> None:
    """Write the figures with their settings, and every text, so that anybody can count again."""
    texts = [{"written": one, "expected": other} for one, other in zip(said, expected, strict=True)]
    content = {
        "bleu": {"score": round(found.bleu, 2), "settings": found.bleu_settings},
        "chrf": {"score": round(found.chrf, 2), "settings": found.chrf_settings},
        "texts": texts,
    }
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
