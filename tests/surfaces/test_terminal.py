"""The conversation in the terminal, with fakes: its commands, and what goes through a pipe."""

import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

from samantha.adapters.sqlite import SqliteJournal
from samantha.companion import Companion, Forgetful
from samantha.core.errors import EndpointError, ModelMissing, PersonaError, SamanthaError, VoiceError
from samantha.core.ports import Brain, Sound
from samantha.core.types import Emotion, Message, Sampling, Understanding
from samantha.mind.persona import Example, Persona
from samantha.surfaces.speaking import SpeakingQueue
from samantha.surfaces.terminal.commands import COMMANDS, take
from samantha.surfaces.terminal.run import chat
from samantha.surfaces.terminal.screen import PlainScreen
from samantha.surfaces.terminal.session import Doors, Session
from samantha.testing import ScriptedEncoder, ScriptedGenerator, ScriptedPolicy, SilentVoice, SteppingClock, Unfeeling

pytestmark = pytest.mark.anyio

FULL = Path("/dev/full")
SCRIPT = Path(__file__).with_name("scripted_chat.py")
SAM = Persona(name="Samantha", summary="You are Samantha.", examples=(Example("en", "Hi", "Hello, you."),))
DOWN = EndpointError("No answer from {url}. Start it.", url="http://127.0.0.1:1")


@dataclass
class Room:
    """A session, and what came out of it."""

    session: Session
    generator: ScriptedGenerator
    out: io.StringIO
    err: io.StringIO

    async def take(self, *lines: str) -> str:
        """Give the lines, and return what the last one printed beside the conversation."""
        for line in lines:
            self.err.seek(0)
            self.err.truncate()
            await take(self.session, line)
        return self.err.getvalue()

    async def history(self) -> list[str]:
        return [message.text for message in await self.session.history()]


def doors(companion: Companion) -> Doors:
    async def switch_model(name: str) -> None:
        if name != "bigger":
            raise ModelMissing("No model '{name}'.", name=name)
        companion.generator = ScriptedGenerator(["From a bigger brain."], brain=Brain("bigger", context=9000))

    def switch_persona(name: str) -> None:
        if name != "ada":
            raise PersonaError("There is no persona '{name}'.", name=name)
        companion.persona = Persona(name="Ada", summary="You are Ada.")

    return Doors(switch_model, switch_persona, lambda: ["samantha", "ada"])


@pytest.fixture
async def journal() -> AsyncIterator[SqliteJournal]:
    opened = SqliteJournal(":memory:")
    yield opened
    await opened.aclose()


def room(journal: SqliteJournal, *replies: str | SamanthaError | tuple[str | SamanthaError, ...]) -> Room:
    generator = ScriptedGenerator(replies or ["One.", "Two.", "Three.", "Four."])
    companion = Companion(
        generator=generator,
        journal=journal,
        persona=SAM,
        encoder=Unfeeling(),
        memories=Forgetful(),
        policy=ScriptedPolicy(),
        clock=SteppingClock(),
        sampling=Sampling(max_tokens=100),
    )
    out, err = io.StringIO(), io.StringIO()
    screen = PlainScreen(out, err, "en")
    session = Session(companion=companion, threads=journal, screen=screen, doors=doors(companion))
    return Room(session, generator, out, err)


async def test_a_message_is_answered_on_stdout_and_the_notices_are_on_stderr(journal: SqliteJournal) -> None:
    here = room(journal, "Good **evening**. How are you?")
    assert "is an AI" in await here.take("Hello")
    assert here.out.getvalue() == "Good **evening**. How are you?\n"


async def test_the_conversation_has_a_memory(journal: SqliteJournal) -> None:
    here = room(journal)
    await here.take("a", "b")
    assert [message.text for message in here.generator.heard[1]][-3:] == ["a", "One.", "b"]


async def test_help_names_every_command(journal: SqliteJournal) -> None:
    told = await room(journal).take("/help")
    assert not [command.name for command in COMMANDS if f"/{command.name}" not in told]


