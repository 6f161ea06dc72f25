"""How fast the school's language model learns, against nanoGPT, and writes, against the Llama of `transformers`.

Both sides run in turn in one process, in blocks of a few steps, on as many threads, in float32. Run it on a quiet
machine with `make bench NAME=school_speed ARGS=DIR`, where DIR is a checkout of karpathy/nanoGPT. Not here: how well
a model of the school learns.
"""

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from results_file import Row, row, write
from torch import Tensor, nn

from samantha.training import decoding, objectives
from samantha.training.loop import Plan, fit
from samantha.training.models.gpt import GPT, Shape

THREADS = 1
SMALL = Shape(vocabulary=65, width=128, layers=4, attention_heads=4, key_value_heads=4, inner=352, context=64)
LARGE = Shape(vocabulary=65, width=384, layers=6, attention_heads=6, key_value_heads=6, inner=1024, context=256)
WRITER = Shape(vocabulary=4096, width=256, layers=4, attention_heads=4, key_value_heads=4, inner=704)
LEARN = Plan(
    steps=10**9, rate=1e-3, schedule="constant", warmup=0, decay=0.1, betas=(0.9, 0.99), clip=1.0
)  # nanoGPT's, for its smallest model
STEPS, SETTLED = 10, 2  # of a block of one side, and of these the first, which are not counted
PROMPT, WRITTEN = 16, 200  # tokens
ALIKE = 0.03  # share by which the numbers of parameters may differ

Batch = tuple[Tensor, Tensor]  # ids and targets, each (batch, tokens)


def learning(nanogpt: Path, shape: Shape, *, batch: int, blocks: int) -> list[Row]:
    """A step of ours, as `fit` makes it, and one of nanoGPT, as its train.py makes it, on the same batches.

    Each side has a process of its own, so that neither pays for memory that the other has given back; while one
    works, the other waits.
    """
    sides = {side: _Side(side, nanogpt, shape, batch) for side in ("hers", "nanoGPT")}
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(blocks):
        for name, side in sides.items():
            times[name] += side.block()[SETTLED:]
    sizes, peaks = zip(*(side.ended() for side in sides.values()), strict=True)
    fast, slow = (batch * shape.context / statistics.median(block) for block in times.values())
    what = f"{shape.layers} layers, {shape.width} wide, {batch} x {shape.context} tokens, {THREADS} thread"
    return [
        row(f"learning speed, hers / nanoGPT's: {what}", fast / slow, "ratio", at_least=1),
        row(f"learning speed, hers: {what}", fast, "tokens/s"),
        row(f"parameters, hers / nanoGPT's: {what}", sizes[0] / sizes[1], "ratio"),
        row(f"peak resident memory while learning, hers: {what}", peaks[0], "MiB"),
        row(f"peak resident memory while learning, nanoGPT's: {what}", peaks[1], "MiB"),
    ]


class _Side:
    """A process in which one of the two learns, a block of steps whenever it is asked for one."""

    def __init__(self, *which: Any) -> None:
        processes = multiprocessing.get_context("spawn")
        self.here, there = processes.Pipe()
        self.process = processes.Process(target=_learn, args=(there, *which))
        self.process.start()
        self.here.recv()

    def block(self) -> list[float]:
        """Seconds of each step."""
        self.here.send(True)
        return self.here.recv()

    def ended(self) -> tuple[int, float]:
        self.here.send(False)
        found = self.here.recv()
        self.process.join()
        return found


def _learn(there: Any, side: str, nanogpt: Path, shape: Shape, batch: int) -> None:
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    model = GPT(shape) if side == "hers" else _nanogpt(nanogpt, shape)
    data = [tuple(torch.randint(shape.vocabulary, (2, batch, shape.context)).unbind()) for _ in range(STEPS)]

    def batches() -> Iterator[Batch]:
        """A step lasts from the handing over of a batch to the asking for the next."""
        there.send(None)
        while there.recv():
            times = []
            for one in data:
                began = time.perf_counter()
                yield one
                times.append(time.perf_counter() - began)
            there.send(times)

    if side == "hers":
        fit(model, batches(), _loss_of, LEARN)
    else:
        step = _step_of(model)
        for one in batches():
            step(*one)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    there.send((sum(weight.numel() for weight in model.parameters()), peak / 1024))


