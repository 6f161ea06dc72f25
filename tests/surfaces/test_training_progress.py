"""The progress of training: lines where there is no terminal, bars where there is one."""

import io
import re
from contextlib import redirect_stderr

import pytest

from samantha.surfaces import training_progress
from samantha.surfaces.training_progress import training_on_stderr
from samantha.training.runs import News

ROW = {"seconds": 10.0, "loss": 2.25, "rate": 1e-4, "tokens_per_second": 12345.6}


def told(step: int, stage: str = "pretrain", steps: int = 100, **more: float) -> News:
    return News(stage, step, steps, ROW | {"step": float(step)} | more)


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def lines(terminal: Terminal) -> list[str]:
    """What it shows, and showed before, without colours."""
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", terminal.getvalue()).splitlines()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def test_a_line_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with training_on_stderr("en") as watch:
        watch(told(5))
    assert capsys.readouterr().err == "pretrain 5/100 · loss 2.250 · 12,346 tokens/s · 3:10 left\n"


def test_a_line_is_in_the_language_of_the_person(capsys: pytest.CaptureFixture[str]) -> None:
    with training_on_stderr("zh") as watch:
        watch(told(5))
    assert "损失 2.250" in capsys.readouterr().err


def test_without_a_terminal_a_stage_has_a_line_a_tenth_and_one_for_its_first_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with training_on_stderr("en") as watch:
        for stage in ("pretrain", "tune"):
            for step in range(1, 101):
                watch(told(step, stage))
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in said[:11]] == ["1/100", *(f"{ten}0/100" for ten in range(1, 11))]
    assert len(said) == 22


def test_the_last_line_says_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    with training_on_stderr("en") as watch:
        watch(told(100, seconds=3723.4))
    assert capsys.readouterr().err.endswith("took 1:02:03\n")


def test_the_parts_of_a_loss_are_summed_and_the_score_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with training_on_stderr("en") as watch:
        watch(told(50, r_drop=0.5, score=0.91))
    assert "loss 2.750 · score 0.91" in capsys.readouterr().err


def test_on_a_terminal_each_stage_has_a_bar(terminal: Terminal) -> None:
    with redirect_stderr(terminal), training_on_stderr("en") as watch:
        for stage in ("pretrain", "tune"):
            for step in (1, 50, 100):
                watch(told(step, stage))
    last = lines(terminal)[-2:]
    assert [line.split()[0] for line in last] == ["pretrain", "tune"]
    assert all("100/100" in line and "took 0:10" in line for line in last)


def test_a_stage_that_stops_early_no_longer_says_what_is_left(terminal: Terminal) -> None:
    with redirect_stderr(terminal), training_on_stderr("en") as watch:
        watch(told(50))
        watch(told(1, "tune"))
    assert ["took" in line for line in lines(terminal)[-2:]] == [True, True]


def test_the_name_of_a_stage_is_not_read_as_markup(terminal: Terminal) -> None:
    with redirect_stderr(terminal), training_on_stderr("en") as watch:
        watch(told(1, "[bold]tune"))
    assert "[bold]tune" in terminal.getvalue()


def test_a_run_that_is_interrupted_gives_the_terminal_back(terminal: Terminal) -> None:
    with pytest.raises(KeyboardInterrupt), redirect_stderr(terminal), training_on_stderr("en") as watch:  # noqa: PT012
        watch(told(1))
        raise KeyboardInterrupt
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")  # the cursor is shown


def test_a_run_without_news_shows_nothing(terminal: Terminal) -> None:
    with redirect_stderr(terminal), training_on_stderr("en"):
        pass
    assert terminal.getvalue() == ""


def test_what_is_no_loss_is_the_same_as_in_the_report() -> None:
    from samantha.training import report

    assert training_progress.NOT_A_LOSS | {"total_seconds"} == report.NOT_A_LOSS
