"""An OpenAI-compatible endpoint on a free loopback port, in the event loop of the test that opens it.

It answers from a script, or with words drawn by the seed; it keeps each request and knows who hung up on it.
For tests only: nothing here is a model.
"""

import asyncio
import contextlib
import json
import random
import re
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

WORDS = "the sea is calm and warm today so we may walk along it for a while and talk about small things".split()
TOKEN = re.compile(r"\s*[^\W_]{1,4}|\s*[^\w\s]|\s*_|\s+")  # some four letters, as in English prose


@dataclass(frozen=True)
class Raw:
    """An answer given byte for byte: each of `chunks` is sent by itself, then the connection is closed or held."""

    chunks: Sequence[bytes]
    status: int = 200
    headers: Sequence[tuple[str, str]] = (("Content-Type", "text/event-stream"),)
    hold: bool = False  # say nothing more, and keep the connection open until the client leaves


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    port: int  # the client's: the same for requests over one connection
    headers: dict[str, str]  # names in lower case
    body: dict[str, Any]


@dataclass
class StandIn:
    """`async with StandIn(replies=["Hello."]) as endpoint: ... endpoint.url`.

    `replies` are said in turn, then it speaks for itself: `json_schema` gets a fitting object, everything else
    some words, the same for the same seed and messages. A `Raw` among them is sent as it is.
    """

    replies: list[str | Raw] = field(default_factory=list)
    models: Sequence[str] = ("tiny",)
    key: str = ""
    words: int = 40  # of what it says by itself
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._hung_up = asyncio.Event()
        self._open: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._drawn = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._open.values():
            writer.close()
        await asyncio.gather(*self._open)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The bodies of the requests for an answer, oldest first."""
        return [request.body for request in self.requests if request.path.endswith("/chat/completions")]

    async def hung_up(self) -> None:
        """Wait until a client has left before its answer was complete."""
        async with asyncio.timeout(5):
            await self._hung_up.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        self._open[this] = writer
        try:
            while request := await _read(reader, writer.get_extra_info("peername")[1]):
                self.requests.append(request)
                if not await self._answer(request, reader, writer):
                    break
        except ConnectionError:
            self._hung_up.set()
        finally:
            writer.close()
            del self._open[this]

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection can be used again."""
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return await _send(writer, _error(401, "Incorrect API key provided", "invalid_api_key"))
        if request.path.endswith("/models"):
            return await _send(writer, _document({"object": "list", "data": [{"id": name} for name in self.models]}))
        if request.body.get("model") not in self.models:
            return await _send(writer, _error(404, f"model '{request.body.get('model')}' not found", "not_found"))
        reply = self.replies.pop(0) if self.replies else self._speak(request.body)
        if isinstance(reply, Raw):
            await _send_raw(writer, reply)
            if reply.hold:
                await reader.read()
                self._hung_up.set()
            return False
        return await _send(writer, _completion(request.body, reply))

    def _speak(self, body: dict[str, Any]) -> str:
        if body.get("response_format"):
            return json.dumps(fitting(body["response_format"]["json_schema"]["schema"]))
        self._drawn += 1  # without a seed, every answer is another
        seed = body.get("seed", self._drawn if body.get("temperature") else 0)
        chance = random.Random(f"{seed} {body['messages']}")
        return " ".join(chance.choices(WORDS, k=self.words))


@contextlib.contextmanager
def stand_in_thread(**options: Any) -> Iterator[StandIn]:
    """A `StandIn` on a thread of its own, for tests of what brings its own event loop or process."""
    started, found, finished = threading.Event(), [], threading.Event()

    async def run() -> None:
        async with StandIn(**options) as endpoint:
            found.append(endpoint)
            started.set()
            await asyncio.to_thread(finished.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    started.wait(10)
    try:
        yield found[0]
    finally:
        finished.set()
        thread.join(10)


def tokens(text: str) -> list[str]:
    """What the stand-in calls tokens; they concatenate to `text`."""
    return TOKEN.findall(text)


def fitting(schema: dict[str, Any]) -> Any:
    """A value that fits a simple JSON schema."""
    match schema.get("type"):
        case "object":
            return {name: fitting(each) for name, each in schema.get("properties", {}).items()}
        case "array":
            return []
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case _:
            return schema.get("enum", ["calm"])[0]


def event(data: dict[str, Any] | str) -> bytes:
    """One server-sent event."""
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def chunk(text: str = "", *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """The data of one event of an answer."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "choices": [choice], **more}


def usage(body: dict[str, Any], completion: int) -> dict[str, Any]:
    """What a request and its answer cost: every message its words, and 4 for its markers; 3 open the answer."""
    prompt = 3 + sum(len(tokens(message["content"])) + 4 for message in body["messages"])
    details = {"prompt_tokens_details": {"cached_tokens": prompt // 2}}
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **details}


async def _completion(body: dict[str, Any], reply: str) -> AsyncIterator[bytes]:
    """The head of a streamed answer, and its events."""
    for stop in body.get("stop", ()):
        reply = reply.partition(stop)[0]
    said, most = tokens(reply), body.get("max_tokens", 10**9)
    yield _head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
    for token in said[:most]:
        yield _framed(event(chunk(token)))
    yield _framed(event(chunk(finish="length" if len(said) > most else "stop")))
    if body.get("stream_options", {}).get("include_usage"):
        yield _framed(event({"choices": [], "usage": usage(body, min(len(said), most))}))
    yield _framed(event("[DONE]"))
    yield _framed(b"")


async def _document(data: dict[str, Any], status: int = 200) -> AsyncIterator[bytes]:
    body = json.dumps(data).encode()
    yield _head(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]) + body


def _error(status: int, message: str, code: str) -> AsyncIterator[bytes]:
    return _document({"error": {"message": message, "type": "invalid_request_error", "code": code}}, status)


async def _send(writer: asyncio.StreamWriter, parts: AsyncIterator[bytes]) -> bool:
    async for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)  # let the client in between the tokens
    return True


async def _send_raw(writer: asyncio.StreamWriter, raw: Raw) -> None:
    writer.write(_head(raw.status, [*raw.headers, ("Connection", "close")]))
    for part in raw.chunks:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader, port: int) -> Request | None:
    """The next request; None where the client left instead."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Request(method, path, port, headers, json.loads(body) if body else {})


def _head(status: int, headers: Sequence[tuple[str, str]]) -> bytes:
    return (f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n").encode()


def _framed(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part)
