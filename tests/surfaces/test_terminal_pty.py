"""The conversation on a real terminal: keys, the screen, and what is left when somebody pulls the plug."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from samantha.adapters.sqlite import SqliteJournal
from samantha.core.types import Message
from tests.pty_terminal import Terminal

SCRIPT = Path(__file__).with_name("scripted_chat.py")
LONG = " ".join(f"This is sentence number {number}." for number in range(1, 2000))
CTRL_C, CTRL_D, ENTER, ALT_ENTER = "\x03", "\x04", "\r", "\x1b\r"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def talk(
    journal: Path, *replies: str, delay: float = 0, language: str = "en", rows: int = 24, columns: int = 80, **env: str
) -> Terminal:
    command = [sys.executable, str(SCRIPT), str(journal), json.dumps(replies), str(delay), language]
    return Terminal(command, env={**os.environ, **env}, rows=rows, columns=columns)


async def kept(journal: Path) -> tuple[Message, ...]:
    opened = SqliteJournal(journal)
    try:
        (thread,) = await opened.list("me")
        return await opened.history("me", thread.id)
    finally:
        await opened.aclose()


def test_a_reply_is_shown_under_her_name_and_the_prompt_comes_back(journal: Path) -> None:
    with talk(journal, "Good **evening**.") as terminal:
        terminal.see("/help lists the commands")
        terminal.press("Hello" + ENTER)
        terminal.see("Good evening.")
        assert terminal.lines[terminal.lines.index("Good evening.") - 1] == "Samantha"
        terminal.see("context")
        terminal.see("\n›\n")


def test_ctrl_d_leaves_with_a_goodbye(journal: Path) -> None:
    with talk(journal, "Hello.") as terminal:
        terminal.see("›")
        terminal.see("Ctrl-D: leave")
        terminal.press(CTRL_D)
        assert terminal.end() == 0
        assert terminal.lines[terminal.lines.index("Goodbye, and take care.") - 1] == "›"


@pytest.mark.anyio
async def test_ctrl_c_while_she_talks_keeps_what_was_said_and_gives_the_prompt_back(journal: Path) -> None:
    with talk(journal, LONG, "I am still here.", delay=0.02) as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press("Tell me something" + ENTER)
        terminal.see("number 3.")
        terminal.press(CTRL_C)
        terminal.see("Stopped.")
        terminal.press("Go on" + ENTER)
        terminal.see("I am still here.")
        terminal.see("\n\n›")
        shown = terminal.words
        terminal.press(CTRL_D)
        assert terminal.end() == 0
    said = (await kept(journal))[1].text
    assert said.startswith("This is sentence number 1.")
    assert said in shown
    assert "Traceback" not in shown


def test_ctrl_c_at_an_empty_prompt_says_how_to_leave_and_then_leaves(journal: Path) -> None:
    with talk(journal, "Hello.") as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press(CTRL_C)
        terminal.see("Press Ctrl-C once more")
        terminal.see("\n\n›")
        terminal.press(CTRL_C)
        assert terminal.end() == 0


def test_ctrl_c_in_a_written_line_only_clears_it(journal: Path) -> None:
    with talk(journal, "Hello.") as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press("not this" + CTRL_C + "but this" + ENTER)
        terminal.see("Hello.")
        assert "› but this" in terminal.lines
        assert "Press Ctrl-C" not in terminal.text


@pytest.mark.anyio
async def test_after_kill_9_in_mid_reply_the_conversation_goes_on_with_what_was_said(journal: Path) -> None:
    with talk(journal, LONG, delay=0.02) as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press("Tell me something" + ENTER)
        terminal.see("number 3.")
        terminal.process.send_signal(signal.SIGKILL)
        terminal.process.wait()
    said = (await kept(journal))[1].text
    command = [sys.executable, str(SCRIPT), str(journal), '["Yes."]', "--continue"]
    with Terminal(command, env=os.environ) as terminal:
        terminal.see("Going on with: Tell me something")
        terminal.see("Ctrl-D: leave")
        assert said in terminal.words
        terminal.press("Are you there?" + ENTER)
        terminal.see("Yes.")
    assert [message.text for message in await kept(journal)] == ["Tell me something", said, "Are you there?", "Yes."]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "keys",
    [
        "one" + ALT_ENTER + "two" + ENTER,
        "one\\" + ENTER + "two" + ENTER,
        "\x1b[200~one\ntwo\x1b[201~" + ENTER,
    ],
    ids=["alt-enter", "backslash", "pasted"],
)
async def test_several_lines_are_one_message(journal: Path, keys: str) -> None:
    with talk(journal, "Both.") as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press(keys)
        terminal.see("Both.")
    assert (await kept(journal))[0].text == "one\ntwo"


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 12)])
def test_a_reply_longer_than_the_screen_stands_there_once(journal: Path, columns: int, rows: int) -> None:
    numbers = "\n".join(f"{number}. thing number {number} of the list" for number in range(1, 61))
    with talk(journal, f"{LONG[:1500]}\n\n{numbers}\n\nDone with it.", columns=columns, rows=rows) as terminal:
        terminal.see("/help")
        terminal.press("Go" + ENTER)
        terminal.see("Done with it.")
        assert [line for line in terminal.lines if "thing number" in line] == [
            f"{number}. thing number {number} of the list" for number in range(1, 61)
        ]
        assert terminal.words.count("sentence number 5.") == 1


def test_a_chinese_reply_wraps_at_the_edge_and_not_before_its_punctuation(journal: Path) -> None:
    reply = "今天天气很好，我们去公园走走吧，看看花，听听鸟叫。" * 4
    with talk(journal, reply, columns=40, rows=24) as terminal:
        terminal.see("/help")
        terminal.press("你好" + ENTER)
        terminal.see("context")
        lines = [line for line in terminal.lines if line and not line.isascii() and line in reply]
        assert "".join(lines) == reply
        assert all(17 <= len(line) <= 19 for line in lines[:-1])
        assert not [line for line in lines if line[0] in "，。"]


def test_what_is_typed_while_she_talks_waits_for_the_prompt(journal: Path) -> None:
    with talk(journal, "One. Two. Three. Four. Five.", "Six.", delay=0.1) as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press("Go" + ENTER)
        terminal.see("One.")
        terminal.press("early" + ENTER)
        terminal.see("Six.")
        assert "One. Two. Three. Four. Five." in terminal.lines
        assert "› early" in terminal.lines


def test_the_up_key_brings_back_what_was_written_in_an_earlier_conversation(journal: Path) -> None:
    with talk(journal, "Hello.") as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press("remember me" + ENTER)
        terminal.see("Hello.")
    with talk(journal, "Hello again.") as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press("\x1b[A")
        terminal.see("› remember me")


def test_commands_are_completed(journal: Path) -> None:
    with talk(journal, "Hello.") as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press("/conte")
        terminal.see("what she reads, in tokens")
        terminal.press("\t")
        terminal.see("› /context")
        terminal.press(ENTER)
        terminal.see("Nothing has been read yet.")


def test_what_may_follow_a_command_is_completed(journal: Path) -> None:
    with talk(journal, "Hello.") as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press("/feelings o")
        terminal.see("off")
        terminal.press("n" + ENTER)
        terminal.see("After each message stands the feeling")


def test_no_color_means_none(journal: Path) -> None:
    with talk(journal, "Some `code`.", NO_COLOR="1") as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press("Hi" + ENTER)
        terminal.see("Some code.")
        terminal.see("context")
    assert b"\x1b[" in terminal.bytes
    assert not re.search(rb"\x1b\[([0-9]+;)*(3[0-8]|4[0-8]|9[0-7]|10[0-7])[0-9;]*m", terminal.bytes)


def test_a_dumb_terminal_gets_plain_words_and_a_prompt(journal: Path) -> None:
    with talk(journal, "Good **evening**.", TERM="dumb") as terminal:
        terminal.see("›")
        terminal.press("Hello" + ENTER)
        terminal.see("Good **evening**.")
        terminal.press(CTRL_D)
        assert terminal.end() == 0
    assert b"\x1b" not in terminal.bytes


def test_a_dumb_terminal_stops_her_with_ctrl_c_too(journal: Path) -> None:
    with talk(journal, LONG, delay=0.02, TERM="dumb") as terminal:
        terminal.see("›")
        terminal.press("Hello" + ENTER)
        terminal.see("number 2.")
        terminal.press(CTRL_C)
        terminal.see("Stopped.")
        terminal.press(CTRL_C)
        assert terminal.end() == 130
    assert "Traceback" not in terminal.text
