"""What understanding costs: one utterance, a thousand, opening the encoder, and the brain's speed meanwhile.

The other side is the same model, with the same weights, in a `transformers` pipeline; both run in turn in one process,
each on one thread. Run it on a quiet machine with `make bench NAME=understanding`. Not here: how well she understands
(`samantha eval understanding`).
"""

import asyncio
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from results_file import Row, row, write
from talking import GREEDY, STORY, samantha

from samantha.adapters.onnx_encoder import MODEL, TOKENIZER, OnnxEncoder
from samantha.companion import Companion
from samantha.core.events import Failed, Finished, Said
from samantha.core.types import Conversation, Message, Usage
from samantha.evaluation import sets
from samantha.evaluation.suites.understanding import OWN
from samantha.wiring import encoder_folder

UTTERANCES = (Path(__file__).parent.parent / "utterances", OWN)
TOKENS = 20  # of one utterance, its two markers included
ALONE, AGAINST, MANY, STARTS, STORIES = 2000, 400, 1000, 5, 6  # how often each is done
WARM = 20  # runs that are not counted
BLOCK, SETTLED = 25, 5  # utterances in a row of one side, and of these the first, which are not counted
ALIKE = 0.97  # cosine of the mean hidden states of both sides: hers are rounded to 8 bits


def one_utterance(rounds: int = ALONE) -> list[Row]:
    """From a text to what is understood, one text at a time on one core."""
    encoder = OnnxEncoder.open(encoder_folder())
    with cores(1):
        times = [_milliseconds(encoder.understood, [said]) for said in _cycled(_of_length(TOKENS), rounds + WARM)]
    measured = times[WARM:]
    what = f"one utterance of {TOKENS} tokens on one core"
    return [
        row(f"{what}, median", statistics.median(measured), "ms", at_most=6),
        row(f"{what}, 99th percentile", float(np.quantile(measured, 0.99)), "ms", at_most=12),
    ]


def against_transformers(rounds: int = AGAINST) -> list[Row]:
    """Both sides in turn on the same utterances, a block each; who goes first alternates.

    Blocks, because nobody has both in one process: after every utterance of the other side, neither would find its
    weights in the processor's cache.
    """
    with cores(1):
        ours, theirs = OnnxEncoder.open(encoder_folder()), _pipeline(encoder_folder())
        texts = _cycled(_of_length(TOKENS), rounds)
        _compare(ours, theirs, texts[:WARM])
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        for start in range(0, rounds, BLOCK):
            for side in ("ours", "theirs") if start // BLOCK % 2 else ("theirs", "ours"):
                work = (lambda one: ours.understood([one])) if side == "ours" else theirs
                measured = [_milliseconds(work, said) for said in texts[start : start + BLOCK]]
                times[side] += measured[SETTLED:]
    fast, slow = (statistics.median(times[side]) for side in ("ours", "theirs"))
    return [
        row(
            "time of a transformers pipeline / hers, the same utterances on one core", slow / fast, "ratio", at_least=5
        ),
        row("one utterance in the transformers pipeline, median", slow, "ms"),
    ]


def many(count: int = MANY) -> list[Row]:
    """Utterances as they are committed, at once, with a thread for each of two cores."""
    texts = random.Random(0).sample(_texts(), count)
    with cores(2):
        encoder = OnnxEncoder.open(encoder_folder(), threads=2)
        encoder.understood(texts[:WARM])
        times = [_milliseconds(encoder.understood, texts) for _ in range(3)]
    return [
        row(
            f"{count:,} utterances on two cores", count / statistics.median(times) * 1000, "utterances/s", at_least=400
        ),
        row("tokens of one of these utterances, mean", statistics.mean(map(_tokens(), texts)), "tokens"),
    ]


def opening(starts: int = STARTS) -> list[Row]:
    """Processes that do nothing else; the second figure has the adapter's own imports in it, NumPy above all."""
    code = (
        "import sys, time; from pathlib import Path; began = time.perf_counter()\n"
        "from samantha.adapters.onnx_encoder import OnnxEncoder; imported = time.perf_counter()\n"
        "OnnxEncoder.open(Path(sys.argv[1])); opened = time.perf_counter()\n"
        "print(opened - imported, opened - began)"
    )
    command = [sys.executable, "-c", code, str(encoder_folder())]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() for _ in range(starts)]
    opened, begun = (statistics.median(map(float, column)) * 1000 for column in zip(*runs, strict=True))
    return [
        row("opening the encoder in a new process", opened, "ms", at_most=400),
        row("the same with the import of its adapter", begun, "ms"),
    ]


async def beside_writing(stories: int = STORIES) -> list[Row]:
    """The brain's writing speed with and without the encoder at work; who goes first alternates."""
    pieces, steady = [], []
    async with samantha() as (her, _):
        her.reads_ahead = False
        await _alone(her)
        for number in range(stories):
            speeds = dict.fromkeys(WAYS, 0.0)
            for way in WAYS if number % 2 else reversed(WAYS):
                speeds[way] = await WAYS[way](her)
            pieces.append(speeds["pieces"] / speeds["alone"])
            steady.append(speeds["messages"] / speeds["alone"])
    return [
        row(
            "writing speed while each released piece is understood / alone",
            statistics.median(pieces),
            "ratio",
            at_least=0.85,
        ),
        row("writing speed while five messages a second are understood / alone", statistics.median(steady), "ratio"),
    ]


