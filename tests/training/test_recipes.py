"""The recipes from end to end, on next to nothing: every file comes out, and the adapter can use it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from samantha.adapters.onnx_encoder import OnnxEncoder
from samantha.core.understanding import EMOTIONS
from samantha.recipes import encoder, head
from samantha.recipes.encoder import Recipe
from samantha.training.data import Example
from samantha.training.loop import Plan
from samantha.training.models.encoder import Shape

TRUNK = Shape(vocabulary=30, width=32, layers=1, attention_heads=4, inner=64, positions=128)


def bert(shape: Shape) -> dict[str, torch.Tensor]:
    """Random weights under the names of a Hugging Face BERT."""
    names = {
        f"embeddings.{name}_embeddings.weight": (size, shape.width)
        for name, size in (("word", shape.vocabulary), ("position", shape.positions), ("token_type", 2))
    }
    for number in range(shape.layers):
        layer = f"encoder.layer.{number}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            names[f"{layer}.{part}.weight"] = (shape.width, shape.width)
            names[f"{layer}.{part}.bias"] = (shape.width,)  # type: ignore[assignment]
        names[f"{layer}.intermediate.dense.weight"] = (shape.inner, shape.width)
        names[f"{layer}.intermediate.dense.bias"] = (shape.inner,)  # type: ignore[assignment]
        names[f"{layer}.output.dense.weight"] = (shape.width, shape.inner)
        names[f"{layer}.output.dense.bias"] = (shape.width,)  # type: ignore[assignment]
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            names |= {f"{layer}.{norm}.weight": (shape.width,), f"{layer}.{norm}.bias": (shape.width,)}  # type: ignore[dict-item]
    names |= {"embeddings.LayerNorm.weight": (shape.width,), "embeddings.LayerNorm.bias": (shape.width,)}  # type: ignore[dict-item]
    torch.manual_seed(0)
    return {name: torch.randn(size) * 0.1 for name, size in names.items()}


def little(folder: Path, tokenizer: Tokenizer) -> dict[str, Path]:
    """A trunk, a data set of each kind, and utterances, each of a few lines."""
    places = {name: folder / name for name in ("sets", "utterances", "base", "out", "work")}
    for place in (
        places["sets"] / "goemotions",
        places["sets"] / "tatoeba_en_zh",
        places["utterances"],
        places["base"],
    ):
        place.mkdir(parents=True)
    (places["sets"] / "goemotions" / "labels.txt").write_text("\n".join(EMOTIONS))
    comments = "".join(
        f"the dog is {'happy' if n % 2 else 'dead sad'} today {n}\t{17 if n % 2 else 25}\tx{n}\n" for n in range(40)
    )
    (places["sets"] / "goemotions" / "train.tsv").write_text(comments)
    (places["sets"] / "tatoeba_en_zh" / "train.tsv").write_text(
        "the dog\t狗\tby me\nmy cat is sad\t我的猫很难过\tby me\n" * 4
    )
    lines = "".join(
        f"{level}\t{kind}\tstatement\tnegative\tsadness\tit was {word} {n}\n"
        for n in range(10)
        for level, kind, word in (
            ("none", "-", "bad"),
            ("concern", "-", "very sad"),
            ("crisis", "self_harm", "not life"),
        )
    )
    read = "".join(f"x{n},none\n" for n in range(0, 40, 2))
    (places["utterances"] / "goemotions_levels.csv").write_text("comment,level\n" + read)
    (places["utterances"] / "some.en.tsv").write_text("level\tkinds\tact\tsentiment\temotions\ttext\n" + lines)
    save_file(bert(TRUNK), places["base"] / "model.safetensors")
    tokenizer.save(str(places["base"] / "tokenizer.json"))
    return places


def small(plan: Plan) -> Recipe:
    return Recipe(
        trunk=TRUNK, held_out=10, size=4, listeners=2, listening=plan, feeling=plan, danger=plan, contrasts=20
    )


def test_the_encoder_is_made_and_can_be_used(tmp_path: Path, tokenizer: Tokenizer) -> None:
    recipe = small(Plan(steps=4, evaluate_every=2, average=0.5))
    said: list[str] = []
    made = encoder.run(**little(tmp_path, tokenizer), recipe=recipe, report=said.append)
    (felt,) = OnnxEncoder.open(made.folder).understood(["my dog is sad"])
    assert felt.emotion is not None
    assert set(felt.emotion.probabilities) == set(EMOTIONS)
    assert felt.risk is not None
    assert len(json.loads((made.folder / "training.json").read_text())["stages"]) == 4
    assert "7 new characters" in said[0]


def test_a_stage_that_is_done_is_not_done_again(tmp_path: Path, tokenizer: Tokenizer) -> None:
    recipe = small(Plan(steps=2, evaluate_every=1))
    places, said = little(tmp_path, tokenizer), list[str]()
    first = encoder.run(**places, recipe=recipe, report=said.append)
    told = len(said)
    again = encoder.run(**places, recipe=recipe, report=said.append)
    assert again.logs == first.logs
    assert len(said) == told + 1  # only how large it is
    assert (first.folder / "encoder.onnx").read_bytes() == (again.folder / "encoder.onnx").read_bytes()


def test_a_comment_is_taught_its_label_and_what_is_heard() -> None:
    labelled, held = Example("a", {"emotion": (1.0, 0.0)}), Example("b", {"emotion": (0.0, 1.0)})
    material = encoder.Material([labelled], [held], [("c", "丙")], [], [])
    heard = np.array([[0.9, 0.9], [0.6, 0.2], [0.3, 0.5]], np.float32)  # held out, comment, sentence
    taught = encoder.taught_from(material, np.zeros((3, 4), np.float32), heard, share=0.5)
    assert taught.comments[0].labels["emotion"] == pytest.approx((0.8, 0.1))
    assert taught.comments_held[0].labels["emotion"] == (0.0, 1.0)
    assert taught.chinese[0].labels["emotion"] == pytest.approx((0.3, 0.5))


def test_a_head_is_made_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "topic.csv"
    rows = [("Where is my card?", "card"), ("My card has not come", "card"), ("The card was stolen", "card")]
    rows += [("How is the weather", "weather"), ("Will it rain today", "weather"), ("It is snowing again", "weather")]
    table.write_text("text,label\n" + "".join(f"{said},{label}\n" for said, label in rows))
    reads = OnnxEncoder.open(Path(__file__).parents[2] / "src" / "samantha" / "encoder")
    made = head.run(reads, table)
    assert (made.examples, made.held_out_accuracy) == (6, None)
    assert made.seconds < 5
    seen = reads.read(["They sent me a new card"])
    assert made.head.labels[int(made.head.probabilities(seen.vector, seen.pooled).argmax())] == "card"
