"""`samantha dialogues`: findings are explained, and other programs' chats become conversations."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from samantha import wiring
from samantha.core.errors import EncoderError
from samantha.dialogues import shape
from samantha.surfaces.cli import samantha

GOOD = "A house that had paws in it is loud when they stop. What was his name, the one who waited at the door?"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(samantha, ["dialogues", *map(str, arguments)])


def line(reply: str, id: str = "a") -> str:
    said = [{"role": "user", "content": "My dog died."}, {"role": "assistant", "content": reply}]
    return json.dumps({"id": id, "theme": "grief", "lang": "en", "messages": said}) + "\n"


def test_good_conversations_pass(tmp_path: Path) -> None:
    (tmp_path / "good.jsonl").write_text(line(GOOD))
    result = run("check", tmp_path / "good.jsonl")
    assert (result.exit_code, result.stdout) == (0, "1 conversations, 1 replies, 0 findings.\n")


def test_a_finding_is_a_sentence_about_a_conversation(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(line("When I was little I had a dog too, and he was the best of all dogs."))
    result = run("check", tmp_path / "bad.jsonl")
    assert result.exit_code == 1
    assert "a  She claims a body or a past: 'When I was little'." in result.stdout


def test_findings_are_one_document(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(
        line(GOOD) + line("Take 400 mg of it and lie down for a while, then call.", "b")
    )
    (tmp_path / "set.txt").write_text(GOOD)
    result = run("check", tmp_path / "bad.jsonl", "--against", tmp_path, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["conversations"], found["replies"]) == (2, 2)
    assert {one["rule"] for one in found["findings"]} == {"safety", "overlap"}


@pytest.mark.parametrize(("written", "what"), [("{}\n", "line 1"), (None, "cannot be read")])
def test_a_file_that_is_none_is_wrong_use(tmp_path: Path, written: str | None, what: str) -> None:
    if written:
        (tmp_path / "some.jsonl").write_text(written)
    result = run("check", tmp_path / "some.jsonl")
    assert result.exit_code == 2 or what in str(result.exception)


def test_another_program_s_chat_becomes_conversations(tmp_path: Path) -> None:
    (tmp_path / "film.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,000\nHello?\n\n2\n00:00:03,000 --> 00:00:04,000\nYes.\n"
    )
    out = tmp_path / "film.jsonl"
    assert run("read", tmp_path / "film.srt", "--from", "srt", "--theme", "film", "--out", out).exit_code == 0
    (one,) = shape.read(out)
    assert (one.id, one.theme, one.replies) == ("film-001", "film", ("Yes.",))
    assert run("read", tmp_path / "film.srt", "--from", "srt", "--out", out).exit_code != 0  # it is not overwritten


# --- labelling


def two(tmp_path: Path) -> Path:
    """A file with two conversations, neither labelled."""
    file = tmp_path / "mine.jsonl"
    said = ["My dog died this morning, I cannot stop crying.", "We won the cup!! I am so happy, best day ever!"]
    lines = [
        {"id": name, "theme": "srt", "lang": "en"}
        | {"messages": [{"role": "user", "content": words}, {"role": "assistant", "content": GOOD}]}
        for name, words in zip("ab", said, strict=True)
    ]
    file.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return file


def label(file: Path, typed: str, *options: str) -> Result:
    return CliRunner().invoke(samantha, ["dialogues", "label", str(file), *options], input=typed)


def labels(file: Path) -> list[tuple[str, str]]:
    return [(one.emotion, one.theme) for one in shape.read(file)]


def test_enter_takes_what_the_encoder_proposes(tmp_path: Path) -> None:
    file = two(tmp_path)
    result = label(file, "\ngrief\n\n\n")
    assert result.exit_code == 0, result.output
    (first, _), (second, theme) = labels(file)
    assert first in {"sadness", "grief"}
    assert second in {"joy", "excitement"}
    assert theme == "grief"  # the one labelled so far is the nearest
    assert "2 labelled, 0 left without a label." in result.stderr


def test_every_answer_is_saved_and_those_with_labels_are_not_asked_again(tmp_path: Path) -> None:
    file = two(tmp_path)
    label(file, "sad\npets\n")  # the input ends in the middle
    assert labels(file) == [("sadness", "pets"), ("", "srt")]
    assert "a  1/" not in label(file, "quit\n").stdout
    assert "a  1/2" in label(file, "quit\n", "--again").stdout


def test_one_may_be_skipped_and_a_slip_is_explained(tmp_path: Path) -> None:
    file = two(tmp_path)
    result = label(file, "skip\ngloomy\njoy\nsport\n")
    assert labels(file) == [("", "srt"), ("joy", "sport")]
    assert "'gloomy' is not one emotion." in result.stderr
    assert "1 labelled, 1 left without a label." in result.stderr


def test_without_an_encoder_nothing_is_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(settings: object) -> None:
        raise EncoderError("The encoder in '{folder}' cannot be opened: {reason}.", folder="x", reason="gone")

    monkeypatch.setattr(wiring, "open_encoder", missing)
    file = two(tmp_path)
    result = label(file, "grief\npets\nquit\n")
    assert "cannot be opened" in result.stderr
    assert labels(file)[0] == ("grief", "pets")
