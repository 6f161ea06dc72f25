"""The suite of her understanding, over sets of a few lines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_sets import WordEncoder, subject, write_own, write_sets

from samantha.core.types import Understanding
from samantha.evaluation.report import Report, as_json, row
from samantha.evaluation.sets import Split
from samantha.evaluation.suites import own_heads
from samantha.evaluation.suites.understanding import MEASURES, grouped, understanding


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_sets(tmp_path / "data")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write_own(tmp_path / "own")


def values(report: Report) -> dict[str, float]:
    return {each.what: each.value for each in report.rows}


def measured(data: Path | None, own: Path, split: Split | None = None) -> dict[str, float]:
    return values(understanding(subject(), data=data, split=split, own=own))


def test_every_set_that_is_there_is_measured(data: Path, own: Path) -> None:
    told: list[str] = []
    report = understanding(subject(), data=data, own=own, measuring=told.append)
    assert told == list(MEASURES)
    assert [each.what for each in report.skipped] == ["CheckList failures, Negation: lost"]


def test_the_same_input_gives_the_same_report(data: Path, own: Path) -> None:
    assert understanding(subject(), data=data, own=own) == understanding(subject(), data=data, own=own)


def test_a_set_that_is_missing_is_skipped_with_the_reason(data: Path, own: Path) -> None:
    (data / "stsb").rename(data / "elsewhere")
    (skipped, *_) = understanding(subject(), data=data, own=own).skipped
    assert skipped.what == "stsb"
    assert "There is no folder" in str(skipped.why)


def test_without_data_her_own_utterances_are_measured(own: Path) -> None:
    report = understanding(subject(), data=None, own=own)
    assert {each.what for each in report.skipped} == set(MEASURES) - {"danger", "acts"}
    assert report.rows


def test_a_damaged_file_costs_only_its_own_set(data: Path, own: Path) -> None:
    (data / "notinject/valid.json").write_text("{", encoding="utf-8")
    report = understanding(subject(), data=data, own=own)
    assert "notinject" in {each.what for each in report.skipped}
    assert "Banking77, own head from ten examples a class, on test.csv" in values(report)


def test_what_the_encoder_has_no_head_for_is_skipped(data: Path, own: Path) -> None:
    class Wordless(WordEncoder):
        def _understood(self, text: str) -> Understanding:
            return replace(super()._understood(text), sentiment=None)

    report = understanding(subject(Wordless()), data=data, own=own)
    assert {each.what: str(each.why) for each in report.skipped} == {"checklist": "The encoder has no head for it."}


def test_training_text_is_never_measured(data: Path, own: Path) -> None:
    encoder = WordEncoder()
    understanding(subject(encoder), data=data, own=own)
    assert "never measured" not in encoder.heard


def test_on_dev_the_bar_is_for_thresholds_from_the_other_half(data: Path, own: Path) -> None:
    report = understanding(subject(), data=data, own=own)
    bars = {each.what: each.bar for each in report.rows if each.what.startswith("GoEmotions dev, th")}
    assert bars == {
        "GoEmotions dev, thresholds from the other half, macro-F1 of 28 labels": ">= 0.53",
        "GoEmotions dev, thresholds from the other half, macro-F1 of Ekman's groups": ">= 0.62",
        "GoEmotions dev, thresholds as shipped, macro-F1 of 28 labels": None,
        "GoEmotions dev, thresholds as shipped, macro-F1 of Ekman's groups": None,
    }


def test_on_test_the_bar_is_for_the_thresholds_that_ship(data: Path, own: Path) -> None:
    report = understanding(subject(), data=data, own=own, split="test")
    found = {each.what: each for each in report.rows}["GoEmotions test, thresholds as shipped, macro-F1 of 28 labels"]
    assert (found.value, found.bar, found.n) == (round(1 / 28, 4), ">= 0.53", 2)


def test_a_group_is_as_likely_as_any_of_its_labels() -> None:
    probabilities = np.zeros((1, 28))
    probabilities[0, 2:4] = 0.5  # anger and annoyance
    assert grouped(probabilities)[0].tolist() == [0.75, 0, 0, 0, 0, 0, 0]


def test_likeness_is_the_rank_correlation_of_the_cosine(data: Path, own: Path) -> None:
    assert measured(data, own)["STS-B dev, Spearman of the cosine"] == 1.0


def test_danger_is_what_the_encoder_or_the_words_say(own: Path) -> None:
    found = measured(None, own)
    assert found["crisis recall, English"] == 1.0
    assert found["crisis false alarms on look-alikes, English"] == 0.5
    assert found["look-alikes taken for concern, English"] == 0.5
    assert found["concern recall, as concern or crisis, English"] == 1.0
    assert found["kinds of risk, macro-F1 of the 2 that occur, English"] == pytest.approx(1 / 3, abs=1e-4)


def test_each_language_has_its_own_bar(own: Path) -> None:
    report = understanding(subject(), data=None, own=own)
    bars = {each.what: each.bar for each in report.rows}
    assert bars["crisis false alarms on look-alikes, English"] == "<= 0.03"
    assert bars["crisis false alarms on look-alikes, Chinese"] == "<= 0.05"
    assert "crisis recall, Chinese" not in bars  # its file has no crisis


def test_over_defence_is_told_apart_from_recall(data: Path, own: Path) -> None:
    found = {what: value for what, value in measured(data, own).items() if what.startswith("prompt injection")}
    assert list(found.values()) == [0.5, 1.0, 0.0]


def test_a_failure_is_any_other_sentiment_or_a_negative_one_where_none_is_due(data: Path, own: Path) -> None:
    found = measured(data, own)
    assert found["CheckList failures, Vocabulary"] == 0.5
    assert found["CheckList failures, Negation: not bad"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["CheckList failures, Negation"] == 0.2


def test_what_no_intent_fits_is_out_of_scope(data: Path, own: Path) -> None:
    found = measured(data, own)
    assert found["CLINC150 val, own head, accuracy in scope"] == 1.0
    assert found["CLINC150 val, own head, out-of-scope recall"] == 1.0
    assert "CLINC150 test, own head, out-of-scope recall" in measured(data, own, "test")


def test_clinc_needs_something_to_train_on(data: Path, own: Path) -> None:
    (data / "clinc150/train_val.json").unlink()
    found = {each.what: str(each.why) for each in understanding(subject(), data=data, own=own, split="test").skipped}
    assert "there are: oos_test, test" in found["clinc150"]


def test_banking77_is_scored_on_what_was_not_drawn(data: Path, own: Path) -> None:
    report = understanding(subject(), data=data, own=own, split="dev")
    (found,) = [each for each in report.rows if each.what.startswith("Banking77")]
    assert (found.what, found.value, found.n) == (
        "Banking77, own head from ten examples a class, on the rest of train.csv",
        1.0,
        4,
    )


def test_banking77_of_a_test_file_alone_is_drawn_from_it(data: Path, own: Path) -> None:
    (data / "banking77/test.csv").unlink()
    (data / "banking77/train.csv").rename(data / "banking77/test.csv")
    assert measured(data, own)["Banking77, own head from ten examples a class, on the rest of test.csv"] == 1.0


def test_heads_are_skipped_where_nothing_can_train_them(data: Path, own: Path) -> None:
    untrained = replace(subject(), head_trainer=None)
    found = {each.what: str(each.why) for each in understanding(untrained, data=data, own=own).skipped}
    assert "samantha-companion[train]" in found["clinc150"]
    assert "samantha-companion[train]" in found["banking77"]


def test_the_examples_of_a_draw_are_ten_of_each_class(data: Path) -> None:
    pool = own_heads.sets.banking77(data / "banking77/train.csv")
    drawn = own_heads._drawn(pool, lambda count: 10, seed=1)
    assert sorted(pool[number].intent for number in drawn) == ["card"] * 10 + ["loan"] * 10
    assert drawn == own_heads._drawn(pool, lambda count: 10, seed=1)
    assert drawn != own_heads._drawn(pool, lambda count: 10, seed=2)


def test_a_bar_is_held_by_what_was_measured_and_not_by_what_is_shown() -> None:
    assert row("skill", 0.20001, 9, above=0.2).holds
    assert not row("recall", 0.96999, 9, at_least=0.97).holds


def test_a_report_is_the_document_of_the_contract(own: Path) -> None:
    found = as_json(understanding(subject(), data=None, own=own))
    assert list(found) == ["suite", "data", "rows", "skipped"]
    assert list(found["rows"][0]) == ["what", "value", "bar", "holds", "n"]
    assert list(found["skipped"][0]) == ["what", "why"]
