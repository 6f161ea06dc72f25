"""The journal in one SQLite file: every message and every released piece, written before it is shown.

A message knows its parent, so undo and edit are branches and nothing is ever overwritten. One worker thread
owns the connection. Not here: what is worth remembering of it.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from samantha.core.errors import MessageError, StorageError
from samantha.core.ports import MOST_READINGS, READ_BACK, Past, Thread
from samantha.core.types import Conversation, Message, Reading, Reply, Turn

_SCHEMAS = (
    """
create table threads (
    person text not null, id text not null, head text not null, updated text not null,
    primary key (person, id)
) without rowid;
create table turns (
    id text primary key, person text not null, thread text not null, parent text not null,
    text text not null, heard_at text not null, finish text not null default 'open'
) without rowid;
create index turns_of_thread on turns (person, thread, heard_at);
create table pieces (
    turn text not null references turns (id) on delete cascade, number integer not null, text text not null,
    primary key (turn, number)
) without rowid
""",
    """
create table readings (
    turn text primary key references turns (id) on delete cascade, person text not null, thread text not null,
    at text not null, valence real not null, arousal real not null, label text not null, level text not null
) without rowid;
create index readings_of_person on readings (person, at)
""",
)
"""What each schema adds to the one before it; a file of schema n has had the first n of them."""
_REPLY = (
    "coalesce((select group_concat(text, '') from (select text from pieces where turn = turns.id order by number)), '')"
)
_THREADS = """
select id, updated, (select count(*) from turns where person = threads.person and thread = threads.id),
    (select text from turns where person = threads.person and thread = threads.id order by heard_at limit 1)
