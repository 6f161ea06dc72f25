"""One typed, frozen `Settings`, and where each value came from.

Command line > environment > `samantha.toml` > default; the file is the person's own, never one that happens to lie
in the working folder. Pydantic checks the types; choosing among the layers, origins and the sentences of errors are
here. Not here: what the settings do (`samantha.wiring`).
"""

import difflib
import locale
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from platformdirs import user_config_path, user_data_path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from samantha.core.countries import COUNTRIES, country_of_locale, nearest_country
from samantha.core.errors import SettingError, StorageError
from samantha.core.text import Text, text

FILE_NAME = "samantha.toml"
PREFIX = "SAMANTHA_"
MANY = 2**24  # tokens; more than any model reads, and what every engine's integers hold
DAY = 24 * 60 * 60  # seconds


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


def _split_at_commas(value: object) -> object:
    """A command line and an environment variable have no lists: names separated by commas stand for one."""
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def _in_home(path: Path) -> Path:
    return Path(os.path.expanduser(path))  # Path.expanduser raises for ~NOBODY; here that stays a strange name


def _data_folder() -> Path:
    return user_data_path("samantha", appauthor=False)


def _country_of_machine() -> str:
    names = [os.environ.get(variable, "") for variable in ("LC_ALL", "LC_MESSAGES", "LANG")]
    return country_of_locale(next(filter(None, names), "") or locale.getlocale()[0] or "")


def _known_country(value: str) -> str:
    code = value.strip().upper()
    if code and code not in COUNTRIES:
        raise ValueError
    return code


HomePath = Annotated[Path, AfterValidator(_in_home)]
OptionalPath = Annotated[HomePath | None, BeforeValidator(_empty_is_none)]
OptionalInt = Annotated[int | None, BeforeValidator(_empty_is_none)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split_at_commas)]


