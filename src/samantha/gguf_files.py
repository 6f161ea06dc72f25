"""Reading and writing GGUF files: what a header says, and a model rewritten in another quantization.

Tensors are turned into numbers and back by the `gguf` package with NumPy; its reader builds an object per
vocabulary entry and takes seconds, so the format is walked here. Not here: where files come from, or running them.
"""

import hashlib
import mmap
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from samantha.core.errors import ModelDamaged, ModelMissing, ModelUnsupported
from samantha.core.text import Text, text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

Quantization = Literal["q8_0", "q4_0"]
Scalar = str | int | float | bool

MAGIC = b"GGUF"
ALIGNMENT = 32  # bytes that tensors are aligned to, unless general.alignment says otherwise
BLOCK = 32  # weights that share a scale in Q8_0 and Q4_0
CHUNK = 1 << 21  # weights that are rewritten at a time: 8 MB as float32

# GGML's number of a tensor type -> name, weights in a block, bytes in a block.
TENSOR_TYPES: Mapping[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    20: ("IQ4_NL", 32, 18),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    28: ("F64", 1, 8),
    30: ("BF16", 1, 2),
}
TYPE_NUMBERS = {name: number for number, (name, _, _) in TENSOR_TYPES.items()}
FILE_TYPES: Mapping[Quantization, int] = {"q4_0": 2, "q8_0": 7}  # values of general.file_type
QUANTIZATION_VERSION = 2  # of the block layouts above
FULL_PRECISION = 0  # general.file_type of a file that is float32 throughout

# Also the output of a model with tied embeddings; four bits there cost more quality than anywhere else.
EMBEDDINGS = "token_embd.weight"
SENSITIVE = (EMBEDDINGS, "output.weight")

STRING, ARRAY = 8, 9
SCALARS: Mapping[int, str] = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor lies in its file. `shape` is in NumPy's order: the width of a row comes last."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int  # bytes from the start of the file
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says about itself."""

    path: Path
    kind: str  # "model" or "adapter"
    architecture: str
    name: str
    context: int  # tokens; 0 where the file does not say
    chat_template: str | None
    quantization: str  # the tensor type that most weights have
    parameters: int
    tokenizer_sha256: str  # of vocabulary and merges as stored; "" where there are none
    metadata: Mapping[str, Scalar]  # arrays apart
    tensors: tuple[Tensor, ...]

    @property
    def adds_bos(self) -> bool:
        """Whether a prompt begins with the token that begins texts; SentencePiece models do where none says."""
        default = self.metadata.get("tokenizer.ggml.model") == "llama"
        return bool(self.metadata.get("tokenizer.ggml.add_bos_token", default))


def read_header(path: Path) -> Header:
    """The header of the GGUF file at `path`; tens of milliseconds, no tensor is read.

    Raises `ModelMissing`, `ModelDamaged` (not a GGUF file, cut short, inconsistent) or `ModelUnsupported`.
    """
    with _mapped(path) as scan:
        return _header(path, scan)


def read_tensor(header: Header, name: str) -> "Floats":
    """The tensor called `name` as float32, shape as in `Tensor.shape`. Raises KeyError where there is none."""
    import numpy as np

    tensor = next((tensor for tensor in header.tensors if tensor.name == name), None)
    if tensor is None:
        raise KeyError(name)
    return np.concatenate(list(_rows(header, tensor))).reshape(tensor.shape)


def sha256_of(path: Path, *, progress: Callable[[int], None] = lambda done: None) -> str:
    """The SHA-256 of a file in hexadecimal; `progress` hears the bytes read so far."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
            progress(done := done + len(block))
    return digest.hexdigest()


