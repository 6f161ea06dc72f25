"""Text from files, a value at a time: plain text, conversations, parallel text, labelled text.

Every row that is read becomes a value, or a `Tally` says why not. Files may be packed (`.gz`). Not here: whether a text
is any good (`samantha.training.cleaning`), or the labels of the encoder (`samantha.training.data`).
"""

import csv
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar

from samantha.core.errors import TrainingError
from samantha.core.text import Text, text
from samantha.core.types import Message, Role

SHOWN = 3  # rows of each kind of fault that a tally keeps to show
EXCERPT = 60  # characters of such a row
TEXT_COLUMNS, LABEL_COLUMNS = ("text", "sentence", "utterance"), ("label", "category", "intent", "class")
ROLES: Mapping[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant",
}  # fmt: skip
"""What a speaker is called in files -> the role; others (a tool, an observation) are nobody Samantha talks to."""

Row = TypeVar("Row")
Made = TypeVar("Made")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # JSON can say half of a pair of surrogates; no tokenizer takes it


# -- what is read -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stood: the file (for parallel text both), and the line that it began in, from 1."""

    file: str
    line: int


class Value(Protocol):
    """What all values have: a place, and texts that can be replaced by as many others."""

    @property
    def place(self) -> Place: ...
    @property
    def texts(self) -> tuple[str, ...]: ...
    def with_texts(self, texts: Sequence[str]) -> Self: ...


@dataclass(frozen=True, slots=True)
class Document:
    """A stretch of plain text."""

    text: str
    place: Place = field(compare=False)

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    def with_texts(self, texts: Sequence[str]) -> Self:
        return replace(self, text=texts[0])


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation in which the assistant says something."""

    messages: tuple[Message, ...]
    place: Place = field(compare=False)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(message.text for message in self.messages)

    def with_texts(self, texts: Sequence[str]) -> Self:
        said = zip(self.messages, texts, strict=True)
        return replace(self, messages=tuple(replace(message, text=new) for message, new in said))


@dataclass(frozen=True, slots=True)
class Pair:
    """A text and what it becomes: its translation, its summary."""

    source: str
    target: str
    place: Place = field(compare=False)

    @property
    def texts(self) -> tuple[str, ...]:
        return self.source, self.target

    def with_texts(self, texts: Sequence[str]) -> Self:
        return replace(self, source=texts[0], target=texts[1])


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and the name of its label."""

    text: str
    label: str
    place: Place = field(compare=False)

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    def with_texts(self, texts: Sequence[str]) -> Self:
        return replace(self, text=texts[0])


# -- what became of it ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that was left out: the kind of fault, a sentence about this one, and how the row begins."""

    place: Place
    why: str
    says: Text
    excerpt: str


@dataclass(slots=True)
class Tally:
    """What became of each row. It fills while values are drawn: take a new one to read the same files again.

    `corrupt` says what is done with a row that cannot be read: skip and count it, or refuse the file.
    """

    corrupt: Literal["skip", "refuse"] = "refuse"
    read: Counter[str] = field(default_factory=Counter)  # file -> rows
    dropped: Counter[str] = field(default_factory=Counter)  # kind of fault -> rows
    shown: list[Dropped] = field(default_factory=list)  # the first of each kind

    @property
    def kept(self) -> int:
        return self.read.total() - self.dropped.total()

    def drop(self, row: Dropped) -> None:
        self.dropped[row.why] += 1
        if self.dropped[row.why] <= SHOWN:
            self.shown.append(row)

    def report(self) -> list[Text]:
        """Sentences for whoever started it: how much is left, and an example of each kind of fault."""
        lines = [text("{kept} of {read} rows are left.", kept=self.kept, read=self.read.total())]
        for why, count in self.dropped.most_common():
            row = next(one for one in self.shown if one.why == why)
            lines.append(
                text(
                    "{count} left out, as in {file}, line {line}: {says}",
                    count=count,
                    file=row.place.file,
                    line=row.place.line,
                    says=row.says,
                )
            )
        return lines


