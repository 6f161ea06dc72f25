"""Readers of raw text: every row becomes a value or is counted, and a file that is no such file says so."""

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from samantha.core.errors import TrainingError
from samantha.core.types import Message
from samantha.dialogues import shape
from samantha.training import corpora
from samantha.training.corpora import Chat, LabelledText, Pair, Tally
from samantha.training.files import Place

DIALOGUES = Path(__file__).parents[2] / "dialogues"
HI = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file: `file("a.txt", "content")`."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        made = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(made) if name.endswith(".gz") else made)
        return path

    return write


def json_lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def texts(values: Iterable[corpora.Value]) -> list[tuple[str, ...]]:
    return [value.texts for value in values]


# -- plain text -------------------------------------------------------------------------------------------------


def test_paragraphs_end_at_blank_lines(file: Callable[..., Path]) -> None:
    path, tally = file("a.txt", "\ufeffOne\r\nand more\r\n \r\n\r\nTwo"), Tally()
    found = list(corpora.paragraphs(path, tally=tally))
    assert [(one.text, one.place.line) for one in found] == [("One\nand more", 1), ("Two", 5)]
    assert (tally.read[str(path)], tally.kept) == (2, 2)


def test_a_whole_file_is_one_document(file: Callable[..., Path]) -> None:
    (found,) = corpora.whole(file("a.txt.gz", "One\n\nTwo\n"), tally=Tally())
    assert found.text == "One\n\nTwo"


# -- conversations ----------------------------------------------------------------------------------------------


def test_both_shapes_of_a_conversation_are_the_same_to_us(file: Callable[..., Path]) -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}]
    parts = [HI[0], {"role": "assistant", "content": [{"type": "text", "text": "Hello!"}]}]
    path = file("a.jsonl", json_lines({"messages": HI}, {"conversations": turns, "system": " "}, {"messages": parts}))
    found = list(corpora.conversations(path, tally=Tally()))
    assert found == [Chat((Message("user", "Hi"), Message("assistant", "Hello!")), Place("", 0))] * 3


def test_the_system_of_sharegpt_opens_the_conversation(file: Callable[..., Path]) -> None:
    path = file("a.jsonl", json_lines({"conversations": [{"from": "gpt", "value": "Hello!"}], "system": "Be kind."}))
    (found,) = corpora.conversations(path, tally=Tally())
    assert found.messages == (Message("system", "Be kind."), Message("assistant", "Hello!"))


def test_the_conversations_of_this_project_are_read_as_their_own_reader_reads_them() -> None:
    path = DIALOGUES / "small_talk.jsonl"
    found = corpora.conversations(path, tally=Tally())
    assert [one.messages for one in found] == [one.messages for one in shape.read(path)]


@pytest.mark.parametrize(
    ("row", "why", "says"),
    [
        ('{"messages": [', "not JSON", "It is not JSON"),
        ('{"text": "Hi"}', "no conversation", "a list called 'messages' or 'conversations'"),
        (json.dumps({"messages": HI[:1]}), "no reply", "The assistant says nothing"),
        (json.dumps({"messages": [*HI, {"role": "tool", "content": "4"}]}), "no speaker", "Message 3 is from none"),
        (json.dumps({"messages": [HI[0], {"role": "assistant"}]}), "no text", "Message 2 has no text"),
        (r'{"messages": [{"role": "assistant", "content": "\ud83d"}]}', "half a character", "Message 1"),
    ],
)
def test_a_corrupt_conversation_is_counted_shown_and_skipped_or_refused(
    file: Callable[..., Path], row: str, why: str, says: str
) -> None:
    path, tally = file("a.jsonl", json_lines({"messages": HI}) + row + "\n"), Tally(corrupt="skip")
    assert len(list(corpora.conversations(path, tally=tally))) == 1
    assert (tally.kept, tally.dropped) == (1, {why: 1})
    assert (tally.shown[0].place, tally.shown[0].excerpt) == (Place(str(path), 2), row[: corpora.EXCERPT])
    assert says in str(tally.shown[0].says)
    with pytest.raises(TrainingError, match=f"line 2: .*{says}.* set corrupt=skip"):
        list(corpora.conversations(path, tally=Tally(corrupt="refuse")))


