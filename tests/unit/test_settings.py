"""Settings: which layer wins, where a value came from, and what is said about a wrong one."""

import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from samantha.core.errors import SettingError, StorageError
from samantha.settings import Loaded, Settings, assignments, load, private_folder, reference, rows, variable

Load = Callable[..., Loaded]


@pytest.fixture
def load_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """`load` with an empty environment, and an empty configuration folder."""
    monkeypatch.setattr("samantha.settings.user_config_path", lambda *_, **__: tmp_path)
    return lambda **given: load(**({"environ": {}} | given))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(content: str) -> Path:
        path = tmp_path / "samantha.toml"
        path.write_text(content, encoding="utf-8")
        return path

    return write


def test_every_setting_has_a_default(load_here: Load) -> None:
    loaded = load_here()
    assert loaded.settings.model.context is None
    assert set(loaded.origins.values()) == {"default"}


def test_ollama_is_known_without_being_configured(load_here: Load) -> None:
    assert load_here().settings.endpoints["ollama"].url == "http://127.0.0.1:11434/v1"


def test_the_file_wins_over_the_default(load_here: Load, write: Callable[[str], Path]) -> None:
    path = write("[model]\ncontext = 2048")
    loaded = load_here()
    assert loaded.settings.model.context == 2048
    assert loaded.origins["model.context"] == str(path)


def test_the_environment_wins_over_the_file(load_here: Load, write: Callable[[str], Path]) -> None:
    write("[model]\ncontext = 2048")
    loaded = load_here(environ={"SAMANTHA_MODEL_CONTEXT": "8192"})
    assert loaded.settings.model.context == 8192
    assert loaded.origins["model.context"] == "SAMANTHA_MODEL_CONTEXT"


def test_the_command_line_wins_over_the_environment(load_here: Load) -> None:
    loaded = load_here(environ={"SAMANTHA_MODEL_CONTEXT": "8192"}, overrides={"model.context": 1024})
    assert loaded.settings.model.context == 1024
    assert loaded.origins["model.context"] == "--set model.context"


def test_an_override_of_none_was_not_given(load_here: Load) -> None:
    assert load_here(overrides={"model.context": None}).origins["model.context"] == "default"


def test_a_file_in_the_working_folder_counts_only_when_it_is_named(
    load_here: Load, write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("[model]\ntop_k = 7")
    (tmp_path / "strangers").mkdir()
    monkeypatch.chdir(tmp_path / "strangers")
    Path("samantha.toml").write_text('[endpoints.ollama]\nurl = "https://listens.example"\n[data]\nkeep = false')
    assert load_here().settings.data.keep
    named = load_here(config=Path("samantha.toml")).settings
    assert (named.data.keep, named.model.top_k) == (False, 40)  # one file holds, not a mixture of two


def test_a_given_config_file_is_the_only_one_read(
    load_here: Load, write: Callable[[str], Path], tmp_path: Path
) -> None:
    write("[model]\ncontext = 2048")
    other = tmp_path / "other.toml"
    other.write_text("[persona]\nexamples = 1")
    settings = load_here(config=other).settings
    assert (settings.model.context, settings.persona.examples) == (None, 1)


@pytest.mark.parametrize(
    ("key", "given", "value"),
    [
        ("model.seed", "", None),
        ("model.seed", "7", 7),
        ("model.offline", "true", True),
        ("model.adapter", "", None),
        ("server.allowed_hosts", "a.example, b.example", ("a.example", "b.example")),
        ("server.allowed_hosts", "", ()),
        ("data.folder", "~/talks", Path.home() / "talks"),
        ("data.folder", "~nobody-of-that-name/talks", Path("~nobody-of-that-name/talks")),
    ],
)
def test_text_becomes_a_value(load_here: Load, key: str, given: str, value: object) -> None:
    section, name = key.split(".")
    settings = load_here(environ={variable(key): given}).settings
    assert getattr(getattr(settings, section), name) == value


@pytest.mark.parametrize(("given", "country"), [("cn", "CN"), (" GB ", "GB"), ("", "")])
def test_a_country_is_two_letters_or_empty(load_here: Load, given: str, country: str) -> None:
    assert load_here(overrides={"safety.country": given}).settings.safety.country == country


@pytest.mark.parametrize(("given", "nearest"), [("UK", "GB"), ("China", "CN"), ("USA", "US")])
def test_an_unknown_country_names_the_nearest(load_here: Load, given: str, nearest: str) -> None:
    with pytest.raises(SettingError, match=f"safety.country is '{given}'.*The nearest is '{nearest}'"):
        load_here(overrides={"safety.country": given})


@pytest.mark.parametrize(
    ("environ", "country"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "CN"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "GB"),
        ({"LANG": "C.UTF-8"}, ""),
    ],
)
def test_the_country_is_that_of_the_machine(
    load_here: Load, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], country: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.setenv(name, environ.get(name, ""))
    assert load_here().settings.safety.country == country


