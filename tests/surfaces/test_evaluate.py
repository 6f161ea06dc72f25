"""`samantha eval`: one document or a table, and what the exit code says."""

import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_sets import WordEncoder, trained, write_sets

from samantha.surfaces import cli, evaluate


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_sets(tmp_path)


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samantha.wiring.open_encoder", lambda settings, heads: WordEncoder(), raising=False)
    monkeypatch.setattr(evaluate, "_head_trainer", lambda encoder: trained)


def test_the_document_alone_is_on_stdout(data: Path) -> None:
    result = CliRunner().invoke(cli.samantha, ["eval", "understanding", "--data", str(data), "--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["suite"], document["data"]) == ("understanding", str(data))
    assert "STS-B dev, Spearman of the cosine" in [row["what"] for row in document["rows"]]
    assert "Measuring on stsb" in result.stderr


def test_her_own_utterances_are_measured_without_data() -> None:
    result = CliRunner().invoke(cli.samantha, ["eval", "understanding", "--json"])
    document = json.loads(result.stdout)
    assert document["data"] is None
    assert next(row["n"] for row in document["rows"] if row["what"] == "crisis recall, English") >= 200
    assert next(row["n"] for row in document["rows"] if row["what"] == "crisis recall, Chinese") >= 200


def test_a_missed_bar_is_a_result(data: Path) -> None:
    result = CliRunner().invoke(cli.samantha, ["eval", "understanding", "--data", str(data), "--split", "test"])
    assert result.exit_code == 0
    assert re.search(r"^0\.0357 +>= 0\.53 +missed +n = 2 +GoEmotions test", result.stdout, re.MULTILINE)
    assert "Not measured: CheckList failures, Negation: lost." in result.stdout


def test_verdicts_and_reasons_are_in_the_language_of_the_person(data: Path) -> None:
    result = CliRunner().invoke(cli.samantha, ["eval", "understanding", "--data", str(data), "--language", "zh"])
    assert "达标" in result.stdout
    assert "未测量" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["understanding", "--data", "/nowhere"],
            "There is no folder '/nowhere'. Name the one that holds the test sets.",
        ),
        (["manners"], "The value of 'SUITE' is wrong"),
        (["understanding", "--split", "train"], "The value of '--split' is wrong"),
        ([], "'SUITE' is missing. See `samantha eval --help`."),
    ],
)
def test_wrong_use_is_one_sentence(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["samantha", "eval", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(said)


def test_nothing_trains_heads_where_training_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(evaluate, "find_spec", lambda name: None)
    assert evaluate._head_trainer(WordEncoder()) is None
