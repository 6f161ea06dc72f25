"""The recipes `bert` and `classify` on a few rows, and what they are made of."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from samantha.core.errors import SettingError, TrainingError
from samantha.recipes import bert, classify
from samantha.recipes.options import keys
from samantha.training import classification, masked_text, model_files, objectives, perturbation, tokens
from samantha.training.corpora import LabelledText, Tally
from samantha.training.files import Place
from samantha.training.loop import Plan
from samantha.training.model_files import Trained
from samantha.training.models.bert import Shape, TextClassifier
from samantha.training.runs import Run, RunFolder

GOOD, BAD = ("happy", "lovely", "great", "warm"), ("sad", "dull", "awful", "cold")
TINY = Shape(vocabulary=300, width=32, layers=1, attention_heads=2, inner=64, positions=48)
QUICK = Plan(steps=60, rate=3e-3)


def sentences(count: int, *, seed: int) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    drawn = [(label, chance.choice(GOOD if label == "good" else BAD)) for label in ("good", "bad") * (count // 2)]
    return [(label, f"the {word} film {number} was {seed}") for number, (label, word) in enumerate(drawn)]


def lines(file: Path | None, rows: list[tuple[str, str]]) -> Path:
    assert file  # a recipe may have none
    file.write_text("".join(f"{label} {said}\n" for label, said in rows), encoding="utf-8")
    return file


@pytest.fixture
def recipe(tmp_path: Path) -> classify.Recipe:
    return classify.Recipe(
        data=lines(tmp_path / "learned", sentences(40, seed=1)),
        test=lines(tmp_path / "test", sentences(20, seed=2)),
        held_share=0.0,
        shape=TINY,
        plan=QUICK,
        batch=8,
        longest=40,
        device="cpu",
    )


def run(recipe: classify.Recipe, path: Path) -> Run:
    return classify.run(recipe, RunFolder.begin(path, recipe="classify", options={}))


def masked_run(recipe: bert.Recipe, path: Path) -> Run:
    return bert.run(recipe, RunFolder.begin(path, recipe="bert", options={}))


def rows_of(*pairs: tuple[str, str]) -> list[LabelledText]:
    return [LabelledText(said, label, Place("rows", number)) for number, (label, said) in enumerate(pairs, start=1)]


def bert_in(folder: Path) -> dict[str, torch.Tensor]:
    """A tiny BERT as Hugging Face writes one, without a tokenizer; its weights."""
    sizes = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 64, "max_position_embeddings": 48}
    (folder / "config.json").write_text(json.dumps({**sizes, "layer_norm_eps": 1e-12}), encoding="utf-8")
    matrices = {"attention.self.query": (32, 32), "attention.self.key": (32, 32), "attention.self.value": (32, 32)}
    matrices |= {"attention.output.dense": (32, 32), "intermediate.dense": (64, 32), "output.dense": (32, 64)}
    weights = {
        "embeddings.word_embeddings.weight": torch.randn(300, 32),
        "embeddings.position_embeddings.weight": torch.randn(48, 32),
        "embeddings.token_type_embeddings.weight": torch.randn(2, 32),
    }
    for name, size in matrices.items():
        weights |= {
            f"encoder.layer.0.{name}.weight": torch.randn(size),
            f"encoder.layer.0.{name}.bias": torch.zeros(size[0]),
        }
    for name in ("embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"):
        weights |= {f"{name}.LayerNorm.weight": torch.ones(32), f"{name}.LayerNorm.bias": torch.zeros(32)}
    save_file(weights, folder / "model.safetensors")
    return weights


# -- classify ---------------------------------------------------------------------------------------------------


def test_a_classifier_tells_new_sentences_apart_and_is_read_again(recipe: classify.Recipe, tmp_path: Path) -> None:
    done = run(recipe, tmp_path / "run")
    assert done.figures["test_accuracy"] > 0.9
    assert {"test_macro_f1", "test_accuracy_typos", "test_accuracy_reworded", "cut"} <= done.figures.keys()
    trained = model_files.read(tmp_path / "run")
    assert isinstance(trained.model, TextClassifier)
    assert trained.labels == ("bad", "good")
    found = classification.probabilities(trained.model, trained.tokenizer, ["the great film 5 was 2"], longest=40)
    assert trained.labels[found[0].argmax()] == "good"


def test_the_same_seed_gives_the_same_classifier(recipe: classify.Recipe, tmp_path: Path) -> None:
    quick = replace(recipe, plan=replace(QUICK, steps=5))
    for name in ("one", "other"):
        run(quick, tmp_path / name)
    one, other = (model_files.read(tmp_path / name).model.state_dict() for name in ("one", "other"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("extra", [{"agreement": 1.0}, {"adversarial": 0.1}, {"agreement": 1.0, "adversarial": 0.1}])
def test_it_learns_with_agreement_and_with_an_adversary_too(
    recipe: classify.Recipe, tmp_path: Path, extra: dict[str, float]
) -> None:
    assert run(replace(recipe, **extra), tmp_path / "run").figures["test_accuracy"] > 0.9  # type: ignore[arg-type]


def test_a_student_learns_from_what_its_teacher_is_sure_of(recipe: classify.Recipe, tmp_path: Path) -> None:
    both = replace(recipe, labelled_share=0.3, unlabelled="rest", confidence=0.6)
    figures = run(both, tmp_path / "run").figures
    assert figures["learned"] == 12
    assert 0 < figures["pseudo_labels"] <= 28
    assert figures["pseudo_labels_right"] > 0.8


def test_training_stops_where_the_held_out_share_gets_no_better(recipe: classify.Recipe, tmp_path: Path) -> None:
    patient = replace(QUICK, steps=400, evaluate_every=20, patience=1)
    run(replace(recipe, test=None, held_share=0.2, plan=patient), tmp_path / "run")
    rows = [json.loads(row) for row in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows[-1]["step"] < 400


def test_what_measures_is_not_learned(recipe: classify.Recipe, tmp_path: Path) -> None:
    again = [*sentences(40, seed=1), *sentences(20, seed=2)[:6]]
    lines(recipe.data, again)
    assert run(replace(recipe, plan=replace(QUICK, steps=2)), tmp_path / "run").figures["learned"] == 40
    cards = json.loads((tmp_path / "run" / "data.json").read_text(encoding="utf-8"))
    assert cards[0]["dropped"] == {"in held or test": 6}


def test_unlabelled_texts_are_cleaned_and_none_of_what_measures_is_among_them(
    recipe: classify.Recipe, tmp_path: Path
) -> None:
    measured = [said for _, said in sentences(20, seed=2)]
    others = [said for _, said in sentences(6, seed=3)]
    file = tmp_path / "unlabelled"
    file.write_text("\n".join([*measured[:4], *others, f"  {others[0]}"]), encoding="utf-8")
    quick = replace(recipe, unlabelled=str(file), confidence=0.0, plan=replace(QUICK, steps=2))
    run(quick, tmp_path / "run")
    cards = json.loads((tmp_path / "run" / "data.json").read_text(encoding="utf-8"))
    assert cards[-1]["dropped"] == {"duplicate": 1, "in held or test": 4}
    file.write_text("\n".join(measured), encoding="utf-8")
    with pytest.raises(TrainingError, match="nothing is left to learn from"):
        run(quick, tmp_path / "other")


def test_positions_that_batches_do_not_fill_evenly_are_not_overrun(recipe: classify.Recipe, tmp_path: Path) -> None:
    lines(recipe.test, [*sentences(4, seed=2), ("good", "a great film " * 40)])
    shape = replace(TINY, positions=42)
    run(replace(recipe, shape=shape, longest=128, plan=replace(QUICK, steps=2)), tmp_path / "run")


def test_a_text_that_is_too_long_is_cut_and_counted(recipe: classify.Recipe, tmp_path: Path) -> None:
    lines(recipe.test, [*sentences(4, seed=2), ("good", "a great film " * 40)])
    assert run(replace(recipe, plan=replace(QUICK, steps=2)), tmp_path / "run").figures["cut"] == 1


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "nothing in"),
        ([("good", "a film")], "takes two at least"),
        ([("good", "a film"), ("good", "a great film"), ("bad", "a dull film")], "1 texts with the label 'bad'"),
    ],
)
def test_too_few_rows_are_refused(
    recipe: classify.Recipe, tmp_path: Path, rows: list[tuple[str, str]], says: str
) -> None:
    lines(recipe.data, rows)
    with pytest.raises(TrainingError, match=says):
        run(recipe, tmp_path / "run")


def test_a_label_that_was_not_learned_is_refused_or_left_out(recipe: classify.Recipe, tmp_path: Path) -> None:
    lines(recipe.test, [*sentences(4, seed=2), ("middling", "a film")])
    with pytest.raises(TrainingError, match=r"'middling' is none of the labels: bad, good"):
        run(recipe, tmp_path / "run")
    quick = replace(recipe, corrupt="skip", plan=replace(QUICK, steps=2))
    assert run(quick, tmp_path / "other").figures["measured"] == 4


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"data": None}, "data=FILE"),
        ({"test": None}, "Nothing measures"),
        ({"fresh": True}, "trunk=FOLDER"),
        ({"unlabelled": "rest"}, "labelled_share"),
        ({"labelled_share": 1.5}, "between 0 and 1"),
        ({"batch": 0}, "above 0"),
        ({"epochs": math.nan}, "above 0"),
        ({"longest": 2}, "longest 3"),
        ({"dropout": 2.0}, "dropout is 2.0"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    recipe: classify.Recipe, tmp_path: Path, changed: dict[str, object], says: str
) -> None:
    with pytest.raises(SettingError, match=says):
        run(replace(recipe, **changed), tmp_path / "run")  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_said_so(recipe: classify.Recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no GPU"):
        run(replace(recipe, device="cuda"), tmp_path / "run")


def test_a_folder_without_a_trunk_is_said_so(recipe: classify.Recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"config\.json"):
        run(replace(recipe, trunk=tmp_path), tmp_path / "run")


def test_the_folder_one_is_in_is_a_trunk_like_any_other(
    recipe: classify.Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainingError, match=r"The encoder in '\.' cannot be read"):
        run(replace(recipe, trunk=Path(".")), tmp_path / "run")


def test_a_trunk_without_a_tokenizer_is_said_so(tmp_path: Path) -> None:
    bert_in(tmp_path)
    with pytest.raises(TrainingError, match="The tokenizer of the encoder in"):
        classification.from_folder(tmp_path)


def test_a_trunk_has_the_shape_that_its_config_says(tmp_path: Path, tokenizer: Tokenizer) -> None:
    weights = bert_in(tmp_path)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    start = classification.from_folder(tmp_path)
    assert (start.shape.width, start.shape.layers) == (32, 1)
    begun = start.model(2, dropout=0.1, seed=0, device=torch.device("cpu"))
    assert torch.equal(begun.trunk.tokens.weight, weights["embeddings.word_embeddings.weight"])


def test_a_trunk_of_another_shape_is_said_so(tmp_path: Path) -> None:
    bert_in(tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(TrainingError, match="all-MiniLM-L6-v2"):
        classification.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"sha256": {}}, "sha256: model.safetensors"),
        ({"labels": 3}, "labels"),
        ({"longest": 0}, "longest"),
        ({"longest": None}, "longest"),
        ({"shape": {}}, "shape"),
        ({"shape": {"width": "wide"}}, "shape"),
        ({"shape": {"attention_heads": 0}}, "attention_heads|zero|cannot be opened"),
        ({"architecture": []}, "no model that is known here"),
        ({"speaks": "loudly"}, "speaks"),
    ],
)
def test_a_model_json_that_was_edited_is_refused(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    learned = tokens.byte_level(["a film"], 300)
    shape = replace(TINY, vocabulary=learned.get_vocab_size())
    model_files.write(tmp_path, Trained("classifier", TextClassifier(shape, 2), learned, "nothing", labels=("a", "b")))
    file = tmp_path / model_files.MODEL
    card = json.loads(file.read_text(encoding="utf-8"))
    if part := changed.get("shape"):
        changed = {"shape": card["shape"] | part}
    file.write_text(json.dumps(card | changed), encoding="utf-8")
    with pytest.raises(TrainingError, match=says):
        model_files.read(tmp_path)


# -- bert -------------------------------------------------------------------------------------------------------


def test_a_bert_finds_masked_words_again_and_is_a_trunk(recipe: classify.Recipe, tmp_path: Path) -> None:
    pretraining = bert.Recipe(
        data=recipe.data,
        form="labelled",
        shape=TINY,
        plan=Plan(steps=150, rate=5e-3),
        batch=8,
        held_out=0.1,
        device="cpu",
    )
    done = masked_run(pretraining, tmp_path / "bert")
    assert done.figures["held_out_accuracy"] > 0.3
    assert (tmp_path / "bert" / "samples.jsonl").read_text(encoding="utf-8").count("___")
    trunk = model_files.read(tmp_path / "bert").model.trunk.state_dict()  # type: ignore[union-attr]
    start = classification.from_folder(tmp_path / "bert")
    begun = start.model(2, dropout=0.1, seed=0, device=torch.device("cpu"))
    assert all(torch.equal(trunk[name], weight) for name, weight in begun.trunk.state_dict().items())
    quick = replace(recipe, trunk=tmp_path / "bert", plan=replace(QUICK, steps=120, rate=1e-3))
    assert run(quick, tmp_path / "tuned").figures["test_accuracy"] > 0.9
    assert run(replace(quick, fresh=True), tmp_path / "fresh").figures["test_accuracy"] > 0.4


@pytest.mark.parametrize("form", ["text", "lines"])
def test_a_bert_reads_plain_text(tmp_path: Path, form: bert.Form) -> None:
    file = tmp_path / "text.txt"
    file.write_text("\n".join(said for _, said in sentences(40, seed=1)), encoding="utf-8")
    quick = bert.Recipe(data=file, form=form, shape=TINY, plan=Plan(steps=2), held_out=0.1, device="cpu")
    assert masked_run(quick, tmp_path / "run").figures["rows"] > 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"data": None}, "data=FILE"),
        ({"batch": 0}, "batch=0"),
        ({"dropout": 2.0}, "dropout is 2.0"),
        ({"masked": math.nan}, "masked is nan"),
    ],
)
def test_a_bert_refuses_options_that_cannot_be(tmp_path: Path, changed: dict[str, object], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        masked_run(replace(bert.Recipe(data=tmp_path / "none"), **changed), tmp_path / "run")  # type: ignore[arg-type]


@pytest.mark.parametrize(("content", "says"), [("", "nothing in"), ("one", "too short|too few")])
def test_a_bert_refuses_what_is_no_text(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "text.txt"
    file.write_text(content, encoding="utf-8")
    for form in ("text", "lines"):
        with pytest.raises(TrainingError, match=says):
            masked_run(bert.Recipe(data=file, form=form, shape=TINY, device="cpu"), tmp_path / form)


def test_rows_have_no_more_tokens_than_there_are_positions_and_nothing_is_lost() -> None:
    learned = tokens.byte_level(["the happy film"], 300)
    rows = masked_text.rows_of(["the happy film was a great and warm one"], learned, longest=12)
    assert max(map(len, rows)) == 12
    assert "".join(tokens.decode(learned, row) for row in rows) == "the happy film was a great and warm one"


# -- parts ------------------------------------------------------------------------------------------------------


def test_the_adversary_moves_each_text_by_a_share_of_its_length_and_raises_the_loss() -> None:
    torch.manual_seed(0)
    model = TextClassifier(TINY, 2, dropout=0.0)
    ids, targets = torch.randint(7, 300, (4, 10)), torch.tensor([0, 1, 0, 1])
    seen: list[torch.Tensor] = []
    model.trunk.norm.register_forward_hook(lambda module, taken, given: seen.append(taken[0].detach()))
    length = model.trunk.tokens(ids).flatten(1).norm(dim=1)

    def loss_of() -> torch.Tensor:
        return objectives.one_label(model(ids, torch.ones_like(ids)), targets)

    loss, moved = objectives.adversarial(model.trunk.tokens, loss_of, size=0.3)
    assert moved > loss
    assert torch.allclose((seen[1] - seen[0]).flatten(1).norm(dim=1), 0.3 * length, atol=1e-4)
    assert torch.equal(loss_of(), loss)


def test_pseudo_labels_are_those_that_are_sure_and_not_lopsided() -> None:
    rows = rows_of(*(("bad", f"text {number}") for number in range(8)))
    good = np.array([0.99, 0.98, 0.97, 0.96, 0.95, 0.05, 0.02, 0.5])
    found = classification.pseudo_labelled(rows, np.stack([1 - good, good], -1), ("bad", "good"), confidence=0.9)
    assert [(row.text[-1], row.label) for row in found] == [
        *(("0", "good"), ("1", "good"), ("2", "good"), ("5", "bad"), ("6", "bad"))
    ]


def test_scores_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, f1_score

    chance = np.random.default_rng(0)
    found, truth = chance.random((50, 3)).astype(np.float32), chance.integers(0, 3, 50)
    said, names = found.argmax(-1), ("a", "b", "c")
    scores = classification.scores(found, [names[number] for number in truth], names)
    assert scores["accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro"))


def test_a_split_has_some_of_each_label_and_the_same_ones_each_time() -> None:
    rows = rows_of(*sentences(40, seed=1))
    first, rest = classification.split(rows, 0.1, seed=3)
    assert sorted(row.label for row in first) == ["bad"] * 2 + ["good"] * 2
    assert {row.text for row in first}.isdisjoint(row.text for row in rest)
    assert first == classification.split(rows, 0.1, seed=3)[0]


def test_texts_are_read_from_a_table_and_from_lines(tmp_path: Path, tokenizer: Tokenizer) -> None:
    tables = [tmp_path / "table.csv", tmp_path / "LOUD.CSV"]
    for table in tables:
        table.write_text("text,label\nI am happy,good\n", encoding="utf-8")
    for file in (*tables, lines(tmp_path / "lines", [("good", "I am happy")])):
        (row,) = classification.read(file, tally=Tally())
        assert (row.label, row.text) == ("good", "I am happy")
        assert classification.count_cut([row], tokenizer, longest=4) == 1


def test_typos_are_the_same_each_time_and_spare_short_words() -> None:
    said = "the film was a wonderful surprise to me and to everybody around"
    typed = perturbation.typos(said, seed=0, share=1.0)
    assert typed == perturbation.typos(said, seed=0, share=1.0) != said
    pairs = list(zip(said.split(), typed.split(), strict=True))
    assert all(one == other for one, other in pairs if len(one) < 4)
    assert all(abs(len(one) - len(other)) <= 1 and one[0] == other[0] for one, other in pairs)


def test_a_reworded_text_keeps_its_negation() -> None:
    reworded = perturbation.reworded("it 's a movie you ca n't watch", seed=0)
    assert "it is a film you can not see" in reworded
    assert reworded[0].isupper()


@pytest.mark.parametrize("recipe_of", [bert.Recipe, classify.Recipe])
def test_every_key_of_the_recipes_has_a_sentence(recipe_of: type) -> None:
    assert all(key.says or "." in key.name for key in keys(recipe_of))
