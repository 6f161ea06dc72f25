"""Names, dates and sentences by the real model, fetched once and kept beside the checkout."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from samantha import weights
from samantha.adapters.spacy_entities import PART, SpacyEntities
from samantha.core.errors import ModelDamaged
from samantha.surfaces import manage
from samantha.surfaces.cli import samantha

manage.attach(samantha)


@pytest.fixture(scope="module")
def finder(entities_path: Path) -> SpacyEntities:
    return SpacyEntities(entities_path)


def test_people_places_and_dates_are_found_where_they_stand(finder: SpacyEntities) -> None:
    text = "I met Anna Brown in Berlin on 3 May. She works for Siemens."
    found = finder.entities(text)
    assert [(one.text, one.label) for one in found] == [
        ("Anna Brown", "PERSON"),
        ("Berlin", "GPE"),
        ("3 May", "DATE"),
        ("Siemens", "ORG"),
    ]
    assert [text[one.start : one.end] for one in found] == [one.text for one in found]


def test_sentences_are_told_apart(finder: SpacyEntities) -> None:
    assert finder.sentences("I met Dr. Brown. She was kind! Was she?") == [
        "I met Dr. Brown.",
        "She was kind!",
        "Was she?",
    ]


def test_a_long_text_is_read_in_parts_and_to_its_end(finder: SpacyEntities) -> None:
    text = "We walked along the river. " * (PART // 20) + "Then we met Anna in Berlin."
    last = finder.entities(text)[-1]
    assert (last.text, text[last.start : last.end]) == ("Berlin", "Berlin")


@pytest.mark.parametrize("text", ["", "   ", "🙂" * 50, "\x00\x01", "h̷̢̧̛e̵l̸p̶", "(" * 1000, "你好，小明。"])
def test_any_text_has_a_result(finder: SpacyEntities, text: str) -> None:
    assert isinstance(finder.entities(text), list)
    assert isinstance(finder.sentences(text), list)


def test_a_damaged_model_is_named(entities_path: Path, tmp_path: Path) -> None:
    shutil.copytree(entities_path, tmp_path / "model")
    (tmp_path / "model" / "ner" / "model").write_bytes(b"half")
    with pytest.raises(ModelDamaged, match=r"model' cannot be opened: .* Delete it"):
        SpacyEntities(tmp_path / "model").entities("I met Anna.")


def test_the_command_finds_them_in_english_and_not_elsewhere(entities_path: Path, tmp_path: Path) -> None:
    models = tmp_path / "data" / "models"
    models.mkdir(parents=True)
    shutil.copy2(entities_path.parent / weights.entities_model().file, models)
    given = "yesterday I met Anna in Berlin\n昨天我在北京见了小明\n"
    arguments = ["feel", "--json", "--offline", "--set", f"data.folder={tmp_path / 'data'}", "--file", "-"]
    result = CliRunner().invoke(samantha, arguments, input=given)
    english, chinese = json.loads(result.stdout)
    assert {"Anna", "Berlin", "yesterday"} == {one["text"] for one in english["entities"]}
    assert chinese["entities"] == []


def test_the_model_can_be_pulled_beforehand(entities_path: Path, tmp_path: Path) -> None:
    models = tmp_path / "data" / "models"
    models.mkdir(parents=True)
    shutil.copy2(entities_path.parent / weights.entities_model().file, models)
    arguments = ["pull", "en-core-web-sm", "--offline", "--language", "en", "--set", f"data.folder={tmp_path / 'data'}"]
    result = CliRunner().invoke(samantha, arguments)
    assert f"'en-core-web-sm' is ready: {models / entities_path.name}" in result.stderr
    assert (models / entities_path.name / "meta.json").is_file()