@pytest.mark.parametrize(("wrong", "right"), [("undoo", "/undo"), ("con", "/context"), ("xyz", "/help")])
async def test_an_unknown_command_names_the_nearest_one(journal: SqliteJournal, wrong: str, right: str) -> None:
    here = room(journal)
    told = await here.take(f"/{wrong}")
    assert f"nearest is {right};" in told
    assert await here.history() == []


async def test_two_slashes_send_a_message_that_begins_with_one(journal: SqliteJournal) -> None:
    here = room(journal)
    await here.take("//help me")
    assert await here.history() == ["/help me", "One."]


async def test_retry_answers_the_same_message_anew_and_keeps_the_old_reply_as_a_branch(journal: SqliteJournal) -> None:
    here = room(journal)
    await here.take("a", "b", "/retry")
    assert await here.history() == ["a", "One.", "b", "Three."]
    (thread,) = await journal.list("me")
    assert thread.turns == 3


async def test_retry_after_a_failure_sends_the_message_again(journal: SqliteJournal) -> None:
    here = room(journal, DOWN, "There you are.")
    await here.take("a", "/retry")
    assert await here.history() == ["a", "There you are."]


async def test_there_is_nothing_to_retry_at_the_beginning(journal: SqliteJournal) -> None:
    assert "nothing to say anew" in await room(journal).take("/retry")


async def test_undo_takes_back_one_exchange_at_a_time_and_shows_where_that_leaves_us(journal: SqliteJournal) -> None:
    here = room(journal)
    told = await here.take("a", "b", "/undo")
    assert "Taken back: b" in told
    assert "One." in told
    assert await here.history() == ["a", "One."]
    assert "at its beginning" in await here.take("/undo")
    assert await here.history() == []
    assert "nothing to take back" in await here.take("/undo")


async def test_after_undo_the_next_message_follows_what_is_left(journal: SqliteJournal) -> None:
    here = room(journal)
    await here.take("a", "b", "/undo", "c")
    assert await here.history() == ["a", "One.", "c", "Three."]


async def test_persona_shows_who_she_is_and_who_else_there_is(journal: SqliteJournal) -> None:
    told = await room(journal).take("/persona")
    assert "Samantha" in told
    assert "ada" in told


async def test_with_another_persona_the_conversation_goes_on(journal: SqliteJournal) -> None:
    here = room(journal)
    assert "Ada" in await here.take("a", "/persona ada")
    await here.take("b")
    system, *_, said, newest = here.generator.heard[-1]
    assert "Ada" in system.text
    assert (said.text, newest.text) == ("One.", "b")


async def test_a_persona_that_there_is_not_leaves_her_who_she_is(journal: SqliteJournal) -> None:
    here = room(journal)
    assert "no persona 'bob'" in await here.take("/persona bob")
    assert here.session.name == "Samantha"


async def test_model_shows_the_brain(journal: SqliteJournal) -> None:
    assert "'scripted', on this machine. It reads 1024 tokens." in await room(journal).take("/model")


async def test_another_model_goes_on_with_the_conversation(journal: SqliteJournal) -> None:
    here = room(journal)
    assert "'bigger'" in await here.take("a", "/model bigger")
    await here.take("b")
    assert await here.history() == ["a", "One.", "b", "From a bigger brain."]


async def test_a_model_that_cannot_be_opened_leaves_the_old_one_in_place(journal: SqliteJournal) -> None:
    here = room(journal)
    assert "No model 'nowhere'." in await here.take("/model nowhere")
    await here.take("a")
    assert await here.history() == ["a", "One."]


async def test_context_accounts_for_every_token_that_the_brain_reads(journal: SqliteJournal) -> None:
    here = room(journal)
    rows = (await here.take("a", "b", "/context")).splitlines()
    tokens = [int(row.split()[-1]) for row in rows]
    assert sum(tokens[:-1]) == tokens[-1] == 1024
    assert [row.split("  ")[0] for row in rows][:3] == ["persona", "examples (2 messages)", "conversation (2 messages)"]


