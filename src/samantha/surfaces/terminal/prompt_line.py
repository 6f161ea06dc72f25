"""The line that a person writes: history, several lines, completion of commands, and the meter below.

Enter sends; Alt-Enter or a trailing backslash begins a new line; pasted lines stay one message. What was written
before comes from the journal, so there is no second copy of anybody's words. Not here: what a line does.
"""

from collections.abc import Callable, Iterable, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.styles import Style

from samantha.core.ports import Threads
from samantha.language import Language, translate
from samantha.surfaces.terminal.commands import COMMANDS
from samantha.surfaces.terminal.interrupts import Interrupts

REMEMBERED = 200  # messages
THREADS_READ = 20

_STYLE = Style.from_dict({"prompt": "bold", "bottom-toolbar": "noreverse dim"})


class Interrupted(Exception):
    """Ctrl-C where nothing was written."""


class PromptLine:
    """Asks for lines on the terminal."""

    def __init__(
        self,
        history: Sequence[str],
        *,
        toolbar: Callable[[int], str],
        personas: Callable[[], Sequence[str]],
        language: Language,
        interrupts: Interrupts,
    ) -> None:
        self._interrupts = interrupts
        self._session: PromptSession[str] = PromptSession(
            [("class:prompt", "› ")],
            history=InMemoryHistory(history),
            multiline=True,
            prompt_continuation="  ",
            key_bindings=_keys(),
            completer=_Commands(personas, language),
            complete_while_typing=Condition(_writes_a_command),
            reserve_space_for_menu=5,
            bottom_toolbar=lambda: toolbar(get_app().output.get_size().columns),
            style=_STYLE,
            interrupt_exception=Interrupted,
            enable_suspend=True,
        )

    async def ask(self) -> str:
        """The next line. Raises `Interrupted` on Ctrl-C, `EOFError` on Ctrl-D."""
        self._interrupts.idle = self._interrupt_from_outside
        try:
            return await self._session.prompt_async(handle_sigint=False)
        finally:
            self._interrupts.idle = _nothing

    def _interrupt_from_outside(self) -> None:
        if self._session.app.is_running:
            self._session.app.key_processor.send_sigint()


async def written_before(threads: Threads, person: str) -> list[str]:
    """What the person wrote in the newest conversations, oldest first."""
    found: list[str] = []
    for thread in (await threads.list(person))[:THREADS_READ]:
        said = [message.text for message in await threads.history(person, thread.id) if message.role == "user"]
        found = said + found
        if len(found) >= REMEMBERED:
            break
    return found[-REMEMBERED:]


class _Commands(Completer):
    """Names of commands after a slash, and what may follow them."""

    def __init__(self, personas: Callable[[], Sequence[str]], language: Language) -> None:
        self._personas = personas
        self._language = language

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        written = document.text_before_cursor
        if not _begins_a_command(written):
            return
        if " " not in written:
            for command in COMMANDS:
                if command.name.startswith(written[1:]):
                    meaning = translate(command.summary, self._language)
                    yield Completion(f"/{command.name}", -len(written), display_meta=meaning)
            return
        name, _, begun = written[1:].partition(" ")
        fixed = {command.name: command.choices for command in COMMANDS}.get(name, ())
        choices = self._personas() if name == "persona" else fixed
        yield from (Completion(each, -len(begun)) for each in choices if each.startswith(begun))


def _begins_a_command(written: str) -> bool:
    return written.startswith("/") and not written.startswith("//") and "\n" not in written


def _writes_a_command() -> bool:
    return _begins_a_command(get_app().current_buffer.text)


def _keys() -> KeyBindings:
    keys = KeyBindings()
    writing = has_focus(DEFAULT_BUFFER)

    @keys.add("enter", filter=writing)
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.is_cursor_at_the_end and buffer.text.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter", filter=writing)
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c", filter=writing)
    @keys.add("<sigint>", filter=writing)
    def stop(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=Interrupted(), style="class:aborting")

    return keys


def _nothing() -> None:
    return
