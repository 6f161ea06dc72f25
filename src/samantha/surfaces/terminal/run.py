"""Opening the conversation and keeping it going: on a terminal for eyes, or line by line through a pipe.

Not here: what a line does (`commands`), or what is shown of it (`session` and the screens).
"""

import os
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TextIO

from samantha.core.errors import SamanthaError, UsageError, VoiceError
from samantha.core.text import text
from samantha.language import Language
from samantha.surfaces.progress import progress_on_stderr
from samantha.surfaces.speaking import SpeakingQueue
from samantha.surfaces.terminal.commands import take
from samantha.surfaces.terminal.interrupts import Interrupts, quiet_keys
from samantha.surfaces.terminal.lines import messages
from samantha.surfaces.terminal.screen import OutputClosed, PlainScreen
from samantha.surfaces.terminal.session import Doors, Session

if TYPE_CHECKING:
    from samantha.settings import Settings
    from samantha.wiring import Open

DONE, FAILED, INTERRUPTED = 0, 1, 130


async def run(settings: "Settings", *, language: Language, resume: bool = False) -> int:
    """`samantha chat` on this process's own input and output; its exit code. Raises what keeps her from opening."""
    from samantha.wiring import open_samantha

    if sys.stdin is None or sys.stdout is None:
        raise UsageError("There is no standard input or output to talk through. Start `samantha chat` in a terminal.")
    async with AsyncExitStack() as stack:
        with progress_on_stderr(language) as progress:
            opened = await stack.enter_async_context(open_samantha(settings, progress=progress))
        screen = open_screen(sys.stdin, sys.stdout, sys.stderr, language=language)
        speak = await stack.enter_async_context(_voice(settings, screen))
        doors = _doors(opened, language)
        session = Session(
            companion=opened.companion,
            threads=opened.threads,
            screen=screen,
            doors=doors,
            speak=speak,
            shows_feelings=settings.feeling.show,
        )
        return await chat(session, stdin=sys.stdin, resume=resume)


def open_screen(
    stdin: TextIO, stdout: TextIO, stderr: TextIO, *, language: Language, environ: Mapping[str, str] = os.environ
) -> PlainScreen:
    """Colours where a person reads and writes on a terminal that knows them; plain words everywhere else."""
    if not (stdin.isatty() and stdout.isatty()) or environ.get("TERM") in ("dumb", "unknown"):
        return PlainScreen(stdout, stderr, language)
    from samantha.surfaces.terminal.colour_screen import ColourScreen

    return ColourScreen(stdout, language)


async def chat(session: Session, *, stdin: TextIO, resume: bool = False) -> int:
    """Hold the conversation until somebody leaves; the exit code. `resume` goes on with the newest thread."""
    interrupts = Interrupts()
    whole = True
    try:
        with interrupts.listening():
            if session.screen.for_eyes:
                await _on_a_terminal(session, stdin, interrupts, resume=resume)
                return DONE
            whole = await interrupts.run(_line_by_line(session, stdin, interrupts, resume=resume))
    except OutputClosed as closed:
        session.screen.abandon()
        if closed.problem is None:
            return DONE
        raise SamanthaError(
            "The replies cannot be written ({problem}). Send them somewhere else; what was said is kept.",
            problem=closed.problem,
        ) from closed
    if not whole:
        return INTERRUPTED
    return FAILED if session.failures else DONE


async def _on_a_terminal(session: Session, stdin: TextIO, interrupts: Interrupts, *, resume: bool) -> None:
    from samantha.surfaces.terminal.meter import meter
    from samantha.surfaces.terminal.prompt_line import Interrupted, PromptLine, written_before

    screen = session.screen
    screen.notice(
        text(
            "{name}, with the brain '{brain}'. /help lists the commands.",
            name=session.name,
            brain=session.companion.generator.brain.name,
        )
    )
    prompt = PromptLine(
        await written_before(session.threads, session.person),
        toolbar=lambda width: meter(session.newest, width, session.language),
        personas=session.doors.personas,
        language=session.language,
        interrupts=interrupts,
    )
    if resume:
        await _resume(session)
    warned = False  # that another Ctrl-C leaves
    while not session.leaving:
        screen.gap()
        try:
            line = (await prompt.ask()).strip()
        except EOFError:
            break
        except Interrupted:
            if await session.hush():
                continue
            if warned:
                break
            warned = True
            screen.notice(text("Press Ctrl-C once more to leave, or Ctrl-D."))
            continue
        warned = False
        if line:
            with quiet_keys(stdin.fileno()):
                await _interruptibly(session, interrupts, take(session, line))
    screen.say(text("Goodbye, and take care."))


async def _interruptibly(session: Session, interrupts: Interrupts, work: Coroutine[Any, Any, None]) -> None:
    """Do what one line asks for; Ctrl-C stops it, and her voice."""
    if not await interrupts.run(work):
        await session.hush()
        session.screen.notice(text("Stopped. What was said is kept."))


async def _line_by_line(session: Session, stdin: TextIO, interrupts: Interrupts, *, resume: bool) -> None:
    """Ctrl-C ends it all in a pipe; where a person writes, it stops only her."""
    attended = stdin.isatty()
    if resume and (threads := await session.threads.list(session.person)):
        session.thread = threads[0].id
    lines = messages(
        stdin.fileno(),
        ask=session.screen.ask if attended else _nothing,
        damaged=lambda: session.screen.notice(
            text("Some of the input is not UTF-8; what could not be read is shown as {mark}.", mark="\ufffd")
        ),
    )
    async for line in lines:
        if not attended:
            await _heard_out(session, line)
        else:
            await _interruptibly(session, interrupts, _heard_out(session, line))
        session.screen.gap()
        if session.leaving:
            return


async def _heard_out(session: Session, line: str) -> None:
    await take(session, line)
    if session.speak is not None:
        await session.speak.finish()


async def _resume(session: Session) -> None:
    threads = await session.threads.list(session.person)
    if threads:
        await session.resume(threads[0])
    else:
        session.screen.notice(text("There is no earlier conversation; this is a new one."))


@asynccontextmanager
async def _voice(settings: "Settings", screen: PlainScreen) -> AsyncIterator[SpeakingQueue | None]:
    """Her voice, where it is wanted; where there is none, that is said and the conversation goes on."""
    if not settings.voice.speak:
        yield None
        return
    from samantha.wiring import open_player, open_voice

    def tell(error: VoiceError) -> None:
        screen.later(error.text)  # it may come at any moment, and somebody may be writing

    try:
        queue = SpeakingQueue(open_voice(settings), open_player(settings), tell=tell)
    except VoiceError as error:
        tell(error)
        yield None
        return
    async with queue:
        yield queue


def _doors(opened: "Open", language: Language) -> Doors:
    from samantha import wiring

    async def switch_model(name: str) -> None:
        with progress_on_stderr(language) as progress:
            await wiring.switch_brain(opened, name, progress=progress)

    def switch_persona(name: str) -> None:
        settings = opened.settings
        chosen = settings.model_copy(update={"persona": settings.persona.model_copy(update={"name": name})})
        opened.companion.persona = wiring.open_persona(chosen)

    return Doors(
        switch_model=switch_model,
        switch_persona=switch_persona,
        personas=lambda: [found.name for found in wiring.personas(opened.settings)],
    )


def _nothing() -> None:
    return