async def test_context_says_what_no_longer_fits(journal: SqliteJournal) -> None:
    here = room(journal, "word " * 60)
    for _ in range(9):
        await here.take("word " * 60)
    assert "messages no longer fit" in await here.take("/context")


SAD = Understanding(emotion=Emotion({"sadness": 0.9}, -0.8, -0.5, ("sadness",)))


async def test_feelings_are_a_word_after_each_message_where_that_is_wanted(journal: SqliteJournal) -> None:
    here = room(journal)
    here.session.companion.encoder = ScriptedEncoder(otherwise=SAD)
    assert "sadness" not in await here.take("a")
    assert "stands the feeling" in await here.take("/feelings on")
    assert await here.take("b") == "sadness\n"
    assert "not shown" in await here.take("/feelings off")
    assert await here.take("c") == ""


async def test_feelings_alone_says_whether_they_are_shown(journal: SqliteJournal) -> None:
    assert "are not shown" in await room(journal).take("/feelings")


async def test_feelings_are_on_or_off(journal: SqliteJournal) -> None:
    assert "'maybe' is neither on nor off." in await room(journal).take("/feelings maybe")


async def test_without_an_encoder_no_feeling_is_shown(journal: SqliteJournal) -> None:
    assert await room(journal).take("a", "/feelings on", "b") == ""


async def test_mood_tells_how_somebody_sounds(journal: SqliteJournal) -> None:
    here = room(journal)
    here.session.companion.encoder = ScriptedEncoder(otherwise=SAD)
    assert "not heard enough" in await here.take("/mood")
    told = (await here.take("a", "/mood")).splitlines()
    assert told == ["In this conversation you sound low and tired.", "That is a guess from words alone."]


async def test_context_counts_the_note_apart(journal: SqliteJournal) -> None:
    here = room(journal)
    here.session.companion.encoder = ScriptedEncoder(otherwise=SAD)
    rows = (await here.take("a", "/context")).splitlines()
    tokens = [int(row.split()[-1]) for row in rows]
    assert sum(tokens[:-1]) == tokens[-1] == 1024
    assert "note about how you feel" in "".join(rows)


async def test_new_begins_another_conversation_and_threads_goes_back(journal: SqliteJournal) -> None:
    here = room(journal)
    await here.take("first", "/new", "second")
    assert await here.history() == ["second", "Two."]
    listed = await here.take("/threads")
    assert "*1" in listed.splitlines()[0]
    assert "first" in listed.splitlines()[1]
    assert "One." in await here.take("/threads 2")
    assert await here.history() == ["first", "One."]


@pytest.mark.parametrize("number", ["0", "2", "x", "²"])
async def test_a_conversation_that_there_is_not(journal: SqliteJournal, number: str) -> None:
    assert f"no conversation {number}." in await room(journal).take("a", f"/threads {number}")


async def test_save_writes_markdown(journal: SqliteJournal, tmp_path: Path) -> None:
    here = room(journal)
    await here.take("a", f"/save {tmp_path / 'talk.md'}")
    written = (tmp_path / "talk.md").read_text(encoding="utf-8")
    assert written.endswith("**You**\n\na\n\n**Samantha**\n\nOne.\n")
    assert (tmp_path / "talk.md").stat().st_mode & 0o777 == 0o600


async def test_save_writes_json_where_the_name_asks_for_it(journal: SqliteJournal, tmp_path: Path) -> None:
    await room(journal).take("你好", f"/save {tmp_path / 'talk.json'}")
    written = json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))
    assert written["messages"] == [{"role": "user", "text": "你好"}, {"role": "assistant", "text": "One."}]


