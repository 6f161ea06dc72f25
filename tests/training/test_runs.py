import json
from pathlib import Path

import pytest
import torch

from samantha.core.errors import TrainingError
from samantha.core.types import Sampling
from samantha.recipes import gpt, options, raise_samantha
from samantha.training.model_files import MODEL, WEIGHTS, read
from samantha.training.runs import METRICS, RESULT, News, RunFolder
from samantha.training.talking import Talker

GREEDY = Sampling(temperature=0, max_tokens=20, repeat_penalty=1, dry_multiplier=0)
VERSE = "the sea is warm today and we walk along it. " * 40
TINY = {"width": "32", "layers": "1", "attention_heads": "2", "key_value_heads": "1", "inner": "32"}


def made(recipe: type, given: dict[str, str], folder: Path, *, resume: bool = False, watch=lambda news: None):
    values = options.parsed(recipe, given)
    name = recipe.__module__.rpartition(".")[2]
    return values, RunFolder.begin(folder, recipe=name, options=options.plain(values), resume=resume, watch=watch)


@pytest.fixture
def verse(tmp_path: Path) -> Path:
    file = tmp_path / "verse.txt"
    file.write_text(VERSE)
    return file


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    file = tmp_path / "chats.jsonl"
    asked = {
        "What is your name?": "My name is Samantha.",
        "How is the sea?": "It is warm.",
        "Good night.": "Sleep well.",
    }
    rows = [
        {"messages": [{"role": "user", "content": f"{before}{one}"}, {"role": "assistant", "content": other}]}
        for before in ("", "please, tell me now: ", "hello you there, ", "well, I do wonder: ")
        for one, other in asked.items()
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def tiny_gpt(verse: Path, **more: str) -> dict[str, str]:
    return {
        "data": str(verse),
        **TINY,
        "context": "16",
        "rows": "8",
        "steps": "30",
        "plan.rate": "0.01",
        "plan.evaluate_every": "10",
        **more,
    }


def test_a_gpt_learns_a_verse_and_is_found_again_in_its_folder(verse: Path, tmp_path: Path) -> None:
    news: list[News] = []
    recipe, folder = made(gpt.Recipe, tiny_gpt(verse), tmp_path / "run", watch=news.append)
    done = gpt.run(recipe, folder)
    rows = [json.loads(line) for line in (done.folder / METRICS).read_text().splitlines()]
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.5
    assert [one.step for one in news] == [int(row["step"]) for row in rows]
    assert json.loads((done.folder / RESULT).read_text())["figures"] == done.figures
    assert "svg" in (done.folder / "report.html").read_text()
    assert not (done.folder / "stages").exists()
    assert Talker.open(done.folder).say("the sea ", GREEDY)


def test_a_run_that_was_left_ends_as_if_it_had_not_been(verse: Path, tmp_path: Path) -> None:
    def left(news: News) -> None:
        if news.step == 17:
            raise KeyboardInterrupt

    whole = gpt.run(*made(gpt.Recipe, tiny_gpt(verse), tmp_path / "whole"))
    recipe, folder = made(gpt.Recipe, tiny_gpt(verse), tmp_path / "left", watch=left)
    with pytest.raises(KeyboardInterrupt):
        gpt.run(recipe, folder)
    resumed = gpt.run(*made(gpt.Recipe, tiny_gpt(verse), tmp_path / "left", resume=True))
    assert resumed.figures["held_out_loss"] == whole.figures["held_out_loss"]
    one, other = (read(run.folder).model.state_dict() for run in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_is_not_resumed_as_another_one(verse: Path, tmp_path: Path) -> None:
    made(gpt.Recipe, tiny_gpt(verse), tmp_path / "run")
    with pytest.raises(TrainingError, match=r"begun with shape\.layers=1, not 3"):
        made(gpt.Recipe, tiny_gpt(verse, layers="3"), tmp_path / "run", resume=True)


def test_a_folder_with_something_in_it_is_left_alone(verse: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="something in"):
        made(gpt.Recipe, tiny_gpt(verse), tmp_path)


def test_there_has_to_be_a_run_to_resume(verse: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no run in"):
        made(gpt.Recipe, tiny_gpt(verse), tmp_path / "none", resume=True)


def test_a_run_that_fails_at_its_texts_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n\n")
    recipe, folder = made(gpt.Recipe, tiny_gpt(tmp_path / "empty.txt"), tmp_path / "run")
    with pytest.raises(TrainingError, match="nothing in"):
        gpt.run(recipe, folder)
    folder.abandon()
    assert not (tmp_path / "run").exists()


def test_a_text_shorter_than_a_row_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("the sea")
    with pytest.raises(TrainingError, match="fewer than the 17 of one row"):
        gpt.run(*made(gpt.Recipe, tiny_gpt(tmp_path / "short.txt"), tmp_path / "run"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_said_to_be_missing(verse: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no GPU here"):
        gpt.run(*made(gpt.Recipe, tiny_gpt(verse, device="cuda"), tmp_path / "run"))


def test_a_companion_is_raised_from_raw_text_to_a_conversation(verse: Path, chats: Path, tmp_path: Path) -> None:
    given = {
        "data": str(verse), "dialogues": str(chats), "languages": "en", **TINY, "context": "64", "vocabulary": "300",
        "rows": "8",
        "held_out": "0.2", "dropout": "0", "reading.steps": "10", "answering.steps": "60", "answering.rate": "0.01",
        "reading.evaluate_every": "5", "answering.evaluate_every": "60", "answering.average": "0",
    }  # fmt: skip
    done = raise_samantha.run(*made(raise_samantha.Recipe, given, tmp_path / "run"))
    assert done.figures["answer_perplexity_with_0_examples"] < done.figures["answer_perplexity_at_first"] / 10
    said = Talker.open(done.folder).say("What is your name?", GREEDY)
    assert said == "My name is Samantha."
    rows = [json.loads(line) for line in (done.folder / "samples.jsonl").read_text().splitlines()]
    assert {"prompt": "What is your name?", "written": said} in rows


def test_a_model_whose_weights_were_changed_is_not_opened(verse: Path, tmp_path: Path) -> None:
    done = gpt.run(*made(gpt.Recipe, tiny_gpt(verse), tmp_path / "run"))
    (done.folder / WEIGHTS).write_bytes((done.folder / WEIGHTS).read_bytes()[:-1])
    with pytest.raises(TrainingError, match="not the one that was written"):
        Talker.open(done.folder)


def test_a_model_of_another_architecture_is_not_opened(verse: Path, tmp_path: Path) -> None:
    done = gpt.run(*made(gpt.Recipe, tiny_gpt(verse), tmp_path / "run"))
    card = json.loads((done.folder / MODEL).read_text())
    (done.folder / MODEL).write_text(json.dumps({**card, "architecture": "bert"}))
    with pytest.raises(TrainingError, match="cannot be opened"):
        Talker.open(done.folder)


def test_layers_that_are_computed_again_learn_the_same(verse: Path, tmp_path: Path) -> None:
    kept = gpt.run(*made(gpt.Recipe, tiny_gpt(verse), tmp_path / "kept"))
    again = gpt.run(*made(gpt.Recipe, tiny_gpt(verse, recompute="true"), tmp_path / "again"))
    assert again.figures["held_out_loss"] == pytest.approx(kept.figures["held_out_loss"], abs=1e-4)


def test_text_is_shown_up_to_a_stop_string(verse: Path, tmp_path: Path) -> None:
    talker = Talker.open(gpt.run(*made(gpt.Recipe, tiny_gpt(verse, steps="80"), tmp_path / "run")).folder)
    whole = talker.say("the sea ", GREEDY)
    stop = whole[8:11]
    stopped = talker.say(
        "the sea ", Sampling(temperature=0, max_tokens=20, repeat_penalty=1, dry_multiplier=0, stop=(stop,))
    )
    assert stopped == whole[: whole.find(stop)]
