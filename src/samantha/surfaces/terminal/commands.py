"""The commands of the conversation: what a line that begins with a slash does.

A command is a function of the session and of what follows its name. Not here: sending messages (`session`).
"""

import difflib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from samantha.core.errors import SamanthaError, UsageError
from samantha.core.ports import Thread
from samantha.core.text import Text, text
from samantha.core.types import Prompt, Turn
from samantha.language import translate
from samantha.surfaces.terminal.feelings import sentences
from samantha.surfaces.terminal.session import Session

LISTED = 20  # threads
WHEN = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Command:
    """`argument` is how what follows is written in the help; "" where nothing does."""

    name: str
    argument: str
    summary: Text
    run: Callable[[Session, str], Awaitable[None]]
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()  # what the argument may be, for completing it


async def take(session: Session, line: str) -> None:
    """Do what `line` says: a command, or a message. Two slashes send a message that begins with one."""
    try:
        if line.startswith("/") and not line.startswith("//"):
            name, _, argument = line[1:].partition(" ")
            await find(name).run(session, argument.strip())
        else:
            await session.say(line[1:] if line.startswith("//") else line)
    except SamanthaError as error:
        session.fail(error)


def find(name: str) -> Command:
    """The command of that name or alias. Raises `UsageError` that names the nearest one."""
    known = {alias: command for command in COMMANDS for alias in (command.name, *command.aliases)}
    wanted = name.strip().lower()
    if wanted in known:
        return known[wanted]
    begun = [each for each in known if wanted and each.startswith(wanted)]
    near = begun or difflib.get_close_matches(re.split(r"\W", wanted)[0], known, n=1, cutoff=0.5)
    raise UsageError(
        "There is no command '/{name}'. The nearest is /{nearest}; a message that begins with a slash is written //.",
        name=name[:40],
        nearest=near[0] if near else "help",
    )


async def help_(session: Session, _: str) -> None:
    rows = [
        [f"/{command.name} {command.argument}".rstrip(), translate(command.summary, session.language)]
        for command in COMMANDS
    ]
    session.screen.table(rows)
    session.screen.notice(
        text("Alt-Enter, or \\ at the end of a line, begins a new line. Ctrl-C stops her; Ctrl-D leaves.")
    )


async def persona(session: Session, name: str) -> None:
    if name:
        session.doors.switch_persona(name)
        session.newest = None
        session.screen.notice(text("You are talking with {name} now.", name=session.name))
        return
    session.screen.say(text("You are talking with {name}.", name=session.name))
    session.screen.say(text("There are: {names}. /persona NAME changes.", names=", ".join(session.doors.personas())))


async def model(session: Session, name: str) -> None:
    if name:
        await session.doors.switch_model(name)
        session.newest = None
    brain = session.companion.generator.brain
    place = text("on this machine") if brain.local else text("at its endpoint")
    session.screen.say(
        text(
            "Her brain is '{name}', {place}. It reads {context} tokens.",
            name=brain.name,
            place=place,
            context=brain.context,
        )
    )
    if not name:
        session.screen.notice(text("/model NAME changes it; `samantha models` lists the names."))


async def retry(session: Session, _: str) -> None:
    message = await session.rewind()
    if message is None:
        session.screen.say(text("There is nothing to say anew yet."))
        return
    await session.say(message.text)


async def undo(session: Session, _: str) -> None:
    message = await session.rewind()
    if message is None:
        session.screen.say(text("There is nothing to take back."))
        return
    session.screen.notice(text("Taken back: {message}", message=_one_line(message.text)))
    if await session.history():
        await session.show_newest_exchange()
    else:
        session.screen.notice(text("The conversation is at its beginning."))


async def new(session: Session, _: str) -> None:
    await session.begin_anew()
    session.screen.notice(text("A new conversation. The others stay; /threads lists them."))


async def threads(session: Session, number: str) -> None:
    if number:
        await session.resume(_chosen(number, session.listed or await _list(session)))
        return
    listed = await _list(session)
    if not listed:
        session.screen.say(text("There is no conversation yet."))
        return
    rows = [
        [f"{'*' if thread.id == session.thread else ' '}{index}", f"{thread.updated.astimezone():{WHEN}}", thread.title]
        for index, thread in enumerate(listed, 1)
    ]
    session.screen.table(rows)
    session.screen.notice(text("/threads NUMBER goes on with one of them."))


async def context(session: Session, _: str) -> None:
    turn = session.newest
    if turn is None or turn.prompt is None:
        session.screen.say(text("Nothing has been read yet. Say something first."))
        return
    counts = await session.companion.generator.count(turn.prompt.messages)
    parts = context_parts(turn, turn.prompt, counts, context=session.companion.generator.brain.context)
    session.screen.table([[translate(part, session.language), str(tokens)] for part, tokens in parts], right=[1])
    if turn.prompt.dropped:
        session.screen.notice(
            text("The oldest {count} messages no longer fit. They stay in the journal.", count=turn.prompt.dropped)
        )