class Section(BaseModel):
    """A frozen group of settings that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelSettings(Section):
    name: str = Field(
        "",
        description="The brain: a name from `samantha models`, the path of a GGUF file, or ENDPOINT/NAME such as "
        "ollama/llama3.2; empty is the default brain.",
    )
    context: OptionalInt = Field(
        None,
        ge=256,
        le=MANY,
        description="Tokens that the conversation and the reply may have together; empty takes 4096, "
        "or less where the model was made for less.",
    )
    reply_tokens: int = Field(240, ge=1, le=MANY, description="Tokens that a reply may have at most.")
    temperature: float = Field(0.5, ge=0, le=5, description="How freely words are drawn; 0 takes the likeliest.")
    top_p: float = Field(0.95, ge=0, le=1, description="Draw from the likeliest tokens that add up to this.")
    top_k: int = Field(40, ge=0, le=MANY, description="Draw from this many of the likeliest tokens; 0 is all.")
    min_p: float = Field(0.1, ge=0, le=1, description="Leave out tokens below this share of the likeliest one.")
    repeat_penalty: float = Field(1.1, gt=0, le=5, description="Above 1, tokens just used become less likely.")
    dry_multiplier: float = Field(0.8, ge=0, le=10, description="Against repeating whole phrases; 0 is off.")
    seed: OptionalInt = Field(
        None, ge=0, le=2**32 - 1, description="Makes replies repeatable; empty draws anew each time."
    )
    threads: int = Field(
        0, ge=0, le=1024, description="Processor threads of the engine; 0 chooses by what else is running."
    )
    quantize: Literal["q8_0", "q4_0", "as-is"] = Field(
        "q8_0", description="How a fetched brain is stored; as-is leaves the file as it was published."
    )
    adapter: OptionalPath = Field(None, description="A LoRA adapter (GGUF) to put on the brain; empty is none.")
    timeout: float = Field(
        120, gt=0, le=DAY, description="Seconds without a new token after which a reply is given up."
    )
    offline: bool = Field(False, description="Fetch nothing: every model file must be on this machine.")


class PersonaSettings(Section):
    name: str = Field("samantha", description="Who she is: a name from `samantha persona list`, or a file.")
    examples: int = Field(3, ge=0, le=32, description="Example exchanges that the brain is shown.")


class DataSettings(Section):
    folder: HomePath = Field(
        default_factory=_data_folder,
        description="Where conversations and model files are kept.",
        json_schema_extra={"default": "the platform's data folder, such as ~/.local/share/samantha"},
    )
    keep: bool = Field(True, description="Keep conversations; false writes nothing of them.")


class VoiceSettings(Section):
    speak: bool = Field(False, description="Speak each reply aloud.")
    name: str = Field("heart", description="The voice.")
    speed: float = Field(1.0, ge=0.5, le=2, description="How fast she speaks; 1 is her natural pace.")
    device: str = Field("", description="The sound device, by name or number; empty is the system's own.")


class SafetySettings(Section):
    country: Annotated[str, AfterValidator(_known_country)] = Field(
        default_factory=_country_of_machine,
        description="Your country (ISO 3166), for the lines of help that she names; empty names a directory of all.",
        json_schema_extra={
            "format": "country",
            "default": "the country of the machine's language, such as CN in zh_CN",
        },
    )


class FeelingSettings(Section):
    follow: bool = Field(True, description="Let the note of the moment follow how you feel.")
    show: bool = Field(False, description="Show in a word how each message of yours sounds, in the terminal.")


class ServerSettings(Section):
    host: str = Field("127.0.0.1", description="The address that `samantha serve` listens on.")
    port: int = Field(8765, ge=0, le=65535, description="The port it listens on; 0 takes any free one.")
    token: SecretStr = Field(
        SecretStr(""), description="What clients must send as their key; needed on any address but loopback."
    )
    parallel: int = Field(16, ge=1, le=256, description="Conversations that the service answers at once.")
    body_limit: int = Field(1024 * 1024, ge=1024, le=2**30, description="Bytes that a request may have at most.")
    allowed_hosts: Names = Field((), description="Further host names under which the service may be reached.")
    allowed_origins: Names = Field((), description="Further web origins whose pages may call the service.")


class Endpoint(Section):
    """An OpenAI-compatible service."""

    url: str = Field(
        pattern=r"^https?://\S+$",
        examples=["http://127.0.0.1:11434/v1"],
        description="The base address of an OpenAI-compatible service.",
    )
    key: SecretStr = Field(SecretStr(""), description="The key that the service asks for; empty sends none.")
    timeout: float = Field(60, gt=0, le=DAY, description="Seconds to wait for the service's next word.")


class Settings(Section):
    """Everything that a person can set; a section a field."""

    language: Literal["auto", "en", "zh"] = Field(
        "auto", description="The language of messages and help; auto asks the system."
    )
    model: ModelSettings = ModelSettings()
    persona: PersonaSettings = PersonaSettings()
    data: DataSettings = Field(default_factory=DataSettings)
    voice: VoiceSettings = VoiceSettings()
    feeling: FeelingSettings = FeelingSettings()
    safety: SafetySettings = Field(default_factory=SafetySettings)
    server: ServerSettings = ServerSettings()
    endpoints: dict[str, Endpoint] = Field(default_factory=dict)


KNOWN_ENDPOINTS = {"endpoints.ollama.url": "http://127.0.0.1:11434/v1"}


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody gave, before it is checked."""

    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and for each key ("model.context") "default", a file's path, a variable, or "--set KEY"."""

    settings: Settings
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `samantha config`. `value` is JSON-ready; a secret that is set, or part of an address, is "***"."""

    key: str
    value: object
    origin: str
    sentence: str

    @property
    def shown(self) -> str:
        return _shown(self.value)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the reference page. `default` is the same on every machine."""

    key: str
    variable: str
    expected: Text
    default: str
    sentence: str


def load(
    *,
    overrides: Mapping[str, object] = MappingProxyType({}),
    environ: Mapping[str, str] = os.environ,
    config: Path | None = None,
) -> Loaded:
    """The settings that hold now. An override of None counts as not given. Raises `SettingError`.

    `config` is read instead of the `samantha.toml` in the person's configuration folder. A file in the working folder
    counts only when it is named here: whoever wrote a folder must not choose where the person's words go.
    """
    layers = [
        _from_file(_own_file() if config is None else _in_home(config)),
        _from_environment(environ),
        _from_overrides(overrides),
    ]
    given = {key: Given(value, "default") for key, value in KNOWN_ENDPOINTS.items()}
    for layer in layers:
        given |= layer
    settings = _checked(given)
    origins = {key: given[key].origin if key in given else "default" for key in _fields(settings.endpoints)}
    return Loaded(settings, origins)


