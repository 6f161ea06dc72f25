"""Who may talk to the service, and how much they may send: checked before anything else of a request is read.

Any web page can make a browser send requests to this machine, under any name that resolves to it (DNS
rebinding); Host and Origin tell such requests apart. Not here: what a body must hold.
"""

import ipaddress
import secrets
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samantha.core.text import text
from samantha.language import Language
from samantha.surfaces.api.replies import Refusal, error_response, language_asked

LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
OPEN_TO_ALL = "/healthz"  # whoever watches over the service needs no key to see that it is alive


class Guard:
    """ASGI middleware. `hosts` and `origins` are those allowed beside loopback's; an empty `token` asks for none.

    `remote` says that the service listens beyond loopback: then it may also be addressed by number, which no
    rebound name can do.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_limit: int,
        token: str = "",
        hosts: Collection[str] = (),
        origins: Collection[str] = (),
        remote: bool = False,
        language: Language = "en",
    ) -> None:
        self._app = app
        self._limit = body_limit
        self._expected = f"Bearer {token}".encode() if token else b""
        self._hosts = LOOPBACK | {_host(each) for each in hosts}
        self._origins = {each.lower().rstrip("/") for each in origins}
        self._remote = remote
        self._language = language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        try:
            self._require_host(headers.get("host", ""))
            self._require_origin(headers.get("origin"), headers.get("host", ""))
            if scope["path"] != OPEN_TO_ALL:
                self._require_key(headers.get("authorization", ""))
            self._require_size(headers.get("content-length", "0"))
        except Refusal as refusal:
            language = language_asked(headers.get("accept-language"), self._language)
            await error_response(refusal, language)(scope, receive, _private(send))
        else:
            await self._app(scope, _limited(receive, self._limit), _private(send))

    def _require_host(self, host: str) -> None:
        name = _host(host)
        if name not in self._hosts and not (self._remote and _is_address(name)):
            raise Refusal(
                text("The service is not reached under the name '{name}'. Add it to server.allowed_hosts.", name=name),
                403,
            )

    def _require_origin(self, origin: str | None, host: str) -> None:
        if origin is None:
            return
        origin = origin.lower()
        if origin not in self._origins and origin not in {f"http://{host.lower()}", f"https://{host.lower()}"}:
            raise Refusal(
                text("Pages of '{origin}' may not call the service. Add it to server.allowed_origins.", origin=origin),
                403,
            )

    def _require_key(self, authorization: str) -> None:
        if self._expected and not secrets.compare_digest(authorization.encode("latin-1"), self._expected):
            raise Refusal(
                text("The key is missing or wrong. Send the server.token as 'Authorization: Bearer TOKEN'."),
                401,
                code="invalid_api_key",
                www_authenticate="Bearer",
            )

    def _require_size(self, length: str) -> None:
        if int(length) > self._limit:  # uvicorn lets nothing but digits through
            raise too_large(self._limit)


def too_large(limit: int) -> Refusal:
    """Why a body is not read; the connection closes, so that the rest of it is not waited for."""
    said = text("The request is larger than {limit} bytes. Send less, or raise server.body_limit.", limit=limit)
    return Refusal(said, 413, connection="close")


def _limited(receive: Receive, limit: int) -> Receive:
    """A body may come without its length: count while it comes."""
    length = 0

    async def receive_limited() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > limit:
            raise HTTPException(413)  # the one kind of exception that FastAPI's reading of a body lets through
        return message

    return receive_limited


def _host(value: str) -> str:
    """The name in a Host header, without its port and an IPv6 address' brackets."""
    value = value.strip().lower()
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value if value.count(":") > 1 else value.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _private(send: Send) -> Send:
    """Responses are somebody's conversation: no cache keeps them, no browser guesses at their type."""

    async def send_private(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Cache-Control"] = "no-store"
            headers["X-Content-Type-Options"] = "nosniff"
        await send(message)

    return send_private
