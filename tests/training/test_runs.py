import json
from pathlib import Path

import pytest
import torch

from samantha.core.errors import SettingError, TrainingError
from samantha.core.types import Message, Sampling
from samantha.recipes import gpt, options, raise_samantha
from samantha.training import language_modelling, tokens
from samantha.training.corpora import Chat, Document, Tally
from samantha.training.files import Place
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
    with pytest.raises(TrainingError, match="not as it was written"):
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


def test_a_companion_left_between_two_stages_is_raised_to_the_same(verse: Path, chats: Path, tmp_path: Path) -> None:
    given = {
        "data": str(verse), "dialogues": str(chats), **TINY, "context": "48", "vocabulary": "300", "rows": "4",
        "held_out": "0.2", "reading.steps": "6", "answering.steps": "6",
    }  # fmt: skip

    def left(news: News) -> None:
        if news.stage == "answering" and news.step == 2:
            raise KeyboardInterrupt

    whole = raise_samantha.run(*made(raise_samantha.Recipe, given, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        raise_samantha.run(*made(raise_samantha.Recipe, given, tmp_path / "left", watch=left))
    resumed = raise_samantha.run(*made(raise_samantha.Recipe, given, tmp_path / "left", resume=True))
    assert resumed.figures == whole.figures
    one, other = ((run.folder / "samples.jsonl").read_text() for run in (whole, resumed))
    assert one == other
    steps = [
        (row["stage"], row["step"]) for row in map(json.loads, (resumed.folder / METRICS).read_text().splitlines())
    ]
    assert steps == sorted(set(steps), key=lambda each: (each[0] != "reading", each[1]))


def test_a_run_is_not_taken_up_with_other_texts(verse: Path, tmp_path: Path) -> None:
    def left(news: News) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gpt.run(*made(gpt.Recipe, tiny_gpt(verse), tmp_path / "run", watch=left))
    verse.rename(tmp_path / "other.txt")
    verse.mkdir()
    (verse / "one.txt").write_text(VERSE)
    with pytest.raises(TrainingError, match="no longer those"):
        gpt.run(*made(gpt.Recipe, tiny_gpt(verse), tmp_path / "run", resume=True))


# -- what is refused before anything is learned, and what measures -------------------------------------------------


BYTES = tokens.byte_level([VERSE], 300)


def a_chat(*said: str, system: str = "") -> Chat:
    roles = ("user", "assistant") * len(said)
    spoken = [Message(role, text) for role, text in zip(roles, said, strict=False)]  # type: ignore[arg-type]
    return Chat((*([Message("system", system)] if system else []), *spoken), Place("chats.jsonl", 1))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"rows": "0"}, "rows is 0"),
        ({"context": "1"}, "context is 1. Set 8"),
        ({"context": "0"}, "context is 0"),
        ({"dropout": "2"}, "dropout is 2.0"),
        ({"dropout": "nan"}, "dropout is nan"),
        ({"held_out": "nan"}, "held_out is nan"),
        ({"written": "0"}, "written is 0"),
    ],
)
def test_a_value_that_would_fail_later_is_refused_before_anything_is_read(
    wrong: dict[str, str], complaint: str, tmp_path: Path
) -> None:
    nowhere = tmp_path / "none.txt"
    with pytest.raises(SettingError, match=complaint):
        gpt.run(*made(gpt.Recipe, tiny_gpt(nowhere, **wrong), tmp_path / "gpt"))
    if "written" not in wrong:
        given = {"data": str(nowhere), "dialogues": str(nowhere), **TINY, **wrong}
        with pytest.raises(SettingError, match=complaint):
            raise_samantha.run(*made(raise_samantha.Recipe, given, tmp_path / "raise"))


def test_this_folder_is_a_place_to_learn_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty := tmp_path / "empty").mkdir()
    monkeypatch.chdir(empty)
    with pytest.raises(TrainingError, match="no text in"):
        gpt.run(*made(gpt.Recipe, tiny_gpt(Path()), tmp_path / "run"))
    with pytest.raises(SettingError, match="Say what to learn from"):
        gpt.run(*made(gpt.Recipe, {}, tmp_path / "other"))


def test_held_out_text_shorter_than_a_row_has_no_perfect_score(tmp_path: Path) -> None:
    (tmp_path / "verse.txt").write_text(VERSE[:100])
    done = gpt.run(*made(gpt.Recipe, tiny_gpt(tmp_path / "verse.txt", steps="2", context="32"), tmp_path / "run"))
    assert done.figures["held_out_loss"] > 1


