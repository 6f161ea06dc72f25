"""`samantha feel`: how a text sounds, what it is about and what is named in it.

One text, or one on each line of a file. Not here: how what is found is shown (`samantha.surfaces.feel_results`).
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from samantha.core.errors import UsageError, WeightsError
from samantha.core.text import Language, text
from samantha.core.types import Entity, Understanding
from samantha.surfaces.feel_results import Found, as_turn, document, show, show_line
from samantha.surfaces.options import common_options, language_of, print_json, settings_of, tell
from samantha.surfaces.progress import progress_on_stderr

if TYPE_CHECKING:
    from samantha.settings import Settings
    from samantha.weights import Progress

MOST = 10_000_000  # characters of one text; the windows of so many take 300 MB
LONG = 20_000  # characters from which on a single text takes long enough to say so
BATCH = 128  # texts, or
BATCH_CHARACTERS = 200_000  # so many characters, whichever comes first: between two batches the bar moves
THREADS = 8  # at most, for many texts
READABLE = frozenset({"en", "und"})  # languages in which entities are looked for: short English is often "und"


@click.command()
@click.argument("words", nargs=-1, metavar="TEXT")
@click.option(
    "--file", "file", type=click.Path(path_type=Path), metavar="FILE", help="Read a text from each line; - is stdin."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--no-entities", is_flag=True, help="Look for no names and dates.")
@common_options
@click.pass_context
def feel(context: click.Context, words: tuple[str, ...], file: Path | None, as_json: bool, no_entities: bool) -> None:
    """Say how TEXT sounds: emotions, risk, kind of utterance, names and language.

    Without TEXT it is read from standard input.
    """
    if words and file is not None:
        raise UsageError("Give either a text or --file, not both.")
    from samantha.wiring import open_care

    settings = settings_of(context)
    language = language_of(settings)
    if file is None:
        with progress_on_stderr(language) as progress:
            found = _one(_text_of(words), settings, progress, named=not no_entities)
        if as_json:
            print_json(document(found))
        else:
            show(found, open_care(), country=settings.safety.country, language=language)
        return
    with progress_on_stderr(language) as progress, _opened(file) as (lines, size):
        told = _told(_lines(lines, file), size, file, progress)
        reader = _Reader(settings, progress, named=not no_entities, threads=_cores())
        _print(chain.from_iterable(map(reader.read, _batches(told))), language, as_json=as_json)


def _one(said: str, settings: "Settings", progress: "Progress", *, named: bool) -> Found:
    long = len(said) > LONG
    if long:
        progress(0, 0, text("Reading a text of {count} characters", count=len(said)))
    (found,) = _Reader(settings, progress, named=named, threads=_cores() if long else 1).read([said])
    return found


def _print(found: Iterable[Found], language: Language, *, as_json: bool) -> None:
    """Each as soon as it is found, so that a file of any length fits into memory."""
    if not as_json:
        for one in found:
            show_line(one, language)
        return
    opened = False
    for one in found:
        click.echo("," if opened else "[")
        print_json(document(one))
        opened = True
    click.echo("]" if opened else "[]")


class _Reader:
    """The encoder, and what looks for entities once a text asks for it."""

    def __init__(self, settings: "Settings", progress: "Progress", *, named: bool, threads: int) -> None:
        from samantha.wiring import open_encoder

        self._encoder = open_encoder(settings, threads=threads)
        for left_out in self._encoder.refused:
            tell(left_out.text, language_of(settings))
        self._settings, self._progress = settings, progress
        self._named = named

    def read(self, texts: Sequence[str]) -> list[Found]:
        """What is found in each of `texts`. Nothing is found in a text without a word or a sign, and nobody looks."""
        from samantha.mind.safety import level_of
        from samantha.wiring import language_of_text

        understood = iter(self._encoder.understood([said for said in texts if said.strip()]))
        found = []
        for said in texts:
            felt = next(understood) if said.strip() else Understanding()
            language = language_of_text(said)
            level = level_of(as_turn(said, felt))
            found.append(Found(said, felt, level, language, self._entities(said, language)))
        return found

    @cached_property
    def _look(self) -> Callable[[str], list[Entity]]:
        from samantha.wiring import open_entities

        return open_entities(self._settings, progress=self._progress).entities

    def _entities(self, said: str, language: str) -> list[Entity] | None:
        if not self._named:
            return None
        if language not in READABLE or not any(map(str.isalnum, said)):
            return []
        try:
            return self._look(said)
        except WeightsError as error:
            self._named = False  # it would fail again for every line
            shown = language_of(self._settings)
            tell(error.text, shown)
            tell(text("So names and dates are not looked for. With `--no-entities` this is not said."), shown)
            return None


# -- reading texts ----------------------------------------------------------------------------------------------


def _text_of(words: tuple[str, ...]) -> str:
    """The words of the command line, or all of standard input where there are none."""
    if words and words != ("-",):
        said = _decoded(os.fsencode(" ".join(words)))
    elif sys.stdin is None or sys.stdin.isatty():
        said = ""
    else:
        said = _decoded(sys.stdin.buffer.read(4 * MOST + 1))
    if not said.strip():
        raise UsageError('There is no text to feel. Give one: samantha feel "I miss her."')
    if len(said) > MOST:
        raise UsageError("The text has more than {most} characters. Give it in parts, as lines with --file.", most=MOST)
    return said


@contextmanager
def _opened(file: Path) -> Iterator[tuple[IO[bytes], int]]:
    """The file, and its bytes; 0 where nobody knows."""
    if str(file) == "-":
        yield sys.stdin.buffer, 0
        return
    try:
        opened = file.open("rb")
        size = file.stat().st_size
    except OSError as error:
        raise UsageError(
            "Cannot read '{path}' ({reason}). Name a file with one text a line.", path=file, reason=error.strerror
        ) from error
    with opened:
        yield opened, size


def _lines(stream: IO[bytes], file: Path) -> Iterator[tuple[int, str]]:
    """Each line without its end, and the bytes read so far. An empty line keeps its place."""
    read = number = 0
    while line := stream.readline(4 * MOST + 1):
        read, number = read + len(line), number + 1
        if b"\0" in line:
            raise UsageError(
                "'{path}' is no text in UTF-8: there is a zero byte in line {number}. Save it as text, one a line.",
                path=file,
                number=number,
            )
        said = _decoded(line.rstrip(b"\r\n"))
        if len(said) > MOST:
            raise UsageError(
                "Line {number} of '{path}' has more than {most} characters. Give it in several lines.",
                path=file,
                number=number,
                most=MOST,
            )
        yield read, said.removeprefix("\ufeff") if number == 1 else said


def _decoded(said: bytes) -> str:
    """With U+FFFD for what is not UTF-8."""
    return said.decode("utf-8", errors="replace")


def _told(lines: Iterable[tuple[int, str]], size: int, file: Path, progress: "Progress") -> Iterator[str]:
    """The texts, while `progress` is told how far they have been taken."""
    what = text("Reading '{path}'", path=file)
    for read, said in lines:
        progress(read, max(size, read) if size else 0, what)
        yield said


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for said in texts:
        batch.append(said)
        if len(batch) == BATCH or sum(map(len, batch)) >= BATCH_CHARACTERS:
            yield batch
            batch = []
    if batch:
        yield batch


def _cores() -> int:
    return min(os.cpu_count() or 1, THREADS)
