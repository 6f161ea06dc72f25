"""`samantha dialogues`: check written conversations, label them, and read other programs' into their shape.

Not here: what is checked (`samantha.dialogues.checks`) and how files are read (`samantha.dialogues.readers`).
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samantha.core.errors import EncoderError, UsageError
from samantha.core.text import Language, Text, text
from samantha.language import translate
from samantha.surfaces.options import common_options, echo, help_option, language_of, print_json, settings_of, tell

if TYPE_CHECKING:
    from samantha.core.types import Understanding
    from samantha.dialogues.checks import Finding
    from samantha.dialogues.shape import Dialogue
    from samantha.settings import Settings

FORMS = ("srt", "screenplay", "chatgpt", "sillytavern")
SHOWN = 40  # findings of one rule; more of the same teach nothing


@click.group()
@help_option
def dialogues() -> None:
    """Check or label written conversations, or read other programs' into their shape."""


@dialogues.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also look for text shared with the data sets in this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@common_options
@click.pass_context
def check(context: click.Context, files: tuple[Path, ...], against: Path | None, as_json: bool) -> None:
    """Check conversations, one JSON object a line, and explain each finding."""
    from samantha.dialogues import checks, shape
    from samantha.dialogues.overlap import shared

    if against is not None and not against.is_dir():
        raise UsageError("There is no folder '{folder}'. Name the one that holds the data sets.", folder=against)
    language = language_of(settings_of(context))
    read = [one for file in files for one in shape.read(file)]
    found = checks.check(read)
    if against is not None:
        reading = text("Comparing with {name} ...", name=against)
        tell(reading, language)
        found += shared(read, against)
    if as_json:
        print_json(
            {
                "conversations": len(read),
                "replies": sum(len(one.replies) for one in read),
                "findings": [{"id": one.id, "rule": one.rule, "says": str(one.says)} for one in found],
            }
        )
    else:
        _show(found, language)
        counts = {"conversations": len(read), "replies": sum(len(one.replies) for one in read), "findings": len(found)}
        echo(
            translate(
                text("{conversations} conversations, {replies} replies, {findings} findings.", **counts), language
            )
        )
    if found:
        context.exit(1)


def _show(found: "list[Finding]", language: Language) -> None:
    told: Counter[str] = Counter()
    for one in found:
        told[one.rule] += 1
        if told[one.rule] <= SHOWN:
            echo(f"{one.id or '*'}  {translate(one.says, language)}")
    for rule, count in told.items():
        if count > SHOWN:
            echo(translate(text("{rule}: {count} more.", rule=rule, count=count - SHOWN), language), dim=True)


@dialogues.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--from", "form", type=click.Choice(FORMS), required=True, help="What kind of file it is.")
@click.option("--as", "reply_by", default="", metavar="NAME", help="Who in a screenplay becomes the companion.")
@click.option("--theme", default="", help="What the conversations are about.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Where to write them.")
@common_options
@click.pass_context
def read(context: click.Context, file: Path, form: str, reply_by: str, theme: str, out: Path) -> None:
    """Read subtitles, a screenplay or another program's chats into conversations."""
    from samantha.dialogues import readers, shape

    language = language_of(settings_of(context))
    if out.exists():
        raise UsageError("'{file}' exists already. Name another file with --out.", file=out)
    try:
        content = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("'{file}' is not UTF-8 text. Save it as UTF-8.", file=file) from error
    except OSError as error:
        raise UsageError("'{file}' cannot be read: {why}.", file=file, why=error.strerror or error) from error
    found = readers.READERS[form](content, reply_by)
    if not found:
        raise UsageError("There is no conversation in '{file}': nobody is answered.", file=file)
    named = [replace(one, theme=theme or one.theme) for one in found]
    shape.write(out, shape.numbered(named, theme or form))
    tell(text("{count} conversations are in {file}.", count=len(found), file=out), language)


@dialogues.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--again", is_flag=True, help="Also show those that have labels.")
@common_options
@click.pass_context
def label(context: click.Context, file: Path, again: bool) -> None:
    """Walk through conversations and say how the person feels and what each is about.

    Enter takes what is proposed; "skip" leaves one out, "quit" ends. Every answer is saved at once.
    """
    from samantha.dialogues import shape
    from samantha.dialogues.labels import emotion_of, theme_of

    settings = settings_of(context)
    language = language_of(settings)
    all_of_them = shape.read(file)
    waiting = [number for number, one in enumerate(all_of_them) if again or not one.emotion]
    understood = _understood(all_of_them, settings, language) if waiting else {}
    labelled = 0
    for place, number in enumerate(waiting, start=1):
        one = all_of_them[number]
        _show_conversation(one, place, len(waiting))
        others = ((understood[at], each.theme) for at, each in enumerate(all_of_them) if each.emotion and at != number)
        felt = understood.get(number)
        answer = _asked(
            one.emotion or (emotion_of(felt) if felt else ""),
            one.theme if again or not felt else theme_of(felt, others) or one.theme,
            language,
        )
        if isinstance(answer, str):
            if answer == "quit":
                break
            continue
        emotion, theme = answer
        all_of_them[number] = replace(one, emotion=emotion, theme=theme)
        shape.write(file, all_of_them)
        labelled += 1
    left = len([one for one in all_of_them if not one.emotion])
    tell(text("{count} labelled, {left} left without a label.", count=labelled, left=left), language)


def _understood(found: "list[Dialogue]", settings: "Settings", language: Language) -> "dict[int, Understanding]":
    """What the encoder says of each; nothing where there is no encoder, and then nothing is proposed."""
    from samantha.dialogues.labels import said_by_person
    from samantha.wiring import open_encoder

    try:
        encoder = open_encoder(settings)
    except EncoderError as error:
        tell(error.text, language)
        return {}
    tell(text("Reading {count} conversations ...", count=len(found)), language)
    return dict(enumerate(encoder.understood([said_by_person(one) for one in found])))


def _show_conversation(one: "Dialogue", place: int, of: int) -> None:
    echo(f"\n{one.id}  {place}/{of}", dim=True)
    marks = {"user": "> ", "assistant": "  ", "system": "# "}
    for message in one.messages:
        for line in message.text.splitlines():
            echo(f"{marks[message.role]}{line}", dim=message.role == "system")


def _asked(emotion: str, theme: str, language: Language) -> "tuple[str, str] | str":
    """The labels that the person gives; "skip" or "quit" where they give none. The end of the input is "quit"."""
    from samantha.core.understanding import EMOTIONS
    from samantha.dialogues.labels import emotion_named

    while True:
        typed = _typed(text("Emotion"), emotion, language)
        if typed in ("skip", "quit"):
            return typed
        if named := emotion_named(typed):
            break
        one_of = ", ".join(EMOTIONS)
        tell(text("'{typed}' is not one emotion. There are: {emotions}.", typed=typed, emotions=one_of), language)
    while not (typed := _typed(text("Theme"), theme, language)):
        tell(text("A theme is a word or two."), language)
    return typed if typed in ("skip", "quit") else (named, typed)


def _typed(question: Text, proposed: str, language: Language) -> str:
    try:
        typed: str = click.prompt(translate(question, language), default=proposed, show_default=bool(proposed))
    except click.Abort:
        click.echo(err=True)
        return "quit"
    return typed.strip()
