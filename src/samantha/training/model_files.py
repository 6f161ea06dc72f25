"""A trained model on disk: its weights, its tokenizer, and what is needed to open it again.

    model.json          architecture and shape, what it can be asked, the hashes of its files
    model.safetensors   weights
    tokenizer.json      of what it writes; source.json where what it reads has another one

Not here: checkpoints of a run that goes on (`samantha.training.checkpoints`).
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

from samantha.core.errors import SettingError, TrainingError
from samantha.training.models import bert, encoder, gpt, seq2seq_lstm, seq2seq_transformer

MODEL, WEIGHTS, TOKENIZER, SOURCE = "model.json", "model.safetensors", "tokenizer.json", "source.json"

Speaks = Literal["chat", "text", "pairs", "nothing"]
"""What a model does: answer a conversation, go on with a text, turn a text into another, or write nothing."""

SHAPES: dict[str, type] = {
    "gpt": gpt.Shape,
    "seq2seq_lstm": seq2seq_lstm.Shape,
    "seq2seq_transformer": seq2seq_transformer.Shape,
    "bert": bert.Shape,
    "classifier": bert.Shape,
}


@dataclass(frozen=True, slots=True)
class Trained:
    """A model and what belongs to it. `source` is the tokenizer of what it reads, where that is not `tokenizer`."""

    architecture: str  # a key of `SHAPES`
    model: nn.Module
    tokenizer: Tokenizer
    speaks: Speaks
    source: Tokenizer | None = None
    labels: tuple[str, ...] = ()
    longest: int = 512  # tokens that it reads at once
    lower_case: bool = False  # it has only seen small letters

    @property
    def reads(self) -> Tokenizer:
        return self.source or self.tokenizer


@dataclass(frozen=True, slots=True)
class Card:
    """What model.json says of a model."""

    architecture: str
    shape: dict[str, Any]
    encoder: dict[str, Any] | None  # the shape of the trunk that a translator has for an encoder
    speaks: Speaks
    labels: tuple[str, ...]
    longest: Annotated[int, Field(ge=1)]
    lower_case: bool
    sha256: dict[Literal["model.safetensors", "tokenizer.json", "source.json"], str]


def write(folder: Path, trained: Trained) -> None:
    """Write all files into `folder`; model.json last, so that where it is, the others are whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).unlink(missing_ok=True)
    trained.tokenizer.save(str(folder / TOKENIZER), pretty=False)
    if trained.source:
        trained.source.save(str(folder / SOURCE), pretty=False)
    write_weights(trained.model, folder / WEIGHTS)
    content = {
        "architecture": trained.architecture,
        "shape": asdict(trained.model.shape),  # type: ignore[call-overload]  # each of `SHAPES` has one
        "encoder": _pretrained(trained.model),
        "speaks": trained.speaks,
        "labels": trained.labels,
        "longest": trained.longest,
        "lower_case": trained.lower_case,
        "sha256": {name: _hash(folder / name) for name in (WEIGHTS, TOKENIZER, SOURCE) if (folder / name).exists()},
    }
    beside = folder / f".{MODEL}.new"
    beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(beside, folder / MODEL)


def write_weights(model: nn.Module, file: Path) -> None:
    """Write the weights of `model` beside `file`, and put them there when they are whole."""
    file.parent.mkdir(exist_ok=True)
    beside = file.with_name(f".{file.name}.new")
    try:
        save_file({name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}, beside)
        os.replace(beside, file)
    except (OSError, SafetensorError) as error:
        beside.unlink(missing_ok=True)
        raise TrainingError(
            "'{file}' cannot be written: {reason}. Make room, and go on with --resume.", file=file, reason=error
        ) from error


def read(folder: Path) -> Trained:
    """The model in `folder`, in evaluation mode, on the processor. Raises `TrainingError` where there is none, or a
    file of it is missing, damaged or of another model."""
    card = card_of(folder)
    for name, wanted in card.sha256.items():
        if not (folder / name).is_file() or _hash(folder / name) != wanted:
            raise TrainingError(
                "'{file}' is missing, or not the one that was written with '{card}'. Train the model again.",
                file=folder / name,
                card=folder / MODEL,
            )
    try:
        model = _made(card)
        model.load_state_dict(load_file(folder / WEIGHTS))
        tokenizers = [Tokenizer.from_file(str(folder / name)) for name in (TOKENIZER, SOURCE) if name in card.sha256]
    except Exception as error:  # of a shape that cannot be, each network says so in its way; of tokenizers, the library
        raise TrainingError(
            "The model in '{folder}' cannot be opened: {reason}", folder=folder, reason=error
        ) from error
    return Trained(
        architecture=card.architecture,
        model=model.eval(),
        tokenizer=tokenizers[0],
        speaks=card.speaks,
        source=tokenizers[1] if tokenizers[1:] else None,
        labels=card.labels,
        longest=card.longest,
        lower_case=card.lower_case,
    )


def card_of(folder: Path) -> Card:
    """What model.json says. Raises `TrainingError` where there is none, one of another version, or one in which
    something is missing or of another kind."""
    try:
        said = json.loads((folder / MODEL).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(
            "There is no trained model in '{folder}' ({reason}). Train one: samantha train RECIPE out={folder}",
            folder=folder,
            reason=error,
        ) from error
    if not isinstance(said, dict) or said.get("architecture") not in [*SHAPES]:  # it may say what cannot be hashed
        raise TrainingError("'{file}' is of no model that is known here.", file=folder / MODEL)
    try:
        card = TypeAdapter(Card).validate_python(said)
    except ValidationError as error:
        raise _changed(folder, _first(error)) from error
    try:
        _shape(SHAPES[card.architecture], card.shape)
    except ValidationError as error:
        raise _changed(folder, f"shape.{_first(error)}") from error
    except (KeyError, SettingError) as error:
        raise _changed(folder, f"shape: {error}") from error
    if missing := {WEIGHTS, TOKENIZER} - set(card.sha256):
        raise _changed(folder, f"sha256: {min(missing)}")
    return card


def _first(error: ValidationError) -> str:
    """Where the first fault is, and what it is."""
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def _changed(folder: Path, reason: str) -> TrainingError:
    return TrainingError(
        "'{file}' is not as it was written ({reason}). Train the model again.", file=folder / MODEL, reason=reason
    )


def _made(card: Card) -> nn.Module:
    """The model as it was before its weights."""
    shape = _shape(SHAPES[card.architecture], card.shape)
    with torch.device("cpu"):
        match card.architecture:
            case "gpt":
                return gpt.GPT(shape)
            case "seq2seq_lstm":
                return seq2seq_lstm.Seq2SeqLSTM(shape)
            case "seq2seq_transformer":
                trunk = encoder.Trunk(_shape(encoder.Shape, card.encoder)) if card.encoder else None
                return seq2seq_transformer.Seq2SeqTransformer(shape, encoder=trunk)
            case "bert":
                return bert.BERT(shape)
            case _:
                return bert.TextClassifier(shape, len(card.labels))


def _shape(kind: type, sizes: dict[str, Any]) -> Any:
    return TypeAdapter(kind).validate_python({field.name: sizes[field.name] for field in fields(kind)})


def _pretrained(model: nn.Module) -> dict[str, Any] | None:
    """The shape of the trunk that a translator has for an encoder."""
    trunk = getattr(model, "encoder", None)
    return asdict(trunk.shape) if isinstance(trunk, encoder.Trunk) else None


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
