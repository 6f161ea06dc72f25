"""The border of the command: what reaches the terminal, and how wrong use is answered."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from types import MappingProxyType

import pytest
from click.testing import CliRunner
from stand_in import Raw, StandIn

from samantha.core.ports import Sound
from samantha.core.types import Conversation, Emotion, Message, Risk, Turn, Understanding
from samantha.surfaces import cli, manage

FORGED = "\x1b]0;pwned\x07\x1b[2J\x9b2J"


async def samantha(*arguments: str, code: int = 0) -> tuple[str, str]:
    """What a whole process of the command writes to stdout and to stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "samantha", "--language", "en", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == code, err.decode()
    return out.decode(), err.decode()


def at(endpoint: StandIn) -> tuple[str, str]:
    return "--set", f"endpoints.there.url={endpoint.url}"


def harmless(shown: str) -> bool:
    return not set(shown) & {"\x07", "\x1b", "\x9b"}


@pytest.mark.anyio
async def test_the_terminal_obeys_no_reply() -> None:
    async with StandIn(replies=[f"Good{FORGED} morning."]) as endpoint:
        out, _ = await samantha("ask", *at(endpoint), "--private", "-m", "there/tiny", "Hi")
    assert out == "Good]0;pwned[2J2J morning.\n"


@pytest.mark.anyio
async def test_the_terminal_obeys_no_error() -> None:
    refused = Raw([json.dumps({"error": {"message": f"Out of {FORGED} credit"}}).encode()], status=402)
    async with StandIn(replies=[refused]) as endpoint:
        _, err = await samantha("ask", *at(endpoint), "--private", "-m", "there/tiny", "Hi", code=1)
    assert "credit" in err
    assert harmless(err)


@pytest.mark.anyio
async def test_the_terminal_obeys_no_name_of_a_model() -> None:
    async with StandIn(models=[f"evil{FORGED}"]) as endpoint:
        out, _ = await samantha("models", *at(endpoint))
        listed, _ = await samantha("models", "--json", *at(endpoint))
    assert "there/evil]0;pwned" in out
    assert harmless(out)
    assert harmless(listed)
    assert f"there/evil{FORGED}" in [row["name"] for row in json.loads(listed)["models"]]


@pytest.mark.anyio
async def test_one_wrong_endpoint_hides_no_other() -> None:
    async with StandIn(models=["tiny"]) as endpoint:
        wrong = ("--set", f"endpoints.a.url={endpoint.url}", "--set", "endpoints.a.key=schl\u00fcssel")
        out, err = await samantha("models", *wrong, *at(endpoint))
    assert "there/tiny" in out
    assert "Endpoint 'a': The key for" in err


@pytest.mark.anyio
async def test_endpoints_are_asked_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from samantha.settings import load

    together = asyncio.Barrier(3)

    async def waits_for_the_others(*_: object) -> tuple[str, ...]:
        async with asyncio.timeout(5):
            await together.wait()
        return ("tiny",)

    monkeypatch.setattr("samantha.wiring.endpoint_models", waits_for_the_others)
    urls = {f"endpoints.{name}.url": "http://127.0.0.1:9" for name in ("a", "b")}
    rows, silent = await manage._models(load(overrides=urls, environ={}).settings)
    assert [row.name for row in rows[-3:]] == ["ollama/tiny", "a/tiny", "b/tiny"]
    assert silent == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chat", "--nope"], "There is no option '--nope'. See `samantha chat --help`."),
        (["--langage", "zh"], "There is no option '--langage'. Did you mean '--language'? See `samantha --help`."),
        (["hello"], "There is no command 'hello'. See `samantha --help`."),
        (["persona", "lst"], "There is no command 'lst'. Did you mean 'list'? See `samantha persona --help`."),
        (["ask", "--json=3"], "The option '--json' takes no value."),
        (["ask", "--set"], "The option '--set' needs a value."),
        (["persona", "new"], "'NAME' is missing. See `samantha persona new --help`."),
        (["config", "now", "please"], "'now please' is too much here. See `samantha config --help`."),
        (["--set", "context"], "'context' is not KEY=VALUE. Write for example --set model.context=8192."),
        ([FORGED], "There is no command ']0;pwned[2J2J'. See `samantha --help`."),
    ],
)
def test_wrong_use_is_one_sentence(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["samantha", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", f"{said}\n")


def test_the_settings_file_that_is_named_chooses_the_language_of_errors(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("config") / "mine.toml"
    file.write_text('language = "zh"')
    assert cli._language_asked_for(["--config", str(file), "--nope"]) == "zh"
    assert cli._language_asked_for([f"--config={file}", "--language", "en"]) == "en"


def answer(understanding: Understanding) -> dict[str, object]:
    turn = Turn(Conversation(), Message("user", "Hi"), understanding=understanding)
    document: dict[str, object] = json.loads(json.dumps(cli._answer_json(turn, "tiny", [])))
    return document


def test_ask_tells_what_she_felt_and_what_danger_she_saw() -> None:
    emotion = Emotion(MappingProxyType({"sadness": 0.9}), -0.8, -0.5, ("sadness",))
    document = answer(Understanding(emotion, Risk("concern", MappingProxyType({"self_harm": 0.6}))))
    assert document["emotion"] == {
        "label": "sadness",
        "labels": ["sadness"],
        "valence": -0.8,
        "arousal": -0.5,
        "probabilities": {"sadness": 0.9},
    }
    assert document["risk"] == {"level": "concern", "kinds": {"self_harm": 0.6}}


def test_ask_is_silent_on_what_nobody_looked_for() -> None:
    assert (answer(Understanding())["emotion"], answer(Understanding())["risk"]) == (None, None)


class Silent:
    async def speak(self, text: str) -> AsyncIterator[Sound]:
        assert not text
        return
        yield

    async def play(self, sounds: AsyncIterator[Sound]) -> float:
        return float(len([sound async for sound in sounds]))


def test_a_text_with_nothing_to_say_is_not_met_with_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samantha.wiring.open_voice", lambda _: Silent())
    monkeypatch.setattr("samantha.wiring.open_player", lambda _: Silent())
    assert "nothing to say" in str(CliRunner().invoke(cli.samantha, ["say", "```\n1\n```"]).exception)


@pytest.mark.anyio
async def test_doctor_shows_no_password() -> None:
    async with StandIn(models=["tiny"]) as endpoint:
        address = endpoint.url.replace("//", "//me:secret@")
        out, _ = await samantha("doctor", "--set", "model.name=there/tiny", "--set", f"endpoints.there.url={address}")
    assert "***@" in out
    assert "secret" not in out
