"""Listening: the address and port, signals, and an end that loses nothing.

A stop lets running replies finish for a few seconds, then interrupts them; what was said is kept either way.
Not here: what is answered (`app.py`).
"""

import contextlib
import errno
import ipaddress
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

import anyio
import uvicorn

from samantha.core.errors import ServerError
from samantha.core.text import text
from samantha.language import Language, translate
from samantha.settings import ServerSettings, Settings
from samantha.surfaces.api.app import build_app
from samantha.surfaces.api.service import Service
from samantha.surfaces.progress import progress_on_stderr
from samantha.wiring import open_samantha

GRACE = 5.0  # seconds that running replies have to finish after a stop


async def serve(settings: Settings, *, language: Language = "en") -> None:
    """Answer over HTTP until SIGINT or SIGTERM. Raises `ServerError` where it cannot listen."""
    with open_listener(settings.server) as listener:
        async with contextlib.AsyncExitStack() as stack:
            with progress_on_stderr(language) as progress:
                opening = open_samantha(settings, parallel=settings.server.parallel, progress=progress)
                opened = await stack.enter_async_context(opening)
            service = Service(opened.companion, opened.threads, parallel=settings.server.parallel, language=language)
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as stops:
                ready = partial(_announce, listener, language)
                await run(service, settings.server, listener, stops=stops, ready=ready)


async def run(
    service: Service,
    server: ServerSettings,
    listener: socket.socket,
    *,
    stops: AsyncIterator[object],
    ready: Callable[[], None],
    grace: float = GRACE,
) -> None:
    """Answer on `listener` until `stops` yields; when it yields again, or `grace` seconds later, interrupt replies.

    `ready` is called when the first request can be answered.
    """
    http = _Server(build_app(service, server), ready, patience=grace + 2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop, http, service, stops, grace)
        await http.serve(sockets=[listener])
        tasks.cancel_scope.cancel()
    await service.aclose()


async def _stop(http: "_Server", service: Service, stops: AsyncIterator[object], grace: float) -> None:
    await anext(stops)
    service.stopping = http.should_exit = True
    with anyio.move_on_after(grace):
        await anext(stops)
    service.interrupt()


class _Server(uvicorn.Server):
    """uvicorn without its banner, its log and its signal handlers, which would end us with the signal's exit code."""

    def __init__(self, app: Callable[..., object], ready: Callable[[], None], *, patience: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=round(patience),
            )
        )
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def open_listener(server: ServerSettings) -> socket.socket:
    """A socket on the address that the settings name; who connects waits until the service runs.

    Raises `ServerError` where the port is taken or not permitted, the address is not this machine's, or where
    others could reach it without a key.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            server.host or None, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise _no_address(server, error) from error
    if not ipaddress.ip_address(address[0]).is_loopback and not server.token.get_secret_value():
        raise ServerError(
            "On the address {host} others could reach her without a key. Set server.token, or listen on 127.0.0.1.",
            host=server.host or address[0],
        )
    with contextlib.ExitStack() as unused:
        try:
            listener = unused.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # a restart need not wait for old connections
            listener.bind(address)
            listener.listen()  # only now is the port surely ours
        except OSError as error:
            raise _cannot_listen(server, error) from error
        unused.pop_all()
    return listener


def _cannot_listen(server: ServerSettings, error: OSError) -> ServerError:
    match error.errno:
        case errno.EADDRINUSE:
            return ServerError(
                "Port {port} is already in use. Stop the other program, or choose another with --port.",
                port=server.port,
            )
        case errno.EACCES | errno.EPERM:
            return ServerError(
                "Port {port} is not permitted to you. Choose one from 1024 on with --port.", port=server.port
            )
    return _no_address(server, error)


def _no_address(server: ServerSettings, error: Exception) -> ServerError:
    reason = error.strerror if isinstance(error, OSError) else error
    return ServerError(
        "Cannot listen on the address '{host}' ({reason}). Set server.host to one of this machine's.",
        host=server.host,
        reason=reason,
    )


def _announce(listener: socket.socket, language: Language) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    said = text(
        "Listening on {address}. OpenAI clients use {address}/v1; her own API is {address}/api/turns. Ctrl-C stops.",
        address=address,
    )
    print(translate(said, language), file=sys.stderr, flush=True)
