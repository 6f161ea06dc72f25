"""The command `samantha`: its options, its border, and the commands that talk.

Results go to stdout, everything else to stderr; exit codes are 0 done, 1 failed, 2 wrong use. Commands that
look after files and settings are in `samantha.surfaces.manage`; the conversation is in `terminal`.
"""

import asyncio
import io
import sys
from contextlib import aclosing, suppress
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import NoArgsIsHelpError

from samantha import __version__
from samantha.core.errors import SamanthaError, UsageError, VoiceError
from samantha.core.text import Language, Text, text
from samantha.language import language_of_machine, translate
from samantha.surfaces import usage
from samantha.surfaces.dialogues import dialogues
from samantha.surfaces.evaluate import evaluate
from samantha.surfaces.feel import feel
from samantha.surfaces.options import (
    common_options,
    echo,
    given_in,
    language_of,
    print_json,
    setting,
    settings_of,
    talking_options,
    tell,
)
from samantha.surfaces.train import train

if TYPE_CHECKING:
    from samantha.core.types import Turn
    from samantha.settings import Settings

INTERRUPTED = 130  # the shell's own code for a program that Ctrl-C ended


@click.group(invoke_without_command=True)
@click.version_option(__version__, prog_name="samantha")
@talking_options
@click.pass_context
def samantha(context: click.Context) -> None:
    """Samantha, a companion that runs on your own machine.

    Without a command she opens a conversation.
    """
    if context.invoked_subcommand is None:
        context.invoke(chat)


@samantha.command()
@click.option("--speak", "speak", is_flag=True, help="Speak each reply aloud.")
@click.option("--continue", "resume", is_flag=True, help="Go on with the newest conversation.")
@talking_options
@click.pass_context
def chat(context: click.Context, speak: bool = False, resume: bool = False) -> None:
    """Talk with her."""
    from samantha.surfaces import terminal

    if speak:
        given_in(context)["voice.speak"] = True
    settings = settings_of(context)
    context.exit(asyncio.run(terminal.run(settings, language=language_of(settings), resume=resume)))


@samantha.command()
@click.argument("words", nargs=-1, metavar="TEXT")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@talking_options
@click.pass_context
def ask(context: click.Context, words: tuple[str, ...], as_json: bool) -> None:
    """Ask one thing and get the reply. Without TEXT it is read from standard input."""
    settings = settings_of(context)
    asyncio.run(_ask(_text_of(words), settings, as_json=as_json))


async def _ask(said: str, settings: "Settings", *, as_json: bool) -> None:
    from samantha.core.events import Failed, Finished, Notice, Said
    from samantha.core.types import Conversation, Message
    from samantha.surfaces.progress import progress_on_stderr
    from samantha.wiring import open_samantha

    language = language_of(settings)
    notices: list[str] = []
    with progress_on_stderr(language) as progress:
        async with open_samantha(settings, progress=progress) as opened:
            her = replace(opened.companion, reads_ahead=False)  # there is no next turn
            events = her.respond(Message("user", said), conversation=Conversation(keep=settings.data.keep))
            async with aclosing(events):
                async for event in events:
                    match event:
                        case Notice(_, notice):
                            notices.append(translate(notice, language))
                            tell(notice, language)
                        case Said(piece) if not as_json:
                            echo(piece, nl=False)
                        case Finished(turn) if as_json:
                            print_json(_answer_json(turn, her.generator.brain.name, notices))
                        case Finished():
                            click.echo()
                        case Failed(error, _):
                            raise error
                        case _:
                            pass


def _answer_json(turn: "Turn", model: str, notices: list[str]) -> dict[str, Any]:
    """The contract of `ask --json`. A field is null where nothing looked."""
    from samantha.core.events import emotion_json, risk_json

    return {
        "reply": turn.reply.text,
        "emotion": emotion_json(turn.understanding.emotion),
        "risk": risk_json(turn.understanding.risk),
        "memories": [asdict(memory) for memory in turn.memories],
        "timings": asdict(turn.reply.usage),
        "finish": turn.reply.finish,
        "model": model,
        "id": turn.id,
        "thread": turn.conversation.thread,
        "notices": notices,
    }


