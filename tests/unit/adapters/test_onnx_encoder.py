"""Windows, batches, heads and files of the encoder's adapter, with a network that only looks at numbers."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from samantha.adapters.onnx_encoder import (
    BATCH,
    MANIFEST,
    OVERLAP,
    Calibration,
    Manifest,
    OnnxEncoder,
    OwnHead,
    levels,
    read_head,
    read_heads,
    read_manifest,
    write_head,
)
from samantha.core.errors import EncoderError
from samantha.core.types import Understanding

DANGER = 999  # the token that the tiny network is afraid of
WINDOW = 40
LABELS = {
    "emotion": ("joy", "fear"),
    "sentiment": ("negative", "neutral", "positive"),
    "level": ("none", "concern", "crisis"),
    "kinds": ("self_harm", "violence"),
    "act": ("question", "statement"),
}
SIZES = {"vector": 4, "pooled": 8, **{head: len(labels) for head, labels in LABELS.items()}}


class NumberTokenizer:
    """A text is numbers; each is a token, between the markers 1 and 2."""

    def encode_batch_fast(self, texts: Sequence[str]) -> list[Any]:
        return [SimpleNamespace(ids=[1, *map(int, text.split()), 2]) for text in texts]


class TinySession:
    """A window with the token of danger is a crisis; the first entry of a vector is the window's first number."""

    def __init__(self) -> None:
        self.batches: list[list[list[int]]] = []  # windows that were run together, without padding

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name=name, shape=["batch", size]) for name, size in SIZES.items()]

    def run(self, names: Sequence[str], given: dict[str, Any]) -> list[Any]:
        rows = [ids[mask == 1].tolist() for ids, mask in zip(given["ids"], given["mask"], strict=True)]
        self.batches.append(rows)
        found = {name: np.zeros((len(rows), size), np.float32) for name, size in SIZES.items()}
        afraid = np.array([DANGER in row for row in rows], np.float32)
        found["vector"][:, 0], found["vector"][:, 1] = [row[1] for row in rows], 1
        found["pooled"][:] = found["vector"].repeat(2, axis=1)
        found["emotion"][:, 1] = 8 * afraid - 4
        found["level"][:, 2] = 16 * afraid - 8
        found["kinds"][:, 0] = 8 * afraid - 4
        return [found[name] for name in names]


def manifest(**changes: Any) -> Manifest:
    plain = {head: Calibration(np.ones(len(labels)), np.zeros(len(labels))) for head, labels in LABELS.items()}
    thresholds = {"emotion": np.array([0.6, 0.6]), "level": np.array([1, 0.8, 0.5]), "kinds": np.array([0.5, 0.5])}
    return Manifest(
        **{"sha256": "tiny", "window": WINDOW, "labels": LABELS, "calibration": plain, "thresholds": thresholds}
        | changes
    )


def opened(session: TinySession | None = None, **heads: OwnHead) -> OnnxEncoder:
    return OnnxEncoder(session or TinySession(), NumberTokenizer(), manifest(), heads)  # type: ignore[arg-type]


def numbers(count: int, start: int = 10) -> str:
    return " ".join(str(start + number) for number in range(count))


def understood(text: str) -> Understanding:
    (one,) = opened().understood([text])
    return one


def head(*labels: str, features: int = 12) -> OwnHead:
    weight = np.zeros((len(labels), features), np.float32)
    weight[0, 0] = 50.0  # the first label for a vector that begins with a large number
    return OwnHead(labels, np.zeros(features), np.ones(features), weight, np.zeros(len(labels)))


@pytest.mark.parametrize("count", [1, WINDOW - 2, WINDOW - 1, 2 * WINDOW, 1000])
def test_the_windows_cover_every_token_and_fit_the_network(count: int) -> None:
    session = TinySession()
    opened(session).read([numbers(count)])
    windows = [window for batch in session.batches for window in batch]
    assert {token for window in windows for token in window} == {1, 2, *range(10, 10 + count)}
    assert all(len(window) <= WINDOW and (window[0], window[-1]) == (1, 2) for window in windows)


def test_two_windows_of_a_text_share_some_tokens() -> None:
    session = TinySession()
    opened(session).read([numbers(60)])
    first, second = sorted(session.batches[0])
    assert len(set(first[1:-1]) & set(second[1:-1])) == OVERLAP


@pytest.mark.parametrize("place", [0, 500, 999])
def test_danger_in_one_window_of_many_is_not_averaged_away(place: int) -> None:
    words = numbers(1000, start=2000).split()
    words[place] = str(DANGER)
    felt = understood(" ".join(words))
    assert felt.risk
    assert felt.risk.level == "crisis"
    assert felt.risk.kinds["self_harm"] > 0.9


def test_a_long_text_without_danger_is_no_crisis() -> None:
    felt = understood(numbers(1000, start=2000))
    assert felt.risk
    assert felt.risk.level == "none"


def test_an_emotion_of_one_window_is_an_emotion_of_that_share_of_the_text() -> None:
    felt = understood(f"{DANGER} {numbers(400, start=2000)}")
    assert felt.emotion
    assert 0.02 < felt.emotion.probabilities["fear"] < 0.3
    assert felt.emotion.labels == ()