def test_a_loss_of_nothing_is_refused() -> None:
    model = read_model()
    with pytest.raises(TrainingError, match="no token to measure with"):
        language_modelling.held_out_loss(model, [])
    with pytest.raises(TrainingError, match="no token to measure with"):
        language_modelling.answer_perplexity(model, [])


def read_model() -> language_modelling.GPT:
    shape = raise_samantha.Recipe().shape
    return language_modelling.begin(shape, BYTES, dropout=0.0, seed=0, device=torch.device("cpu")).eval()


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25, 0.4, 0.5, 0.75, 0.999])
def test_as_much_is_held_out_as_was_asked_for(share: float) -> None:
    texts = [Document(str(number), Place("texts.txt", number)) for number in range(1000)]
    learned, held = language_modelling.held_out(texts, share)
    assert len(held) == pytest.approx(1000 * share, abs=1)
    assert sorted(int(one.text) for one in (*learned, *held)) == list(range(1000))


def test_a_text_too_short_to_be_divided_is_refused() -> None:
    with pytest.raises(TrainingError, match="too few to hold out"):
        language_modelling.held_out([Document("sea", Place("sea.txt", 1))], 0.1)


def test_pieces_of_words_are_not_learned_from_what_is_held_out(tmp_path: Path) -> None:
    (tmp_path / "verse.txt").write_text(VERSE + "zyxwzyxw" * 20)
    given = tiny_gpt(tmp_path / "verse.txt", tokens="bytes", vocabulary="350", steps="1")
    done = gpt.run(*made(gpt.Recipe, given, tmp_path / "run"))
    assert not [piece for piece in read(done.folder).tokenizer.get_vocab() if "zy" in piece]


def test_conversations_that_do_not_fit_are_counted_and_none_at_all_refused() -> None:
    tally = Tally()
    long, short = a_chat("the sea " * 50, "is warm"), a_chat("Hi", "Hello")
    (one,) = language_modelling.answers_of(BYTES, [long, short], longest=40, tally=tally)
    assert any(one.learned)
    assert tally.dropped == {"too long to answer": 1}
    with pytest.raises(TrainingError, match="None of 1 conversations"):
        language_modelling.answers_of(BYTES, [long], longest=40, tally=Tally())


def test_instructions_do_not_keep_a_conversation_out_of_few_shot() -> None:
    held, others = a_chat("How is the sea?", "Warm.", system="Be kind."), [a_chat("Hi", "Hello"), a_chat("Bye", "Bye.")]
    found = language_modelling.few_shot(BYTES, others, [held], (0, 1, 2, 4), longest=200, seed=0)
    assert {number: len(rows) for number, rows in found.items()} == {0: 1, 1: 1, 2: 1}  # there are no four others
    assert list(language_modelling.few_shot(BYTES, others, [held], (0, 2), longest=40, seed=0)) == [0]
    assert language_modelling.few_shot(BYTES, others, [held], (0, 2), longest=5, seed=0) == {}


def test_only_conversations_are_read_as_dialogues(chats: Path, tmp_path: Path) -> None:
    (folder := tmp_path / "dialogues").mkdir()
    chats.rename(folder / chats.name)
    (folder / "README.md").write_text("How they were written.")
    tally = Tally()
    assert len(language_modelling.read_chats(folder, tally=tally)) == tally.read.total() == 12
    with pytest.raises(TrainingError, match=r"has to end in \.jsonl"):
        language_modelling.read_chats(folder / "README.md", tally=Tally())


def test_no_raw_text_is_a_conversation_that_may_be_held_out(verse: Path, chats: Path, tmp_path: Path) -> None:
    recipe = raise_samantha.Recipe(data=(verse, chats), dialogues=chats)
    tally, spoken = Tally(), Tally()
    raw, found = raise_samantha._texts(recipe, tally, spoken)
    assert [Path(one.place.file).name for one in raw] == ["verse.txt"]
    assert len(found) == 12
    assert tally.dropped == {"near-duplicate": 12}


def test_the_first_figure_is_taken_without_dropout(chats: Path, tmp_path: Path) -> None:
    def first(name: str, dropout: str) -> float:
        given = {
            "dialogues": str(chats), **TINY, "context": "64", "vocabulary": "300", "held_out": "0.2",
            "dropout": dropout, "reading.steps": "1", "answering.steps": "1",
            "dialogues_licence": "CC0-1.0",
        }  # fmt: skip
        done = raise_samantha.run(*made(raise_samantha.Recipe, given, tmp_path / name))
        assert json.loads((done.folder / "data.json").read_text())[0]["licence"] == "CC0-1.0"
        return done.figures["answer_perplexity_at_first"]

    assert first("none", "0") == first("half", "0.5")
