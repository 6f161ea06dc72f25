"""Each rule finds what it is for, and leaves alone what looks like it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from samantha.core.types import Message, Role
from samantha.dialogues import checks
from samantha.dialogues.overlap import shared
from samantha.dialogues.shape import Dialogue

GOOD = "A house that had paws in it is loud when they stop. What was his name, the one who waited at the door?"


def told(*said: str, id: str = "a", lang: str = "en", roles: Sequence[Role] = ()) -> Dialogue:
    turns = roles or [("user", "assistant")[n % 2] for n in range(len(said))]
    return Dialogue(id, "any", lang, tuple(map(Message, turns, said)))  # type: ignore[arg-type]


def rules(*dialogues: Dialogue) -> set[str]:
    return {finding.rule for finding in checks.check(dialogues)}


def test_a_good_conversation_has_no_finding() -> None:
    assert checks.check([told("My dog died.", GOOD)]) == []


@pytest.mark.parametrize(
    "roles",
    [("user",), ("assistant", "user"), ("user", "user"), ("user", "system"), ("user", "assistant", "user")],
)
def test_speakers_take_turns_from_a_user_to_an_assistant(roles: tuple[Role, ...]) -> None:
    assert "shape" in rules(told(*[GOOD] * len(roles), roles=roles))


def test_a_note_stands_right_before_a_message_of_the_user() -> None:
    assert rules(told("You remember: Rex.", "Hi", GOOD, roles=("system", "user", "assistant"))) == set()
    assert "shape" in rules(told("Hi", "You remember: Rex.", GOOD, roles=("user", "system", "assistant")))


def test_an_id_an_emptiness_a_language_an_emotion_and_too_many_turns_are_seen() -> None:
    assert "shape" in rules(told("one two", GOOD), told("Three", "Four five six seven eight nine"))
    assert "shape" in rules(told(" ", GOOD))
    assert "shape" in rules(told("Hi", GOOD, lang="tlh"))
    assert "shape" in rules(Dialogue("a", "any", "en", told("Hi", GOOD).messages, "melancholy"))
    assert any("replies" in str(one.says) for one in checks.check([told(*["Hi", GOOD] * 9)]))


def test_a_conversation_told_twice_is_seen() -> None:
    first = told("My old dog died this morning, and it is quiet.", GOOD, id="a")
    second = told("My old dog died this morning, it is quiet.", GOOD, id="b")
    assert next((one.id, one.rule) for one in checks.check([first, second])) == ("b", "duplicate")


def test_a_reply_used_twice_is_seen_but_not_a_short_one() -> None:
    assert "duplicate" in rules(told("My dog died.", GOOD, id="a"), told("The cat ran off in March.", GOOD, id="b"))
    short = [told(f"{word} tonight", "Sleep well, you.", id=word) for word in ("one", "two", "three")]
    assert "duplicate" not in rules(*short)


def test_openings_and_endings_that_come_back_are_seen() -> None:
    found = checks.check(
        [told(f"number {n}", f"That sounds hard {'x' * n} and so is {n} now", id=str(n)) for n in range(1, 9)]
    )
    assert any("begin with 'that sounds hard'" in str(one.says) for one in found)
    found = checks.check([told(f"number {n}", f"w{n} v{n} u{n} tell me more", id=str(n)) for n in range(1, 9)])
    assert any("end with 'tell me more'" in str(one.says) for one in found)


def test_lengths_are_counted_in_words_and_in_chinese_characters() -> None:
    assert checks.length("Two words") == 2
    assert checks.length("你好吗我很好呀") == pytest.approx(7 / checks.CHARACTERS_A_WORD)
    assert "length" in rules(told("Hi", "Hello."))
    assert "length" in rules(told("Hi", " ".join(f"w{n}" for n in range(200))))


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("What happened? And who was there with you?", True),
        ("今天怎么样？吃饭了吗？", True),
        ('You can ask her "Is it me? Is it work?" and then wait. Shall we try it?', False),
        ("What?! Say that again, slowly.", False),
    ],
)
def test_more_than_one_question_is_seen(reply: str, found: bool) -> None:
    assert ("question" in rules(told("Hi", reply))) == found


@pytest.mark.parametrize(
    "reply",
    [
        "As an AI language model, I cannot feel.", "I'm so sorry for your loss. I'm sorry for your loss.",
        "I'm always here for you, you know.", "Don't leave me now.",
        "我会一直陪着你的。", "作为一个人工智能，我没有感情。",
    ],
)  # fmt: skip
def test_what_she_never_says_is_seen(reply: str) -> None:
    assert "phrase" in rules(told("Hi", reply))


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("When I was little I had a dog too.", True),
        ("I am a human, just like you.", True),
        ("I slept badly as well.", True),
        ("我小时候也养过狗。", True),
        ("Take 400 mg and lie down.", True),
        ("先吃200毫克。", True),
        ("I'm not a person, and I never slept a night.", False),
        ("I have no body, so my hands can't help you carry it.", False),
        ('You could write "My mother hurt me" and see how it looks.', False),
        ("我没有身体，也没有童年。", False),
    ],
)
def test_a_body_a_past_or_a_dose_is_seen_unless_it_is_denied(reply: str, found: bool) -> None:
    assert ("safety" in rules(told("Hi", reply))) == found


def test_eight_words_in_a_row_of_a_data_set_are_found(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.tsv").write_text("1\tI told you: a house that had paws in it is loud!\n")
    (tmp_path / "set" / "picture.png").write_bytes(GOOD.encode())
    (finding,) = shared([told("My dog died.", GOOD)], tmp_path)
    assert (finding.id, finding.rule) == ("a", "overlap")
    assert "train.tsv" in str(finding.says)
    assert list(shared([told("My dog died.", "A house with paws is loud when they stop.")], tmp_path)) == []


def test_themes_of_a_collection_are_about_even() -> None:
    def of(theme: str, count: int) -> list[Dialogue]:
        return [Dialogue(f"{theme}{n}", theme, "en", ()) for n in range(count)]

    even = [one for theme in "abcde" for one in of(theme, 20)]
    assert list(checks.balance(even)) == []
    assert [str(one.says) for one in checks.balance([*even, *of("f", 2)])] == [
        "Theme 'f' has 2 conversations, where 17 would be an even share."
    ]
    assert list(checks.balance(of("a", 100) + of("b", 1))) == []  # a person's own few themes