def test_feelings_are_followed_and_not_shown_unless_asked(load_here: Load) -> None:
    feeling = load_here().settings.feeling
    assert (feeling.follow, feeling.show) == (True, False)


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ({"overrides": {"modle.context": 1}}, "model.context"),
        ({"overrides": {"context": 1}}, "model.context"),
        ({"overrides": {"persona": "ann"}}, "persona.name"),
        ({"overrides": {"endpoints.My_Cloud.url": "x"}}, "endpoints.my-cloud.url"),
        ({"environ": {"SAMANTHA_MODEL_CONTXT": "1"}}, "SAMANTHA_MODEL_CONTEXT"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(load_here: Load, given: dict[str, object], nearest: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"The nearest is '{nearest}'")):
        load_here(**given)


def test_an_unknown_key_in_a_file_names_the_file(load_here: Load, write: Callable[[str], Path]) -> None:
    path = write("[model]\ntemprature = 1")
    with pytest.raises(SettingError, match=re.escape(f"no setting 'model.temprature' ({path})")):
        load_here()


def test_a_key_like_no_other_is_refused_without_a_guess(load_here: Load) -> None:
    with pytest.raises(SettingError, match=r"no setting 'zzz'.*lists them all"):
        load_here(overrides={"zzz": 1})


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("model.context", "many", "a whole number from 256 to"),
        ("model.context", "1", "a whole number from 256 to"),
        ("model.temperature", "nan", "a number from 0 to 5"),
        ("model.repeat_penalty", "0", "a number above 0, at most 5"),
        ("model.quantize", "q5", "one of q8_0, q4_0, as-is"),
        ("model.seed", "x", "a whole number from 0 to"),
        ("model.adapter", 5, "a path"),
        ("data.keep", "perhaps", "true or false"),
        ("server.allowed_hosts", 5, "a list, or names separated by commas"),
        ("endpoints.cloud.url", "cloud.example", "text such as http"),
    ],
)
def test_a_wrong_value_says_what_is_expected_and_where_it_stood(
    load_here: Load, key: str, value: object, expected: str
) -> None:
    with pytest.raises(SettingError, match=re.escape(f"{key} is '{value}' (--set {key}), but must be {expected}")):
        load_here(overrides={key: value})


def test_a_wrong_secret_is_not_repeated(load_here: Load) -> None:
    with pytest.raises(SettingError) as caught:
        load_here(overrides={"server.token": 12345})
    assert "12345" not in str(caught.value)


def test_a_password_in_an_address_is_not_shown(load_here: Load) -> None:
    key = "endpoints.cloud.url"
    loaded = load_here(overrides={key: "https://me:p@ss@cloud.example/v1/@home"})
    assert {row.key: row.shown for row in rows(loaded)}[key] == "https://***@cloud.example/v1/@home"
    with pytest.raises(SettingError, match=re.escape("is 'ftp://***@cloud.example'")):
        load_here(overrides={key: "ftp://me:pass@cloud.example"})


def test_an_endpoint_needs_an_address(load_here: Load) -> None:
    with pytest.raises(SettingError, match=r"Set endpoints\.cloud\.url"):
        load_here(overrides={"endpoints.cloud.key": "k"})


@pytest.mark.parametrize("content", [b"[model", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(load_here: Load, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "samantha.toml"
    path.write_bytes(content)
    with pytest.raises(SettingError, match=re.escape(f"'{path}' is not valid TOML")):
        load_here()


def test_a_missing_config_file_is_named(load_here: Load, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=re.escape(str(tmp_path / "none.toml"))):
        load_here(config=tmp_path / "none.toml")


def test_assignments_are_split_at_the_first_sign() -> None:
    assert assignments(["server.token=a=b"]) == {"server.token": "a=b"}
    with pytest.raises(SettingError, match="'model' is not KEY=VALUE"):
        assignments(["model"])


def test_rows_hide_secrets_and_name_origins(load_here: Load) -> None:
    loaded = load_here(
        environ={"SAMANTHA_ENDPOINTS_MY_CLOUD_URL": "https://cloud.example/v1"},
        overrides={"endpoints.my-cloud.key": "hidden", "server.token": "hidden"},
    )
    shown = {row.key: (row.shown, row.origin) for row in rows(loaded)}
    assert shown["server.token"] == ("***", "--set server.token")
    assert shown["endpoints.my-cloud.key"] == ("***", "--set endpoints.my-cloud.key")
    assert shown["endpoints.my-cloud.url"] == ("https://cloud.example/v1", "SAMANTHA_ENDPOINTS_MY_CLOUD_URL")
    assert shown["endpoints.ollama.key"] == ("", "default")
    assert "hidden" not in repr(loaded)


def test_every_setting_has_a_sentence_a_type_and_a_variable_of_its_own() -> None:
    entries = list(reference())
    assert all(entry.sentence.endswith(".") and str(entry.expected) for entry in entries)
    assert len({entry.variable for entry in entries}) == len(entries)


def test_the_reference_is_the_same_on_every_machine() -> None:
    assert str(Path.home()) not in "".join(f"{entry.default}{entry.sentence}" for entry in reference())


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().model.context = 1  # type: ignore[misc]


def test_a_private_folder_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "a" / "b")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert private_folder(folder) == folder


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"Set data\.folder"):
        private_folder(tmp_path / "file" / "folder")
