"""An adapter merged into a model by NumPy does what the engine does with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xllamacpp
from tiny_gguf import HIDDEN, WIDTH, tiny_tensors, vocabulary, write_tiny_adapter, write_tiny_gguf

from samantha.gguf_files import rewrite

PROMPT = list(range(20, 60, 3))


def next_tokens(model: Path, adapter: Path | None = None) -> dict[int, float]:
    """Token -> log-probability of the ten likeliest ones behind the prompt."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path, parameters.api_keys = str(model), ["only for this test"]
    parameters.n_ctx, parameters.cache_ram_mib, parameters.verbosity = 256, 0, -1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.warmup = parameters.ui = False
    if adapter is not None:
        lora = xllamacpp.CommonAdapterLoraInfo()
        lora.path, lora.scale = str(adapter), 1.0
        parameters.lora_adapters = [lora]
    chunks: list[dict[str, Any]] = []
    request = {"prompt": PROMPT, "n_predict": 2, "temperature": 0, "n_probs": 10, "stream": True}
    xllamacpp.Server(parameters).handle_completions(request, lambda chunk: chunks.append(chunk))
    first = next(choice for chunk in chunks for choice in chunk["choices"] if choice["logprobs"])
    return {each["id"]: each["logprob"] for each in first["logprobs"]["content"][0]["top_logprobs"]}


def random(*shapes: Sequence[int]) -> Any:
    chance = np.random.default_rng(1)
    return tuple((chance.standard_normal(shape) * 0.3).astype(np.float32) for shape in shapes)


@pytest.mark.parametrize(
    ("name", "delta"),
    [
        ("blk.0.attn_q.weight", random((4, WIDTH), (WIDTH, 4))),
        ("blk.1.ffn_down.weight", random((4, HIDDEN), (WIDTH, 4))),
        ("token_embd.weight", random((len(vocabulary()), 4), (WIDTH, 4))),
    ],
)
def test_a_merged_adapter_gives_the_probabilities_of_one_put_on_by_the_engine(
    tmp_path: Path, name: str, delta: Any
) -> None:
    output = {"output.weight": tiny_tensors(7)["token_embd.weight"]}  # llama.cpp cannot adapt tied embeddings
    model = write_tiny_gguf(tmp_path / "tiny.gguf", tensors=output)
    adapter = write_tiny_adapter(tmp_path / "adapter.gguf", deltas={name: delta})
    rewrite(model, tmp_path / "merged.gguf", quantize="q8_0", adapter=adapter)
    plain, put_on, merged = next_tokens(model), next_tokens(model, adapter), next_tokens(tmp_path / "merged.gguf")
    both = put_on.keys() & merged.keys()
    assert len(both) >= 7
    assert max(abs(put_on[token] - merged[token]) for token in both) < 0.2  # eight bits of a random model
    assert max(abs(put_on[token] - plain.get(token, -10)) for token in put_on) > 0.4