def rewrite(
    source: Path,
    target: Path,
    *,
    quantize: Quantization,
    adapter: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the model `source` to `target` in another quantization, with a LoRA adapter merged into it.

    Vectors stay float32, rows that no block divides become float16, embeddings and output have at least eight
    bits. `target` appears whole or not at all; `progress` hears bytes written and bytes in all. What it was made
    of is recorded under `samantha.*`. Raises `WeightsError`, and `OSError` where the disk is full.
    """
    header = read_header(source)
    deltas = _read_adapter(adapter, header) if adapter is not None else {}
    plans = [_plan(tensor, header, quantize, deltas.get(tensor.name)) for tensor in header.tensors]
    added: dict[str, str | int] = {
        "general.file_type": FILE_TYPES[quantize],
        "general.quantization_version": QUANTIZATION_VERSION,
        "samantha.source_sha256": sha256_of(source),
        "samantha.adapter_sha256": sha256_of(adapter) if adapter is not None else "",
        "samantha.quantize": quantize.upper(),
    }
    with _mapped(source) as scan:
        fields = [scan.raw(field) for field in scan.fields if field.key not in {*added, "general.alignment"}]
    _write(target, [*fields, *(_encode(key, value) for key, value in added.items())], plans, progress)


# --- reading ---------------------------------------------------------------------------------------------------


class _Version(ValueError):
    """A GGUF version that is not read here; a byte-swapped one where the file is big-endian."""


class _CutShort(ValueError):
    """The file ends before its header does."""


@dataclass(frozen=True, slots=True)
class _Field:
    key: str
    value: Scalar | None  # None: an array
    start: int
    end: int
    payload: int  # where the value begins, its type apart


class _Scan:
    """The header of a mapped file, walked once: metadata fields, then tensor descriptions."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.position = data, 4
        version = self._number("<I")
        if version not in (2, 3):
            raise _Version(version)
        tensors, fields = self._number("<Q"), self._number("<Q")
        self.fields = [self._field() for _ in range(fields)]
        self.metadata = {field.key: field.value for field in self.fields if field.value is not None}
        infos = [self._tensor_info() for _ in range(tensors)]
        alignment = int(self.metadata.get("general.alignment", ALIGNMENT))
        if alignment <= 0:
            raise ValueError("alignment")
        start = -(-self.position // alignment) * alignment
        self.tensors = tuple(self._tensor(*info, start) for info in infos)

    def raw(self, field: _Field) -> bytes:
        """A metadata field as it is stored."""
        return self.data[field.start : field.end]

    def payload(self, key: str) -> bytes:
        return b"".join(self.data[field.payload : field.end] for field in self.fields if field.key == key)

    def _skip(self, count: int) -> int:
        start, self.position = self.position, self.position + count
        if count < 0 or self.position > len(self.data):
            raise _CutShort
        return start

    def _number(self, code: str) -> Any:
        return struct.unpack_from(code, self.data, self._skip(struct.calcsize(code)))[0]

    def _string(self) -> str:
        length = self._number("<Q")
        start = self._skip(length)
        return self.data[start : start + length].decode("utf-8")

    def _field(self) -> _Field:
        start, key, kind = self.position, self._string(), self._number("<I")
        payload = self.position
        return _Field(key, self._value(kind), start, self.position, payload)

    def _value(self, kind: int) -> Scalar | None:
        if kind == STRING:
            return self._string()
        if kind in SCALARS:
            value: Scalar = self._number(SCALARS[kind])
            return value
        if kind != ARRAY:
            raise ValueError("field type")
        self._skip_array()
        return None

    def _skip_array(self) -> None:
        kind, count = self._number("<I"), self._number("<Q")
        if kind in SCALARS:
            self._skip(count * struct.calcsize(SCALARS[kind]))
        elif kind == STRING:
            self.position = _after_strings(self.data, self.position, count)
        else:
            raise ValueError("array type")

    def _tensor_info(self) -> tuple[str, tuple[int, ...], int, int]:
        name, dimensions = self._string(), self._number("<I")
        if not 1 <= dimensions <= 4:
            raise ValueError("dimensions")
        shape = tuple(self._number("<Q") for _ in range(dimensions))[::-1]
        return name, shape, self._number("<I"), self._number("<Q")

    def _tensor(self, name: str, shape: tuple[int, ...], number: int, offset: int, start: int) -> Tensor:
        kind, block, size = TENSOR_TYPES.get(number, (f"type {number}", 0, 0))
        if block and shape[-1] % block:
            raise ValueError("row width")
        length = prod(shape) // block * size if block else 0
        if start + offset + length > len(self.data):
            raise _CutShort
        return Tensor(name, shape, kind, start + offset, length)


def _after_strings(data: mmap.mmap, position: int, count: int) -> int:
    """The position behind `count` strings. The one hot loop of a header: a vocabulary has 10^5 of them."""
    length_at, limit = struct.Struct("<Q").unpack_from, len(data) - 8
    for _ in range(count):
        if position > limit:
            raise _CutShort
        position += 8 + length_at(data, position)[0]
    if position > len(data):
        raise _CutShort
    return position


@contextmanager
def _mapped(path: Path) -> Iterator[_Scan]:
    """The walked header of `path`; whatever is wrong with the file becomes one of our errors."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise ModelMissing(
            "No model at '{path}'. Run `samantha pull`, or set model.name to a GGUF file.", path=path
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ModelMissing(
            "The model '{path}' cannot be read: {reason}. Give the path of a .gguf file.", path=path, reason=reason
        ) from None
    with file:
        if file.read(4) != MAGIC:
            raise ModelDamaged("'{path}' is not a GGUF file. Give the path of a .gguf model.", path=path)
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield _Scan(data)
        except _Version as version:
            raise ModelUnsupported(
                "'{path}' is a GGUF file of version {version}; only 2 and 3, little-endian, can be read."
                " Convert it with a current llama.cpp.",
                path=path,
                version=version,
            ) from None
        except _CutShort:
            raise _damaged(path, text("it is cut short")) from None
        except (ValueError, struct.error, OverflowError):
            raise _damaged(path, text("its header makes no sense")) from None


def _damaged(path: Path, reason: Text) -> ModelDamaged:
    return ModelDamaged(
        "The model '{path}' is damaged: {reason}. Delete it and run `samantha pull` to fetch it again.",
        path=path,
        reason=reason,
    )


def _header(path: Path, scan: _Scan) -> Header:
    architecture = str(scan.metadata.get("general.architecture", ""))
    weights: dict[str, int] = {}
    for tensor in scan.tensors:
        weights[tensor.type] = weights.get(tensor.type, 0) + prod(tensor.shape)
    vocabulary = scan.payload("tokenizer.ggml.tokens") + scan.payload("tokenizer.ggml.merges")
    template = scan.metadata.get("tokenizer.chat_template")
    return Header(
        path=path,
        kind=str(scan.metadata.get("general.type", "model")),
        architecture=architecture,
        name=str(scan.metadata.get("general.name", path.stem)),
        context=int(scan.metadata.get(f"{architecture}.context_length", 0)),
        chat_template=None if template is None else str(template),
        quantization=max(weights, key=lambda kind: weights[kind], default=""),
        parameters=sum(weights.values()),
        tokenizer_sha256=hashlib.sha256(vocabulary).hexdigest() if vocabulary else "",
        metadata=scan.metadata,
        tensors=scan.tensors,
    )


def _rows(header: Header, tensor: Tensor) -> Iterator["Floats"]:
    """The rows of a tensor as float32, a stretch of (rows, width) at a time."""
    import numpy as np
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    width = tensor.shape[-1]
    rows = prod(tensor.shape) // width
    bytes_a_row = tensor.size // rows
    data = np.memmap(header.path, np.uint8, "r", tensor.offset, (rows, bytes_a_row))
    step = max(1, CHUNK // width)
    for first in range(0, rows, step):
        try:
            yield dequantize(np.asarray(data[first : first + step]), GGMLQuantizationType[tensor.type])
        except (NotImplementedError, KeyError):
            raise _cannot_rewrite(header, tensor) from None


def _cannot_rewrite(header: Header, tensor: Tensor) -> ModelUnsupported:
    return ModelUnsupported(
        "The model '{path}' stores '{tensor}' as {type}, which cannot be rewritten. Set model.quantize to as-is.",
        path=header.path,
        tensor=tensor.name,
        type=tensor.type,
    )


# --- adapters --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Delta:
    """A low-rank change: the rows `left[rows] @ right` are added to a matrix (Hu et al. 2021)."""

    left: "Floats"  # (rows, rank), alpha / rank already in it
    right: "Floats"  # (rank, width)


def check_adapter(path: Path, base: Header) -> Header:
    """The header of the LoRA adapter at `path`, if it fits the model `base`; llama.cpp ends the process if not.

    Raises `ModelMissing`, `ModelDamaged` or `ModelUnsupported`.
    """
    adapter = read_header(path)
    if adapter.kind != "adapter" or adapter.metadata.get("adapter.type") != "lora":
        raise ModelUnsupported("'{path}' is not a LoRA adapter in GGUF form. Give one, or none.", path=path)
    if adapter.architecture != base.architecture:
        raise ModelUnsupported(
            "The adapter '{adapter}' is for a {theirs} model, and '{model}' is a {ours} model."
            " Use the adapter with the model it was made for.",
            adapter=path,
            model=base.path,
            theirs=adapter.architecture,
            ours=base.architecture,
        )
    for name in _adapted(adapter):
        _check_fit(adapter, name, base)
    return adapter


def _adapted(adapter: Header) -> list[str]:
    """The tensors that the adapter changes."""
    return list(dict.fromkeys(re.sub(r"\.lora_[ab]$", "", tensor.name) for tensor in adapter.tensors))


def _check_fit(adapter: Header, name: str, base: Header) -> None:
    theirs = {tensor.name: tensor.shape for tensor in adapter.tensors}
    a, b = theirs.get(f"{name}.lora_a", ()), theirs.get(f"{name}.lora_b", ())
    if name == EMBEDDINGS:  # stored the other way round: A (vocabulary, rank), B (width, rank)
        a, b = b[::-1], a
    shape = {tensor.name: tensor.shape for tensor in base.tensors}.get(name)
    if len(a) != 2 or len(b) != 2 or a[0] != b[1] or (b[0], a[1]) != shape:
        raise _misfit(adapter, name, base)


def _read_adapter(path: Path, base: Header) -> dict[str, _Delta]:
    """Tensor name -> what the adapter adds to it."""
    adapter = check_adapter(path, base)
    return {name: _delta(adapter, name) for name in _adapted(adapter)}


def _delta(adapter: Header, name: str) -> _Delta:
    a, b = (read_tensor(adapter, f"{name}.lora_{half}") for half in "ab")
    if name == EMBEDDINGS:
        a, b = b.T, a
    rank = b.shape[-1]
    alpha = float(adapter.metadata.get("adapter.lora.alpha", 0)) or rank  # 0: llama.cpp scales by 1
    return _Delta(b * (alpha / rank), a)


def _misfit(adapter: Header, name: str, base: Header) -> ModelUnsupported:
    return ModelUnsupported(
        "The adapter '{adapter}' does not fit the model '{model}': '{tensor}' has another shape or is missing."
        " Use the adapter with the model it was made for.",
        adapter=adapter.path,
        model=base.path,
        tensor=name,
    )


# --- writing ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Plan:
    """A tensor to be written: its description, and its bytes in pieces when they are asked for."""

    name: str
    shape: tuple[int, ...]
    type: str
    size: int
    pieces: Callable[[], Iterable[bytes]]


def _plan(tensor: Tensor, header: Header, quantize: Quantization, delta: _Delta | None) -> _Plan:
    if tensor.type.startswith("type "):
        raise _cannot_rewrite(header, tensor)
    kind = _target_type(tensor, header, quantize)
    _, block, size = TENSOR_TYPES[TYPE_NUMBERS[kind]]
    untouched = kind == tensor.type and delta is None
    return _Plan(
        tensor.name,
        tensor.shape,
        kind,
        prod(tensor.shape) // block * size,
        (lambda: _copied(header, tensor)) if untouched else (lambda: _converted(header, tensor, kind, delta)),
    )


def _target_type(tensor: Tensor, header: Header, quantize: Quantization) -> str:
    """The type that `tensor` gets. What a quantized file keeps in float32 is kept: its maker had a reason."""
    kept = tensor.type == "F32" and header.metadata.get("general.file_type", 1) != FULL_PRECISION
    if tensor.type in ("I8", "I16", "I32", "F64"):
        return tensor.type
    if len(tensor.shape) == 1 or kept or tensor.name.endswith(("_norm.weight", "ffn_gate_inp.weight")):
        return "F32"
    if tensor.shape[-1] % BLOCK:
        return "F16"
    return "Q8_0" if tensor.name in SENSITIVE else quantize.upper()


def _copied(header: Header, tensor: Tensor) -> Iterator[bytes]:
    with header.path.open("rb") as file:
        file.seek(tensor.offset)
        left = tensor.size
        while left and (piece := file.read(min(left, 1 << 22))):
            left -= len(piece)
            yield piece


def _converted(header: Header, tensor: Tensor, kind: str, delta: _Delta | None) -> Iterator[bytes]:
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize

    first = 0
    for rows in _rows(header, tensor):
        last = first + len(rows)
        changed = rows if delta is None else rows + delta.left[first:last] @ delta.right
        yield quantize(changed, GGMLQuantizationType[kind]).tobytes()
        first = last


def _encode(key: str, value: str | int) -> bytes:
    """A metadata field as it is stored."""
    kind, payload = (STRING, _stored(value)) if isinstance(value, str) else (4, struct.pack("<I", value))
    return _stored(key) + struct.pack("<I", kind) + payload


def _stored(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _write(target: Path, fields: Sequence[bytes], plans: Sequence[_Plan], progress: Callable[[int, int], None]) -> None:
    """Write a GGUF file under another name beside `target`, then move it there."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    total, done = sum(plan.size for plan in plans), 0
    try:
        with temporary.open("wb") as file:
            file.write(MAGIC + struct.pack("<IQQ", 3, len(plans), len(fields)) + b"".join(fields))
            file.write(_tensor_infos(plans))
            for plan in plans:
                file.write(bytes(-file.tell() % ALIGNMENT))
                for piece in plan.pieces():
                    file.write(piece)
                    progress(done := done + len(piece), total)
            file.write(bytes(-file.tell() % ALIGNMENT))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _tensor_infos(plans: Sequence[_Plan]) -> bytes:
    infos, offset = [], 0
    for plan in plans:
        dimensions = struct.pack(f"<I{len(plan.shape)}Q", len(plan.shape), *plan.shape[::-1])
        infos.append(_stored(plan.name) + dimensions + struct.pack("<IQ", TYPE_NUMBERS[plan.type], offset))
        offset += -(-plan.size // ALIGNMENT) * ALIGNMENT
    return b"".join(infos)