class _Corrupt(Exception):
    """A row that is no value: the kind of fault, a sentence about it, and the line where there is no row to show."""

    def __init__(self, why: str, says: Text, line: str = "") -> None:
        self.why, self.says = why, says
        super().__init__(line)


# -- the readers ------------------------------------------------------------------------------------------------


def paragraphs(path: Path, *, tally: Tally, encoding: str = "utf-8") -> Iterator[Document]:
    """Plain text, cut at blank lines."""
    return _values(_blocks(path, encoding), Document, tally=tally, file=str(path))


def whole(path: Path, *, tally: Tally, encoding: str = "utf-8") -> Iterator[Document]:
    """Plain text, the file as one document."""
    return _values(_everything(path, encoding), Document, tally=tally, file=str(path))


def lines(path: Path, *, tally: Tally, encoding: str = "utf-8") -> Iterator[Document]:
    """Plain text, each line that is not blank."""
    return _values(_written_lines(path, encoding), Document, tally=tally, file=str(path))


def conversations(path: Path, *, tally: Tally, encoding: str = "utf-8") -> Iterator[Chat]:
    """JSON Lines in the shape of OpenAI or of ShareGPT.

    ``{"messages": [{"role": "user", "content": "Hi"}, ...]}`` (as `samantha.dialogues.shape` writes it), or
    ``{"system": "...", "conversations": [{"from": "human", "value": "Hi"}, ...]}``.
    """
    return _values(_json_lines(path, encoding), _chat, tally=tally, file=str(path))


def parallel(source: Path, target: Path, *, tally: Tally, encoding: str = "utf-8") -> Iterator[Pair]:
    """Two files of which each line belongs to the same line of the other."""
    rows = _side_by_side(source, target, encoding)
    return _values(rows, _pair, tally=tally, file=f"{source}, {target}")


def parallel_table(
    path: Path,
    *,
    tally: Tally,
    columns: tuple[int, int] = (0, 1),
    quoted: bool | None = None,
    encoding: str = "utf-8",
) -> Iterator[Pair]:
    """A table without a header; `columns` are those of the source and of the target, from 0. See `labelled_table`."""
    rows = _table(path, quoted, encoding)
    first = next(rows, None)
    if first is None:
        raise _empty(str(path))
    width = len(_header(first, path))
    if max(columns) >= width:
        raise TrainingError(
            "'{file}' has {width} columns; column {column} is wanted, counted from 0. Separate them by a tab (.tsv) or "
            "a comma (.csv).",
            file=path,
            width=width,
            column=max(columns),
        )

    def pair(row: list[str] | _Corrupt, place: Place) -> Pair:
        cells = _cells(row, width)
        return _pair((cells[columns[0]], cells[columns[1]]), place)

    yield from _values(chain([first], rows), pair, tally=tally, file=str(path))


def labelled_table(
    path: Path,
    *,
    tally: Tally,
    columns: tuple[str, str] | None = None,
    labels: Collection[str] | None = None,
    quoted: bool | None = None,
    encoding: str = "utf-8",
) -> Iterator[LabelledText]:
    """A table with a header, separated by commas where it is called .csv and by tabs otherwise.

    `columns` names those of the text and of the label, where they have none of the usual names. A label that is not
    one of `labels` is a fault. `quoted`: whether quotation marks enclose cells; in .csv they do, in others they are
    text, where nothing is said.
    """
    rows = _table(path, quoted, encoding)
    first = next(rows, None)
    if first is None:
        raise _empty(str(path))
    header = _header(first, path)
    said, named = _named_columns(header, columns, path)

    def labelled(row: list[str] | _Corrupt, place: Place) -> LabelledText:
        cells = _cells(row, len(header))
        return _labelled(cells[said], cells[named], labels, place)

    yield from _values(rows, labelled, tally=tally, file=str(path))


