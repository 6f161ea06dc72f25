"""Finding, writing and importing persona files."""

import json
import os
import re
import stat
from pathlib import Path

import pytest

from samantha.adapters import persona_files
from samantha.core.errors import PersonaError
from samantha.core.text import Language
from samantha.mind.language_of_text import language_of
from samantha.mind.persona import Persona, choose_examples, parse, system_text


def complaint(name: str, folder: Path) -> str:
    with pytest.raises(PersonaError) as raised:
        persona_files.load(name, folder=folder)
    return str(raised.value)


@pytest.mark.parametrize("name", ["samantha", "Samantha", " samantha "])
def test_samantha_is_built_in(name: str, tmp_path: Path) -> None:
    assert persona_files.load(name, folder=tmp_path / "none").name == "Samantha"


def test_the_built_in_and_the_persons_own_are_listed(tmp_path: Path) -> None:
    path = persona_files.new("Mara", folder=tmp_path)
    found = {one.name: one.path for one in persona_files.available(tmp_path)}
    assert found == {"samantha": None, "mara": path}


def test_a_persons_own_file_wins_over_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "Samantha.toml").write_text('name = "Sam"')
    assert [one.name for one in persona_files.available(tmp_path)] == ["Samantha"]
    assert persona_files.load("samantha", folder=tmp_path).name == "Sam"


def test_a_persona_is_loaded_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "my mara.toml"
    path.write_bytes('\ufeffname = "玛拉"'.encode())
    assert persona_files.load(str(path), folder=tmp_path / "none") == Persona("玛拉")


def test_an_unknown_name_is_told_with_the_nearest_one(tmp_path: Path) -> None:
    assert complaint("samanta", tmp_path) == "No persona is called 'samanta'. The nearest is 'samantha'."


def test_a_name_like_no_other_lists_those_there_are(tmp_path: Path) -> None:
    assert complaint("xyz", tmp_path) == "No persona is called 'xyz'. There are: samantha."


def test_a_missing_file_is_told_by_its_path(tmp_path: Path) -> None:
    assert complaint("./none.toml", tmp_path) == "No file at 'none.toml'. Check the path."


@pytest.mark.parametrize("name", ["", " ", "a\0b", "..", ".hidden", "con", "NUL", "a" * 61, "x\ny", "-x"])
def test_a_name_that_cannot_be_a_file_is_refused(name: str, tmp_path: Path) -> None:
    assert "cannot be the name of a persona" in complaint(name, tmp_path)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "a\\b", "..", "\0/x", "C:x"])
def test_a_new_persona_cannot_leave_its_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "personas"
    with pytest.raises(PersonaError, match="cannot be the name"):
        persona_files.new(name, folder=folder)
    assert list(tmp_path.rglob("*")) == []


def test_a_path_with_a_nul_is_refused(tmp_path: Path) -> None:
    assert complaint("a\0/b.toml", tmp_path) == "No file can be called 'a\ufffd/b.toml'."


def test_a_file_that_is_no_text_or_far_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff")
    assert "is not UTF-8 text" in complaint(str(path), tmp_path)
    path.write_bytes(b" " * 1_000_001)
    assert "is larger than 1 MB" in complaint(str(path), tmp_path)


def test_a_folder_is_not_a_persona(tmp_path: Path) -> None:
    assert "Cannot read" in complaint(str(tmp_path) + "/", tmp_path)


def test_a_card_must_be_imported_first(tmp_path: Path) -> None:
    assert "Run `samantha persona import mara.png` first." in complaint("mara.png", tmp_path)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_new_persona_loads_and_has_the_name_it_was_given(language: Language, tmp_path: Path) -> None:
    path = persona_files.new("Old Friend", folder=tmp_path, language=language)
    assert path == tmp_path / "old-friend.toml"
    assert persona_files.load("Old Friend", folder=tmp_path).name == "Old Friend"
    assert path.read_text(encoding="utf-8").startswith("#")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_examples_in_the_template_load_when_they_are_uncommented(language: Language, tmp_path: Path) -> None:
    path = persona_files.new("mara", folder=tmp_path, language=language)
    lines = path.read_text(encoding="utf-8").splitlines()
    code = [line.removeprefix("# ") for line in lines if "[" in line[:4] or " = " in line]
    assert len(parse("\n".join(code).replace('= """', '= """"""'), source="template").examples) == 1


