"""The recipes `seq2seq_lstm` and `seq2seq_transformer` on a few rows, and what they are made of."""

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from samantha.core.errors import SettingError, TrainingError
from samantha.core.types import Message
from samantha.recipes import seq2seq_lstm, seq2seq_transformer
from samantha.recipes.options import keys
from samantha.recipes.pairs import PairRecipe
from samantha.training import model_files, pairs, pretrained, tokens, translation
from samantha.training.corpora import Chat, Pair, Tally
from samantha.training.decoding import Decoding
from samantha.training.files import Place
from samantha.training.loop import Plan
from samantha.training.models import seq2seq_lstm as lstm_models
from samantha.training.models import seq2seq_transformer as transformer_models
from samantha.training.pairs import Codec, Example, Origin
from samantha.training.runs import Run, RunFolder

NUMBERS = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier", "five": "fünf", "six": "sechs"}
WORDS = {"dogs": "Hunde", "cats": "Katzen", "birds": "Vögel"}
ROWS = [
    (f"here {n} {w} sleep today", f"hier schlafen heute {m} {v}") for n, m in NUMBERS.items() for w, v in WORDS.items()
]
TEST = [(f"{source} .", f"{target} .") for source, target in ROWS[:6]]  # not one of them is learned from
CHATS = {
    "What is your name?": "My name is Samantha.",
    "How old are you?": "I have no age.",
    "Good night.": "Sleep well.",
}
LSTM = lstm_models.Shape(0, 0, width=32, layers=1, tie="all")
TRANSFORMER = transformer_models.Shape(
    0, 0, width=32, encoder_layers=1, decoder_layers=1, attention_heads=2, inner=64, tie="all"
)


def pair(source: str, target: str) -> Pair:
    return Pair(source, target, Place("rows", 1))


def sides(folder: Path, name: str, rows: list[tuple[str, str]]) -> tuple[Path, Path]:
    """Two files, of which the first is packed."""
    one, other = folder / f"{name}.en.gz", folder / f"{name}.de"
    one.write_bytes(gzip.compress("".join(f"{source}\n" for source, _ in rows).encode()))
    other.write_text("".join(f"{target}\n" for _, target in rows), encoding="utf-8")
    return one, other


def chat(asked: str, reply: str) -> dict[str, list[dict[str, str]]]:
    said = {"system": "Be kind.", "user": asked, "assistant": reply}
    return {"messages": [{"role": role, "content": content} for role, content in said.items()]}


def run(recipe: PairRecipe, path: Path) -> Run:
    if isinstance(recipe, seq2seq_lstm.Recipe):
        return seq2seq_lstm.run(recipe, RunFolder.begin(path, recipe="seq2seq_lstm", options={}))
    assert isinstance(recipe, seq2seq_transformer.Recipe)
    return seq2seq_transformer.run(recipe, RunFolder.begin(path, recipe="seq2seq_transformer", options={}))


@pytest.fixture
def translates(tmp_path: Path) -> seq2seq_transformer.Recipe:
    source, target = sides(tmp_path, "train", ROWS)
    test_source, test_target = sides(tmp_path, "test", TEST)
    return seq2seq_transformer.Recipe(
        source=source,
        target=target,
        test_source=test_source,
        test_target=test_target,
        vocabulary=320,
        held_out=0.3,
        dropout=0.0,
        batch=128,
        shape=TRANSFORMER,
        plan=Plan(steps=100, rate=1e-2, evaluate_every=50),
        device="cpu",
    )


@pytest.fixture
def answers(tmp_path: Path) -> seq2seq_lstm.Recipe:
    folder = tmp_path / "dialogues"
    folder.mkdir()
    for number, (asked, reply) in enumerate(CHATS.items()):
        (folder / f"{number}.jsonl").write_text(json.dumps(chat(asked, reply)) + "\n")
    return seq2seq_lstm.Recipe(
        data=folder, vocabulary=300, dropout=0.0, shape=LSTM, plan=Plan(steps=120, rate=2e-2), device="cpu"
    )


# -- the recipes ------------------------------------------------------------------------------------------------


def test_a_transformer_learns_to_translate_and_is_measured(
    translates: seq2seq_transformer.Recipe, tmp_path: Path
) -> None:
    done = run(translates, tmp_path / "run")
    assert done.figures["test_bleu"] > 50
    assert done.figures["pairs"] + len(pairs.held_out([pair(*row) for row in ROWS], 0.3)[1]) == len(ROWS)
    test = json.loads((done.folder / "test.json").read_text())
    assert "case:mixed" in test["bleu"]["settings"]
    assert "tok:13a" in test["bleu"]["settings"]
    assert [one["expected"] for one in test["texts"]] == [target for _, target in TEST]
    assert [card["kept"] for card in json.loads((done.folder / "data.json").read_text())] == [len(ROWS), len(TEST)]