def labelled_lines(
    path: Path, *, tally: Tally, labels: Collection[str] | None = None, encoding: str = "utf-8"
) -> Iterator[LabelledText]:
    """Lines of a label, a space, and a text."""

    def labelled(line: str, place: Place) -> LabelledText:
        label, said = (*line.split(maxsplit=1), "")[:2]
        return _labelled(said, label, labels, place)

    return _values(_written_lines(path, encoding), labelled, tally=tally, file=str(path))


# -- from rows to values ----------------------------------------------------------------------------------------


def _values(
    rows: Iterable[tuple[Place, Row]], made: Callable[[Row, Place], Made], *, tally: Tally, file: str
) -> Iterator[Made]:
    """What is made of `rows`. Raises `TrainingError` where that is nothing, or at a fault that is refused."""
    first, faults, usable = None, 0, 0
    for place, row in rows:
        tally.read[file] += 1
        try:
            value = made(row, place)
        except _Corrupt as fault:
            found = Dropped(place, fault.why, fault.says, str(row)[:EXCERPT])
            if tally.corrupt == "refuse":
                raise _refused(found) from None
            tally.drop(found)
            first, faults = first or found, faults + 1
        else:
            usable += 1
            yield value
    if first and not usable:
        raise TrainingError(
            "None of the {count} rows of '{file}' can be used. Line {line}: {says}",
            count=faults,
            file=file,
            line=first.place.line,
            says=first.says,
        )
    if not usable:
        raise _empty(file)


def _refused(row: Dropped) -> TrainingError:
    return TrainingError(
        "{file}, line {line}: {says} Mend or delete it, or set corrupt=skip to leave such rows out.",
        file=row.place.file,
        line=row.place.line,
        says=row.says,
    )


def _empty(file: str) -> TrainingError:
    return TrainingError("There is nothing in '{file}'. Give a file with text in it.", file=file)


def _chat(line: str, place: Place) -> Chat:
    found = _json(line)
    said = (found.get("messages") or found.get("conversations")) if isinstance(found, dict) else None
    if not isinstance(said, list):
        raise _Corrupt(
            "no conversation",
            text("It is no conversation: an object with a list called 'messages' or 'conversations'."),
        )
    messages = [_message(one, number) for number, one in enumerate(said, start=1)]
    if isinstance(system := found.get("system"), str) and system.strip():
        messages.insert(0, Message("system", system))
    if not any(message.role == "assistant" for message in messages):
        raise _Corrupt("no reply", text("The assistant says nothing in it."))
    return Chat(tuple(messages), place)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Corrupt("not JSON", text("It is not JSON ({reason}).", reason=error)) from error


def _message(found: Any, number: int) -> Message:
    """A message of either shape. Raises `_Corrupt` that says which message it was."""
    one = found if isinstance(found, dict) else {}
    role, content = one.get("role", one.get("from")), _content(one.get("content", one.get("value")))
    if not isinstance(role, str) or role not in ROLES:
        raise _Corrupt(
            "no speaker",
            text("Message {number} is from none of these: {known}.", number=number, known=", ".join(ROLES)),
        )
    if not isinstance(content, str) or not content.strip():
        raise _Corrupt("no text", text("Message {number} has no text.", number=number))
    if _HALF_CHARACTER.search(content):
        raise _Corrupt("half a character", text("Message {number} has half a character in it.", number=number))
    return Message(ROLES[role], content)


def _content(found: Any) -> Any:
    """The text of a content, which may be a list of parts; a part that is an image leaves it as it is."""
    if isinstance(found, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in found):
        return "\n".join(part["text"] for part in found)
    return found


def _pair(row: Sequence[str], place: Place) -> Pair:
    source, target = (side.strip() for side in row)
    if not source or not target:
        raise _Corrupt("no text", text("One side of it is empty."))
    return Pair(source, target, place)


