"""Heads of one's own: from a table to labels."""

from pathlib import Path

import numpy as np
import pytest

from samantha.adapters.onnx_encoder import Readout, read_head, write_head
from samantha.core.errors import TrainingError
from samantha.training import heads

CHANCE = np.random.default_rng(0)


def readout(classes: int, each: int) -> tuple[Readout, list[str]]:
    centres = CHANCE.normal(size=(classes, 8))
    vectors = np.repeat(centres, each, axis=0) + CHANCE.normal(size=(classes * each, 8)) * 0.1
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Readout(vectors, np.concatenate([vectors, vectors], axis=1), {}), [
        f"c{n}" for n in range(classes) for _ in range(each)
    ]


@pytest.mark.parametrize("classes", [2, 5])
def test_a_head_learns_classes_that_lie_apart(classes: int) -> None:
    seen, labels = readout(classes, 8)
    head = heads.train(seen, labels)
    assert heads.accuracy(head, seen, labels) == 1.0
    assert head.probabilities(seen.vector, seen.pooled).sum(axis=1) == pytest.approx(np.ones(len(labels)), abs=1e-4)


def test_a_kept_head_says_the_same(tmp_path: Path) -> None:
    seen, labels = readout(3, 8)
    head = heads.train(seen, labels)
    write_head(tmp_path / "topic.npz", head, encoder="abc")
    again = read_head(tmp_path / "topic.npz", "abc")
    assert again.labels == head.labels
    assert again.probabilities(seen.vector, seen.pooled) == pytest.approx(head.probabilities(seen.vector, seen.pooled))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "There is nothing in"),
        ("text,label\n", "There is nothing in"),
        ("a,b\n1,2\n", "has the columns a, b"),
        ("text,label\nhi,x\nho,x\n", "fewer than two labels"),
        ("text,label\nhi,x\nho,x\nhu,y\n", "a single example of the label 'y'"),
        ("text,label\nhi,x\n\n,y\n", r"line 4: It has no text or no label\. Mend or delete it\.$"),
        ("text,label\nhi,x\nhi, you,y\n", "line 3: It has 3 columns, and the first row has 2"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_explained(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "own.csv").write_text(content)
    with pytest.raises(TrainingError, match=complaint):
        heads.read(tmp_path / "own.csv")


def test_columns_are_found_by_their_usual_names(tmp_path: Path) -> None:
    (tmp_path / "own.CSV").write_text('\ufeffCategory,Text\nx,"hi, you"\nx,ho\ny,hu\ny,he\n', encoding="utf-8")
    found = heads.read(tmp_path / "own.CSV")
    assert (found.texts, found.names) == (["hi, you", "ho", "hu", "he"], ["x", "y"])


def test_a_fifth_is_kept_to_check_with_where_there_is_enough() -> None:
    kept, check = heads.split(["a"] * 10 + ["b"] * 10)
    assert (len(kept), len(check)) == (16, 4)
    assert len(heads.split(["a"] * 10 + ["b"] * 4)[1]) == 0
