"""How fast the school's language model learns, against nanoGPT, and writes, against the Llama of `transformers`.

Both sides work in turn, in float32, uncompiled, each on one thread. Run it on a quiet machine with
`make bench NAME=school_speed ARGS=DIR`, where DIR is a checkout of karpathy/nanoGPT. Not here: how well a model of the
school learns.
"""

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from results_file import Row, row, write
from torch import Tensor, nn

from samantha.training import decoding, objectives
from samantha.training.loop import Plan, fit
from samantha.training.models.gpt import GPT, Shape

SMALL = Shape(vocabulary=65, width=128, layers=4, attention_heads=4, key_value_heads=4, inner=352, context=64)
LARGE = Shape(vocabulary=65, width=384, layers=6, attention_heads=6, key_value_heads=6, inner=1024, context=256)
WRITER = Shape(vocabulary=4096, width=256, layers=4, attention_heads=4, key_value_heads=4, inner=704)
LEARN = Plan(steps=10**9, rate=1e-3, schedule="constant", warmup=0, decay=0.1, betas=(0.9, 0.99), clip=1.0)
SETTLED = 1  # step of a block of one side that is not counted
PROMPT, WRITTEN = 16, 200  # tokens
CACHES = ("dynamic", "static")  # of `generate`

Batch = tuple[Tensor, Tensor]  # ids and targets, each (batch, tokens)


def learning(nanogpt: Path, shape: Shape, *, batch: int, steps: int, blocks: int) -> list[Row]:
    """A step of hers, as `fit` makes it, and one of nanoGPT, as its train.py makes it, on batches of the same size.

    They take turns, `steps` at a time, each side in a process of its own: in one process, one side would pay for the
    memory that the other gives back.
    """
    sides = [_Learner(side, nanogpt, shape, batch, steps) for side in ("hers", "nanoGPT")]
    times: list[list[float]] = [[], []]
    for _ in range(blocks):
        for side, measured in zip(sides, times, strict=True):
            measured += side.block()[SETTLED:]
    (weights, peak), (other_weights, other_peak) = (side.ended() for side in sides)
    speed, other_speed = (batch * shape.context / statistics.median(measured) for measured in times)
    what = f"{shape.layers} layers, {shape.width} wide, {batch} x {shape.context} tokens, one thread"
    return [
        row(f"learning, hers / nanoGPT: {what}", speed / other_speed, "ratio", at_least=1),
        row(f"learning, hers: {what}", speed, "tokens/s"),
        row(f"learning, nanoGPT: {what}", other_speed, "tokens/s"),
        row(f"weights, hers / nanoGPT: {what}", weights / other_weights, "ratio"),
        row(f"peak memory while learning, hers: {what}", peak, "MiB"),
        row(f"peak memory while learning, nanoGPT: {what}", other_peak, "MiB"),
    ]


class _Learner:
    """A process in which one side learns, a block of steps whenever it is asked for one."""

    def __init__(self, *which: Any) -> None:
        processes = multiprocessing.get_context("spawn")
        self.here, there = processes.Pipe()
        self.process = processes.Process(target=_learn, args=(there, *which), daemon=True)
        self.process.start()
        there.close()  # so that a process that dies is noticed

    def block(self) -> list[float]:
        """Seconds of each step."""
        self.here.send(True)
        times: list[float] = self.here.recv()
        return times

    def ended(self) -> tuple[int, float]:
        """How many weights it has, and the most memory it had, in MiB."""
        self.here.send(False)
        found: tuple[int, float] = self.here.recv()
        self.process.join()
        return found


