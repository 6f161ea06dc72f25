"""Listening and stopping: ports, addresses, signals, and what becomes of a reply that is under way."""

import asyncio
import signal
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
from serving import HeldGenerator, companion, events_of, listening

from samantha.core.errors import ServerError
from samantha.core.ports import Brain
from samantha.core.types import Sampling
from samantha.settings import ServerSettings, Settings
from samantha.surfaces.api import server
from samantha.surfaces.api.server import open_listener, serve
from samantha.wiring import Open

pytestmark = pytest.mark.anyio


def refusal(**settings: Any) -> str:
    with pytest.raises(ServerError) as caught:
        open_listener(ServerSettings(**settings))
    return str(caught.value)


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal(port=port) == (
            f"Port {port} is already in use. Stop the other program, or choose another with --port."
        )


def test_a_port_is_ours_before_anything_is_loaded() -> None:
    with open_listener(ServerSettings(port=0)) as listener:
        assert "already in use" in refusal(port=listener.getsockname()[1])


def test_a_port_that_is_not_permitted_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", forbidden)
    assert refusal(port=80) == "Port 80 is not permitted to you. Choose one from 1024 on with --port."


@pytest.mark.parametrize("host", ["192.0.2.1", "not..a..name"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    assert refusal(host=host, token="key").startswith(f"Cannot listen on the address '{host}' (")


@pytest.mark.parametrize("host", ["0.0.0.0", ""])
def test_beyond_loopback_a_key_is_needed(host: str) -> None:
    assert "Set server.token" in refusal(host=host, port=0)
    with open_listener(ServerSettings(host=host, port=0, token="key")) as listener:
        assert listener.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_on_loopback_no_key_is_needed(host: str) -> None:
    with open_listener(ServerSettings(host=host, port=0)) as listener:
        assert listener.getsockname()[0] in ("127.0.0.1", "::1")


# Stopping


async def test_a_stop_lets_a_running_reply_finish_and_begins_no_other() -> None:
    her = companion(generator=HeldGenerator(), sampling=Sampling(max_tokens=2))
    async with listening(her) as at, httpx2.AsyncClient(base_url=at.url) as client:
        running = asyncio.create_task(client.post("/api/turns", json={"text": "Hi"}))
        await her.generator.begun.wait()
        at.stop()
        her.generator.release.set()
        events = events_of((await running).text)
    assert events[-1]["type"] == "finished"
    assert her.journal.log[-1] == ("commit", "length")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(at.url.rpartition(":")[2]))


async def test_nothing_new_is_begun_while_the_service_stops() -> None:
    her = companion()
    async with listening(her) as at, httpx2.AsyncClient(base_url=at.url) as client:
        await at.service.aclose()
        answers = [await client.post("/api/turns", json={"text": "Hi"}), await client.get("/healthz")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert her.generator.heard == []


@pytest.mark.parametrize("path", ["/api/turns", "/v1/chat/completions"])
async def test_a_reply_that_takes_too_long_is_interrupted_and_kept(path: str) -> None:
    her = companion(generator=HeldGenerator(), sampling=Sampling(max_tokens=10**9))
    her.generator.release.set()
    messages = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, "store": True, "max_tokens": 10**9}
    her.generator.brain = Brain("endless", context=10**9)
    body = {"text": "Hi"} if path == "/api/turns" else messages
    async with (
        listening(her, grace=0.01) as at,
        httpx2.AsyncClient(base_url=at.url) as client,
        client.stream("POST", path, json=body) as answer,
    ):
        lines = answer.aiter_lines()
        await anext(lines)
        at.stop()
        last = [line async for line in lines if line.startswith("data: ")][-1]
    assert "The service was stopped. What was said until then is kept." in last
    assert her.journal.log[-1] == ("commit", "interrupted")


async def test_a_second_stop_does_not_wait() -> None:
    her = companion(generator=HeldGenerator())  # never says a word
    async with listening(her, grace=60) as at, httpx2.AsyncClient(base_url=at.url) as client:
        running = asyncio.create_task(client.post("/api/turns", json={"text": "Hi"}))
        await her.generator.begun.wait()
        at.stop()
        at.stop()
        events = events_of((await asyncio.wait_for(running, 5)).text)
    assert (events[-1]["type"], events[-1]["finish"]) == ("failed", "interrupted")


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_service_in_order(
    which: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    her, closed = companion(), []

    @asynccontextmanager
    async def open_scripted(settings: Settings, **_: Any) -> Any:
        yield Open(her, her.journal, settings, AsyncExitStack())
        closed.append(True)

    monkeypatch.setattr(server, "open_samantha", open_scripted)
    monkeypatch.setattr(server, "_announce", lambda *_: signal.raise_signal(which))
    await serve(Settings(server=ServerSettings(port=0)))
    assert closed == [True]
    assert capsys.readouterr().out == ""


async def test_the_start_says_where_and_how_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server._announce(listener, "en")
        port = listener.getsockname()[1]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"Listening on http://127.0.0.1:{port}. OpenAI clients use http://127.0.0.1:{port}/v1; "
        f"her own API is http://127.0.0.1:{port}/api/turns. Ctrl-C stops.\n"
    )
