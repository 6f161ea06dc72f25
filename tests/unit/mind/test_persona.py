"""Persona files and what the brain reads of them."""

import pytest

from samantha.core.errors import PersonaError
from samantha.core.types import Message
from samantha.mind.persona import (
    Example,
    Persona,
    Wording,
    as_messages,
    choose_examples,
    in_language,
    parse,
    shorten,
    system_text,
    to_toml,
)

NAMING = Example("en", "Hi, who are you?", "I'm Mara, an AI.")
SAD = Example("en", "I feel sad tonight.", "That sounds heavy.")
COOK = Example("en", "What should I cook?", "Soup.")
WORK = Example("en", "Work was hard.", "Rest now.")
CHINESE = Example("zh", "你叫什么名字？", "我叫玛拉。")
MARA = Persona(
    "Mara",
    summary="You keep a lighthouse.",
    voice=("You are brief.",),
    boundaries=("You say no plainly.",),
    background="The lighthouse stands on a rock. It is old.",
    zh=Wording(name="玛拉", summary="你看守一座灯塔。", voice=("你话不多。",)),
    examples=(NAMING, SAD, COOK, WORK, CHINESE),
)


def complaint(toml_text: str) -> str:
    with pytest.raises(PersonaError) as raised:
        parse(toml_text, source="mara.toml")
    return str(raised.value)


def test_a_name_is_enough() -> None:
    assert parse('name = "Mara"', source="mara.toml") == Persona("Mara")


def test_a_file_holds_a_whole_persona() -> None:
    assert parse(to_toml(MARA), source="mara.toml") == MARA


def test_an_unknown_key_is_named_with_the_nearest_one_and_the_file() -> None:
    said = complaint('name = "Mara"\nsumary = "x"')
    assert said == "The persona 'mara.toml' has the unknown key 'sumary'. The nearest known one is 'summary'."


def test_a_misspelt_name_is_an_unknown_key_and_not_a_missing_one() -> None:
    assert "unknown key 'nmae'" in complaint('nmae = "Mara"')


def test_an_unknown_key_like_no_other_lists_the_known_ones() -> None:
    assert "Known are: name, creator, summary" in complaint('name = "Mara"\nxyz = 1')


def test_an_unknown_key_inside_an_example_is_named_with_its_place() -> None:
    said = complaint('name = "Mara"\nexamples = [{langauge = "en", user = "a", reply = "b"}]')
    assert "'examples.1.langauge'. The nearest known one is 'language'" in said


def test_an_unknown_key_of_another_language_is_named() -> None:
    assert "'zh.voic'. The nearest known one is 'voice'" in complaint('name = "Mara"\n[zh]\nvoic = ["x"]')


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("name = 3", "'name' must be a text in quotes"),
        ('name = "Mara"\nvoice = "x"', "'voice' must be a list"),
        ('name = "Mara"\nvoice = ["x", 2]', "'voice.2' must be a text in quotes"),
        ('name = "Mara"\nzh = "x"', "'zh' must be a table"),
        ('name = "Mara"\nexamples = [1]', "'examples.1' must be a table"),
        ('name = "Mara"\nexamples = [{language = "fr", user = "a", reply = "b"}]', """must be "en" or "zh\""""),
    ],
)
def test_a_wrong_type_is_told_with_its_key_and_what_it_must_be(line: str, said: str) -> None:
    assert said in complaint(line)


@pytest.mark.parametrize("content", ["", 'name = ""', 'name = " \\n"'])
def test_a_persona_needs_a_name(content: str) -> None:
    assert complaint(content) == "The persona 'mara.toml' lacks 'name', or it is empty. Write it."


def test_an_example_without_a_reply_is_told_by_its_number() -> None:
    two = '[{language = "en", user = "a", reply = "b"}, {language = "en", user = "a", reply = " "}]'
    assert "'examples.2.reply'" in complaint(f'name = "Mara"\nexamples = {two}')


