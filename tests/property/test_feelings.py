"""What the brain is told of a feeling is told to nobody else, and kept nowhere."""

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import companion

from samantha.adapters.sqlite import SqliteJournal
from samantha.core.events import Felt
from samantha.core.types import Conversation, Emotion, Message, Understanding
from samantha.core.understanding import CIRCUMPLEX, EMOTIONS
from samantha.testing import ScriptedEncoder

pytestmark = pytest.mark.anyio

UNDERSTOOD = {
    label: Understanding(emotion=Emotion({label: 0.8}, *CIRCUMPLEX[label], labels=(label,))) for label in EMOTIONS
}


@given(said=st.lists(st.tuples(st.sampled_from(EMOTIONS), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=30)
async def test_no_note_is_ever_in_the_journal_and_nothing_of_what_is_not_kept(said: list[tuple[str, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        journal = SqliteJournal(path)
        her = companion(journal=journal, encoder=ScriptedEncoder(UNDERSTOOD))
        notes = []
        for label, keep in said:
            talk = Conversation(thread="kept" if keep else "unkept", keep=keep)
            events = [event async for event in her.respond(Message("user", label), conversation=talk)]
            notes += [event.support.note for event in events if isinstance(event, Felt)]
        written = rows(path)
        await journal.aclose()
    assert not [note for note in notes if note and note in str(written)]
    assert "unkept" not in str(written)
    assert len(written.get("readings", [])) == sum(keep for _, keep in said)


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that a journal holds, by table."""
    if not path.exists():
        return {}  # nothing was ever kept
    db = sqlite3.connect(path)
    tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
    found = {table: db.execute(f"select * from {table}").fetchall() for table in tables}
    db.close()
    return found
