"""The progress bar: what it says where there is no terminal, and when it is over."""

import pytest

from samantha.core.text import text
from samantha.surfaces import progress
from samantha.surfaces.progress import progress_on_stderr

FETCHING = text("Fetching {name}", name="tiny")
CHECKING = text("Checking {name}", name="tiny")


def test_without_a_terminal_each_step_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_on_stderr("en") as tell:
        for done, what in [(1, FETCHING), (2, FETCHING), (1, CHECKING)]:
            tell(done, 2, what)
    assert capsys.readouterr().err == "Fetching tiny\nChecking tiny\n"


def test_what_is_told_after_the_end_is_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    with progress_on_stderr("en") as tell:
        tell(1, 2, FETCHING)
    capsys.readouterr()
    tell(2, 2, FETCHING)
    assert capsys.readouterr().err == ""


def test_a_finished_bar_is_not_opened_again_for_the_same_news(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    with progress_on_stderr("en") as tell:
        tell(2, 2, FETCHING)
        capsys.readouterr()
        tell(2, 2, FETCHING)
    assert capsys.readouterr().err == ""