def test_what_is_held_out_or_tested_is_not_learned_and_the_card_says_so(
    translates: seq2seq_transformer.Recipe, tmp_path: Path
) -> None:
    held, test = sides(tmp_path, "held", ROWS[:3]), sides(tmp_path, "known", [*TEST, ROWS[3]])
    files = {"held_source": held[0], "held_target": held[1], "test_source": test[0], "test_target": test[1]}
    done = run(replace(translates, **files, plan=Plan(steps=2)), tmp_path / "run")  # type: ignore[arg-type]
    card = json.loads((done.folder / "data.json").read_text())[0]
    assert (card["kept"], card["dropped"]) == (len(ROWS) - 4, {"in held or test": 4})
    assert done.figures["pairs"] == len(ROWS) - 4
    same = replace(translates, test_source=translates.source, test_target=translates.target)
    with pytest.raises(TrainingError, match="Of 18 pairs to learn from, 0 are left"):
        run(same, tmp_path / "nothing left")


def test_of_a_test_every_row_is_translated_in_order(translates: seq2seq_transformer.Recipe, tmp_path: Path) -> None:
    rows = [("a  dog", "ein  Hund"), ("a cat", "eine Katze"), ("a  dog", "ein  Hund")]
    source, target = sides(tmp_path, "twice", rows)
    recipe = replace(translates, test_source=source, test_target=target, plan=Plan(steps=2))
    test = json.loads((run(recipe, tmp_path / "run").folder / "test.json").read_text())
    assert [one["expected"] for one in test["texts"]] == [said for _, said in rows]


def test_without_a_test_what_was_held_out_is_translated(translates: seq2seq_transformer.Recipe, tmp_path: Path) -> None:
    recipe = replace(translates, test_source=None, test_target=None, longest_target=40, plan=Plan(steps=2))
    figures = run(recipe, tmp_path / "run").figures
    assert "held_out_bleu" in figures
    assert "test_bleu" not in figures


def test_an_lstm_learns_replies_by_heart_and_is_read_again(answers: seq2seq_lstm.Recipe, tmp_path: Path) -> None:
    done = run(answers, tmp_path / "run")
    trained = model_files.read(done.folder)
    assert trained.speaks == "pairs"
    source, mask = pairs.source_batch(trained.reads, list(CHATS), trained.longest)
    codec = Codec(trained.reads, trained.tokenizer)
    assert mask.sum() > 0 < source.sum()
    said = translation.written(trained.model, codec, list(CHATS), Decoding(), longest=trained.longest)  # type: ignore[arg-type]
    assert said == list(CHATS.values())


