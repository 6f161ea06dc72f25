"""Messages from a pipe, a file or a dumb terminal: a line each, a trailing backslash goes on in the next one.

Not here: lines that are edited on the screen (`prompt_line`).
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable

_AT_ONCE = 65536  # bytes


async def messages(source: int, *, ask: Callable[[], None], damaged: Callable[[], None]) -> AsyncIterator[str]:
    """The messages that the file descriptor `source` holds, without the empty ones.

    `ask` is called before each line that is waited for, `damaged` once where bytes were not UTF-8 and had to be
    replaced.
    """
    parts: list[str] = []
    told = False
    async for raw in _lines(source, ask):
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            line = raw.decode(errors="replace")
            if not told:
                damaged()
            told = True
        line = line.rstrip("\r\n")
        parts.append(line.removesuffix("\\"))
        if line.endswith("\\"):
            continue
        if message := "\n".join(parts).strip():
            yield message
        parts = []
    if message := "\n".join(parts).strip():
        yield message


async def _lines(source: int, ask: Callable[[], None]) -> AsyncIterator[bytes]:
    pending = b""
    first = True
    while True:
        while (end := pending.find(b"\n")) >= 0:
            yield pending[: end + 1]
            pending = pending[end + 1 :]
        ask()
        more = await _read(source)
        if first:
            more = more.removeprefix(b"\xef\xbb\xbf")  # a byte order mark
        first = False
        if not more:
            break
        pending += more
    if pending:
        yield pending


async def _read(source: int) -> bytes:
    """The next bytes, read on a thread that a cancelled reader leaves behind: nothing can interrupt the call itself."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def settle(found: bytes) -> None:
        if not done.done():
            done.set_result(found)

    def work() -> None:
        try:
            found = os.read(source, _AT_ONCE)
        except OSError:
            found = b""  # a terminal that is gone reads as the end
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=work, name="stdin", daemon=True).start()
    return await done