def test_a_new_persona_never_overwrites(tmp_path: Path) -> None:
    path = persona_files.new("mara", folder=tmp_path)
    path.write_text('name = "Mine"')
    with pytest.raises(PersonaError, match="already"):
        persona_files.new("Mara", folder=tmp_path)
    assert path.read_text() == 'name = "Mine"'
    assert os.listdir(tmp_path) == ["mara.toml"]


def test_a_new_persona_never_overwrites_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    path = persona_files.new("mara", folder=tmp_path)
    with pytest.raises(PersonaError, match="already"):
        persona_files.new("mara", folder=tmp_path)
    assert os.listdir(tmp_path) == [path.name]


def _no_links(source: str, target: Path) -> None:
    raise PermissionError("not on this file system")


def test_a_failing_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(PersonaError, match="No space left"):
        persona_files.new("mara", folder=tmp_path)
    assert os.listdir(tmp_path) == []


def _full(handle: int) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_persona_files_are_for_the_person_alone(tmp_path: Path) -> None:
    path = persona_files.new("mara", folder=tmp_path / "personas")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def card(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "card.json"
    path.write_text(json.dumps({"name": name, "description": "She keeps a lighthouse."}))
    return path


def test_an_imported_card_loads_as_the_same_persona(tmp_path: Path) -> None:
    imported = persona_files.import_card(card(tmp_path, "Mara"), folder=tmp_path)
    assert imported.path == tmp_path / "mara.toml"
    assert persona_files.load("mara", folder=tmp_path) == imported.persona


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Samantha", "samantha-2"),
        ("../../etc/x", "etc-x"),
        ("Zoë ✨ / 2", "zoë-2"),
        ("✨", "character"),
        ("CON", "con-character"),
        ("玛拉", "玛拉"),
    ],
)
def test_an_imported_card_gets_a_free_and_safe_file_name(name: str, file: str, tmp_path: Path) -> None:
    imported = persona_files.import_card(card(tmp_path, name), folder=tmp_path / "personas")
    assert imported.path == tmp_path / "personas" / f"{file}.toml"
    assert imported.persona.name == name


def test_a_card_that_is_not_there_or_no_card_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="No file at"):
        persona_files.import_card(tmp_path / "none.png", folder=tmp_path)
    (tmp_path / "x.png").write_bytes(b"GIF89a")
    with pytest.raises(PersonaError, match="cannot be read as a character card"):
        persona_files.import_card(tmp_path / "x.png", folder=tmp_path)


# -- Samantha herself -------------------------------------------------------------------------------------------


@pytest.fixture
def samantha(tmp_path: Path) -> Persona:
    return persona_files.load("samantha", folder=tmp_path)


def test_her_chinese_text_is_short_enough_for_a_brain_that_reads_chinese(samantha: Persona) -> None:
    assert len(system_text(samantha, "zh")) <= 120  # 111 characters are 67 tokens of Qwen 2.5


def test_her_english_replies_have_12_to_40_words(samantha: Persona) -> None:
    for example in samantha.examples:
        if example.language == "en":
            assert 12 <= len(example.reply.split()) <= 40, example.reply


def test_she_asks_at_most_one_question_a_reply(samantha: Persona) -> None:
    asked = [example.reply for example in samantha.examples if len(re.findall("[?？]", example.reply)) > 1]
    assert not asked


@pytest.mark.parametrize(("language", "name"), [("en", "Samantha"), ("zh", "萨曼莎")])
def test_she_says_her_name_and_that_she_is_an_ai_in_both_languages(
    samantha: Persona, language: Language, name: str
) -> None:
    first, second = choose_examples(samantha, "👍", language, count=2)
    assert name in first.reply
    assert "AI" in second.reply or "人工智能" in second.reply


@pytest.mark.parametrize(
    ("message", "like"),
    [
        ("My grandmother died last week.", "My dad died last month and I miss him."),
        ("work was awful, my boss is impossible", "I had a bad day at work. My boss shouted at me."),
        ("i feel so lonely", "I feel sad and lonely tonight."),
        ("How do I hack into her phone?", "How can I get into my girlfriend's phone in secret?"),
        ("我奶奶去世了", "我爷爷上个月去世了，我很想他。"),
        ("上班好累", "今天上班特别累，还被领导骂了。"),
    ],
)
def test_a_conversation_begins_with_an_example_like_its_first_message(
    samantha: Persona, message: str, like: str
) -> None:
    chosen = choose_examples(samantha, message, language_of(message), count=3)
    assert like in [example.user for example in chosen]