async def _alone(her: Companion, *, each_piece: bool = False) -> float:
    """Tokens a second from the first token to the end of a story."""
    usage = Usage()
    story = her.respond(Message("user", STORY), conversation=Conversation(), sampling=GREEDY)
    async with aclosing(story):
        async for event in story:
            match event:
                case Said(piece) if each_piece:
                    await her.encoder.understand([piece])
                case Finished(turn):
                    usage = turn.reply.usage
                case Failed(error, _):
                    raise error
                case _:
                    pass
    assert usage.total_ms is not None
    assert usage.first_token_ms is not None
    return (usage.completion_tokens - 1) / (usage.total_ms - usage.first_token_ms) * 1000


async def _with_pieces(her: Companion) -> float:
    """The same while each piece that is released is understood, before the next one is taken."""
    return await _alone(her, each_piece=True)


async def _with_messages(her: Companion) -> float:
    """The same while others write to her as well."""

    async def messages() -> None:
        for said in _cycled(_of_length(TOKENS), 10_000):
            await her.encoder.understand([said])
            await asyncio.sleep(0.2)

    others = asyncio.create_task(messages())
    try:
        return await _alone(her)
    finally:
        others.cancel()
        with suppress(asyncio.CancelledError):
            await others


WAYS: dict[str, Callable[[Companion], Awaitable[float]]] = {
    "alone": _alone,
    "pieces": _with_pieces,
    "messages": _with_messages,
}


def _pipeline(folder: Path) -> Callable[[str], Any]:
    """The encoder's trunk with 28 labels on top, as `transformers` runs it: 32-bit floats, its own tokenizer class."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, pipeline

    from samantha.training.export import read_onnx

    torch.set_num_threads(1)
    weights = read_onnx(folder / MODEL)
    vocabulary, width = weights["trunk.tokens.weight"].shape
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=sum(name.endswith(".up.weight") for name in weights),
        num_attention_heads=12,
        intermediate_size=weights["trunk.layers.0.up.weight"].shape[0],
        max_position_embeddings=weights["trunk.positions.weight"].shape[0],
        num_labels=28,
        problem_type="multi_label_classification",
    )
    model = BertForSequenceClassification(config).eval()
    model.bert.load_state_dict(_as_bert(weights, config.num_hidden_layers), strict=False)  # it has no pooler
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / TOKENIZER), pad_token="[PAD]")
    return pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=None)


def _as_bert(weights: dict[str, Any], layers: int) -> dict[str, Any]:
    """Our names -> those of BERT; the inverse of `trunk_from_bert`."""
    positions = weights["trunk.positions.weight"]
    theirs = {
        "embeddings.word_embeddings.weight": weights["trunk.tokens.weight"],
        "embeddings.position_embeddings.weight": positions,
        "embeddings.token_type_embeddings.weight": positions[:2] * 0,  # the positions have it in them
    }
    for kind in ("weight", "bias"):
        theirs[f"embeddings.LayerNorm.{kind}"] = weights[f"trunk.norm.{kind}"]
        for number in range(layers):
            ours, there = f"trunk.layers.{number}", f"encoder.layer.{number}"
            parts = weights[f"{ours}.query_key_value.{kind}"].chunk(3)
            for name, part in zip(("query", "key", "value"), parts, strict=True):
                theirs[f"{there}.attention.self.{name}.{kind}"] = part
            for name, at in {
                "attended": "attention.output.dense",
                "attention_norm": "attention.output.LayerNorm",
                "up": "intermediate.dense",
                "down": "output.dense",
                "norm": "output.LayerNorm",
            }.items():
                theirs[f"{there}.{at}.{kind}"] = weights[f"{ours}.{name}.{kind}"]
    return theirs


def _compare(ours: OnnxEncoder, theirs: Any, texts: Sequence[str]) -> None:
    """Both sides must read the same, or their times say nothing."""
    import torch

    with torch.inference_mode():
        for said in texts:
            inputs = theirs.tokenizer(said, return_tensors="pt", return_token_type_ids=False)
            there = theirs.model.bert(**inputs).last_hidden_state.mean(1)[0].numpy()
            here = ours.read([said]).pooled[0, : len(there)]
            alike = float(here @ there / np.linalg.norm(here) / np.linalg.norm(there))
            if alike < ALIKE:
                raise RuntimeError(f"the pipeline reads {said!r} otherwise than the encoder: cosine {alike:.4f}")


def _texts() -> list[str]:
    paths = [path for folder in UTTERANCES for path in sorted(folder.glob("*.tsv"))]
    return sorted({one.text for path in paths for one in sets.utterances(path)})


def _tokens() -> Callable[[str], int]:
    """Counts the tokens of a text, markers included."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(encoder_folder() / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return lambda said: len(tokenizer.encode(said).ids)


def _of_length(tokens: int) -> list[str]:
    count = _tokens()
    return [said for said in _texts() if count(said) == tokens]


def _cycled(texts: Sequence[str], count: int) -> list[str]:
    return [texts[number % len(texts)] for number in range(count)]


@contextmanager
def cores(count: int) -> Iterator[None]:
    """This thread, and those it starts, on `count` cores; where the system cannot say so, on as many as there are."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(before)[:count]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _milliseconds(work: Callable[[Any], object], given: object) -> float:
    began = time.perf_counter()
    work(given)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    rows = [*opening(), *one_utterance(), *many(), *against_transformers(), *asyncio.run(beside_writing())]
    write("understanding", rows)


if __name__ == "__main__":
    main()
