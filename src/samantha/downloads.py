"""Bringing a file here, from wheels on the package index or from a server: resumable, one process at a time.

Nothing is installed, imported or printed, and nothing here knows what the file is. Not here: which files there are,
and whether what arrived is right (`samantha.weights`).
"""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from samantha.core.errors import WeightsError
from samantha.core.text import Text, text

if TYPE_CHECKING:
    import httpx2
    from filelock import FileLock

Progress = Callable[[int, int, Text], None]
"""`progress(done, total, what)`: bytes done and in all (0: not known), and what is happening.

It is called several times a second, also while nothing arrives, and may raise to end the work; what has arrived stays.
"""

T = TypeVar("T")

HUB = "https://huggingface.co"  # where HF_ENDPOINT does not say otherwise
TRIES = 4  # connections in a row that bring nothing, before a server is given up
PAUSE = 0.5  # seconds before the second of these
TICK = 0.1  # seconds at most between two calls of progress, whose caller may want to end a wait


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file: a file inside a wheel, or a file on a server."""

    address: str  # index:PACKAGE==VERSION, hf:OWNER/REPO@REVISION, or https://...
    member: str = ""  # the path inside the wheel or the repository; "" is the wheel itself


@dataclass(slots=True)
class Job:
    """What is fetched, who is told, and what was told last."""

    name: str
    size: int  # bytes; 0: not known
    pinned: bool  # a hash will tell whether it is the right file
    progress: Progress
    last: tuple[int, int] = (0, 0)

    def tell(self, done: int, total: int) -> None:
        self.last = done, total
        self.again()

    def again(self) -> None:
        self.progress(*self.last, text("Fetching {name}", name=self.name))


class Failed(Exception):
    """A source did not give the file. `damaged`: it gave another one."""

    def __init__(self, reason: Text, *, damaged: bool = False) -> None:
        super().__init__(str(reason))
        self.reason, self.damaged = reason, damaged


@dataclass
class Partial:
    """The file that grows beside the final one, and a note of which source it comes from and how far it got."""

    path: Path

    @property
    def note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def continues(self, source: str) -> dict[str, Any]:
        """The note, if it is about `source`; else the file starts anew."""
        note = read_json(self.note)
        if note.get("source") != source:
            self.delete()
            note = {"source": source, "parts": 0, "bytes": 0}
            replace_text(self.note, json.dumps(note))
        return note

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def download(source: tuple[Part, ...], partial: Partial, job: Job) -> None:
    """Bring the parts of `source` together in `partial`. Raises `Failed`, and `OSError` where the disk is full."""
    by_index = source[0].address.startswith("index:")
    wheel = job.size // len(source) if by_index else 0  # lies beside the file until its member is taken out
    need_space(partial.path.parent, job.name, max(0, job.size - partial.size()) + wheel)
    if by_index:
        _from_index(source, partial, job)
    else:
        _from_server(source[0], partial, job)
    with partial.path.open("rb+") as file:
        os.fsync(file.fileno())


def _attended(items: Generator[T, None, None], tick: Callable[[], None]) -> Generator[T, None, None]:
    """`items`, drawn by a thread of its own, so that `tick` is called while one is waited for, and may raise.

    Nothing ends a read that the other side keeps waiting: then its thread is left behind, and ends with that read.
    """
    arrived: Queue[tuple[T] | Exception | None] = Queue(maxsize=16)
    left = threading.Event()
    threading.Thread(target=_draw, args=(items, arrived, left), name="download", daemon=True).start()
    try:
        while (what := _next(arrived, tick)) is not None:
            if isinstance(what, Exception):
                raise what
            yield what[0]
    finally:
        left.set()


def _draw(
    items: Generator[T, None, None], arrived: "Queue[tuple[T] | Exception | None]", left: threading.Event
) -> None:
    """Hand over each item, then None or what went wrong, until nobody is there for it."""

    def hand(what: tuple[T] | Exception | None) -> None:
        while not left.is_set():
            with suppress(Full):
                arrived.put(what, timeout=TICK)
                return

    try:
        with closing(items):
            for item in items:
                hand((item,))
                if left.is_set():
                    return
    except Exception as error:
        hand(error)
    else:
        hand(None)


def _next(arrived: "Queue[T]", tick: Callable[[], None]) -> T:
    while True:
        try:
            return arrived.get(timeout=TICK)
        except Empty:
            tick()


def _wait(seconds: float, tick: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        tick()
        time.sleep(min(TICK, left))


# --- the package index -----------------------------------------------------------------------------------------

PIP_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
NO_NETWORK = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ProxyError|Retrying \(Retry")
# Settings that would silence the progress lines, or refuse to work outside a virtual environment.
PIP_UNSET = ("PIP_QUIET", "PIP_VERBOSE", "PIP_REQUIRE_VIRTUALENV", "PIP_DEST")


def _from_index(source: tuple[Part, ...], partial: Partial, job: Job) -> None:
    """Join the members of wheels; a wheel that is done is not fetched again after a break."""
    note = partial.continues(source[0].address)
    workspace = partial.path.with_name(f"{partial.path.name}.wheels")
    share = job.size // len(source)  # bytes of the file that a wheel stands for, nearly enough for a bar
    try:
        for number in range(note["parts"], len(source)):
            shutil.rmtree(workspace, ignore_errors=True)
            workspace.mkdir()
            package = source[number].address.removeprefix("index:")
            wheel = _download(package, workspace, _share_of(job, number * share, share), job.again)
            _append(wheel, source[number].member, partial, note["bytes"], job.again)
            note = {**note, "parts": number + 1, "bytes": partial.size()}
            replace_text(partial.note, json.dumps(note))
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _share_of(job: Job, base: int, share: int) -> Callable[[int, int], None]:
    """Tell of a wheel's bytes as of `share` bytes of the file, behind `base` that are there already."""
    return lambda done, total: job.tell(base + share * done // max(1, total), job.size)


def _download(package: str, workspace: Path, tell: Callable[[int, int], None], tick: Callable[[], None]) -> Path:
    """The wheel of `package`, which is never installed or imported. Which index: pip's own configuration says."""
    options = "--no-deps --only-binary=:all: --ignore-requires-python --progress-bar raw --resume-retries 5 --retries 2"
    command = [sys.executable, "-m", "pip", "--no-input", "--no-cache-dir", "download", *options.split()]
    environment = {name: value for name, value in os.environ.items() if name not in PIP_UNSET}
    environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(workspace))  # a wheel is larger than some /tmp
    environment |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    said: deque[str] = deque(maxlen=50)
    with subprocess.Popen(
        [*command, "--dest", str(workspace), package],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
    ) as pip:
        output = (line for line in cast(Iterable[str], pip.stdout))
        try:
            with closing(_attended(output, tick)) as lines:
                for line in lines:
                    if match := PIP_PROGRESS.match(line):
                        tell(int(match[1]), int(match[2]))
                    elif line.strip():
                        said.append(line.strip())
        except BaseException:
            pip.kill()
            raise
    wheels = list(workspace.glob("*.whl"))
    if pip.returncode or not wheels:
        raise _pip_failure(package, said)
    return wheels[0]