from threads where person = ? order by updated desc, id
"""

_READINGS = """
select at, thread, valence, arousal, label, level from readings
where person = ? and at >= ? and turn != ? order by at desc, turn desc limit ?
"""
_ALL = -1  # rows, to SQLite's limit

Result = TypeVar("Result")


class SqliteJournal:
    """Implements `Journal` and `Threads` of `samantha.core.ports`; `path` may be ":memory:"."""

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._opened: sqlite3.Connection | None = None

    async def hear(self, message: Message, conversation: Conversation, at: datetime) -> Past:
        return await self._run(lambda db: _hear(db, message, conversation, at))

    async def say(self, turn_id: str, piece: str) -> None:
        await self._run(
            lambda db: db.execute(
                "insert into pieces select ?1, count(*), ?2 from pieces where turn = ?1", (turn_id, piece)
            )
        )

    async def commit(self, turn: Turn) -> None:
        now = datetime.now(UTC).isoformat() if turn.at is None else turn.at.isoformat()

        def write(db: sqlite3.Connection) -> None:
            _keep_only(db, turn.id, len(turn.reply.text))
            db.execute("update turns set finish = ? where id = ?", (turn.reply.finish, turn.id))
            db.execute(
                "update threads set updated = ? where person = ? and id = ?",
                (now, turn.conversation.person, turn.conversation.thread),
            )
            if turn.reading is not None:
                _keep_reading(db, turn.id, turn.conversation.person, turn.reading)

        await self._run(write)

    async def list(self, person: str) -> tuple[Thread, ...]:
        rows = await self._run(lambda db: db.execute(_THREADS, (person,)).fetchall())
        return tuple(
            Thread(id, title=" ".join(title.split())[:60], turns=turns, updated=datetime.fromisoformat(updated))
            for id, updated, turns, title in rows
        )

    async def history(self, person: str, thread: str) -> tuple[Message, ...]:
        return await self._run(lambda db: _branch(db, _head(db, person, thread)))

    async def rewind(self, person: str, thread: str) -> Message | None:
        def back(db: sqlite3.Connection) -> Message | None:
            head = _head(db, person, thread)
            row = db.execute("select text, parent from turns where id = ?", (head,)).fetchone()
            if row is None:
                return None
            db.execute("update threads set head = ? where person = ? and id = ?", (row[1], person, thread))
            return Message("user", row[0], head, row[1])

        return await self._run(back)

    async def readings(self, person: str, since: datetime) -> tuple[Reading, ...]:
        return await self._run(lambda db: _readings(db, person, since))

    async def aclose(self) -> None:
        """Close the file; the journal cannot be used afterwards."""
        if self._opened is not None:
            await asyncio.get_running_loop().run_in_executor(self._worker, self._opened.close)
        self._worker.shutdown()

    async def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do `work` in one transaction on the worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._transaction, work)

    def _transaction(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            db = self._connection()
            with db:
                return work(db)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                "The journal '{path}' cannot be used: {reason}. Check the disk, or set data.folder to another place.",
                path=self._path,
                reason=error,
            ) from error

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = _open(self._path)
        return self._opened


def _open(path: str) -> sqlite3.Connection:
    if path != ":memory:":
        Path(path).touch(mode=0o600)
    db = sqlite3.connect(path, timeout=10, check_same_thread=False)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = normal")  # survives kill -9; a power cut may cost the last words, never the file
    db.execute("pragma foreign_keys = on")
    with db:
        db.execute("begin immediate")  # two first starts at once: the second finds the tables there
        version: int = db.execute("pragma user_version").fetchone()[0]
        newest = len(_SCHEMAS)
        if version > newest:
            raise sqlite3.DatabaseError(f"it was written by a newer Samantha (schema {version}, not {newest})")
        for statements in _SCHEMAS[version:]:
            for statement in statements.split(";"):
                db.execute(statement)
        db.execute(f"pragma user_version = {newest}")
    return db


def _hear(db: sqlite3.Connection, message: Message, conversation: Conversation, at: datetime) -> Past:
    person, thread = conversation.person, conversation.thread
    known = db.execute(
        f"select person, thread, text, parent, finish, {_REPLY} from turns where id = ?", (message.id,)
    ).fetchone()
    if known is None:
        return _hear_new(db, message, conversation, at)
    if known[:3] != (person, thread, message.text):
        raise MessageError(
            "The message id '{id}' was already used for another message. Give each message its own.", id=message.id
        )
    message = replace(message, parent=known[3])
    past = _past(db, message, person, at)
    if known[4] in ("stop", "length"):
        return replace(past, reply=Reply(known[5], known[4]))
    _keep_only(db, message.id, 0)  # a reply that broke off is begun anew
    db.execute("update turns set finish = 'open' where id = ?", (message.id,))
    db.execute("update threads set head = ? where person = ? and id = ?", (message.id, person, thread))
    return past


def _hear_new(db: sqlite3.Connection, message: Message, conversation: Conversation, at: datetime) -> Past:
    person, thread = conversation.person, conversation.thread
    parent = _head(db, person, thread) if message.parent is None else message.parent
    if (
        parent
        and not db.execute(
            "select 1 from turns where id = ? and person = ? and thread = ?", (parent, person, thread)
        ).fetchone()
    ):
        raise MessageError(
            "The parent '{parent}' is not a message of this conversation. Leave it out to continue.",
            parent=parent,
        )
    db.execute(
        "insert into turns (id, person, thread, parent, text, heard_at) values (?, ?, ?, ?, ?, ?)",
        (message.id, person, thread, parent, message.text, at.isoformat()),
    )
    db.execute(
        "insert into threads values (?, ?, ?, ?)"
        " on conflict do update set head = excluded.head, updated = excluded.updated",
        (person, thread, message.id, at.isoformat()),
    )
    return _past(db, replace(message, parent=parent), person, at)


def _past(db: sqlite3.Connection, message: Message, person: str, at: datetime) -> Past:
    readings = _readings(db, person, at - READ_BACK, but=message.id, most=MOST_READINGS)
    return Past(message, _branch(db, message.parent or ""), readings=readings)


def _keep_reading(db: sqlite3.Connection, turn: str, person: str, reading: Reading) -> None:
    """A message that was answered anew has been understood anew."""
    sounded = (reading.valence, reading.arousal, reading.label, reading.level)
    db.execute(
        "insert or replace into readings values (?, ?, ?, ?, ?, ?, ?, ?)",
        (turn, person, reading.thread, _in_order(reading.at), *sounded),
    )


def _readings(
    db: sqlite3.Connection, person: str, since: datetime, *, but: str = "", most: int = _ALL
) -> tuple[Reading, ...]:
    """The newest `most` readings from `since` on but that of turn `but`, oldest first."""
    rows = db.execute(_READINGS, (person, _in_order(since), but, most)).fetchall()
    return tuple(Reading(datetime.fromisoformat(at), *rest) for at, *rest in reversed(rows))


def _in_order(at: datetime) -> str:
    """A time as text that sorts as the times do: all in one zone, all with six decimals."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _keep_only(db: sqlite3.Connection, turn: str, characters: int) -> None:
    """Forget the pieces of a reply beyond its first `characters`: journalled, but never shown."""
    end = 0
    for number, length in db.execute(
        "select number, length(text) from pieces where turn = ? order by number", (turn,)
    ).fetchall():
        end += length
        if end > characters:
            db.execute("delete from pieces where turn = ? and number = ?", (turn, number))


def _head(db: sqlite3.Connection, person: str, thread: str) -> str:
    row: Any = db.execute("select head from threads where person = ? and id = ?", (person, thread)).fetchone()
    return row[0] if row else ""


def _branch(db: sqlite3.Connection, head: str) -> tuple[Message, ...]:
    """The messages up to and including turn `head`, oldest first; turns that got no word of a reply are left out."""
    rows = db.execute(
        "with recursive branch (id, parent, depth) as ("
        " select id, parent, 0 from turns where id = ?"
        " union all select turns.id, turns.parent, depth + 1 from turns join branch on turns.id = branch.parent)"
        f" select turns.id, turns.parent, text, {_REPLY} from turns join branch using (id) order by depth desc",
        (head,),
    )
    messages: list[Message] = []
    for id, parent, said, reply in rows:
        if reply:
            messages += [Message("user", said, id, parent), Message("assistant", reply, parent=id)]
    return tuple(messages)
