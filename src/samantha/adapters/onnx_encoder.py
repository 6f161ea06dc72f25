"""The encoder: tokenizer, ONNX model and manifest of a folder, run on one worker thread.

A long text is read in windows, and nothing of it is left out. Not here: training it (`samantha.recipes.encoder`), or
what follows from what it says (`samantha.mind.feeling`, `samantha.mind.safety`).
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from samantha.core.errors import EncoderError
from samantha.core.types import Emotion, Risk, Sentiment, Understanding
from samantha.core.understanding import CIRCUMPLEX, LEVELS

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MODEL, TOKENIZER, MANIFEST = "encoder.onnx", "tokenizer.json", "manifest.json"
BATCH = 32  # windows at once; more only costs memory
OVERLAP = 16  # tokens that two windows share, so that no sentence is torn apart unseen
ONE_OF = frozenset({"sentiment", "level", "act"})  # heads of which one label is true; of the others, any number

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Readout:
    """What the network says of some texts. Rows are texts."""

    vector: Floats  # (texts, width), of unit length
    pooled: Floats  # (texts, 2 * width): what heads of one's own are trained on
    probabilities: dict[str, Floats]  # head -> (texts, labels), calibrated


@dataclass(frozen=True, slots=True)
class Calibration:
    """Logits to probabilities: times `scale`, plus `shift` (Platt 1999), for each label."""

    scale: Floats
    shift: Floats

    def probabilities(self, logits: Floats, *, one_of: bool) -> Floats:
        logits = logits * self.scale + self.shift
        return softmax(logits) if one_of else np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def softmax(logits: Floats) -> Floats:
    """Probabilities that add up to 1 along the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True)
class OwnHead:
    """A linear head that a person trained on their own labels (`samantha train encoder head=NAME`)."""

    labels: tuple[str, ...]
    mean: Floats  # (features) of the features, and
    scale: Floats  # their spread
    weight: Floats  # (labels, features)
    bias: Floats  # (labels)

    def probabilities(self, vector: Floats, pooled: Floats) -> Floats:
        """(texts, labels), adding up to 1."""
        features = (features_of(vector, pooled) - self.mean) / self.scale
        return softmax(np.asarray(features @ self.weight.T + self.bias, np.float32))


