"""The conversation on a terminal with the real default brain."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.pty_terminal import Terminal

MEGABYTES = 500  # resident, with the brain in it


@pytest.fixture
def home(tmp_path: Path, brain_path: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SAMANTHA_")}
    return kept | {
        "SAMANTHA_DATA_FOLDER": str(tmp_path / "data"),
        "SAMANTHA_MODEL_NAME": str(brain_path),
        "SAMANTHA_MODEL_REPLY_TOKENS": "60",
        "SAMANTHA_LANGUAGE": "en",
        "PYTHONWARNINGS": "error",
        "TERM": "xterm-256color",
    }


def test_two_turns_and_a_goodbye(home: dict[str, str]) -> None:
    with Terminal([sys.executable, "-m", "samantha", "chat"], env=home) as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press("Hello, who are you?\r")
        terminal.see("/4036")  # what the meter counts up to: there was a whole turn
        terminal.press("/context\r")
        terminal.see("all that the brain reads 4096")
        terminal.press("And what do you like?\r")
        terminal.press("/context\r")
        terminal.see("conversation (2 messages)")
        assert _resident_megabytes(terminal.process.pid) <= MEGABYTES
        terminal.press("\x04")
        assert terminal.end() == 0
    assert "Goodbye, and take care." in terminal.lines
    assert "Traceback" not in terminal.text


def test_ctrl_c_before_her_first_word_gives_the_prompt_back(home: dict[str, str]) -> None:
    with Terminal([sys.executable, "-m", "samantha", "chat"], env=home) as terminal:
        terminal.see("Ctrl-D: leave")
        terminal.press("word " * 700 + "\r")  # long enough to be read for a while
        terminal.see("Samantha …")
        terminal.press("\x03")
        terminal.see("Stopped.")
        terminal.press("Hello\r")
        terminal.see("/4036")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert "Traceback" not in terminal.text


def _resident_megabytes(process: int) -> float:
    """The most that a process had at once."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        pytest.skip("only Linux tells a process's memory in a file")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    assert found
    return int(found[1]) / 1024
