"""Reading texts with labels, batches of them, and the sentences that are made."""

import re
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from samantha.core.understanding import EMOTIONS, KINDS, LEVELS, SENTIMENTS
from samantha.training import contrast, data, vocabulary
from samantha.training.data import Example

UTTERANCES = Path(__file__).parents[2] / "utterances"
COLUMNS = "level\tkinds\tact\tsentiment\temotions\ttext\n"


def test_a_line_of_utterances_becomes_labels(tmp_path: Path) -> None:
    file = tmp_path / "some.en.tsv"
    file.write_text(COLUMNS + 'crisis\tself_harm,abuse\tdisclosure\tnegative\tsadness,fear\t"Enough"\\nof it\n')
    (example,) = data.utterances(file)
    assert example.text == '"Enough"\nof it'
    assert LEVELS[example.labels["level"]] == "crisis"  # type: ignore[index]
    assert {KINDS[i] for i, on in enumerate(example.labels["kinds"]) if on} == {"self_harm", "abuse"}  # type: ignore[arg-type]


def test_an_unknown_label_is_named(tmp_path: Path) -> None:
    file = tmp_path / "some.en.tsv"
    file.write_text(COLUMNS + "none\t-\tstatement\tneutral\thappyness\tSo be it\n")
    with pytest.raises(ValueError, match="happyness: no such label; there are admiration"):
        data.utterances(file)


@pytest.mark.parametrize("file", sorted(UTTERANCES.glob("*.tsv")), ids=lambda file: file.name)
def test_the_utterances_of_this_project_can_be_read(file: Path) -> None:
    examples = data.utterances(file)
    assert len(examples) >= 600
    assert len({example.text for example in examples}) == len(examples)


def test_no_utterance_that_is_trained_on_is_measured_with() -> None:
    measured = Path(__file__).parents[2] / "src" / "samantha" / "evaluation" / "utterances"
    trained = {one.text.casefold() for file in UTTERANCES.glob("*.tsv") for one in data.utterances(file)}
    held = {one.text.casefold() for file in measured.glob("*.tsv") for one in data.utterances(file)}
    assert len(held) > 1000
    assert not trained & held


def test_comments_have_emotions_and_the_sentiment_that_these_agree_on(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(EMOTIONS))
    (tmp_path / "dev.tsv").write_text("What a day\t17,13\ta1\nOh?\t7\ta2\nHm\t17,25\ta3\n")
    found = data.goemotions(tmp_path, "dev")
    assert [EMOTIONS[i] for i, on in enumerate(found[0].labels["emotion"]) if on] == ["excitement", "joy"]  # type: ignore[arg-type]
    assert [one.labels.get("sentiment") for one in found] == [SENTIMENTS.index("positive"), None, None]


def test_a_comment_has_the_danger_that_was_read_or_none_where_no_word_is_perilous(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(EMOTIONS))
    (tmp_path / "dev.tsv").write_text(
        "What a day\t17\ta1\nThe beat kills\t17\ta2\nlet me die\t25\ta3\nhe died\t25\ta4\n"
    )
    (tmp_path / "levels.csv").write_text("comment,level\na2,none\na3,crisis\n")
    levels = data.levels_read(tmp_path / "levels.csv")
    found = data.goemotions(tmp_path, "dev", levels=levels, perilous=re.compile("kill|die"))
    assert [one.labels.get("level") for one in found] == [0, 0, 2, None]


def test_a_batch_says_what_is_not_known(tokenizer: Tokenizer) -> None:
    collate = data.Collator(tokenizer, {"emotion": 2, "level": 3}, frozenset({"level"}), width=4)
    batch = collate(
        [Example("i am sad", {"level": 2}), Example("sad", {"emotion": (0.0, 1.0)}, np.ones(4, np.float32))]
    )
    assert batch.ids.shape == batch.mask.shape == (2, data.STEP)
    assert batch.mask.sum(1).tolist() == [5, 3]
    assert batch.targets["level"].tolist() == [2, -1]
    assert batch.targets["emotion"].tolist() == [[-1.0, -1.0], [0.0, 1.0]]
    assert batch.teacher.tolist() == [[0.0] * 4, [1.0] * 4]


def test_every_text_comes_once_a_round_and_in_another_order_the_next() -> None:
    examples = [Example("a" * length) for length in range(1, 21)]
    batches = list(islice(data.endless(examples, 4, seed=0, pool=2), 10))
    first, second = ([one.text for batch in half for one in batch] for half in (batches[:5], batches[5:]))
    assert sorted(first) == sorted(second) == sorted(one.text for one in examples)
    assert first != second


def test_sources_are_drawn_by_their_shares() -> None:
    sources = {name: iter(lambda name=name: [Example(name)], None) for name in "ab"}  # type: ignore[misc]
    drawn = [batch[0].text for batch in islice(data.mixed(sources, {"a": 0.8, "b": 0.2}, seed=0), 1000)]  # type: ignore[arg-type]
    assert 750 < drawn.count("a") < 850


def test_a_character_becomes_a_token_and_begins_near_its_translation(tokenizer: Tokenizer) -> None:
    pairs = [("the dog", "狗"), ("my dog is sad", "我的狗"), ("my cat", "我的猫"), ("the cat", "猫")]
    characters = vocabulary.missing_characters([chinese for _, chinese in pairs], tokenizer, most=10)
    assert set(characters) == set("狗猫我的")
    extended = vocabulary.extended(tokenizer, characters)
    assert extended.encode("狗", add_special_tokens=False).ids == [tokenizer.get_vocab_size() + characters.index("狗")]
    assert extended.encode("my dog").ids == tokenizer.encode("my dog").ids
    embeddings = torch.eye(tokenizer.get_vocab_size())
    first = vocabulary.first_embeddings(pairs, characters, tokenizer, embeddings)
    assert int(first[characters.index("狗")].argmax()) == tokenizer.token_to_id("dog")


def test_made_sentences_are_the_same_for_the_same_seed_and_cover_each_sentiment() -> None:
    made = contrast.sentences(300, seed=3)
    assert made == contrast.sentences(300, seed=3)
    assert {one.labels["sentiment"] for one in made} == {0, 1, 2}
