"""What the commands share: their options, the settings these make, and how results and remarks are printed."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from samantha.core.text import Language, Text
from samantha.language import language_of_machine, translate

if TYPE_CHECKING:
    from samantha.settings import Loaded, Settings

Command = TypeVar("Command", bound=Callable[..., Any])


def setting(option: str, key: str, help: str, **attributes: Any) -> Callable[[Command], Command]:
    """An option that is a setting's short name: its value is kept for `loaded`, the command does not see it."""

    def keep(context: click.Context, _: click.Parameter, value: object) -> None:
        if value is not None:
            given_in(context)[key] = value

    return click.option(*option.split("/"), callback=keep, expose_value=False, default=None, help=help, **attributes)


def _keep_assignments(context: click.Context, _: click.Parameter, pairs: tuple[str, ...]) -> None:
    from samantha.settings import assignments

    given_in(context).update(assignments(pairs))


def _keep_config(context: click.Context, _: click.Parameter, file: Path | None) -> None:
    context.ensure_object(dict)["config"] = file


def given_in(context: click.Context) -> dict[str, object]:
    found: dict[str, object] = context.ensure_object(dict).setdefault("given", {})
    return found


help_option = click.help_option("-h", "--help", help="Show this message and exit.")


def common_options(command: Command) -> Command:
    """What every command understands."""
    for option in (
        help_option,
        click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of a defect."),
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            callback=_keep_config,
            expose_value=False,
            help="Read this settings file.",
        ),
        click.option(
            "--set",
            "assign",
            metavar="KEY=VALUE",
            multiple=True,
            callback=_keep_assignments,
            expose_value=False,
            help="Change any setting; `samantha config` lists them.",
        ),
        setting("--offline", "model.offline", "Fetch nothing.", is_flag=True),
        setting("--language", "language", "The language of messages: en or zh.", metavar="LANGUAGE"),
    ):
        command = option(command)
    return command


def talking_options(command: Command) -> Command:
    """What every command that talks understands."""
    for option in (
        setting("--private", "data.keep", "Keep nothing of this conversation.", is_flag=True, flag_value=False),
        setting("--persona", "persona.name", "Who she is: a name or a persona file.", metavar="NAME"),
        setting(
            "-m/--model",
            "model.name",
            "The brain: a name, a GGUF file, the folder of a run, or ENDPOINT/NAME.",
            metavar="NAME",
        ),
    ):
        command = option(command)
    return common_options(command)


def loaded(context: click.Context) -> "Loaded":
    """The settings of this call, with their origins."""
    from samantha.settings import load

    return load(overrides=given_in(context), config=context.ensure_object(dict).get("config"))


def settings_of(context: click.Context, given: Mapping[str, object] = MappingProxyType({})) -> "Settings":
    """The settings of this call; `given` counts like options."""
    given_in(context).update(given)
    return loaded(context).settings


def language_of(settings: "Settings") -> Language:
    return language_of_machine() if settings.language == "auto" else settings.language


def tell(said: Text, language: Language) -> None:
    """A line for the person, beside the result."""
    echo(translate(said, language), err=True, dim=True)


def echo(words: str, *, err: bool = False, nl: bool = True, **style: Any) -> None:
    """Print `words` in our own `style` (as for `click.style`), without anything else that a terminal would obey."""
    from samantha.surfaces.terminal.screen import clean

    click.echo(click.style(clean(words), **style) if style else clean(words), err=err, nl=nl)


def print_json(document: Any) -> None:
    """The one document of a command that was asked for `--json`."""
    printed = json.dumps(document, ensure_ascii=False, indent=2)
    click.echo(re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", printed))  # json escapes only below 0x20
