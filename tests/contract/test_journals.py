"""What every journal promises: the SQLite one, in a file and in memory, and the fake; then what a file promises."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

import pytest

from samantha.adapters.sqlite import SqliteJournal
from samantha.core.errors import MessageError, StorageError
from samantha.core.ports import MOST_READINGS, READ_BACK, Journal, Threads
from samantha.core.types import Conversation, Emotion, Finish, Message, Reading, Reply, Risk, Turn, Understanding, Usage
from samantha.testing import ListJournal

pytestmark = pytest.mark.anyio

AT = datetime(2026, 1, 1, tzinfo=UTC)
TALK = Conversation(person="ada", thread="t")


class Kept(Journal, Threads, Protocol):
    """Written to and looked into."""


@pytest.fixture(params=["file", "memory", "list"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    if request.param == "list":
        yield ListJournal()
        return
    opened = SqliteJournal(tmp_path / "journal.sqlite" if request.param == "file" else ":memory:")
    yield opened
    await opened.aclose()


async def one_turn(
    journal: Kept,
    id: str,
    said: str,
    *pieces: str,
    parent: str | None = None,
    finish: Finish = "stop",
    shown: int | None = None,
) -> None:
    """Hear, say and commit; `shown` is how many of the pieces anybody saw."""
    past = await journal.hear(Message("user", said, id, parent), TALK, AT)
    for piece in pieces:
        await journal.say(id, piece)
    await journal.commit(Turn(TALK, past.message, reply=Reply("".join(pieces[:shown]), finish, Usage()), at=AT))


async def texts(journal: Kept, thread: str = "t") -> list[str]:
    return [message.text for message in await journal.history("ada", thread)]


async def test_a_branch_holds_messages_and_whole_replies_in_order(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", "Hel", "lo.")
    await one_turn(journal, "2", "And?", "Fine.")
    assert await texts(journal) == ["Hi", "Hello.", "And?", "Fine."]


async def test_the_message_learns_its_parent_and_what_precedes_it(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", "Hello.")
    past = await journal.hear(Message("user", "And?", "2"), TALK, AT)
    assert past.message.parent == "1"
    assert [m.text for m in past.history] == ["Hi", "Hello."]


async def test_rewinding_gives_the_newest_message_back_and_keeps_it_as_a_branch(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", "Hello.")
    await one_turn(journal, "2", "And?", "Fine.")
    undone = await journal.rewind("ada", "t")
    assert undone == Message("user", "And?", "2", "1")
    await one_turn(journal, "3", "Or?", "Better.")
    assert await texts(journal) == ["Hi", "Hello.", "Or?", "Better."]
    await one_turn(journal, "4", "Back", "Here.", parent="2")
    assert await texts(journal) == ["Hi", "Hello.", "And?", "Fine.", "Back", "Here."]


async def test_rewinding_stops_at_the_beginning(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", "Hello.")
    assert await journal.rewind("ada", "t") is not None
    assert await journal.rewind("ada", "t") is None
    assert await texts(journal) == []


async def test_an_empty_parent_begins_the_thread_anew(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", "Hello.")
    await one_turn(journal, "2", "Hey", "Hey you.", parent="")
    assert await texts(journal) == ["Hey", "Hey you."]


async def test_a_turn_without_a_word_of_reply_is_kept_but_not_part_of_the_conversation(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", finish="failed")
    await one_turn(journal, "2", "Hello?", "Yes.")
    assert await texts(journal) == ["Hello?", "Yes."]


async def test_a_message_sent_twice_has_its_reply_already(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", "Hello.")
    past = await journal.hear(Message("user", "Hi", "1"), TALK, AT)
    assert past.reply is not None
    assert (past.reply.text, past.reply.finish) == ("Hello.", "stop")


@pytest.mark.parametrize("finish", ["interrupted", "failed"])
@pytest.mark.parametrize("pieces", [[], ["I was", " just"]])
async def test_a_message_whose_reply_broke_off_is_answered_anew(
    journal: Kept, pieces: list[str], finish: Finish
) -> None:
    await one_turn(journal, "1", "Hi", *pieces, finish=finish)
    assert (await journal.hear(Message("user", "Hi", "1"), TALK, AT)).reply is None
    assert await texts(journal) == []
    await one_turn(journal, "1", "Hi", "Here I", " am.")
    assert await texts(journal) == ["Hi", "Here I am."]
    past = await journal.hear(Message("user", "Hi", "1"), TALK, AT)
    assert past.reply is not None
    assert (past.reply.text, past.reply.finish) == ("Here I am.", "stop")


async def test_a_reply_that_reached_its_length_is_the_reply(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", "Once upon a", finish="length")
    past = await journal.hear(Message("user", "Hi", "1"), TALK, AT)
    assert past.reply is not None
    assert (past.reply.text, past.reply.finish) == ("Once upon a", "length")


async def test_what_was_said_before_a_crash_shows_until_the_message_is_sent_again(journal: Kept) -> None:
    await one_turn(journal, "0", "Morning", "Good morning.")
    await journal.hear(Message("user", "Hi", "1"), TALK, AT)
    await journal.say("1", "I was just saying")
    assert await texts(journal) == ["Morning", "Good morning.", "Hi", "I was just saying"]
    past = await journal.hear(Message("user", "Hi", "1"), TALK, AT)
    assert (past.reply, past.message.parent) == (None, "0")
    assert [m.text for m in past.history] == ["Morning", "Good morning."]


async def test_a_reply_is_kept_exactly_as_it_was_shown(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", "Shown.", " Shown too.", " Never seen.", finish="interrupted", shown=2)
    assert await texts(journal) == ["Hi", "Shown. Shown too."]


async def test_a_reply_of_which_nothing_was_shown_is_no_part_of_the_conversation(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", "Never seen.", finish="interrupted", shown=0)
    await one_turn(journal, "2", "Hello?", "Yes.")
    assert await texts(journal) == ["Hello?", "Yes."]


async def test_an_id_belongs_to_one_text(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", finish="failed")
    with pytest.raises(MessageError, match="already used"):
        await journal.hear(Message("user", "Something else", "1"), TALK, AT)


@pytest.mark.parametrize("other", [replace(TALK, person="bob"), replace(TALK, thread="u")])
async def test_an_id_belongs_to_one_message_of_one_person(journal: Kept, other: Conversation) -> None:
    await one_turn(journal, "1", "Hi", "Hello.")
    with pytest.raises(MessageError, match="already used"):
        await journal.hear(Message("user", "Hi", "1"), other, AT)


async def test_a_parent_from_another_conversation_is_refused(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", "Hello.")
    with pytest.raises(MessageError, match="not a message of this conversation"):
        await journal.hear(Message("user", "And?", "2", "1"), replace(TALK, person="bob"), AT)


async def test_threads_are_listed_for_their_person_newest_first(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi\n  there", "Hello.")
    later = replace(TALK, thread="u")
    await journal.hear(Message("user", "Later", "2"), later, AT.replace(year=2027))
    assert [(thread.id, thread.title, thread.turns) for thread in await journal.list("ada")] == [
        ("u", "Later", 1),
        ("t", "Hi there", 1),
    ]
    assert await journal.list("bob") == ()


# How messages sounded


async def sounding(journal: Kept, id: str, valence: float, at: datetime = AT, *, talk: Conversation = TALK) -> Reading:
    """A turn whose message sounded like `valence`; its reading."""
    past = await journal.hear(Message("user", "Hi", id), talk, at)
    emotion = Emotion({"sadness": 0.9}, valence, -0.4, ("sadness",))
    turn = Turn(talk, past.message, understanding=Understanding(emotion, Risk("concern")), at=at)
    await journal.commit(turn.ending("stop", Usage()))
    return Reading(at, talk.thread, valence, -0.4, "sadness", "concern")


async def heard_after(journal: Kept, at: datetime, id: str = "new") -> tuple[Reading, ...]:
    return (await journal.hear(Message("user", "Hi", id), TALK, at)).readings


async def test_how_a_message_sounded_is_known_to_the_next_one(journal: Kept) -> None:
    first = await sounding(journal, "1", -0.8)
    assert await heard_after(journal, AT) == (first,)


async def test_readings_come_oldest_first_from_all_threads_and_time_zones(journal: Kept) -> None:
    east = timezone(timedelta(hours=8))
    later = await sounding(journal, "1", -0.8, (AT + timedelta(hours=2)).astimezone(east))
    earlier = await sounding(journal, "2", 0.3, AT + timedelta(hours=1), talk=replace(TALK, thread="u"))
    assert await heard_after(journal, AT + timedelta(hours=3)) == (earlier, later)


async def test_a_message_is_not_among_the_readings_before_it(journal: Kept) -> None:
    await one_turn(journal, "0", "Hi", finish="failed")
    await sounding(journal, "1", -0.8)
    assert await heard_after(journal, AT, id="1") == ()


async def test_readings_older_than_two_weeks_are_left_out(journal: Kept) -> None:
    await sounding(journal, "1", -0.8, AT - timedelta(seconds=1))
    kept = await sounding(journal, "2", 0.1, AT)
    assert await heard_after(journal, AT + READ_BACK) == (kept,)


async def test_of_many_readings_the_newest_are_given(journal: Kept) -> None:
    for number in range(MOST_READINGS + 3):
        await sounding(journal, str(number), number / 1000, AT + timedelta(minutes=number))
    found = await heard_after(journal, AT + timedelta(days=1))
    assert [found[0].valence, found[-1].valence] == [0.003, (MOST_READINGS + 2) / 1000]
    assert len(found) == MOST_READINGS


async def test_a_persons_readings_can_be_asked_for_and_are_nobody_elses(journal: Kept) -> None:
    await sounding(journal, "1", -0.8)
    later = await sounding(journal, "2", 0.3, AT + timedelta(microseconds=1))
    assert await journal.readings("ada", AT + timedelta(microseconds=1)) == (later,)
    assert await journal.readings("bob", AT) == ()


async def test_what_was_taken_back_was_said_nevertheless(journal: Kept) -> None:
    said = await sounding(journal, "1", -0.8)
    await journal.rewind("ada", "t")
    assert await journal.readings("ada", AT) == (said,)


async def test_a_message_that_is_answered_anew_has_one_reading(journal: Kept) -> None:
    await sounding(journal, "1", -0.8)
    again = await sounding(journal, "1", 0.2)
    assert await journal.readings("ada", AT) == (again,)


async def test_a_message_that_nobody_understood_has_no_reading(journal: Kept) -> None:
    await one_turn(journal, "1", "Hi", "Hello.")
    assert await journal.readings("ada", AT) == ()


# Files


async def test_a_journal_opened_again_shows_what_was_said_before_the_crash(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    crashed = SqliteJournal(path)
    await crashed.hear(Message("user", "Hi", "1"), TALK, AT)
    await crashed.say("1", "I was just saying")
    reopened = SqliteJournal(path)  # no commit, no close: as after kill -9
    assert await texts(reopened) == ["Hi", "I was just saying"]
    await one_turn(reopened, "1", "Hi", "Here I am again.")
    assert await texts(reopened) == ["Hi", "Here I am again."]
    await reopened.aclose()
    await crashed.aclose()


async def test_the_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    await journal.list("ada")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    await journal.aclose()


async def test_a_file_that_is_no_journal_is_named_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"not a database, and long enough to be read as one" * 40)
    journal = SqliteJournal(path)
    with pytest.raises(StorageError, match=r"journal\.sqlite.*not a database.*data\.folder"):
        await journal.list("ada")
    await journal.aclose()


FIRST_SCHEMA = """
create table threads (person text not null, id text not null, head text not null, updated text not null,
    primary key (person, id)) without rowid;