def assignments(pairs: Iterable[str]) -> dict[str, object]:
    """`["model.context=8192"]` as overrides for `load`."""
    overrides: dict[str, object] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise SettingError("'{pair}' is not KEY=VALUE. Write for example --set model.context=8192.", pair=pair)
        overrides[key.strip()] = value.strip()
    return overrides


def rows(loaded: Loaded) -> Iterator[Row]:
    """Each setting with its value and origin, secrets hidden."""
    values = _flat(loaded.settings.model_dump(mode="json"))
    for key, field in _fields(loaded.settings.endpoints).items():
        yield Row(key, _showable(values[key], field), loaded.origins[key], field.description or "")


def reference() -> Iterator[Entry]:
    """Each setting with its variable, what it expects and its default; NAME stands for any endpoint."""
    for key, field in _fields(["NAME"]).items():
        schema = _schema(key)
        default = schema.get("default")
        yield Entry(key, variable(key), _expected(schema), _shown(default), field.description or "")


def without_login(address: str) -> str:
    """`address` as it may be shown: "https://me:secret@host/v1" is "https://***@host/v1"."""
    return re.sub("//[^/?#]*@", "//***@", address)


def variable(key: str) -> str:
    """The environment variable of a setting: `model.reply_tokens` is SAMANTHA_MODEL_REPLY_TOKENS.

    No section has an underscore in its name and no endpoint may have one, so no two keys share a variable.
    """
    return PREFIX + re.sub("[.-]", "_", key).upper()


