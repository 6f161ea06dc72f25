"""Cleaning: what is left out is counted, the first of several is kept, and a data card tells of both."""

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samantha.adapters.language_identification import language_of
from samantha.core.errors import TrainingError
from samantha.core.types import Message
from samantha.training import cleaning, corpora
from samantha.training.cleaning import normal
from samantha.training.corpora import Chat, Document, LabelledText, Pair, Tally
from samantha.training.files import Place

STORY = "She came home late, put the kettle on and sat by the window until the rain over the harbour had stopped."


def documents(*texts: str) -> list[Document]:
    return [Document(said, Place("a.txt", line)) for line, said in enumerate(texts, start=1)]


def tally_of(values: Sequence[corpora.Value]) -> Tally:
    tally = Tally()
    tally.read["a.txt"] = len(values)
    return tally


# -- one text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        (" a \t b\u3000c\xa0 \n", "a b c"),
        ("a\n\n \n\n\nb", "a\n\nb"),
        ("if a:\n    b  = 1", "if a:\n    b = 1"),
        ("\ufeffso\u00adft\u200b ho\x00me\x07", "soft home"),
        ("cafe\u0301", "café"),
        ("👩\u200d🚀 می\u200cخواهم", "👩\u200d🚀 می\u200cخواهم"),
    ],
)
def test_white_space_and_what_nobody_sees_become_plain(raw: str, clean: str) -> None:
    assert normal(raw) == clean


@given(st.text() | st.lists(st.sampled_from([" ", "\t", "\n", "\r", "\u3000", "\u200b", "e", "\u0301"])).map("".join))
def test_what_is_normal_stays_so_and_has_no_control_characters(raw: str) -> None:
    once = normal(raw)
    assert normal(once) == once
    assert {found for found in once if unicodedata.category(found) == "Cc"} <= {"\n", "\t"}


# -- steps ------------------------------------------------------------------------------------------------------


def test_all_texts_of_a_value_are_made_normal_and_empty_or_damaged_ones_left_out() -> None:
    place = Place("a.txt", 1)
    chats = [
        Chat((Message("user", said, id="7"), Message("assistant", "Yes  .")), place)
        for said in ("Here\r\n?", "\u200b", "Caf\ufffd")
    ]
    tally = tally_of(chats)
    assert list(cleaning.normalised(chats, tally=tally)) == [
        Chat((Message("user", "Here\n?", id="7"), Message("assistant", "Yes .")), place)
    ]
    assert tally.dropped == {"nothing to see": 1, "damaged characters": 1}
    assert list(cleaning.normalised([Pair(" a", "b ", place)], tally=tally)) == [Pair("a", "b", place)]
    assert list(cleaning.normalised([LabelledText(" a", "x", place)], tally=tally)) == [LabelledText("a", "x", place)]


def test_texts_that_are_too_short_or_too_long_are_left_out() -> None:
    values = documents("a", "ab", "abc", "abcd")
    tally = tally_of(values)
    assert list(cleaning.of_length(values, 2, 3, tally=tally)) == values[1:3]
    assert [str(row.says) for row in tally.shown] == [
        "It has 1 characters of 2.",
        "It has 4 characters; 3 are the most.",
    ]


def test_each_side_of_a_pair_is_in_its_language() -> None:
    place = Place("a.tsv", 1)
    good = Pair("It rained all the way to the sea.", "一路下雨到海边。", place)
    values = [good, Pair(good.target, good.source, place), Pair(good.source, good.source, place), Pair("?", "?", place)]
    tally = tally_of(values)
    found = cleaning.in_language(
        values, {"en", "und"}, language_of=language_of, of=lambda pair: pair.source, tally=tally
    )
    found = cleaning.in_language(
        found, {"zh", "und"}, language_of=language_of, of=lambda pair: pair.target, tally=tally
    )
    assert list(found) == [good, values[3]]
    assert (tally.dropped, str(tally.shown[0].says)) == ({"another language": 2}, "Its language is zh.")


def test_the_first_of_several_stays_and_a_contradiction_is_told_from_a_repetition() -> None:
    rows = [("Where is it?", "card"), ("Where?", "card"), ("Where is it?", "card"), ("Where?", "rate")]
    values = [LabelledText(said, label, Place("a.csv", line)) for line, (said, label) in enumerate(rows, start=2)]
    tally = tally_of(values)
    assert list(cleaning.distinct(values, tally=tally)) == values[:2]
    assert tally.dropped == {"duplicate": 1, "contradiction": 1}


def test_a_text_told_again_with_small_changes_is_left_out() -> None:
    again = STORY.upper().replace(",", " -")
    other = "He left early, took the bus to the market and stood by the fountain until the bells of noon had rung."
    values = documents(STORY, other, again, STORY.replace("late", "very late") + " Then she slept.", "Yes.", "No.")
    tally = tally_of(values)
    found = list(cleaning.without_near_duplicates(values, tally=tally, alike=0.6))
    assert found == [values[0], values[1], values[4], values[5]]
    assert str(tally.shown[0].says) == "It shares 100% with a.txt, line 1."
    assert tally.dropped == {"near-duplicate": 2}


def test_chinese_is_compared_by_characters() -> None:
    said = "昨天晚上我一个人在海边走了很久，风很大，可是心里很安静。"
    values = documents(
        said, said.replace("，", "、") + "！", "今天早上他去市场买了一条鱼和两个梨，回家做饭。", "……", "！！"
    )
    tally = tally_of(values)
    assert list(cleaning.without_near_duplicates(values, tally=tally)) == [values[0], *values[2:]]


# -- the data card ----------------------------------------------------------------------------------------------


def test_a_card_says_what_was_read_and_what_was_left_out_but_none_of_the_text(tmp_path: Path) -> None:
    source = tmp_path / "notes.txt"
    source.write_text(f"{STORY}\n\n{STORY}\n\nNo\n")
    tally = Tally()
    values = cleaning.normalised(corpora.paragraphs(source, tally=tally), tally=tally)
    kept = list(cleaning.distinct(cleaning.of_length(values, 3, 1000, tally=tally), tally=tally))
    found = cleaning.plain(cleaning.card("notes", tally, licence="own text"))
    assert (found["read"], found["kept"], len(kept)) == (3, 1, 1)
    assert found["sources"] == [{"file": str(source), "rows": 3}]
    assert found["dropped"] == {"duplicate": 1, "too short": 1}
    assert {"file": str(source), "line": 3, "why": "duplicate", "says": "It was there before."} in found["examples"]
    assert STORY[:20] not in json.dumps(found)


def test_a_card_says_in_sentences_what_was_left_out_and_nothing_where_all_is_kept() -> None:
    values = documents(STORY, STORY)
    tally = tally_of(values)
    assert cleaning.card("notes", tally, licence="own text").left_out == ()
    list(cleaning.distinct(values, tally=tally))
    assert [str(each) for each in cleaning.card("notes", tally, licence="own text").left_out] == [
        "1 of 2 rows are left.",
        "1 left out, as in a.txt, line 2: It was there before.",
    ]


def test_a_set_without_a_licence_has_no_card() -> None:
    with pytest.raises(TrainingError, match="Say under which licence 'notes' is"):
        cleaning.card("notes", Tally(), licence=" ")
