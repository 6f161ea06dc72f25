"""Who may talk to the service: names, origins, the key, and how much they may send."""

import asyncio
from typing import Any

import httpx2
import pytest
from serving import calling, companion, listening

from samantha.surfaces.api.guard import Guard

pytestmark = pytest.mark.anyio

TURN = {"text": "Hi"}


async def status(path: str = "/v1/models", *, server: dict[str, Any] | None = None, **headers: str) -> int:
    """The status of a request with these headers, to a service with these settings."""
    async with calling(companion(), **(server or {})) as client:
        answer = await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return answer.status_code


# The name it is reached under


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8765", "LOCALHOST", "[::1]:8765", "::1"])
async def test_loopback_is_reached_under_its_own_names(host: str) -> None:
    assert await status(host=host) == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:80", "", "192.168.1.5"])
async def test_a_name_that_only_points_here_is_refused(host: str) -> None:
    assert await status(host=host) == 403


async def test_a_name_can_be_allowed() -> None:
    server = {"allowed_hosts": ["her.home.example"]}
    assert await status(host="her.home.example:8765", server=server) == 200
    assert await status(host="other.home.example", server=server) == 403


async def test_beyond_loopback_a_number_is_a_name_too_but_a_strangers_name_is_not() -> None:
    server = {"host": "0.0.0.0", "token": "key"}
    assert await status(host="192.168.1.5:8765", server=server, authorization="Bearer key") == 200
    assert await status(host="evil.example", server=server, authorization="Bearer key") == 403


# The page that calls it


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1"])
async def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    assert await status(origin=origin) == 403


async def test_its_own_pages_may_call_it() -> None:
    assert await status(origin="http://127.0.0.1:8765") == 200


async def test_an_allowed_page_may_read_the_answer_and_no_other() -> None:
    async with calling(companion(), allowed_origins=["https://mine.example/"]) as client:
        ask = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        mine = await client.options("/api/turns", headers={"origin": "https://mine.example", **ask})
        evil = await client.options("/api/turns", headers={"origin": "https://evil.example", **ask})
        answer = await client.get("/v1/models", headers={"origin": "https://mine.example"})
    assert (mine.status_code, mine.headers["access-control-allow-origin"]) == (200, "https://mine.example")
    assert (evil.status_code, "access-control-allow-origin" in evil.headers) == (400, False)
    assert answer.headers["access-control-allow-origin"] == "https://mine.example"


async def test_without_allowed_pages_no_answer_speaks_of_origins() -> None:
    async with calling(companion()) as client:
        answer = await client.get("/v1/models")
    assert not [name for name in answer.headers if name.startswith("access-control")]


# The key

KEYED = {"token": "open sesame"}


@pytest.mark.parametrize(
    "path", ["/v1/models", "/api/threads", "/metrics", "/openapi.json", "/nowhere", "/healthz/", "//healthz"]
)
async def test_with_a_token_nothing_is_told_without_it(path: str) -> None:
    assert await status(path, server=KEYED) == 401


@pytest.mark.parametrize("key", ["", "Bearer ", "Bearer open", "open sesame", "Basic open sesame", "Bearer öffne"])
async def test_a_wrong_key_is_refused(key: str) -> None:
    async with calling(companion(), **KEYED) as client:
        answer = await client.get("/v1/models", headers={"authorization": key.encode("latin-1")})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["error"]["type"] == "authentication_error"
    assert "sesame" not in answer.text


async def test_the_right_key_opens_and_health_needs_none() -> None:
    assert await status(server=KEYED, authorization="Bearer open sesame") == 200
    assert await status("/healthz", server=KEYED) == 200


async def test_a_request_without_the_key_is_not_even_read() -> None:
    async def unread() -> dict[str, Any]:
        raise AssertionError("the body was read")

    async def app(*_: Any) -> None:
        raise AssertionError("the application was reached")

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/api/turns", "headers": [(b"host", b"localhost")]}
    await Guard(app, body_limit=1024, token="key")(scope, unread, send)
    assert sent[0]["status"] == 401


# How much


@pytest.mark.parametrize("content_length", [True, False])
async def test_a_body_beyond_the_limit_is_refused(content_length: bool) -> None:
    async def chunks() -> Any:
        for _ in range(3):
            yield b" " * 512

    content = b" " * 1536 if content_length else chunks()
    async with calling(companion(), body_limit=1024) as client:
        answer = await client.post("/api/turns", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert answer.json()["error"]["message"].startswith("The request is larger than 1024 bytes.")


async def test_an_endless_body_is_cut_off() -> None:
    async with listening(companion(), body_limit=1024) as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(at.url.rpartition(":")[2]))
        writer.write(
            b"POST /api/turns HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b" " * 1024 + b"\r\n1\r\n \r\n"
        )
        answer = await asyncio.wait_for(reader.read(), 5)  # until the service closes the connection
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_answers_are_nobodys_cache_and_name_no_software() -> None:
    async with listening(companion()) as at, httpx2.AsyncClient() as client:
        answer = await client.post(f"{at.url}/api/turns", json=TURN)
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert "server" not in answer.headers