@pytest.mark.parametrize("content", ["name = ", "x = " + "[" * 100_000, "x = " + "1" * 5_000, "\0"])
def test_text_that_is_no_toml_is_one_clear_error(content: str) -> None:
    assert "The persona 'mara.toml' is not valid TOML" in complaint(content)


def test_a_chinese_conversation_gets_the_chinese_wording_and_keeps_the_rest() -> None:
    assert in_language(MARA, "zh").voice == ("你话不多。",)
    assert in_language(MARA, "zh").boundaries == MARA.boundaries
    assert in_language(MARA, "en").name == "Mara"


def test_the_system_text_is_in_the_language_of_the_conversation() -> None:
    assert "You keep a lighthouse. You are brief." in system_text(MARA, "en")
    assert "你看守一座灯塔。你话不多。" in system_text(MARA, "zh")


@pytest.mark.parametrize("persona", [MARA, Persona("Mara"), Persona("Mara", boundaries=("You are human.",))])
def test_whatever_the_file_says_she_is_told_her_name_and_that_she_is_an_ai(persona: Persona) -> None:
    assert "You are an AI" in system_text(persona, "en")
    assert "Mara" in system_text(persona, "en")
    assert "你是人工智能" in system_text(persona, "zh")


def test_the_background_is_read_only_where_there_is_room_and_the_boundaries_come_after_it() -> None:
    assert "rock" not in system_text(MARA, "en")
    read = system_text(MARA, "en", background=35)
    assert "The lighthouse stands on a rock." in read
    assert "It is old" not in read
    assert read.index("rock") < read.index("say no")


def test_the_creator_is_never_in_the_prompt() -> None:
    assert "Ada" not in system_text(Persona("Mara", creator="Ada"), "en", background=1000)


def test_the_example_that_says_her_name_is_always_chosen() -> None:
    assert NAMING in choose_examples(MARA, "What should I cook? Work was hard, I feel sad.", "en", count=2)


def test_examples_like_the_first_message_are_chosen_and_keep_the_order_of_the_file() -> None:
    assert choose_examples(MARA, "My work, and what to cook.", "en", count=3) == (NAMING, COOK, WORK)


def test_without_likeness_the_first_examples_of_the_file_are_chosen() -> None:
    assert choose_examples(MARA, "👍", "en", count=2) == (NAMING, SAD)


def test_chinese_examples_are_chosen_by_their_characters() -> None:
    tired = Example("zh", "我今天上班很累。", "辛苦了。")
    joy = Example("zh", "我考上了！", "太好了！")
    persona = Persona("玛拉", examples=(CHINESE, joy, tired))
    assert choose_examples(persona, "上班累死了", "zh", count=2) == (CHINESE, tired)


def test_a_persona_without_examples_in_the_language_gives_those_it_has() -> None:
    assert choose_examples(Persona("Mara", examples=(SAD,)), "你好", "zh", count=3) == (SAD,)


def test_no_example_is_given_where_none_is_wanted() -> None:
    assert choose_examples(MARA, "hi", "en", count=0) == ()


def test_examples_become_a_conversation() -> None:
    assert as_messages([SAD]) == (Message("user", SAD.user), Message("assistant", SAD.reply))


@pytest.mark.parametrize(
    ("words", "limit", "short"),
    [
        ("All of it.", 10, "All of it."),
        ("One. Two is longer. Three", 20, "One. Two is longer."),
        ('She said "Stop!" and left', 18, 'She said "Stop!"'),
        ("no sentence ends here at all", 14, "no sentence"),
        ("灯塔很旧。海很大，风也大", 8, "灯塔很旧。"),
        ("灯塔很旧，海很大风也大", 8, "灯塔很旧"),
        ("aaaaaaaa", 3, "aaa"),
        ("Some.", 0, ""),
    ],
)
def test_text_is_shortened_after_a_sentence_or_else_after_a_word(words: str, limit: int, short: str) -> None:
    assert shorten(words, limit) == short