def features_of(vector: Floats, pooled: Floats) -> Floats:
    """What an own head sees of a text: its vector, and its pooled states brought to unit length. (texts, features)"""
    length = np.linalg.norm(pooled, axis=-1, keepdims=True)
    return np.concatenate([vector, pooled / np.maximum(length, 1e-9)], axis=-1)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What lies beside the model: its hash, its labels, and how its logits are to be read."""

    sha256: str
    window: int  # tokens, with the two markers
    labels: dict[str, tuple[str, ...]]
    calibration: dict[str, Calibration]
    thresholds: dict[str, Floats]  # head -> probability from which on a label counts


@dataclass(frozen=True, slots=True)
class Windows:
    """Texts cut into what the network reads at once, and the way back."""

    ids: list[list[int]]  # of each window, markers included
    owner: NDArray[np.int64]  # (windows) which text it belongs to
    texts: int

    def mean(self, rows: Floats) -> Floats:
        """(windows, size) -> (texts, size), weighted by length."""
        if len(self.ids) == self.texts:
            return rows
        lengths = np.array([len(window) for window in self.ids], np.float32)[:, None]
        total, weight = np.zeros((self.texts, rows.shape[1]), np.float32), np.zeros((self.texts, 1), np.float32)
        np.add.at(total, self.owner, rows * lengths)
        np.add.at(weight, self.owner, lengths)
        return total / weight

    def highest(self, rows: Floats) -> Floats:
        """(windows, size) -> (texts, size): what any window says."""
        result = np.zeros((self.texts, rows.shape[1]), np.float32)
        np.maximum.at(result, self.owner, rows)
        return result

    def joined(self, head: str, rows: Floats) -> Floats:
        return self.highest(rows) if head == "kinds" else self.mean(rows)

    def worst_level(self, rows: Floats) -> Floats:
        """(windows, 3) -> (texts, 3): as in the worst window, whose odds are divided by the root of their number.

        Each further window is a further chance of a false alarm; dividing by the number itself, as Bonferroni would,
        loses the one line of danger in a long text.
        """
        if len(self.ids) == self.texts:
            return rows
        worst = self.highest(np.stack([rows[:, 1] + rows[:, 2], rows[:, 2]], axis=1))
        root = np.sqrt(np.bincount(self.owner, minlength=self.texts))[:, None].astype(np.float32)
        some, crisis = (worst / (worst + root * (1 - worst))).T
        return np.stack([1 - some, some - crisis, crisis], axis=1)


class OnnxEncoder:
    """Implements `Encoder`; `open` reads the files. One call is answered after the other."""

    def __init__(
        self,
        session: "InferenceSession",
        tokenizer: "Tokenizer",
        manifest: Manifest,
        heads: Mapping[str, OwnHead],
        refused: Sequence[EncoderError] = (),
    ) -> None:
        """`refused` says which heads of one's own are left out, and why."""
        self.manifest, self.heads, self.refused = manifest, dict(heads), tuple(refused)
        self._session, self._tokenizer = session, tokenizer
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")

    @classmethod
    def open(cls, folder: Path, *, heads: Path | None = None, threads: int = 1) -> "OnnxEncoder":
        """The encoder in `folder`, with those own heads in `heads` that fit it. Raises `EncoderError`."""
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        if threads > 1:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            manifest = read_manifest(folder / MANIFEST)
            model = (folder / MODEL).read_bytes()
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except EncoderError:
            raise
        except Exception as error:  # onnxruntime and tokenizers raise their own and plain Exception
            raise EncoderError(
                "The encoder in '{folder}' cannot be opened: {reason}. Install Samantha again.",
                folder=folder,
                reason=error,
            ) from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        own, refused = read_heads(heads, manifest.sha256) if heads else ({}, [])
        return cls(session, tokenizer, manifest, own, refused)

    async def understand(self, texts: Sequence[str]) -> list[Understanding]:
        return await asyncio.get_running_loop().run_in_executor(self._worker, self.understood, list(texts))

    async def aclose(self) -> None:
        """Wait for what is running; the encoder cannot be used afterwards."""
        self._worker.shutdown()

    def understood(self, texts: Sequence[str]) -> list[Understanding]:
        """`understand`, for callers that have a thread of their own."""
        readout = self.read(texts)
        return [self._understanding(readout, row) for row in range(len(texts))]

    def read(self, texts: Sequence[str]) -> Readout:
        """Vectors, pooled states and probabilities of `texts`, in their order.

        Of a text in several windows danger is as high as in any of them; all else is the mean, weighted by length.
        """
        found, windows = self._run(texts)
        vector = windows.mean(found["vector"])
        vector = vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)
        probabilities = {}
        for head, calibration in self.manifest.calibration.items():
            rows = calibration.probabilities(found[head], one_of=head in ONE_OF)
            probabilities[head] = windows.worst_level(rows) if head == "level" else windows.joined(head, rows)
        return Readout(vector, windows.mean(found["pooled"]), probabilities)

    def logits(self, texts: Sequence[str]) -> dict[str, Floats]:
        """Head -> (texts, labels), as they are before calibration."""
        found, windows = self._run(texts)
        return {head: windows.mean(found[head]) for head in self.manifest.labels}

    def _run(self, texts: Sequence[str]) -> "tuple[dict[str, Floats], Windows]":
        """Every output of the network, (windows, size), and the windows; those of like length run together."""
        windows = self._windows(texts)
        outputs = {output.name: output.shape[1] for output in self._session.get_outputs()}
        found = {name: np.zeros((len(windows.ids), size), np.float32) for name, size in outputs.items()}
        order = sorted(range(len(windows.ids)), key=lambda number: len(windows.ids[number]))
        for start in range(0, len(order), BATCH):
            at = order[start : start + BATCH]
            ids, mask = _padded([windows.ids[number] for number in at])
            for name, values in zip(found, self._session.run(list(found), {"ids": ids, "mask": mask}), strict=True):
                found[name][at] = values
        return found, windows

    def _windows(self, texts: Sequence[str]) -> "Windows":
        room = self.manifest.window - 2
        windows, owner = [], []
        for number, encoding in enumerate(self._tokenizer.encode_batch_fast([_encodable(text) for text in texts])):
            first, *ids, last = encoding.ids
            for start in range(0, max(1, len(ids) - OVERLAP), room - OVERLAP):
                windows.append([first, *ids[start : start + room], last])
                owner.append(number)
        return Windows(windows, np.array(owner, np.int64), len(texts))

    def _understanding(self, readout: Readout, row: int) -> Understanding:
        found = {head: rows[row] for head, rows in readout.probabilities.items()}
        own = {
            name: dict(
                zip(head.labels, _plain(head.probabilities(readout.vector[row], readout.pooled[row])), strict=True)
            )
            for name, head in self.heads.items()
        }
        return Understanding(
            emotion=self._emotion(found["emotion"]) if "emotion" in found else None,
            risk=self._risk(found) if "level" in found else None,
            sentiment=self._sentiment(found["sentiment"]) if "sentiment" in found else None,
            act=self.manifest.labels["act"][int(found["act"].argmax())] if "act" in found else None,
            vector=tuple(_plain(readout.vector[row])),
            encoder=self.manifest.sha256,
            heads=own,
        )

    def _emotion(self, probabilities: Floats) -> Emotion:
        labels = self.manifest.labels["emotion"]
        valence, arousal = circumplex(dict(zip(labels, _plain(probabilities), strict=True)))
        beyond = probabilities >= self.manifest.thresholds["emotion"]
        order = [int(index) for index in np.argsort(-probabilities) if beyond[index]]
        return Emotion(
            dict(zip(labels, _plain(probabilities), strict=True)),
            valence,
            arousal,
            tuple(labels[index] for index in order),
        )

    def _risk(self, found: Mapping[str, Floats]) -> Risk:
        return Risk(
            LEVELS[int(levels(found["level"][None], self.manifest.thresholds["level"])[0])],
            dict(zip(self.manifest.labels["kinds"], _plain(found["kinds"]), strict=True)) if "kinds" in found else {},
        )

    def _sentiment(self, probabilities: Floats) -> Sentiment:
        return SENTIMENT_NAMES[self.manifest.labels["sentiment"][int(probabilities.argmax())]]