async def feelings(session: Session, argument: str) -> None:
    match argument:
        case "on" | "off":
            session.shows_feelings = argument == "on"
        case "":
            pass
        case _:
            raise UsageError(
                "'{argument}' is neither on nor off. Write /feelings on or /feelings off.", argument=argument
            )
    if session.shows_feelings:
        session.screen.notice(
            text("After each message stands the feeling that she hears in it. /feelings off ends it.")
        )
    else:
        session.screen.notice(text("The feelings that she hears are not shown. /feelings on shows them."))


async def mood(session: Session, _: str) -> None:
    found = await session.mood()
    if found is None:
        session.screen.say(text("She has not heard enough to tell. Say something first."))
        return
    for sentence in sentences(found):
        session.screen.say(sentence)
    session.screen.notice(text("That is a guess from words alone."))


async def save(session: Session, file: str) -> None:
    from samantha.surfaces.terminal import transcript  # JSON and dates are only for who saves

    messages = await session.history()
    if not messages:
        session.screen.say(text("There is nothing to save yet."))
        return
    now = session.companion.clock.now().astimezone()
    path = transcript.chosen_path(file, now, folder=Path.cwd())
    kept = transcript.Transcript(session.name, session.thread, now, messages, session.language)
    transcript.save(kept, path)
    session.screen.notice(text("The conversation is in '{path}'.", path=path))


async def leave(session: Session, _: str) -> None:
    session.leaving = True


COMMANDS = (
    Command("help", "", text("what you can do here"), help_, ("h", "?", "帮助")),
    Command("persona", "[NAME]", text("who you are talking with, or somebody else"), persona, ("人物",)),
    Command("model", "[NAME]", text("which brain she uses, or another one"), model, ("模型",)),
    Command("retry", "", text("let her answer your last message anew"), retry, ("重试",)),
    Command("undo", "", text("take the newest exchange back"), undo, ("撤销",)),
    Command("new", "", text("begin another conversation"), new, ("新对话",)),
    Command("threads", "[NUMBER]", text("your conversations, or go on with one"), threads, ("history", "对话")),
    Command("context", "", text("what she reads, in tokens"), context, ("上下文",)),
    Command(
        "feelings",
        "[on|off]",
        text("show the feeling that she hears in each message"),
        feelings,
        ("情绪",),
        choices=("on", "off"),
    ),
    Command("mood", "", text("how you have sounded, and what changed"), mood, ("心情",)),
    Command("save", "[FILE]", text("write the conversation into a file (.md or .json)"), save, ("保存",)),
    Command("quit", "", text("leave"), leave, ("exit", "q", "bye", "退出")),
)


def context_parts(turn: Turn, prompt: Prompt, counts: list[int], *, context: int) -> list[tuple[Text, int]]:
    """Where the tokens of the brain's context went. `counts` are those of `prompt.messages`."""
    history = len(turn.history) - prompt.dropped
    noted = bool(turn.support.note) and turn.support.note in (each.text for each in prompt.messages[-2:-1])
    newest = 2 if noted else 1
    examples = len(prompt.messages) - 1 - history - newest
    said = turn.reply.usage.completion_tokens
    conversation = sum(counts[1 + examples : 1 + examples + history])
    shown = sum(counts[1 : 1 + examples])
    parts = [
        (text("persona"), counts[0]),
        *([(text("examples ({count} messages)", count=examples), shown)] if examples else []),
        (text("conversation ({count} messages)", count=history), conversation),
        *([(text("note about how you feel"), counts[-2])] if noted else []),
        (text("your newest message"), counts[-1]),
        (text("her newest reply"), said),
    ]
    room = context - prompt.limit
    parts.append((text("free"), prompt.limit - sum(tokens for _, tokens in parts)))
    return [*parts, (text("room for the next reply"), room), (text("all that the brain reads"), context)]


async def _list(session: Session) -> tuple[Thread, ...]:
    session.listed = (await session.threads.list(session.person))[:LISTED]
    return session.listed


def _chosen(number: str, listed: tuple[Thread, ...]) -> Thread:
    if number.isdecimal() and 0 < int(number) <= len(listed):
        return listed[int(number) - 1]
    raise UsageError("There is no conversation {number}. /threads lists them with their numbers.", number=number[:20])


def _one_line(words: str, longest: int = 60) -> str:
    joined = " ".join(words.split())
    return joined if len(joined) <= longest else joined[: longest - 1] + "…"