def test_texts_come_back_in_their_order_however_they_are_batched() -> None:
    texts = [numbers(1 + number * 7 % 90, start=100 * number) for number in range(3 * BATCH)]
    session = TinySession()
    vectors = opened(session).read(texts).vector
    alone = np.array([opened().read([text]).vector[0] for text in texts])
    assert np.allclose(vectors, alone, atol=1e-5)
    assert max(map(len, session.batches)) == BATCH


def test_windows_of_like_length_run_together() -> None:
    session = TinySession()
    opened(session).read([numbers(1), numbers(30), numbers(2), numbers(29)] * BATCH)
    padding = sum(max(map(len, batch)) - len(window) for batch in session.batches for window in batch)
    assert padding <= 4 * BATCH


def test_no_texts_give_no_understandings() -> None:
    assert opened().understood([]) == []


def test_an_empty_text_is_one_window_of_markers() -> None:
    session = TinySession()
    opened(session).read([""])
    assert session.batches == [[[1, 2]]]


def test_a_vector_is_of_unit_length_and_says_whose_it_is() -> None:
    felt = understood(numbers(300))
    assert felt.vector
    assert np.linalg.norm(felt.vector) == pytest.approx(1, abs=1e-4)
    assert felt.encoder == "tiny"


def test_crisis_goes_before_concern_and_concern_counts_what_crisis_has_too() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.3, 0.4, 0.3], [0.4, 0.0, 0.6]], np.float32)
    assert levels(probabilities, np.array([1, 0.6, 0.5], np.float32)).tolist() == [0, 1, 2]


def test_calibrated_heads_of_one_truth_add_up() -> None:
    calibration = Calibration(np.float32([2, 1, 1]), np.float32([0, 1, 0]))
    logits = np.float32([[1, 2, 3], [1000, -1000, 0]])
    assert calibration.probabilities(logits, one_of=True).sum(axis=1) == pytest.approx([1, 1])


# --- heads of one's own


def test_an_own_head_names_its_labels() -> None:
    (felt,) = opened(topic=head("large", "small")).understood(["900 900"])
    assert set(felt.heads) == {"topic"}
    assert felt.heads["topic"]["large"] > 0.9
    assert sum(felt.heads["topic"].values()) == pytest.approx(1, abs=1e-3)


def test_a_head_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_head(tmp_path / "topic.npz", head("大", "小"), encoder="tiny")
    read = read_head(tmp_path / "topic.npz", "tiny")
    assert read.labels == ("大", "小")
    assert np.array_equal(read.weight, head("大", "小").weight)


def test_without_a_folder_there_are_no_own_heads(tmp_path: Path) -> None:
    assert read_heads(tmp_path / "none", "tiny") == ({}, [])


def test_a_head_of_another_encoder_is_refused(tmp_path: Path) -> None:
    write_head(tmp_path / "topic.npz", head("a", "b"), encoder="older")
    with pytest.raises(EncoderError, match=r"topic\.npz' was trained on another encoder.*head=topic"):
        read_head(tmp_path / "topic.npz", "tiny")


def test_a_damaged_head_is_named(tmp_path: Path) -> None:
    write_head(tmp_path / "topic.npz", head("a", "b"), encoder="tiny")
    content = (tmp_path / "topic.npz").read_bytes()
    (tmp_path / "topic.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(EncoderError, match=r"The head '.*topic\.npz' cannot be read"):
        read_head(tmp_path / "topic.npz", "tiny")


def test_a_head_that_cannot_be_used_leaves_the_others(tmp_path: Path) -> None:
    write_head(tmp_path / "topic.npz", head("a", "b"), encoder="tiny")
    write_head(tmp_path / "older.npz", head("a", "b"), encoder="older")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    heads, refused = read_heads(tmp_path, "tiny")
    assert list(heads) == ["topic"]
    assert [Path(str(error.text.values["path"])).stem for error in refused] == ["broken", "older"]


# --- files


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"sha256": "x", "window": "wide"}', "\x00\x01"])
def test_a_damaged_manifest_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(EncoderError, match=r"manifest\.json' cannot be read"):
        read_manifest(tmp_path / MANIFEST)


def test_a_manifest_without_a_head_leaves_its_field_empty() -> None:
    calibration = {name: manifest().calibration[name] for name in ("emotion", "sentiment")}
    session: Any = TinySession()
    (felt,) = OnnxEncoder(session, NumberTokenizer(), manifest(calibration=calibration), {}).understood(["5"])  # type: ignore[arg-type]
    assert felt.emotion is not None
    assert (felt.risk, felt.act) == (None, None)


def test_without_its_files_the_encoder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="Install Samantha again"):
        OnnxEncoder.open(tmp_path)


def test_a_damaged_model_is_an_encoder_error(tmp_path: Path) -> None:
    whole = {"sha256": "x", "window": 8, "labels": {}, "calibration": {}, "thresholds": {}}
    (tmp_path / MANIFEST).write_text(json.dumps(whole))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "encoder.onnx").write_bytes(b"not a model")
    with pytest.raises(EncoderError, match="cannot be opened"):
        OnnxEncoder.open(tmp_path)