create table turns (id text primary key, person text not null, thread text not null, parent text not null,
    text text not null, heard_at text not null, finish text not null default 'open') without rowid;
create index turns_of_thread on turns (person, thread, heard_at);
create table pieces (turn text not null references turns (id) on delete cascade, number integer not null,
    text text not null, primary key (turn, number)) without rowid;
insert into threads values ('ada', 't', '1', '2026-01-01T00:00:00+00:00');
insert into turns values ('1', 'ada', 't', '', 'Hi', '2026-01-01T00:00:00+00:00', 'stop');
insert into pieces values ('1', 0, 'Hello.');
pragma user_version = 1;
"""


async def test_a_journal_of_the_first_schema_is_opened_and_learns_to_keep_readings(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "journal.sqlite")
    old.executescript(FIRST_SCHEMA)
    old.close()
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    assert await texts(journal) == ["Hi", "Hello."]
    said = await sounding(journal, "2", -0.8)
    await journal.aclose()
    reopened = SqliteJournal(tmp_path / "journal.sqlite")
    assert await reopened.readings("ada", AT) == (said,)
    await reopened.aclose()


async def test_a_journal_of_a_newer_samantha_is_left_alone(tmp_path: Path) -> None:
    newer = sqlite3.connect(tmp_path / "journal.sqlite")
    newer.execute("pragma user_version = 99")
    newer.close()
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    with pytest.raises(StorageError, match="newer Samantha"):
        await journal.list("ada")
    await journal.aclose()
