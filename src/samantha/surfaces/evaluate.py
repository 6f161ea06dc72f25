"""`samantha eval SUITE`: open what is measured, measure it, and print the rows and what was skipped.

A missed bar is a result like any other: the exit code says only whether it was measured. Not here: what a suite
measures (`samantha.evaluation.suites`).
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samantha.core.errors import UsageError
from samantha.core.text import Language, text
from samantha.language import translate
from samantha.surfaces.options import common_options, echo, language_of, print_json, settings_of, tell

if TYPE_CHECKING:
    from samantha.evaluation.report import Report
    from samantha.evaluation.sets import Split
    from samantha.evaluation.subject import HeadTrainer
    from samantha.settings import Settings

WIDTH = 120  # cells of the table


def _understanding(
    settings: "Settings", data: Path | None, split: "Split | None", measuring: Callable[[str], None]
) -> "Report":
    from samantha.evaluation.subject import Subject
    from samantha.evaluation.suites.understanding import understanding
    from samantha.mind.crisis_words import level_of_words
    from samantha.wiring import open_encoder

    encoder = open_encoder(settings, heads=False)
    kinds = zip(encoder.manifest.labels["kinds"], encoder.manifest.thresholds["kinds"], strict=True)
    subject = Subject(
        encoder, level_of_words, {kind: float(threshold) for kind, threshold in kinds}, _head_trainer(encoder)
    )
    return understanding(subject, data=data, split=split, measuring=measuring)


def _head_trainer(encoder: Any) -> "HeadTrainer | None":
    """What `samantha train encoder head=NAME` does; None where what it needs is not installed."""
    if find_spec("sklearn") is None:
        return None
    from samantha.recipes import head

    return head.trainer(encoder)


SUITES = {"understanding": _understanding}


@click.command("eval")
@click.argument("suite", type=click.Choice(list(SUITES)))
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="DIR", help="The folder with a folder for each test set."
)
@click.option(
    "--split",
    type=click.Choice(["dev", "test"]),
    help="Which files to take; without it dev, and test where there is no dev.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@common_options
@click.pass_context
def evaluate(context: click.Context, suite: str, data: Path | None, split: "Split | None", as_json: bool) -> None:
    """Measure how well she does, against the bars she is held to."""
    from samantha.evaluation.report import as_json as json_of

    if data is not None and not data.is_dir():
        raise UsageError("There is no folder '{folder}'. Name the one that holds the test sets.", folder=data)
    settings = settings_of(context)
    language = language_of(settings)
    found = SUITES[suite](
        settings, data, split, lambda name: tell(text("Measuring on {name} ...", name=name), language)
    )
    if as_json:
        print_json(json_of(found))
    else:
        _show(found, language)


def _show(found: "Report", language: Language) -> None:
    from samantha.surfaces.terminal.tables import columns

    verdicts = {True: translate(text("holds"), language), False: translate(text("missed"), language), None: ""}
    cells = [(f"{row.value:.4f}", row.bar or "", verdicts[row.holds], f"n = {row.n}", row.what) for row in found.rows]
    for line in columns(cells, WIDTH, right=(0,)):
        echo(line)
    for skipped in found.skipped:
        why = translate(skipped.why, language)
        echo(translate(text("Not measured: {what}. {why}", what=skipped.what, why=why), language), dim=True)
