"""Text from files, a value at a time: plain text, conversations, parallel text, labelled text.

Every row that is read becomes a value, or a `Tally` says why not. Not here: how files are cut into rows
(`samantha.training.files`), whether a text is any good (`samantha.training.cleaning`), or the labels of the encoder
(`samantha.training.data`).
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar

from samantha.core.errors import TrainingError
from samantha.core.text import Text, text
from samantha.core.types import Message, Role
from samantha.training import files

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


class Value(Protocol):
    """What all values have: a place, and texts that can be replaced by as many others."""

    @property
    def place(self) -> files.Place: ...
    @property
    def texts(self) -> tuple[str, ...]: ...
    def with_texts(self, texts: Sequence[str]) -> Self: ...


@dataclass(frozen=True, slots=True)
class Document:
    """A stretch of plain text."""

    text: str
    place: files.Place = field(compare=False)

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    def with_texts(self, texts: Sequence[str]) -> Self:
        return replace(self, text=texts[0])


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation in which the assistant says something."""

    messages: tuple[Message, ...]
    place: files.Place = field(compare=False)

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
    place: files.Place = field(compare=False)

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
    place: files.Place = field(compare=False)

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    def with_texts(self, texts: Sequence[str]) -> Self:
        return replace(self, text=texts[0])


# -- what became of it ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that was left out: the kind of fault, a sentence about this one, and how the row begins."""

    place: files.Place
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


# -- the readers ------------------------------------------------------------------------------------------------


def paragraphs(path: Path, *, tally: Tally, encoding: str = "utf-8") -> Iterator[Document]:
    """Plain text, cut at blank lines."""
    return _values(files.blocks(path, encoding), Document, tally=tally, file=str(path))


def whole(path: Path, *, tally: Tally, encoding: str = "utf-8") -> Iterator[Document]:
    """Plain text, the file as one document."""
    return _values(files.everything(path, encoding), Document, tally=tally, file=str(path))


def lines(path: Path, *, tally: Tally, encoding: str = "utf-8") -> Iterator[Document]:
    """Plain text, each line that is not blank."""
    return _values(files.written_lines(path, encoding), Document, tally=tally, file=str(path))


def conversations(path: Path, *, tally: Tally, encoding: str = "utf-8") -> Iterator[Chat]:
    """JSON Lines in the shape of OpenAI or of ShareGPT.

    ``{"messages": [{"role": "user", "content": "Hi"}, ...]}`` (as `samantha.dialogues.shape` writes it), or
    ``{"system": "...", "conversations": [{"from": "human", "value": "Hi"}, ...]}``.
    """
    return _values(files.json_lines(path, encoding), _chat, tally=tally, file=str(path))


def parallel(source: Path, target: Path, *, tally: Tally, encoding: str = "utf-8") -> Iterator[Pair]:
    """Two files of which each line belongs to the same line of the other."""
    rows = files.side_by_side(source, target, encoding)
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
    rows = files.table(path, quoted, encoding)
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

    def pair(row: list[str] | files.Corrupt, place: files.Place) -> Pair:
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
    rows = files.table(path, quoted, encoding)
    first = next(rows, None)
    if first is None:
        raise _empty(str(path))
    header = _header(first, path)
    said, named = _named_columns(header, columns, path)

    def labelled(row: list[str] | files.Corrupt, place: files.Place) -> LabelledText:
        cells = _cells(row, len(header))
        return _labelled(cells[said], cells[named], labels, place)

    yield from _values(rows, labelled, tally=tally, file=str(path))


def labelled_lines(
    path: Path, *, tally: Tally, labels: Collection[str] | None = None, encoding: str = "utf-8"
) -> Iterator[LabelledText]:
    """Lines of a label, a space, and a text."""

    def labelled(line: str, place: files.Place) -> LabelledText:
        label, said = (*line.split(maxsplit=1), "")[:2]
        return _labelled(said, label, labels, place)

    return _values(files.written_lines(path, encoding), labelled, tally=tally, file=str(path))


# -- from rows to values ----------------------------------------------------------------------------------------