async def test_save_without_a_name_uses_the_date(
    journal: SqliteJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await room(journal).take("a", "/save")
    assert [path.name[:12] for path in tmp_path.iterdir()] == ["samantha-202"]


async def test_save_never_overwrites(journal: SqliteJournal, tmp_path: Path) -> None:
    path = tmp_path / "talk.md"
    path.write_text("mine")
    here = room(journal)
    assert "already exists" in await here.take("a", f"/save {path}")
    assert path.read_text() == "mine"
    assert here.session.failures == 1


async def test_save_says_where_it_cannot_write(journal: SqliteJournal, tmp_path: Path) -> None:
    assert "Cannot write" in await room(journal).take("a", f"/save {tmp_path / 'nowhere' / 'talk.md'}")


async def test_there_is_nothing_to_save_at_the_beginning(journal: SqliteJournal, tmp_path: Path) -> None:
    assert "nothing to save" in await room(journal).take(f"/save {tmp_path / 'talk.md'}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("word", ["/quit", "/exit", "/q", "/退出"])
async def test_quit_leaves(journal: SqliteJournal, word: str) -> None:
    here = room(journal)
    await here.take(word)
    assert here.session.leaving


async def test_what_fails_is_said_in_one_sentence_and_the_conversation_goes_on(journal: SqliteJournal) -> None:
    here = room(journal, ("Half a sentence.", DOWN), "Back again.")
    assert "No answer from http://127.0.0.1:1. Start it." in (await here.take("a")).splitlines()
    await here.take("b")
    assert here.out.getvalue() == "Half a sentence.\nBack again.\n"


async def test_her_words_cannot_move_the_cursor(journal: SqliteJournal) -> None:
    here = room(journal, "Now \x1b[2Jnothing\x07 \x9b31mred.\r\nSee?")
    await here.take("a")
    assert here.out.getvalue() == "Now [2Jnothing 31mred.\nSee?\n"


class Loudspeaker:
    """Notes what is played; `broken` is a machine without a sound device."""

    def __init__(self, *, broken: bool = False) -> None:
        self.seconds: list[float] = []
        self._broken = broken

    async def play(self, sounds: AsyncIterator[Sound]) -> float:
        if self._broken:
            raise VoiceError("There is no sound device. Plug one in.")
        async for sound in sounds:
            self.seconds.append(len(sound.samples) / 4 / sound.rate)
        return sum(self.seconds)


async def spoken(here: Room, tmp_path: Path, loudspeaker: Loudspeaker) -> int:
    """The exit code of a pipe with two messages, with her voice on."""
    (tmp_path / "in").write_text("a\nb\n")
    async with SpeakingQueue(
        SilentVoice(), loudspeaker, tell=lambda error: here.session.screen.later(error.text)
    ) as queue:
        here.session.speak = queue
        with (tmp_path / "in").open() as stdin:
            return await chat(here.session, stdin=stdin)


async def test_she_is_heard_out_before_the_pipe_goes_on(journal: SqliteJournal, tmp_path: Path) -> None:
    here, loudspeaker = room(journal, "One two. Three.", "Four."), Loudspeaker()
    assert await spoken(here, tmp_path, loudspeaker) == 0
    assert loudspeaker.seconds == pytest.approx([0.1, 0.05, 0.05])


async def test_without_a_sound_device_that_is_said_once_and_the_words_go_on(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    here = room(journal)
    assert await spoken(here, tmp_path, Loudspeaker(broken=True)) == 0
    assert here.out.getvalue() == "One.\nTwo.\n"
    assert here.err.getvalue().count("There is no sound device. Plug one in.") == 1


# Through a pipe: a process, because of what only processes have (descriptors, signals, exit codes).


def pipe(
    journal: Path, said: bytes, replies: Sequence[str] = ("One.", "Two."), *, language: str = "en"
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, str(SCRIPT), str(journal), json.dumps(replies), "0", language]
    return subprocess.run(command, input=said, capture_output=True, timeout=60)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_each_line_of_a_pipe_is_a_message_and_each_reply_is_plain(file: Path) -> None:
    done = pipe(file, b"a\n\n  \nb", ["Some **bold** words.\n\n- and a list", "Two."])
    assert done.stdout == b"Some **bold** words.\n\n- and a list\nTwo.\n"
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout + done.stderr


async def test_a_trailing_backslash_goes_on_in_the_next_line(file: Path) -> None:
    assert pipe(file, b"a\\\r\nb\nc\\").stdout == b"One.\nTwo.\n"
    opened = SqliteJournal(file)
    (thread,) = await opened.list("me")
    assert [message.text for message in await opened.history("me", thread.id)] == ["a\nb", "One.", "c", "Two."]
    await opened.aclose()


def test_commands_work_in_a_pipe_and_quit_ends_it(file: Path, tmp_path: Path) -> None:
    done = pipe(file, f"a\n/save {tmp_path / 'talk.md'}\n/quit\nb\n".encode())
    assert done.stdout == b"One.\n"
    assert (tmp_path / "talk.md").exists()


def test_a_turn_that_fails_is_told_on_stderr_and_in_the_exit_code(file: Path) -> None:
    done = pipe(file, b"word " * 5000 + b"\nb\n")
    assert done.returncode == 1
    assert done.stdout == b"One.\n"
    assert b"tokens" in done.stderr
    assert b"Traceback" not in done.stderr


def test_what_is_not_utf_8_is_read_as_far_as_it_goes_and_said_once(file: Path) -> None:
    done = pipe(file, b"caf\xe9\n\xff\xfe\n", ["One.", "Two."])
    assert done.stdout == b"One.\nTwo.\n"
    assert done.stderr.count(b"not UTF-8") == 1
    assert done.returncode == 0


def test_an_empty_pipe_ends_quietly(file: Path) -> None:
    done = pipe(file, b"\n\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_reader_that_leaves_ends_it_quietly(file: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(file), json.dumps(["Word. " * 20_000]), "0", "en"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as talking:
        assert talking.stdin
        assert talking.stdout
        assert talking.stderr
        talking.stdin.write(b"a\nb\n")
        talking.stdin.close()
        assert talking.stdout.read(5) == b"Word."
        talking.stdout.close()
        told = talking.stderr.read()
        assert talking.wait(timeout=60) == 0
    assert told.count(b"\n") == 1  # that she is an AI


@pytest.fixture
def full_disk() -> Iterator[TextIO]:
    if not FULL.exists():
        pytest.skip("only Linux has a device that is always full")
    disk = FULL.open("w")
    yield disk
    disk.close()


async def test_a_full_disk_is_said_and_what_was_said_is_kept(
    journal: SqliteJournal, tmp_path: Path, full_disk: TextIO
) -> None:
    here = room(journal)
    (tmp_path / "in").write_text("a\n")
    here.session.screen = PlainScreen(full_disk, here.err, "en")
    with (tmp_path / "in").open() as stdin, pytest.raises(SamanthaError, match="No space left"):
        await chat(here.session, stdin=stdin)
    assert await here.history() == ["a", "One."]


async def test_a_conversation_can_be_resumed_through_a_pipe(journal: SqliteJournal, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("b\n")
    await room(journal).take("a")
    later = room(journal, "Two.")
    with (tmp_path / "in").open() as stdin:
        assert await chat(later.session, stdin=stdin, resume=True) == 0
    assert await later.history() == ["a", "One.", "b", "Two."]


def test_replies_and_notices_are_in_the_persons_language(file: Path) -> None:
    done = pipe(file, b"/help\n", language="zh")
    assert "换行" in done.stderr.decode()


def test_the_exchange_of_the_past_is_shown_without_control_codes() -> None:
    err = io.StringIO()
    PlainScreen(io.StringIO(), err, "en").exchange([Message("user", "a\x1b[2J"), Message("assistant", "b")], "Sam")
    assert err.getvalue() == "› a[2J\nSam: b\n"