def _labelled(said: str, label: str, labels: Collection[str] | None, place: Place) -> LabelledText:
    said, label = said.strip(), label.strip()
    if not said or not label:
        raise _Corrupt("no text", text("It has no text or no label."))
    if labels is not None and label not in labels:
        raise _Corrupt(
            "unknown label",
            text("'{label}' is none of the labels: {known}.", label=label[:EXCERPT], known=", ".join(sorted(labels))),
        )
    return LabelledText(said, label, place)


def _cells(row: list[str] | _Corrupt, width: int) -> list[str]:
    if isinstance(row, _Corrupt):
        raise row
    if len(row) != width:
        raise _Corrupt(
            "columns", text("It has {count} columns, and the first row has {width}.", count=len(row), width=width)
        )
    return row


def _header(first: tuple[Place, list[str] | _Corrupt], path: Path) -> list[str]:
    """The first row, on which all others are measured: it is never skipped."""
    place, row = first
    if isinstance(row, _Corrupt):
        raise TrainingError("{file}, line {line}: {says}", file=path, line=place.line, says=row.says)
    return row


def _named_columns(header: Sequence[str], columns: tuple[str, str] | None, path: Path) -> tuple[int, int]:
    """Where text and label stand in `header`."""
    names = [name.strip().casefold() for name in header]
    wanted = [(name.casefold(),) for name in columns] if columns else [TEXT_COLUMNS, LABEL_COLUMNS]
    places = [next((names.index(name) for name in usual if name in names), None) for usual in wanted]
    if places[0] is None or places[1] is None:
        raise TrainingError(
            "'{file}' has the columns {found}. Name those of the text and of the label in its first line: {wanted}.",
            file=path,
            found=", ".join(header)[: 2 * EXCERPT],
            wanted=", ".join(columns or ("text", "label")),
        )
    return places[0], places[1]


# -- from files to rows -----------------------------------------------------------------------------------------


def _written_lines(path: Path, encoding: str) -> Iterator[tuple[Place, str]]:
    """The lines that are not blank."""
    return ((Place(str(path), number), line) for number, line in _lines(path, encoding) if line.strip())


def _json_lines(path: Path, encoding: str) -> Iterator[tuple[Place, str]]:
    """The lines of JSON Lines. A list over many lines is refused as a whole, for none of them is a row."""
    for number, (place, line) in enumerate(_written_lines(path, encoding)):
        if not number and line.lstrip().startswith("["):
            raise TrainingError("'{file}' is a list. Write a conversation a line, as `jq -c '.[]'` does.", file=path)
        yield place, line


def _everything(path: Path, encoding: str) -> Iterator[tuple[Place, str]]:
    content = "\n".join(line for _, line in _lines(path, encoding))
    if content.strip():
        yield Place(str(path), 1), content


def _blocks(path: Path, encoding: str) -> Iterator[tuple[Place, str]]:
    """Lines that follow each other without a blank one between them."""
    block: list[str] = []
    start = 1
    for number, line in chain(_lines(path, encoding), [(0, "")]):
        if line.strip():
            start = start if block else number
            block.append(line)
        elif block:
            yield Place(str(path), start), "\n".join(block)
            block = []


def _side_by_side(source: Path, target: Path, encoding: str) -> Iterator[tuple[Place, tuple[str, str]]]:
    sides = _lines(source, encoding), _lines(target, encoding)
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


def _table(path: Path, quoted: bool | None, encoding: str) -> Iterator[tuple[Place, list[str] | _Corrupt]]:
    """Rows of cells. Where quotation marks are amiss, each line that was lost by it is a row of its own."""
    commas = ".csv" in path.suffixes
    quoted = commas if quoted is None else quoted
    taken: list[str] = []  # the lines of one row
    reader = csv.reader(
        _noted(_lines(path, encoding), taken),
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
                yield Place(str(path), number), _Corrupt("quotation marks", says, line)
        else:
            if len(row) > 1 or "".join(row).strip():
                yield Place(str(path), start), row


def _noted(lines: Iterable[tuple[int, str]], taken: list[str]) -> Iterator[str]:
    for _, line in lines:
        taken.append(line)
        yield f"{line}\n"


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
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
