"""A llama model of a few hundred kilobytes with random weights, which llama.cpp really loads, and LoRA adapters for it.

It writes gibberish, the same for the same seed. For tests only.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType
from gguf.quants import quantize as quantized

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = ("Ġ t", "h e", "Ġt he", "i n", "Ġ a")
WIDTH, HIDDEN, LAYERS, HEADS, KV_HEADS = 64, 128, 2, 4, 2
HEAD = WIDTH // HEADS
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

Matrix = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def write_tiny_gguf(
    path: Path,
    *,
    architecture: str = "llama",
    context: int = 256,
    seed: int = 0,
    template: str | None = CHATML,
    quantization: str = "F32",
    tensors: Mapping[str, Matrix] | None = None,
) -> Path:
    """Write the model to `path` and return it; `tensors` are float32 weights to add or to replace."""
    writer = GGUFWriter(path, architecture)
    writer.add_name("Tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type({"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7}[quantization])
    _add_tokenizer(writer, template)
    for name, weights in {**tiny_tensors(seed), **(tensors or {})}.items():
        full = weights.ndim == 1 or name in (tensors or {})
        kind = GGMLQuantizationType["F32" if full else quantization]
        writer.add_tensor(name, quantized(weights, kind), raw_dtype=kind)
    _finish(writer)
    return path


def write_tiny_adapter(
    path: Path,
    *,
    architecture: str = "llama",
    rank: int = 4,
    alpha: float = 8.0,
    seed: int = 1,
    deltas: Mapping[str, tuple[Matrix, Matrix]] | None = None,
) -> Path:
    """Write a LoRA adapter for the model: `deltas` is tensor name -> (A (rank, width), B (rows, rank))."""
    chance = np.random.default_rng(seed)
    default = {
        f"blk.{layer}.{name}.weight": (_random(chance, rank, WIDTH), _random(chance, rows, rank))
        for layer in range(LAYERS)
        for name, rows in (("attn_q", WIDTH), ("attn_v", KV_HEADS * HEAD), ("ffn_up", HIDDEN))
    }
    writer = GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for name, (a, b) in (default if deltas is None else deltas).items():
        writer.add_tensor(f"{name}.lora_a", a)
        writer.add_tensor(f"{name}.lora_b", b)
    _finish(writer)
    return path


def tiny_tensors(seed: int = 0) -> dict[str, Matrix]:
    """The weights of the model by name, as float32."""
    chance = np.random.default_rng(seed)
    tensors = {"token_embd.weight": _random(chance, len(vocabulary()), WIDTH)}
    for layer in range(LAYERS):
        shapes = {
            "attn_q": (WIDTH, WIDTH),
            "attn_k": (KV_HEADS * HEAD, WIDTH),
            "attn_v": (KV_HEADS * HEAD, WIDTH),
            "attn_output": (WIDTH, WIDTH),
            "ffn_gate": (HIDDEN, WIDTH),
            "ffn_up": (HIDDEN, WIDTH),
            "ffn_down": (WIDTH, HIDDEN),
        }
        tensors |= {f"blk.{layer}.{name}.weight": _random(chance, *shape) for name, shape in shapes.items()}
        tensors |= {f"blk.{layer}.{name}.weight": np.ones(WIDTH, np.float32) for name in ("attn_norm", "ffn_norm")}
    return {**tensors, "output_norm.weight": np.ones(WIDTH, np.float32)}


def vocabulary() -> list[str]:
    """Special tokens, one token a byte, and a few merges, in the alphabet of byte-level BPE (GPT-2)."""
    return [*SPECIAL, *_byte_letters(), *(merge.replace(" ", "") for merge in MERGES)]


def _add_tokenizer(writer: GGUFWriter, template: str | None) -> None:
    tokens = vocabulary()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if token in SPECIAL else TokenType.NORMAL for token in tokens])
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    if template is not None:
        writer.add_chat_template(template)


def _byte_letters() -> list[str]:
    """Byte -> letter: visible Latin-1 stands for itself, the rest is moved behind it."""
    visible = {*range(33, 127), *range(161, 173), *range(174, 256)}
    moved = iter(range(256, 512))
    return [chr(byte) if byte in visible else chr(next(moved)) for byte in range(256)]


def _random(chance: np.random.Generator, *shape: int) -> Matrix:
    return (chance.standard_normal(shape) / shape[-1] ** 0.5).astype(np.float32)


def _finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