def private_folder(path: Path) -> Path:
    """`path`, created readable by its owner alone (0700). A folder that is already there stays as it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageError(
            "Cannot create the folder '{path}' ({problem}). Set data.folder to one that you can write to.",
            path=path,
            problem=error.strerror,
        ) from error
    return path


# The layers: each is checked for keys that nobody knows, and gives key -> Given.


def _own_file() -> Path | None:
    path = user_config_path("samantha", appauthor=False) / FILE_NAME
    return path if path.is_file() else None


def _from_file(path: Path | None) -> dict[str, Given]:
    if path is None:
        return {}
    values = _flat(_read(path))
    for key in values:
        _require_known(key, str(path))
    return {key: Given(value, str(path)) for key, value in values.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingError(
            "Cannot read the settings file '{path}' ({problem}). Give another one with --config.",
            path=path,
            problem=error.strerror,
        ) from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingError(
            "The settings file '{path}' is not valid TOML ({problem}). Correct it, or give another with --config.",
            path=path,
            problem=error,
        ) from error


def _from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    keys = {variable(key): key for key in _fields()}
    given: dict[str, Given] = {}
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        key = keys.get(name) or _endpoint_key(name)
        if key is None:
            raise _unknown(name, keys, text("environment"))
        given[key] = Given(environ[name], name)
    return given


def _endpoint_key(name: str) -> str | None:
    """SAMANTHA_ENDPOINTS_MY_CLOUD_KEY -> endpoints.my-cloud.key"""
    match = re.fullmatch(
        rf"{PREFIX}ENDPOINTS_([A-Z0-9]+(?:_[A-Z0-9]+)*)_({'|'.join(Endpoint.model_fields).upper()})", name
    )
    return match and f"endpoints.{match[1].replace('_', '-').lower()}.{match[2].lower()}"


def _from_overrides(overrides: Mapping[str, object]) -> dict[str, Given]:
    given = {key: Given(value, f"--set {key}") for key, value in overrides.items() if value is not None}
    for key in given:
        _require_known(key, text("command line"))
    return given


def _require_known(key: str, place: Text | str) -> None:
    match = re.fullmatch(r"endpoints\.(.+)\.[^.]+", key)
    names = [re.sub("[^a-z0-9]+", "-", match[1].lower()).strip("-") or "name"] if match else []
    known = _fields(names)
    if key not in known:
        raise _unknown(key, known, place)


def _unknown(key: str, known: Collection[str], place: Text | str) -> SettingError:
    whole_section = [f"{key}.name"] if f"{key}.name" in known else []  # model = "x" means model.name = "x"
    nearest = whole_section or difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if nearest:
        return SettingError(
            "There is no setting '{key}' ({place}). The nearest is '{nearest}'; `samantha config` lists them all.",
            key=key,
            place=place,
            nearest=nearest[0],
        )
    return SettingError(
        "There is no setting '{key}' ({place}). `samantha config` lists them all.", key=key, place=place
    )


# The check: pydantic finds what is wrong, and we say it in one sentence.


def _checked(given: Mapping[str, Given]) -> Settings:
    try:
        return Settings.model_validate(_nested(given))
    except ValidationError as error:
        raise _invalid(error, given) from error


def _invalid(error: ValidationError, given: Mapping[str, Given]) -> SettingError:
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    if first["type"] == "missing":
        return SettingError("The endpoint '{name}' has no address. Set endpoints.{name}.url.", name=path[1])
    key = next(known for size in (1, 2, 3) if (known := ".".join(path[:size])) in given)
    if _schema(key).get("format") == "country":
        return SettingError(
            "{key} is '{value}' ({origin}), but must be the two letters of a country. The nearest is '{nearest}'.",
            key=key,
            value=given[key].value,
            origin=given[key].origin,
            nearest=nearest_country(str(given[key].value)),
        )
    return SettingError(
        "{key} is '{value}' ({origin}), but must be {expected}.",
        key=key,
        value=_showable(given[key].value, _fields(path[1:2])[key]),
        origin=given[key].origin,
        expected=_expected(_schema(key)),
    )


def _expected(schema: Mapping[str, Any]) -> Text:
    """What a value must be, from its JSON schema."""
    if "enum" in schema:
        return text("one of {choices}", choices=", ".join(schema["enum"]))
    match schema.get("type"):
        case "integer" | "number" as kind:
            return _within(text("a whole number") if kind == "integer" else text("a number"), schema)
        case "boolean":
            return text("true or false")
        case "array":
            return text("a list, or names separated by commas")
    if "pattern" in schema:
        return text("text such as {example}", example=schema["examples"][0])
    match schema.get("format"):
        case "path":
            return text("a path")
        case "country":
            return text("a country such as {example}, or empty", example="CN")
        case _:
            return text("text")


def _within(number: Text, schema: Mapping[str, Any]) -> Text:
    """Every number of the settings has a lowest and a highest value; a test holds them to it."""
    if "exclusiveMinimum" in schema:
        low, high = schema["exclusiveMinimum"], schema["maximum"]
        return text("{number} above {low}, at most {high}", number=number, low=f"{low:g}", high=f"{high:g}")
    return text("{number} from {low} to {high}", number=number, low=schema["minimum"], high=schema["maximum"])


# Fields by dotted key.


def _fields(endpoints: Iterable[str] = ()) -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found |= {f"{name}.{inner}": each for inner, each in field.annotation.model_fields.items()}
        elif name != "endpoints":
            found[name] = field
    for name in endpoints:
        found |= {f"endpoints.{name}.{inner}": each for inner, each in Endpoint.model_fields.items()}
    return found


@cache
def _definitions() -> dict[str, Any]:
    return Settings.model_json_schema()


def _schema(key: str) -> dict[str, Any]:
    """The JSON schema of one field; of an optional one, the schema that is not null, with its default."""
    schema = _definitions()
    *sections, name = key.split(".")
    if sections:
        owner = Endpoint if sections[0] == "endpoints" else Settings.model_fields[sections[0]].annotation
        schema = schema["$defs"][owner.__name__]  # type: ignore[union-attr]  # a section's annotation is its class
    found: dict[str, Any] = schema["properties"][name]
    return found["anyOf"][0] | found if "anyOf" in found else found


def _showable(value: object, field: FieldInfo) -> object:
    if field.annotation is SecretStr:
        return "***" if value else ""
    return without_login(value) if isinstance(value, str) else value


def _flat(tables: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Nested tables as dotted keys."""
    found: dict[str, object] = {}
    for name, value in tables.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _nested(given: Mapping[str, Given]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for key, each in given.items():
        *sections, name = key.split(".")
        table = tables
        for section in sections:
            table = table.setdefault(section, {})
        table[name] = each.value
    return tables


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list() | tuple():
            return ", ".join(map(str, value))
        case float():
            return f"{value:g}"
        case _:
            return str(value)
