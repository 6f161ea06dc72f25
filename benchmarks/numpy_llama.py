"""The Llama architecture as a float32 forward pass in NumPy, reading its weights from a GGUF file.

It is the yardstick for quantized files: what the weights alone say, with no engine's shortcuts. Slow on purpose:
no cache, one sequence at a time. Architecture: Touvron et al. 2023; grouped queries: Ainslie et al. 2023.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from samantha.gguf_files import Header, read_header, read_tensor

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Llama:
    """Sizes and weights of a model; a matrix has the shape (out, in)."""

    layers: int
    heads: int
    kv_heads: int
    epsilon: float
    rope_base: float
    weights: dict[str, Array]


def load(path: Path) -> Llama:
    """The model at `path`, its weights turned into float32."""
    header = read_header(path)
    if header.architecture != "llama":
        raise ValueError(f"{path} is a {header.architecture} model")
    return Llama(
        layers=int(_number(header, "block_count")),
        heads=int(_number(header, "attention.head_count")),
        kv_heads=int(_number(header, "attention.head_count_kv")),
        epsilon=_number(header, "attention.layer_norm_rms_epsilon"),
        rope_base=_number(header, "rope.freq_base"),
        weights={tensor.name: read_tensor(header, tensor.name) for tensor in header.tensors},
    )


def log_probabilities(model: Llama, tokens: list[int]) -> Array:
    """Log-probability of every token of the vocabulary to come next, at every position: (length, vocabulary)."""
    embeddings = model.weights["token_embd.weight"]
    hidden = embeddings[tokens]  # (length, width)
    for layer in range(model.layers):
        hidden = hidden + _attention(model, layer, _norm(model, f"blk.{layer}.attn_norm", hidden))
        hidden = hidden + _feed_forward(model, layer, _norm(model, f"blk.{layer}.ffn_norm", hidden))
    output = model.weights.get("output.weight", embeddings)  # tied where the file has no output of its own
    return _log_softmax(_norm(model, "output_norm", hidden) @ output.T)


def log_likelihoods(model: Llama, tokens: list[int]) -> Array:
    """Log-probability of each token after the first, given those before it: (length - 1,)."""
    return log_probabilities(model, tokens)[np.arange(len(tokens) - 1), tokens[1:]]


def _attention(model: Llama, layer: int, x: Array) -> Array:
    length = len(x)
    query = _rope(_project(model, layer, "attn_q", x).reshape(length, model.heads, -1), model.rope_base)
    key = _rope(_project(model, layer, "attn_k", x).reshape(length, model.kv_heads, -1), model.rope_base)
    value = _project(model, layer, "attn_v", x).reshape(length, model.kv_heads, -1)
    shared = model.heads // model.kv_heads  # query heads that share a key and a value
    key, value = np.repeat(key, shared, axis=1), np.repeat(value, shared, axis=1)
    scores = np.matmul(query.transpose(1, 0, 2), key.transpose(1, 2, 0)) / np.float32(np.sqrt(query.shape[-1]))
    scores += np.triu(np.full((length, length), -np.inf, np.float32), k=1)  # (heads, length, length)
    mixed = np.matmul(np.exp(_log_softmax(scores)), value.transpose(1, 0, 2))  # (heads, length, head width)
    return _project(model, layer, "attn_output", mixed.transpose(1, 0, 2).reshape(length, -1))


def _feed_forward(model: Llama, layer: int, x: Array) -> Array:
    """SwiGLU (Shazeer 2020)."""
    gate, up = _project(model, layer, "ffn_gate", x), _project(model, layer, "ffn_up", x)
    return _project(model, layer, "ffn_down", gate / (1 + np.exp(-gate)) * up)


def _rope(x: Array, base: float) -> Array:
    """Rotary positions (Su et al. 2021), a pair side by side as in llama.cpp. x: (length, heads, head width)."""
    length, _, width = x.shape
    angles = np.arange(length)[:, None] * base ** (-np.arange(0, width, 2) / width)  # (length, width / 2)
    turn = np.exp(1j * angles).astype(np.complex64)[:, None, :]
    pairs = np.ascontiguousarray(x).view(np.complex64)
    return (pairs * turn).view(np.float32)


def _norm(model: Llama, name: str, x: Array) -> Array:
    """Root-mean-square norm (Zhang and Sennrich 2019)."""
    scale = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(model.epsilon))
    return x / scale * model.weights[f"{name}.weight"]


def _project(model: Llama, layer: int, name: str, x: Array) -> Array:
    return x @ model.weights[f"blk.{layer}.{name}.weight"].T


def _log_softmax(x: Array) -> Array:
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def _number(header: Header, key: str) -> float:
    return float(header.metadata[f"{header.architecture}.{key}"])
