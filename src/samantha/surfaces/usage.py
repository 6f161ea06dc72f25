"""What click says, in our words and in the person's language: wrong options and commands, and the help.

Not here: the errors of Samantha herself (`samantha.core.errors`), and what becomes of either (`cli.main`).
"""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

import click
from click.exceptions import NoSuchCommand

from samantha.core.text import Language, Text, text
from samantha.language import translate

ALIKE = 0.6  # of 1; difflib's own measure for a close match
_HEADINGS = {
    "Options": text("Options:"),
    "Commands": text("Commands:"),
    "Positional arguments": text("Positional arguments:"),
}


def sentence(error: click.ClickException, command: click.Group) -> Text:
    """What is wrong with the command line of `command`, and where to look."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    place = command.name if context is None else context.command_path
    match error:
        case click.NoSuchOption(option_name=name, possibilities=possible):
            return _no_such_option(name, possible or (), place)
        case NoSuchCommand(command_name=name, possibilities=possible):
            return _no_such_command(name, possible or (), place)
        case click.BadOptionUsage(option_name=option):
            if option in _flags(command):
                return text("The option '{option}' takes no value.", option=option)
            return text("The option '{option}' needs a value.", option=option)
        case click.MissingParameter():
            return text("'{parameter}' is missing. See `{command} --help`.", parameter=_named(error), command=place)
        case click.BadParameter():
            return text(
                "The value of '{parameter}' is wrong ({problem}). See `{command} --help`.",
                parameter=_named(error),
                problem=error.message,
                command=place,
            )
        case click.UsageError() if extra := re.search(r"\((.+)\)", error.message, re.DOTALL):
            return text("'{extra}' is too much here. See `{command} --help`.", extra=extra[1], command=place)
    return Text(error.format_message())


def _no_such_option(option: str, possible: Iterable[str], command: str | None) -> Text:
    bare = option.lstrip("-")  # the hyphens alone make every option look alike
    near = [each for each in possible if SequenceMatcher(None, bare, each.lstrip("-")).ratio() >= ALIKE]
    if not near:
        return text("There is no option '{option}'. See `{command} --help`.", option=option, command=command)
    return text(
        "There is no option '{option}'. Did you mean '{nearest}'? See `{command} --help`.",
        option=option,
        nearest=near[0],
        command=command,
    )


def _no_such_command(name: str, possible: Sequence[str], command: str | None) -> Text:
    if not possible:
        return text("There is no command '{name}'. See `{command} --help`.", name=name, command=command)
    return text(
        "There is no command '{name}'. Did you mean '{nearest}'? See `{command} --help`.",
        name=name,
        nearest=possible[0],
        command=command,
    )


def _flags(command: click.Command) -> set[str]:
    """The options without a value, of `command` and of those below it: click does not say whose option it was."""
    children = command.commands.values() if isinstance(command, click.Group) else ()
    own = {opt for each in command.params if isinstance(each, click.Option) and each.is_flag for opt in each.opts}
    return own.union(*map(_flags, children))


def _named(error: click.BadParameter) -> str:
    """The parameter as it is written on the command line."""
    if isinstance(error.param, click.Option):
        return max(error.param.opts, key=len)
    return error.param.human_readable_name if error.param is not None else str(error.param_hint)


def translate_help(command: click.Command, language: Language) -> None:
    """Put the help of `command` and of those below it into `language`; English is there already."""
    if language == "en":
        return
    command.context_class = _ChineseContext
    command.help = "\n\n".join(
        translate(" ".join(part.split()), language) for part in (command.help or "").split("\n\n")
    )
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = translate(parameter.help, language)
    if isinstance(command, click.Group):
        for child in command.commands.values():
            translate_help(child, language)


class _ChineseHelp(click.HelpFormatter):
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or translate(text("Usage:"), "zh"))

    def write_heading(self, heading: str) -> None:
        self.write(f"{'':>{self.current_indent}}{translate(_HEADINGS.get(heading, Text(heading)), 'zh')}\n")


class _ChineseContext(click.Context):
    formatter_class = _ChineseHelp
