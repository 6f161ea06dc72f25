"""Which files of a set are measured, and how they are read."""

from pathlib import Path

import pytest
from tiny_sets import write_own, write_sets

from samantha.evaluation import sets
from samantha.evaluation.sets import Unusable, files_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_sets(tmp_path)


def test_a_name_carries_its_splits() -> None:
    names = ("sts-dev.csv", "fixed_valid.csv", "train_val.json", "test_2016.tsv", "device.tsv", "contest.json")
    assert [sets.splits_in(Path(name)) for name in names] == [
        {"dev"},
        {"dev"},
        {"train", "dev"},
        {"test"},
        set(),
        set(),
    ]


@pytest.mark.parametrize(("split", "name"), [(None, "dev.tsv"), ("dev", "dev.tsv"), ("test", "test.tsv")])
def test_the_files_of_the_split_are_taken(split: sets.Split | None, name: str, data: Path) -> None:
    assert [path.name for path in files_of(data / "goemotions", "*.tsv", split).paths] == [name]


def test_without_a_split_test_is_taken_where_there_is_no_dev(data: Path) -> None:
    (data / "stsb/sts-dev.csv").unlink()
    assert files_of(data / "stsb", "*.csv", None).split == "test"


def test_files_that_name_no_split_are_all_taken(data: Path) -> None:
    found = files_of(data / "checklist", "*.jsonl", "test")
    assert (len(found.paths), found.split) == (2, None)


def test_nothing_is_measured_on_another_split_than_the_one_asked_for(data: Path) -> None:
    (data / "goemotions/test.tsv").unlink()
    with pytest.raises(Unusable, match=r"dev\.tsv, train\.tsv"):
        files_of(data / "goemotions", "*.tsv", "test")


def test_a_line_separator_of_unicode_ends_no_comment(data: Path) -> None:
    first = sets.goemotions(data / "goemotions/dev.tsv")[2]
    assert first == sets.Feeling("joy and anger\u20280", frozenset({"joy", "anger"}))


def test_the_numbers_of_goemotions_need_no_file_of_labels(data: Path) -> None:
    (data / "goemotions/labels.txt").unlink()
    assert sets.goemotions(data / "goemotions/test.tsv")[0].emotions == {"joy"}


def test_a_quotation_mark_of_stsb_is_a_character(data: Path) -> None:
    assert sets.stsb(data / "stsb/sts-dev.csv")[0] == sets.Pair('A "cat', "cat", 5.0)


def test_one_label_of_a_behaviour_is_for_all_of_its_texts(data: Path) -> None:
    found = sets.behaviours(data / "checklist/sentiment_mft.jsonl")
    assert [test.expected for test in found] == [(2, 2), (None, None, None), (0, 2), ()]


def test_parts_of_clinc_come_from_an_object_or_from_a_name(data: Path) -> None:
    assert {one.part for one in sets.clinc150(data / "clinc150/train_val.json")} == {
        "train",
        "oos_train",
        "val",
        "oos_val",
    }
    assert [one.part for one in sets.clinc150(data / "clinc150/test.json")] == ["test", "oos_test"]
    assert sets.clinc150(data / "clinc150/domains.json") == []


def test_banking77_is_quoted(data: Path) -> None:
    assert sets.banking77(data / "banking77/train.csv")[0] == sets.Intent("card, 0", "card")


def test_an_utterance_may_have_lines_and_kinds(tmp_path: Path) -> None:
    found = sets.utterances(write_own(tmp_path) / "danger.en.tsv")
    assert found[2].kinds == {"self_harm", "abuse"}
    assert found[3].text == "The plants DIE\nsadly"


def test_an_utterance_with_an_unknown_label_is_refused(tmp_path: Path) -> None:
    file = write_own(tmp_path) / "danger.zh.tsv"
    file.write_text(file.read_text(encoding="utf-8").replace("statement", "monologue"), encoding="utf-8")
    with pytest.raises(Unusable, match="line 2"):
        sets.read(sets.utterances, [file])


def test_an_empty_file_has_no_examples(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    with pytest.raises(Unusable, match=r"no examples in empty\.csv"):
        sets.read(sets.stsb, [tmp_path / "empty.csv"])