def test_the_same_seed_gives_the_same_model(answers: seq2seq_lstm.Recipe, tmp_path: Path) -> None:
    short = replace(answers, plan=Plan(steps=5), dropout=0.1)
    one, other = (model_files.read(run(short, tmp_path / name).folder).model.state_dict() for name in ("one", "other"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def bert(tokenizer: Tokenizer, tmp_path: Path) -> Path:
    """The folder of a small BERT that reads 96 tokens."""
    folder = tmp_path / "bert"
    folder.mkdir()
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=96,
    )
    config.save_pretrained(folder)
    save_file(BertModel(config).state_dict(), folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_a_pretrained_encoder_reads_with_its_own_tokenizer(
    translates: seq2seq_transformer.Recipe, bert: Path, tmp_path: Path
) -> None:
    recipe = replace(translates, encoder=bert, plan=Plan(steps=3), held_out=0.0)
    trained = model_files.read(run(recipe, tmp_path / "run").folder)
    assert trained.reads.encode("i am").tokens == ["[CLS]", "i", "am", "[SEP]"]
    assert trained.tokenizer.encode("i").ids[0] == tokens.BEGIN


def test_more_than_the_encoder_reads_is_refused_before_the_texts_are_read(
    translates: seq2seq_transformer.Recipe, bert: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match="reads 96 tokens at most"):
        run(replace(translates, encoder=bert, longest_source=97, source=Path("no such file")), tmp_path / "run")


def test_a_pretrained_encoder_has_the_dropout_that_was_asked_for(bert: Path, codec: Codec) -> None:
    trunk = pretrained.trunk(bert, dropout=0.4)
    model = translation.begin(TRANSFORMER, codec, dropout=0.4, seed=0, device=torch.device("cpu"), trunk=trunk)
    assert {each.dropout for each in model.encoder.modules() if hasattr(each, "dropout")} == {0.4}


def test_what_is_no_encoder_is_refused(translates: seq2seq_transformer.Recipe, bert: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(TrainingError, match=r"config\.json, model\.safetensors"):
        run(replace(translates, encoder=tmp_path / "nothing"), tmp_path / "run")
    (bert / "tokenizer.json").write_text("{}")
    with pytest.raises(TrainingError, match="tokenizer of the encoder"):
        run(replace(translates, encoder=bert), tmp_path / "other")
    (bert / "config.json").write_text("[]")
    with pytest.raises(TrainingError, match="cannot be read"):
        pretrained.trunk(bert)


def test_the_folder_where_one_stands_is_a_folder_like_any_other(
    translates: seq2seq_transformer.Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainingError, match=r"The encoder in '\.' cannot be read"):
        run(replace(translates, encoder=Path()), tmp_path / "run")
    assert Origin(data=Path()).given()
    assert Origin(data=Path()).talks
    assert not Origin().given()


def test_two_passes_that_have_to_agree_learn_too(answers: seq2seq_lstm.Recipe, tmp_path: Path) -> None:
    done = run(replace(answers, agreement=1.0, dropout=0.1, plan=Plan(steps=30, rate=2e-2)), tmp_path / "run")
    rows = [json.loads(line) for line in (done.folder / "metrics.jsonl").read_text().splitlines()]
    assert rows[0]["agreement"] > 0
    assert rows[-1]["loss"] < rows[0]["loss"] / 2


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"data": None}, "Say what to learn from"),
        ({"source": Path("one")}, "two files of as many lines"),
        ({"dropout": 1.5}, "dropout is 1.5"),
        ({"longest_target": 2}, "longest_target is 2"),
        ({"beams": 0}, "beams is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"agreement": float("nan")}, "agreement is nan"),
    ],
)
def test_values_that_make_no_sense_are_refused_before_anything_is_read(
    answers: seq2seq_lstm.Recipe, values: dict[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=says):
        run(replace(answers, **{"data": Path("no such file"), **values}), tmp_path / "run")  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_not_replaced_silently(answers: seq2seq_lstm.Recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no GPU"):
        run(replace(answers, device="cuda"), tmp_path / "run")


@pytest.mark.parametrize("recipe", [seq2seq_lstm.Recipe, seq2seq_transformer.Recipe])
def test_every_key_says_what_it_means(recipe: type) -> None:
    found = {key.name: key.says for key in keys(recipe)}
    assert all(found.values())
    assert not {name for name in found if name.endswith(("_vocabulary", "memory_width"))}


# -- reading ----------------------------------------------------------------------------------------------------


def test_a_reply_belongs_to_the_message_right_before_it() -> None:
    said = [("user", "a"), ("user", "b"), ("system", "s"), ("assistant", "c"), ("assistant", "d"), ("user", "e")]
    talk = Chat(tuple(Message(role, text) for role, text in said), Place("chat", 1))  # type: ignore[arg-type]
    assert [found.texts for found in pairs.replies(talk)] == [("b", "c")]


def test_of_a_table_only_the_first_two_columns_are_read_and_a_pair_once(tmp_path: Path) -> None:
    table = tmp_path / "pairs.tsv"
    table.write_text("Hi.\tHallo.\tsomebody\nHi.\tHallo.\tsomebody else\nBye.\tTschüss.\tsomebody\n", encoding="utf-8")
    tally = Tally()
    found = pairs.read(Origin(data=table), tally=tally, lower_case=True)
    assert [one.texts for one in found] == [("hi.", "hallo."), ("bye.", "tschüss.")]
    assert tally.dropped == {"duplicate": 1}


@pytest.mark.parametrize(("content", "says"), [("", "nothing in"), ("Hi.\tHallo.\n", "1 pairs were found")])
def test_a_set_of_nothing_or_of_one_row_is_refused(content: str, says: str, tmp_path: Path) -> None:
    table = tmp_path / "pairs.tsv"
    table.write_text(content)
    with pytest.raises(TrainingError, match=says):
        pairs.read(Origin(data=table), tally=Tally())


def test_a_folder_without_conversations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no file called \.jsonl"):
        pairs.read(Origin(data=tmp_path), tally=Tally())


def test_a_conversation_counts_as_left_out_where_no_reply_of_it_is_left() -> None:
    said = [Pair(source, "x", Place("chat", line)) for source, line in (("a", 1), ("b", 1), ("a", 2), ("c", 3))]
    tally = Tally()
    left = pairs.without(said, [pair("a ", "y")], tally=tally)
    assert [one.source for one in left] == ["b", "c"]
    assert tally.dropped.total() == 1


def test_a_source_is_never_on_both_sides() -> None:
    found = [pair(str(number % 50), str(number)) for number in range(200)]
    learned, held = pairs.held_out(found, 0.3)
    assert len(learned) + len(held) == 200
    assert held
    assert not {one.source for one in learned} & {one.source for one in held}
    assert pairs.held_out(found, 0) == (found, [])
    with pytest.raises(TrainingError, match="0 are held out"):
        pairs.held_out(found[:2], 1e-9)


# -- ids and batches --------------------------------------------------------------------------------------------


@pytest.fixture
def codec() -> Codec:
    return pairs.codec([pair(*row) for row in ROWS], 300)


def test_texts_that_are_too_long_are_cut_shortened_or_left_out(codec: Codec) -> None:
    found = [pair("a" * 50, "b"), pair("a", "Yes. No! " + "b" * 50), pair("a", "b" * 50)]
    limits = {"longest_source": 20, "longest_target": 12}
    replies = pairs.encoded(found, codec, **limits, shorten=True)
    assert (replies.sources_cut, replies.targets_shortened, replies.left_out) == (1, 1, 1)
    assert len(replies.examples[0].source) == 20
    assert replies.examples[0].source[-1] == tokens.END
    assert tokens.decode(codec.writes, replies.examples[1].target) == "Yes. No!"
    assert pairs.encoded(found, codec, **limits, shorten=False).left_out == 2
    with pytest.raises(TrainingError, match="more than 3 tokens"):
        pairs.encoded(found[2:], codec, longest_source=9, longest_target=3, shorten=True)


def test_a_source_is_framed_and_cut_the_same_way_in_training_and_after(codec: Codec) -> None:
    texts = ["one dogs", "six birds sleep and sleep and sleep"]
    ids, mask = pairs.source_batch(codec.reads, texts, 8)
    rows = [row[known.bool()].tolist() for row, known in zip(ids, mask, strict=True)]
    examples = pairs.encoded(
        [pair(said, "x") for said in texts], codec, longest_source=8, longest_target=9, shorten=False
    ).examples
    assert rows == [example.source for example in examples]
    assert all(row[0] == tokens.BEGIN and row[-1] == tokens.END for row in rows)


def test_a_target_is_shifted_by_one_and_filled_with_nothing() -> None:
    batch = pairs.batch_of([Example([1, 8, 2], [1, 9, 10, 2]), Example([1, 2], [1, 2])])
    assert batch.target.tolist() == [[1, 9, 10], [1, 0, 0]]
    assert batch.following.tolist() == [[9, 10, 2], [2, -1, -1]]
    assert batch.mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert translation.count(batch) == 4


def test_batches_hold_every_example_once_a_round_and_keep_to_their_size() -> None:
    examples = [Example([1] * (2 + n % 5), [1] * (2 + n % 7) + [n]) for n in range(60)]
    found = pairs.batches(examples, 40, seed=3)
    seen: Counter[int] = Counter()
    while seen.total() < 60:
        batch = next(found)
        assert max(batch.source.numel(), batch.target.shape[0] * (batch.target.shape[1] + 1)) <= 40
        seen.update(batch.following.max(1).values.tolist())
    assert len(pairs.groups([Example([1] * 99, [1, 2])], 40)) == 1


# -- how good it is ---------------------------------------------------------------------------------------------


def test_the_quality_says_its_settings_and_counts_chinese_by_character() -> None:
    same = translation.quality(["Ein Hund läuft heute ."], ["ein hund läuft heute ."], lower_case=True)
    assert same.bleu == pytest.approx(100)
    assert "case:lc" in same.bleu_settings
    chinese = translation.quality(["我今天很高兴"], ["我今天很高兴"], lower_case=False)
    assert chinese.bleu == pytest.approx(100)
    assert "tok:zh" in chinese.bleu_settings


def test_the_held_out_loss_is_a_mean_over_tokens_whatever_the_batches(codec: Codec) -> None:
    model = translation.begin(LSTM, codec, dropout=0.0, seed=0, device=torch.device("cpu")).eval()
    examples = pairs.encoded(
        [pair(*row) for row in ROWS], codec, longest_source=50, longest_target=50, shorten=False
    ).examples
    one, other = (translation.held_out_loss(model, examples, size) for size in (30, 1000))
    assert one == pytest.approx(other, rel=1e-5)