def test_a_report_shows_one_of_each_kind_of_fault(file: Callable[..., Path]) -> None:
    tally = Tally(corrupt="skip")
    path = file("a.jsonl", json_lines({"messages": HI}, *[{"messages": HI[:1]}] * 5, 3))
    assert len(list(corpora.conversations(path, tally=tally))) == 1
    first, replies, others = map(str, tally.report())
    assert first == "1 of 7 rows are left."
    assert replies == f"5 left out, as in {path}, line 2: The assistant says nothing in it."
    assert others.startswith(f"1 left out, as in {path}, line 7")
    assert len(tally.shown) == corpora.SHOWN + 1


def test_a_list_over_many_lines_is_no_json_lines(file: Callable[..., Path]) -> None:
    path = file("a.json", json.dumps([{"messages": HI}], indent=1))
    with pytest.raises(TrainingError, match=r"is a list. Write a conversation a line"):
        list(corpora.conversations(path, tally=Tally(corrupt="skip")))


# -- parallel text ----------------------------------------------------------------------------------------------


def test_lines_of_two_files_belong_together(file: Callable[..., Path]) -> None:
    pairs = corpora.parallel(file("a.en", "One\nTwo\n"), file("a.de.gz", "Eins\nZwei\n"), tally=Tally())
    assert texts(pairs) == [("One", "Eins"), ("Two", "Zwei")]


def test_a_pair_with_an_empty_side_is_a_fault_and_the_others_stay_aligned(file: Callable[..., Path]) -> None:
    tally = Tally(corrupt="skip")
    pairs = corpora.parallel(file("a.en", "One\n\nThree\n"), file("a.de", "Eins\nZwei\nDrei\n"), tally=tally)
    assert texts(pairs) == [("One", "Eins"), ("Three", "Drei")]
    assert tally.dropped == {"no text": 1}


@pytest.mark.parametrize(("one", "other", "counts"), [("a\nb\nc\nd\n", "a\nb\n", (4, 2)), ("a\n", "a\nb\nc\n", (1, 3))])
def test_unequal_files_say_how_long_each_is(
    file: Callable[..., Path], one: str, other: str, counts: tuple[int, int]
) -> None:
    source, target = file("a.en", one), file("a.de", other)
    with pytest.raises(TrainingError, match=rf"a.en' has {counts[0]} lines and '.*a.de' has {counts[1]}, so"):
        list(corpora.parallel(source, target, tally=Tally(corrupt="skip")))


def test_a_table_of_pairs_names_its_columns(file: Callable[..., Path]) -> None:
    path, tally = file("a.tsv", 'Hi.\t嗨。\tCC-BY\n"So\t就\tCC-BY\nOnly one\n'), Tally(corrupt="skip")
    assert list(corpora.parallel_table(path, columns=(1, 0), tally=tally)) == [
        Pair("嗨。", "Hi.", Place("", 0)),
        Pair("就", '"So', Place("", 0)),
    ]
    assert tally.dropped == {"columns": 1}
    with pytest.raises(TrainingError, match="has 3 columns; column 3 is wanted"):
        list(corpora.parallel_table(path, columns=(0, 3), tally=Tally()))


# -- labelled text ----------------------------------------------------------------------------------------------


def test_a_table_with_a_header_is_read_by_its_names(file: Callable[..., Path]) -> None:
    path = file("a.csv", 'Category,id,Text\ncard,1,"Where, please,\nis my ""card""?"\n \nrate,2,How much?\n')
    found = list(corpora.labelled_table(path, tally=Tally()))
    assert found == [
        LabelledText('Where, please,\nis my "card"?', "card", Place("", 0)),
        LabelledText("How much?", "rate", Place("", 0)),
    ]
    assert [one.place.line for one in found] == [2, 5]


