"""How far a training run is, on stderr: a bar a stage, or where stderr is no terminal a line about every tenth of it.

Not here: what is done with the results (`samantha.surfaces.train`), and the bar of downloads
(`samantha.surfaces.progress`).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from samantha.core.text import Text, text
from samantha.language import Language, translate

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from samantha.training.runs import News, Watch

NOT_A_LOSS = {"step", "seconds", "rate", "tokens_per_second", "score"}
LINES = 10  # of a stage, about


@contextmanager
def training_on_stderr(language: Language) -> Iterator["Watch"]:
    """Give this to `RunFolder.begin`: what it hears is shown until the end of the block."""
    shown = _OnTerminal(language) if sys.stderr.isatty() else _InLines(language)
    try:
        yield shown
    finally:
        shown.close()


class _InLines:
    """A line whenever another tenth of a stage is done, and for its first report, so that one sees that it runs."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._last: tuple[str, int] | None = None

    def __call__(self, news: "News") -> None:
        here = news.stage, news.step * LINES // news.steps
        if here != self._last:
            self._last = here
            said = f"{news.stage} {news.step:,}/{news.steps:,} · {_facts(news, self._language)}"
            print(said, file=sys.stderr, flush=True)

    def close(self) -> None:
        """There is nothing to take down."""


class _OnTerminal:
    """A bar for each stage; those that are over stay above the one that runs."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._bar: Bar | None = None
        self._stage: tuple[TaskID, News] | None = None  # the one that runs, and the last of it

    def __call__(self, news: "News") -> None:
        bar = self._bar or self._open()
        if self._stage is None or self._stage[1].stage != news.stage:
            self._end_stage()
            self._stage = bar.add_task(news.stage, total=news.steps, facts=""), news
        self._stage = self._stage[0], news
        self._show(_facts(news, self._language))

    def _show(self, facts: str) -> None:
        if self._bar is not None and self._stage is not None:
            task, news = self._stage
            self._bar.update(task, completed=news.step, total=news.steps, facts=facts, refresh=True)

    def _end_stage(self) -> None:
        """Of a stage that ended before its last step, no longer say how much time is left."""
        if self._stage is not None:
            self._show(_facts(self._stage[1], self._language, over=True))
            self._stage = None

    def _open(self) -> "Bar":
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        def words(template: str) -> TextColumn:
            return TextColumn(template, markup=False, table_column=Column(no_wrap=True))

        self._bar = Progress(
            words("{task.description}"),
            BarColumn(bar_width=20),
            words("{task.completed:,}/{task.total:,}"),
            words("{task.fields[facts]}"),
            console=Console(stderr=True),
            auto_refresh=False,  # a thread of its own would take time from the steps, and there is news often enough
            redirect_stdout=sys.stdout.isatty(),  # results that go into a file must not come to the bar
        )
        self._bar.start()
        return self._bar

    def close(self) -> None:
        """Leave the bars as they are, and give the terminal back."""
        self._end_stage()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _facts(news: "News", language: Language, *, over: bool = False) -> str:
    """Loss, score, speed, and the time that is left, or that a stage took which is `over`."""
    row = news.row
    losses = [value for name, value in row.items() if name not in NOT_A_LOSS]
    said: list[Text] = [text("loss {value}", value=f"{sum(losses):.3f}")] if losses else []
    if "score" in row:
        said.append(text("score {value}", value=f"{row['score']:.4g}"))
    if "tokens_per_second" in row:
        said.append(text("{count} tokens/s", count=f"{row['tokens_per_second']:,.0f}"))
    took = row["seconds"]
    if news.step < news.steps and not over:
        said.append(text("{time} left", time=_clock(took / news.step * (news.steps - news.step))))
    else:
        said.append(text("took {time}", time=_clock(took)))
    return " · ".join(translate(each, language) for each in said)


def _clock(seconds: float) -> str:
    """3:05, or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