SENTIMENT_NAMES: dict[str, Sentiment] = {"negative": "negative", "neutral": "neutral", "positive": "positive"}


def levels(probabilities: Floats, thresholds: Floats) -> NDArray[np.int64]:
    """Index of the level of each row: crisis from its threshold on, else concern from its own on, else none.

    `probabilities` (texts, 3); `thresholds` (3), of which the first is not used. Concern counts what crisis has too.
    """
    crisis = probabilities[:, 2] >= thresholds[2]
    concern = probabilities[:, 1] + probabilities[:, 2] >= thresholds[1]
    return np.where(crisis, 2, np.where(concern, 1, 0))


def circumplex(probabilities: Mapping[str, float]) -> tuple[float, float]:
    """Valence and arousal as the mean place of the emotions, weighted by their probabilities."""
    total = sum(probabilities.values()) or 1.0
    valence = sum(CIRCUMPLEX[label][0] * each for label, each in probabilities.items()) / total
    arousal = sum(CIRCUMPLEX[label][1] * each for label, each in probabilities.items()) / total
    return round(valence, 4), round(arousal, 4)


def read_manifest(path: Path) -> Manifest:
    """Raises `EncoderError` where it is missing or is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(
            found["sha256"],
            int(found["window"]),
            {head: tuple(labels) for head, labels in found["labels"].items()},
            {
                head: Calibration(np.array(one["scale"], np.float32), np.array(one["shift"], np.float32))
                for head, one in found["calibration"].items()
            },
            {head: np.array(values, np.float32) for head, values in found["thresholds"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            "The encoder's manifest '{path}' cannot be read: {reason}. Install Samantha again.",
            path=path,
            reason=error,
        ) from error


def read_heads(folder: Path, encoder: str) -> tuple[dict[str, OwnHead], list[EncoderError]]:
    """The person's own heads, and why the others in `folder` are left out: no damaged one may end a conversation."""
    heads, refused = {}, []
    for path in sorted(folder.glob("*.npz")):
        try:
            heads[path.stem] = read_head(path, encoder)
        except EncoderError as error:
            refused.append(error)
    return heads, refused


def read_head(path: Path, encoder: str) -> OwnHead:
    """One head. Raises `EncoderError` where it is damaged or was trained on another encoder."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            made_on = str(stored["encoder"])
            head = OwnHead(
                tuple(str(label) for label in stored["labels"]),
                *(stored[name].astype(np.float32) for name in ("mean", "scale", "weight", "bias")),
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise EncoderError(
            "The head '{path}' cannot be read: {reason}. Delete it, or train it again.", path=path, reason=error
        ) from error
    if made_on != encoder:
        raise EncoderError(
            "The head '{path}' was trained on another encoder. Train it again with "
            "`samantha train encoder head={name} data=FILE.csv`, or delete it.",
            path=path,
            name=path.stem,
        )
    return head


def write_head(path: Path, head: OwnHead, *, encoder: str) -> None:
    """Keep `head`, which was trained on the vectors of `encoder`."""
    np.savez(
        path,
        labels=np.array(head.labels),
        mean=head.mean,
        scale=head.scale,
        weight=head.weight,
        bias=head.bias,
        encoder=np.array(encoder),
    )


def _padded(windows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ids = np.zeros((len(windows), max(map(len, windows))), np.int64)
    mask = np.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window)] = window
        mask[row, : len(window)] = 1
    return ids, mask


def _encodable(text: str) -> str:
    """`text` with U+FFFD for lone surrogates, which UTF-8 does not have."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


def _plain(values: Floats) -> list[float]:
    rounded: list[float] = values.astype(np.float64).round(5).tolist()
    return rounded