def _values(
    rows: Iterable[tuple[files.Place, Row]], made: Callable[[Row, files.Place], Made], *, tally: Tally, file: str
) -> Iterator[Made]:
    """What is made of `rows`. Raises `TrainingError` where that is nothing, or at a fault that is refused."""
    first, faults, usable = None, 0, 0
    for place, row in rows:
        tally.read[file] += 1
        try:
            value = made(row, place)
        except files.Corrupt as fault:
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


def _chat(line: str, place: files.Place) -> Chat:
    found = _json(line)
    said = (found.get("messages") or found.get("conversations")) if isinstance(found, dict) else None
    if not isinstance(said, list):
        raise files.Corrupt(
            "no conversation",
            text("It is no conversation: an object with a list called 'messages' or 'conversations'."),
        )
    messages = [_message(one, number) for number, one in enumerate(said, start=1)]
    if isinstance(system := found.get("system"), str) and system.strip():
        messages.insert(0, Message("system", system))
    if not any(message.role == "assistant" for message in messages):
        raise files.Corrupt("no reply", text("The assistant says nothing in it."))
    return Chat(tuple(messages), place)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise files.Corrupt("not JSON", text("It is not JSON ({reason}).", reason=error)) from error


def _message(found: Any, number: int) -> Message:
    """A message of either shape. Raises `files.Corrupt` that says which message it was."""
    one = found if isinstance(found, dict) else {}
    role, content = one.get("role", one.get("from")), _content(one.get("content", one.get("value")))
    if not isinstance(role, str) or role not in ROLES:
        raise files.Corrupt(
            "no speaker",
            text("Message {number} is from none of these: {known}.", number=number, known=", ".join(ROLES)),
        )
    if not isinstance(content, str) or not content.strip():
        raise files.Corrupt("no text", text("Message {number} has no text.", number=number))
    if _HALF_CHARACTER.search(content):
        raise files.Corrupt("half a character", text("Message {number} has half a character in it.", number=number))
    return Message(ROLES[role], content)


def _content(found: Any) -> Any:
    """The text of a content, which may be a list of parts; a part that is an image leaves it as it is."""
    if isinstance(found, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in found):
        return "\n".join(part["text"] for part in found)
    return found


def _pair(row: Sequence[str], place: files.Place) -> Pair:
    source, target = (side.strip() for side in row)
    if not source or not target:
        raise files.Corrupt("no text", text("One side of it is empty."))
    return Pair(source, target, place)


def _labelled(said: str, label: str, labels: Collection[str] | None, place: files.Place) -> LabelledText:
    said, label = said.strip(), label.strip()
    if not said or not label:
        raise files.Corrupt("no text", text("It has no text or no label."))
    if labels is not None and label not in labels:
        raise files.Corrupt(
            "unknown label",
            text("'{label}' is none of the labels: {known}.", label=label[:EXCERPT], known=", ".join(sorted(labels))),
        )
    return LabelledText(said, label, place)


def _cells(row: list[str] | files.Corrupt, width: int) -> list[str]:
    if isinstance(row, files.Corrupt):
        raise row
    if len(row) != width:
        raise files.Corrupt(
            "columns", text("It has {count} columns, and the first row has {width}.", count=len(row), width=width)
        )
    return row


def _header(first: tuple[files.Place, list[str] | files.Corrupt], path: Path) -> list[str]:
    """The first row, on which all others are measured: it is never skipped."""
    place, row = first
    if isinstance(row, files.Corrupt):
        raise TrainingError("{file}, line {line}: {says}", file=path, line=place.line, says=row.says)
    return row


def _named_columns(header: Sequence[str], columns: tuple[str, str] | None, path: Path) -> tuple[int, int]:
    """Where text and label stand in `header`."""
    names = [name.strip().casefold() for name in header]
    wanted = [(name.casefold(),) for name in columns] if columns else [TEXT_COLUMNS, LABEL_COLUMNS]
    places = [next((names.index(name) for name in usual if name in names), None) for usual in wanted]
    if places[0] is None or places[1] is None:
        raise TrainingError(
            "'{file}' has the columns {found}. Name those of the text and of the label in its first line: {wanted}. "
            "In .csv a comma separates them, elsewhere a tab.",
            file=path,
            found=", ".join(header)[: 2 * EXCERPT],
            wanted=", ".join(columns or ("text", "label")),
        )
    return places[0], places[1]