def test_columns_of_other_names_and_quoted_tabs_are_for_the_caller_to_say(file: Callable[..., Path]) -> None:
    path = file("a.tsv", 'Sentiment\tReview\nNegative\t"It ""works"""\n')
    (found,) = corpora.labelled_table(path, columns=("review", "sentiment"), quoted=True, tally=Tally())
    assert (found.text, found.label) == ('It "works"', "Negative")
    with pytest.raises(TrainingError, match=r"has the columns Sentiment, Review\. Name those"):
        list(corpora.labelled_table(path, tally=Tally()))


def test_every_line_that_a_stray_quotation_mark_swallows_is_counted(file: Callable[..., Path]) -> None:
    rows = ["a,fine", '"b,x', "c,x", 'd" more,x', "e,fine", "f,one,too,many"]
    path, tally = file("a.csv", "\n".join(["text,label", *rows])), Tally(corrupt="skip")
    assert texts(corpora.labelled_table(path, tally=tally)) == [("a",), ("e",)]
    assert tally.dropped == {"quotation marks": 3, "columns": 1}
    assert [(row.place.line, row.excerpt) for row in tally.shown[:3]] == list(enumerate(rows[1:4], start=3))


def test_a_label_and_a_text_on_a_line(file: Callable[..., Path]) -> None:
    path = file("a.txt", "1 a fine film\n0\tdull , alas\n")
    found = corpora.labelled_lines(path, labels={"0", "1"}, tally=Tally())
    assert [(one.label, one.text) for one in found] == [("1", "a fine film"), ("0", "dull , alas")]


def test_a_label_that_nobody_knows_is_a_fault(file: Callable[..., Path]) -> None:
    path, tally = file("a.txt", "1 fine\n7 what\n1\n"), Tally(corrupt="skip")
    assert texts(corpora.labelled_lines(path, labels=["1", "0"], tally=tally)) == [("fine",)]
    assert tally.dropped == {"unknown label": 1, "no text": 1}
    assert str(tally.shown[0].says) == "'7' is none of the labels: 0, 1."


# -- files that are none ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Fine\nCaf\xe9\n".encode("latin-1"), "line 2, is not text in utf-8: byte 4 is 0xe9. Save the file as UTF-8"),
        ("Fine\n".encode("utf-16-le"), "line 1, is not text in utf-8: byte 2 is 0x00"),
        (b"", "There is nothing in"),
        (b"\n \n", "There is nothing in"),
    ],
)
def test_a_wrong_encoding_and_an_empty_file_are_refused_whatever_is_skipped(
    file: Callable[..., Path], content: bytes, says: str
) -> None:
    path = file("a.txt", content)
    for reader in (corpora.paragraphs, corpora.whole, corpora.labelled_lines, corpora.conversations):
        with pytest.raises(TrainingError, match=says):
            list(reader(path, tally=Tally(corrupt="skip")))


def test_another_encoding_is_read_where_it_is_named(file: Callable[..., Path]) -> None:
    path = file("a.txt", "Caf\xe9\n".encode("latin-1"))
    assert texts(corpora.paragraphs(path, encoding="latin-1", tally=Tally())) == [("Café",)]
    with pytest.raises(TrainingError, match="no encoding 'latin-77'"):
        list(corpora.paragraphs(path, encoding="latin-77", tally=Tally()))


def test_a_file_of_which_no_row_can_be_used_is_refused(file: Callable[..., Path]) -> None:
    with pytest.raises(TrainingError, match=r"None of the 2 rows of .* can be used. Line 1: It is not JSON"):
        list(corpora.conversations(file("a.jsonl", "Hello\nthere\n"), tally=Tally(corrupt="skip")))


def test_a_file_that_is_missing_or_cut_off_is_refused(file: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be read: No such file"):
        list(corpora.paragraphs(tmp_path / "none.txt", tally=Tally()))
    path = file("a.txt.gz", "".join(f"{number}\n\n" for number in range(9000)))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(TrainingError, match=r"breaks off after line \d+: .* Fetch it anew"):
        list(corpora.paragraphs(path, tally=Tally()))
