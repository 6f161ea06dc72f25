"""Files cut into rows, each with its place: lines, blocks, lines of two files side by side, cells of a table.

Files may be packed (`.gz`). One that cannot be read at all is a `TrainingError`, and a single row that cannot be cut
into cells is `Corrupt`. Not here: what a row says, and whether it counts (`samantha.training.corpora`).
"""

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from samantha.core.errors import TrainingError
from samantha.core.text import Text, text


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stood: the file (for parallel text both), and the line that it began in, from 1."""

    file: str
    line: int


class Corrupt(Exception):
    """A row that is no value: the kind of fault, a sentence about it, and the line where there is no row to show."""

    def __init__(self, why: str, says: Text, line: str = "") -> None:
        self.why, self.says = why, says
        super().__init__(line)


def written_lines(path: Path, encoding: str) -> Iterator[tuple[Place, str]]:
    """The lines that are not blank."""
    return ((Place(str(path), number), line) for number, line in lines(path, encoding) if line.strip())


def json_lines(path: Path, encoding: str) -> Iterator[tuple[Place, str]]:
    """The lines of JSON Lines. A list over many lines is refused as a whole, for none of them is a row."""
    for number, (place, line) in enumerate(written_lines(path, encoding)):
        if not number and line.lstrip().startswith("["):
            raise TrainingError("'{file}' is a list. Write a conversation a line, as `jq -c '.[]'` does.", file=path)
        yield place, line


def everything(path: Path, encoding: str) -> Iterator[tuple[Place, str]]:
    """The whole file as one row; none, where all of it is blank."""
    content = "\n".join(line for _, line in lines(path, encoding))
    if content.strip():
        yield Place(str(path), 1), content


def blocks(path: Path, encoding: str) -> Iterator[tuple[Place, str]]:
    """Lines that follow each other without a blank one between them."""
    block: list[str] = []
    start = 1
    for number, line in chain(lines(path, encoding), [(0, "")]):
        if line.strip():
            start = start if block else number
            block.append(line)
        elif block:
            yield Place(str(path), start), "\n".join(block)
            block = []


def side_by_side(source: Path, target: Path, encoding: str) -> Iterator[tuple[Place, tuple[str, str]]]:
    """Each line of `source` with the same line of `target`. Raises `TrainingError` where one has more of them."""
    sides = lines(source, encoding), lines(target, encoding)
    for number, (one, other) in enumerate(zip_longest(*sides), start=1):
        if one is None or other is None:
            longer = number + sum(1 for _ in chain(*sides))
            raise TrainingError(
                "'{source}' has {lines} lines and '{target}' has {others}, so that they do not belong together line by "
                "line. Take both from one release.",
                source=source,
                target=target,
                lines=number - 1 if one is None else longer,
                others=number - 1 if other is None else longer,
            )
        yield Place(f"{source}, {target}", number), (one[1], other[1])


def table(path: Path, quoted: bool | None, encoding: str) -> Iterator[tuple[Place, list[str] | Corrupt]]:
    """Rows of cells, separated by commas in .csv and by tabs in others; `quoted`: whether quotation marks enclose them.

    None means that they do in .csv. Where they are amiss, each line that was lost by it is a row of its own.
    """
    commas = ".csv" in map(str.lower, path.suffixes)
    quoted = commas if quoted is None else quoted
    taken: list[str] = []  # the lines of one row
    reader = csv.reader(
        _noted(lines(path, encoding), taken),
        delimiter="," if commas else "\t",
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        start = reader.line_num + 1
        taken.clear()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            says = text("It cannot be cut into cells ({reason}).", reason=error)
            for number, line in enumerate(taken, start):
                yield Place(str(path), number), Corrupt("quotation marks", says, line)
        else:
            if len(row) > 1 or "".join(row).strip():
                yield Place(str(path), start), row


def _noted(numbered: Iterable[tuple[int, str]], taken: list[str]) -> Iterator[str]:
    """The lines without their numbers; each is added to `taken` when it is drawn."""
    for _, line in numbered:
        taken.append(line)
        yield f"{line}\n"


def lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Each line with its number, without its end. Raises `TrainingError` at the first that cannot be read."""
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, _decoded(line, number, encoding, path)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        if not number:
            raise TrainingError("'{file}' cannot be read: {reason}.", file=path, reason=reason) from error
        raise TrainingError(
            "'{file}' breaks off after line {line}: {reason}. Fetch it anew.", file=path, line=number, reason=reason
        ) from error


def _decoded(line: bytes, number: int, encoding: str, path: Path) -> str:
    """A byte of zero is text in no encoding that has a byte for the end of a line: it is UTF-16, or no text."""
    try:
        if b"\0" in line:
            raise UnicodeDecodeError(encoding, line, line.index(b"\0"), line.index(b"\0") + 1, "a byte of zero")
        found = line.decode(encoding)
    except LookupError as error:
        raise TrainingError("There is no encoding '{encoding}'. Most files are utf-8.", encoding=encoding) from error
    except UnicodeDecodeError as error:
        raise TrainingError(
            "'{file}', line {line}, is not text in {encoding}: byte {place} is {byte}. Save the file as UTF-8, or say "
            "which encoding it has.",
            file=path,
            line=number,
            encoding=encoding,
            place=error.start + 1,
            byte=f"0x{line[error.start]:02x}",
        ) from error
    return (found.removeprefix("\ufeff") if number == 1 else found).rstrip("\r\n")