def _learn(there: Any, side: str, nanogpt: Path, shape: Shape, batch: int, steps: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = GPT(shape) if side == "hers" else _nanogpt(nanogpt, shape)
    data = [tuple(torch.randint(shape.vocabulary, (2, batch, shape.context))) for _ in range(steps)]

    def batches() -> Iterator[Any]:
        """A step lasts from the handing over of a batch to the asking for the next."""
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
        for ids, targets in batches():
            step(ids, targets)
    weights = sum(weight.numel() for weight in model.parameters())
    there.send((weights, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))  # KiB on Linux


def _loss_of(model: Any, batch: Batch) -> dict[str, Tensor]:
    ids, targets = batch
    return {"next": objectives.tokens(model.logits, model(ids), targets)}


def _nanogpt(folder: Path, shape: Shape) -> Any:
    """As its train.py makes it: without biases."""
    sys.path.insert(0, str(folder))
    import model  # the file is called so

    sizes = {"n_layer": shape.layers, "n_head": shape.attention_heads, "n_embd": shape.width}
    return model.GPT(model.GPTConfig(block_size=shape.context, vocab_size=shape.vocabulary, bias=False, **sizes))


def _step_of(model: Any) -> Callable[[Tensor, Tensor], None]:
    """The work of its train.py. By its own rule the optimizer would be fused only on a GPU; here it always is."""
    optimizer = model.configure_optimizers(LEARN.decay, LEARN.rate, LEARN.betas, "cuda")

    def step(ids: Tensor, targets: Tensor) -> None:
        _, loss = model(ids, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), LEARN.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def writing(rows: int, *, rounds: int) -> list[Row]:
    """The most probable tokens after a prompt: the same weights on both sides, and the same text.

    The other side is `generate` with do_sample=False, use_cache=True, no end token, and the faster of its caches.
    """
    torch.manual_seed(0)
    model = GPT(WRITER).eval()
    llama, prompt = _llama(model), torch.randint(WRITER.vocabulary, (rows, PROMPT))
    mask, greedy = torch.ones_like(prompt), decoding.Decoding(max_tokens=WRITTEN, ends=(), never=())

    def hers() -> list[list[int]]:
        return decoding.write(model, prompt, mask, greedy, generator=torch.Generator())

    def theirs(cache: str) -> list[list[int]]:
        settings = {"do_sample": False, "use_cache": True, "cache_implementation": cache}
        found = llama.generate(prompt, attention_mask=mask, max_new_tokens=WRITTEN, **settings)
        texts: list[list[int]] = found[:, PROMPT:].tolist()
        return texts

    ways = {"hers": hers} | {cache: lambda cache=cache: theirs(cache) for cache in CACHES}  # type: ignore[misc]
    if any(work() != hers() for work in ways.values()):
        raise RuntimeError("generate writes another text than hers, or of another length")
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, work in ways.items():
            times[way].append(_seconds(work))
    speeds = {way: rows * WRITTEN / statistics.median(measured) for way, measured in times.items()}
    speed, other_speed = speeds["hers"], max(speeds[cache] for cache in CACHES)
    what = f"{WRITER.layers} layers, {WRITER.width} wide, {rows} at once, {WRITTEN} tokens, one thread"
    return [
        row(f"greedy writing, hers / generate: {what}", speed / other_speed, "ratio", at_least=1.5),
        row(f"greedy writing, hers: {what}", speed, "tokens/s"),
        row(f"greedy writing, generate: {what}", other_speed, "tokens/s"),
    ]


def _llama(model: GPT) -> Any:
    """The Llama of `transformers` with the weights of `model`."""
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
    )
    llama = LlamaForCausalLM(config).eval()
    llama.load_state_dict(_as_llama(model))
    return llama


def _as_llama(model: GPT) -> dict[str, Tensor]:
    """Our names -> those of Llama."""
    ours = model.state_dict()
    theirs = {"model.norm.weight": ours["norm.weight"]}
    theirs |= dict.fromkeys(("model.embed_tokens.weight", "lm_head.weight"), ours["tokens.weight"])
    for number in range(model.shape.layers):
        here, there = f"layers.{number}", f"model.layers.{number}"
        parts = ours[f"{here}.attention.query_key_value.weight"].chunk(3)
        for name, part in zip(("q_proj", "k_proj", "v_proj"), parts, strict=True):
            theirs[f"{there}.self_attn.{name}.weight"] = part
        for name, at in {
            "attention.attended": "self_attn.o_proj",
            "attention_norm": "input_layernorm",
            "norm": "post_attention_layernorm",
            "feed_forward.gate": "mlp.gate_proj",
            "feed_forward.up": "mlp.up_proj",
            "feed_forward.down": "mlp.down_proj",
        }.items():
            theirs[f"{there}.{at}.weight"] = ours[f"{here}.{name}.weight"]
    return theirs


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(nanogpt: Path) -> None:
    torch.set_num_threads(1)
    rows = learning(nanogpt, SMALL, batch=12, steps=10, blocks=20)
    rows += learning(nanogpt, LARGE, batch=8, steps=4, blocks=6)
    rows += [*writing(1, rounds=11), *writing(8, rounds=7)]
    write(Path(__file__).stem, rows)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "model.py").is_file():
        sys.exit("Say where nanoGPT is checked out: make bench NAME=school_speed ARGS=DIR")
    main(Path(sys.argv[1]))