def _loss_of(model: GPT, batch: Batch) -> dict[str, Tensor]:
    ids, targets = batch
    return {"next": objectives.tokens(model.logits, model(ids), targets)}


def _nanogpt(folder: Path, shape: Shape) -> nn.Module:
    sys.path.insert(0, str(folder))
    import model as nanogpt  # its file is called so

    sizes = {"n_layer": shape.layers, "n_head": shape.attention_heads, "n_embd": shape.width}
    config = nanogpt.GPTConfig(block_size=shape.context, vocab_size=shape.vocabulary, bias=False, **sizes)
    found: nn.Module = nanogpt.GPT(config)
    return found


def _step_of(model: Any) -> Callable[[Tensor, Tensor], None]:
    optimizer = model.configure_optimizers(LEARN.decay, LEARN.rate, LEARN.betas, "cuda")  # for fused

    def step(ids: Tensor, targets: Tensor) -> None:
        _, loss = model(ids, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), LEARN.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def writing(rows: int, *, rounds: int) -> list[Row]:
    """Greedy, with a cache, to the last of `WRITTEN` tokens: the same model and the same text on both sides."""
    torch.manual_seed(0)
    ours = GPT(WRITER).eval()
    theirs = _llama(ours)
    prompt = torch.randint(WRITER.vocabulary, (rows, PROMPT))
    mask = torch.ones_like(prompt)
    greedy = decoding.Decoding(max_tokens=WRITTEN, ends=(), never=())

    def hers() -> list[list[int]]:
        return decoding.write(ours, prompt, mask, greedy, generator=torch.Generator())

    def of_transformers(cache: str) -> list[list[int]]:
        found = theirs.generate(
            prompt,
            attention_mask=mask,
            max_new_tokens=WRITTEN,
            do_sample=False,
            use_cache=True,
            cache_implementation=cache,
        )
        return found[:, PROMPT:].tolist()

    ways = {"hers": hers} | {cache: lambda cache=cache: of_transformers(cache) for cache in ("dynamic", "static")}
    times = {way: [] for way in ways}
    texts = [work() for work in ways.values()]
    print([a == texts[0] for a in texts], len(set(map(tuple, texts[0]))), len(set(texts[0][0])))
    for _ in range(rounds):
        for way, work in ways.items():
            times[way].append(_seconds(work))
    for way in ways:
        print(way, rows * WRITTEN / statistics.median(times[way]), rows * WRITTEN / min(times[way]))
    return []


def _llama(model: GPT) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = model.shape
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.attention_heads,
        num_key_value_heads=shape.key_value_heads,
        intermediate_size=shape.inner,
        rms_norm_eps=shape.norm_epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rotary_base},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    theirs = LlamaForCausalLM(config).eval()
    named = {"model.embed_tokens.weight": model.tokens.weight, "model.norm.weight": model.norm.weight}
    named["lm_head.weight"] = model.tokens.weight
    for number, layer in enumerate(model.layers):
        query, keys, values = layer.attention.query_key_value.weight.chunk(3)
        parts = {
            "self_attn.q_proj": query,
            "self_attn.k_proj": keys,
            "self_attn.v_proj": values,
            "self_attn.o_proj": layer.attention.attended.weight,
            "input_layernorm": layer.attention_norm.weight,
            "post_attention_layernorm": layer.norm.weight,
        } | {f"mlp.{name}_proj": getattr(layer.feed_forward, name).weight for name in ("gate", "up", "down")}
        named |= {f"model.layers.{number}.{name}.weight": weight for name, weight in parts.items()}
    theirs.load_state_dict(named)
    return theirs


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    for r in [
        *learning(Path(sys.argv[1]), SMALL, batch=12, blocks=8),
        *learning(Path(sys.argv[1]), LARGE, batch=8, blocks=1),
    ]:
        print(r)
    writing(1, rounds=5)
    writing(8, rounds=3)