def _pip_failure(package: str, said: Iterable[str]) -> Exception:
    """What pip's last words mean."""
    lines = list(said)
    everything = "\n".join(lines)
    if os.strerror(errno.ENOSPC) in everything:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if NO_NETWORK.search(everything):
        return Failed(text("the package index cannot be reached"))
    if "No matching distribution" in everything:
        return Failed(text("the package index has no '{package}'", package=package))
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["?"]
    return Failed(text("pip says: {reason}", reason=errors[-1].removeprefix("ERROR:").strip().rstrip(".")))


def _append(wheel: Path, member: str, partial: Partial, size: int, tick: Callable[[], None]) -> None:
    """Append a member of `wheel`, or the wheel itself, to the partial file, which is cut to `size` bytes first."""
    try:
        with _opened(wheel, member) as source, partial.path.open("ab") as target:
            target.truncate(size)
            while block := source.read(1 << 22):
                target.write(block)
                tick()
            target.flush()
            os.fsync(target.fileno())
    except KeyError:
        raise Failed(
            text("the package '{package}' has no file '{member}'", package=wheel.name, member=member)
        ) from None
    except (zipfile.BadZipFile, EOFError) as error:
        raise Failed(text("the package '{package}' is damaged", package=wheel.name), damaged=True) from error


@contextmanager
def _opened(wheel: Path, member: str) -> Iterator[IO[bytes]]:
    if not member:
        with wheel.open("rb") as whole:
            yield whole
        return
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as part:
        yield part


# --- servers ---------------------------------------------------------------------------------------------------


def _from_server(part: Part, partial: Partial, job: Job) -> None:
    """Fetch over HTTP from where the last connection broke; give up when several in a row bring nothing."""
    import httpx2

    address, headers = _request(part)
    host, fruitless = urlsplit(address).netloc, 0
    partial.continues(f"{part.address} {part.member}")
    if not job.pinned:  # nothing would tell that the file has changed since
        partial.path.unlink(missing_ok=True)
    while True:
        before = partial.size()
        try:
            return _take(address, headers, partial, job)
        except httpx2.TransportError as error:
            fruitless = 0 if partial.size() > before else fruitless + 1
            if fruitless == TRIES:
                raise Failed(_broken(error, host)) from None
            _wait(PAUSE * (2**fruitless - 1), job.again)  # at once after progress, then longer and longer
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Failed(text("{host} cannot be asked: {reason}", host=host, reason=str(error))) from None