def _text_of(words: tuple[str, ...]) -> str:
    """The words of the command line, or standard input where there are none."""
    if words and words != ("-",):
        return " ".join(words)
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError('Nothing to say. Give the text: samantha ask "How are you?"')
    return sys.stdin.buffer.read().decode("utf-8", errors="replace")


@samantha.command()
@click.argument("words", nargs=-1, metavar="TEXT")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a WAV file instead of playing.")
@common_options
@click.pass_context
def say(context: click.Context, words: tuple[str, ...], output: Path | None) -> None:
    """Say TEXT in her voice, aloud or into a file."""
    asyncio.run(_say(_text_of(words), settings_of(context), output))


async def _say(said: str, settings: "Settings", output: Path | None) -> None:
    from samantha.surfaces.speaking import speech
    from samantha.wiring import open_player, open_voice, write_speech

    sounds = speech(open_voice(settings), said)
    if output is None:
        if not await open_player(settings).play(sounds):
            raise VoiceError("There is nothing to say in this text.")
        return
    await write_speech(output, sounds, settings)
    tell(text("Her voice is in '{path}'.", path=output), language_of(settings))


@samantha.command()
@setting("--port", "server.port", "The port to listen on.", metavar="PORT")
@setting("--host", "server.host", "The address to listen on.", metavar="ADDRESS")
@talking_options
@click.pass_context
def serve(context: click.Context) -> None:
    """Answer over HTTP: her own API and OpenAI's."""
    from samantha.surfaces.api import serve as serve_api

    settings = settings_of(context)
    asyncio.run(serve_api(settings, language=language_of(settings)))


samantha.add_command(dialogues)
samantha.add_command(evaluate)
samantha.add_command(feel)
samantha.add_command(train)


def main() -> None:
    """The border: every error becomes one sentence and an exit code."""
    language: Language = "en"
    try:
        from samantha.surfaces import manage

        _print_what_the_terminal_knows()
        manage.attach(samantha)
        language = _language_asked_for(sys.argv[1:])
        usage.translate_help(samantha, language)
        sys.exit(samantha.main(standalone_mode=False, prog_name="samantha"))
    except NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _complain(usage.sentence(error, samantha), language)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _silence_stdout()
        sys.exit(0)
    except SamanthaError as error:
        _complain(error.text, language)
        sys.exit(error.exit_code)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        _complain(
            text(
                "Something went wrong inside Samantha: {kind}: {reason}. Nothing that was said is lost. "
                "`--debug` shows where; please report it.",
                kind=type(error).__name__,
                reason=error,
            ),
            language,
        )
        sys.exit(1)


def _print_what_the_terminal_knows() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an old locale loses a character, not the reply


def _complain(said: Text, language: Language) -> None:
    echo(translate(said, language), err=True, fg="red")


def _language_asked_for(arguments: list[str]) -> Language:
    """The language for help and for errors that come before the settings are read."""
    match _last_value("--language", arguments):
        case "en" | "zh" as asked:
            return asked
    config = _last_value("--config", arguments)
    with suppress(SamanthaError):
        from samantha.settings import load

        return language_of(load(config=Path(config) if config else None).settings)
    return language_of_machine()


def _last_value(option: str, arguments: list[str]) -> str | None:
    """What `arguments` give for `option`, before click reads them."""
    values = [each.partition("=")[2] for each in arguments if each.startswith(f"{option}=")]
    values += [value for each, value in pairwise(arguments) if each == option]
    return values[-1] if values else None


def _silence_stdout() -> None:
    """Nobody reads any more: keep the interpreter from complaining when it flushes at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