def _request(part: Part) -> tuple[str, dict[str, str]]:
    """Address and headers of a request for `part`; a hub's token goes to the hub alone."""
    plain = {"Accept-Encoding": "identity"}  # ranges count bytes of the file, not of a compressed answer
    if not part.address.startswith("hf:"):
        return part.address, plain
    repository, _, revision = part.address.removeprefix("hf:").partition("@")
    hub = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
    token = os.environ.get("HF_TOKEN", "")
    headers = {**plain, "Authorization": f"Bearer {token}"} if token else plain
    return f"{hub}/{repository}/resolve/{revision or 'main'}/{part.member}", headers


def _take(address: str, headers: dict[str, str], partial: Partial, job: Job) -> None:
    """Bring what is missing of the file, from where the last connection broke."""
    start = partial.size()
    if job.size and start >= job.size:
        return  # broke off between the last byte and the check
    job.last = start, job.size
    with closing(_attended(_blocks(address, headers, start), job.again)) as blocks, partial.path.open("ab") as file:
        for place, end, block in blocks:
            total = end or job.size
            if not block:  # the answer begins
                need_space(partial.path.parent, job.name, total - place)
                file.truncate(place)
            file.write(block)
            job.tell(place + len(block), total)


def _blocks(address: str, headers: dict[str, str], start: int) -> Generator[tuple[int, int, bytes], None, None]:
    """What a server sends from byte `start` on: its place in the file, the file's end (0: not known), and bytes.

    The first has no bytes yet; where its place is 0, the server sends the whole file. If there is none, the server
    has nothing beyond `start`: what we have is whole, or something else.
    """
    import httpx2

    ranged = {**headers, "Range": f"bytes={start}-"} if start else headers
    with (
        httpx2.Client(follow_redirects=True, timeout=httpx2.Timeout(60, connect=15)) as client,
        client.stream("GET", address, headers=ranged) as response,
    ):
        if response.status_code == 416:
            return
        resumed = response.headers.get("content-range", "").startswith(f"bytes {start}-")
        if response.status_code != 200 and not (response.status_code == 206 and resumed):
            raise Failed(_refused(response))
        place = start if response.status_code == 206 else 0
        end = place + int(response.headers.get("content-length", 0))
        yield place, end, b""
        for block in response.iter_raw():  # as it arrives: what a larger block waits for is lost in a break
            yield place, end, block
            place += len(block)


def _broken(error: "httpx2.TransportError", host: str) -> Text:
    import httpx2

    if isinstance(error, httpx2.ConnectError):
        return text("there is no connection to {host}", host=host)
    if isinstance(error, httpx2.TimeoutException):
        return text("{host} does not answer", host=host)
    return text("the connection to {host} keeps breaking", host=host)


def _refused(response: "httpx2.Response") -> Text:
    host, status = response.url.host, response.status_code
    if status in (401, 403):
        return text("{host} wants a key for this file; set HF_TOKEN to yours", host=host)
    if status == 404:
        return text("{host} does not have this file", host=host)
    return text("{host} answers with status {status}", host=host, status=status)


# --- the disk --------------------------------------------------------------------------------------------------

NO_SPACE = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no quota error


@contextmanager
def alone(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of `folder`; say so if another process has it, and wait."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _wait_for(lock, progress)
    try:
        yield
    finally:
        lock.release()


def _wait_for(lock: "FileLock", progress: Progress) -> None:
    from filelock import Timeout

    while True:
        progress(0, 0, text("Another Samantha is preparing a model; waiting for it"))
        with suppress(Timeout):
            lock.acquire(timeout=TICK)
            return


@contextmanager
def disk(folder: Path, name: str, need: int) -> Iterator[None]:
    """Turn what a disk can refuse into our errors; `need` is what `name` takes, for the sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise _full(folder, name, need) from None
        raise WeightsError(
            "'{path}' cannot be used: {reason}. Set data.folder to a folder that can be written.",
            path=error.filename or folder,
            reason=error.strerror or type(error).__name__,
        ) from None


def need_space(folder: Path, name: str, need: int) -> None:
    if _free(folder) < need:
        raise _full(folder, name, need)


def _free(folder: Path) -> int:
    """Bytes free on the disk that `folder` is on, or will be."""
    return shutil.disk_usage(next(each for each in (folder, *folder.absolute().parents) if each.exists())).free


def _full(folder: Path, name: str, need: int) -> WeightsError:
    return WeightsError(
        "The disk is full: '{name}' needs {need}, and '{folder}' has {free} free. Free some space and run"
        " `samantha pull` again, or set data.folder to a larger disk.",
        name=name,
        need=in_bytes(need),
        folder=folder,
        free=in_bytes(_free(folder)),
    )


def in_bytes(count: int) -> str:
    """`count` bytes for a person: "98 MB", "1.1 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def read_json(path: Path) -> dict[str, Any]:
    """A small file of ours; empty where it is missing or spoilt."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def replace_text(path: Path, content: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(content, encoding="utf-8")
    os.replace(temporary, path)
