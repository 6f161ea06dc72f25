"""The catalogue, and files that are on this machine already."""

import os
import shutil
from collections import namedtuple
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fixtures.wheels import write_wheel
from tiny_gguf import write_tiny_adapter, write_tiny_gguf

from samantha import weights
from samantha.core.errors import ModelDamaged, ModelMissing, WeightsError
from samantha.core.text import Text
from samantha.downloads import Part, in_bytes
from samantha.gguf_files import read_header, sha256_of
from samantha.weights import Weight


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "tiny.gguf")


@pytest.fixture
def weight(model: Path) -> Weight:
    """What a catalogue would say of the model, with a source that nobody can reach."""
    source = (Part("https://nowhere.invalid/tiny.gguf"),)
    return Weight("tiny", model.name, (source,), size=model.stat().st_size, sha256=sha256_of(model), bake=True)


@dataclass(frozen=True)
class Wanted:
    name: str = ""
    quantize: weights.Storage = "q8_0"
    adapter: Path | None = None
    offline: bool = True


def test_the_default_brain_is_small_open_and_pinned() -> None:
    default = weights.default_brain()
    assert (default.name, default.licence, default.size) == ("smollm2-135m-instruct", "Apache-2.0", 98_362_432)
    assert default.pinned


def test_there_is_one_default() -> None:
    assert [weight.default for weight in weights.catalogue()].count(True) == 1


@pytest.mark.parametrize("weight", weights.catalogue(), ids=lambda weight: weight.name)
def test_an_entry_of_the_catalogue_says_everything(weight: Weight) -> None:
    assert weight.description
    assert weight.licence
    assert weight.languages
    assert weight.size > 10**7
    assert weight.memory > weight.size or weight.role == "trunk"  # nobody runs it
    assert weight.file.endswith(".gguf" if weight.role == "brain" else ".whl")
    assert not weight.sha256 or len(bytes.fromhex(weight.sha256)) == 32
    for part in sum(weight.sources, ()):
        assert part.address.startswith(("index:", "hf:", "https://"))
        assert part.member or weight.unpack  # without a member the wheel itself is the file


def test_what_finds_entities_is_small_open_and_pinned() -> None:
    model = weights.entities_model()
    assert (model.licence, model.pinned, model.role) == ("MIT", True, "entities")
    assert model.size < 20_000_000


def test_what_finds_entities_is_no_brain(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="'en-core-web-sm' cannot talk"):
        weights.ready(Wanted(weights.entities_model().name), folder=tmp_path)


@pytest.fixture
def archive(tmp_path: Path) -> Weight:
    """An archive that was fetched, with a model in it and something else."""
    path = write_wheel(tmp_path / "models", "names", {"names/names-1/meta.json": b"{}", "names/__init__.py": b""})
    sources = ((Part("https://nowhere.invalid/names.whl"),),)
    return Weight("names", path.name, sources, sha256=sha256_of(path), role="entities", unpack="names/names-1")


def test_only_the_model_is_taken_out_of_an_archive(archive: Weight, tmp_path: Path) -> None:
    folder = weights.unpacked(archive, folder=tmp_path / "models", offline=True)
    assert folder.name == f"names.{archive.sha256[:12]}"
    assert [path.name for path in folder.rglob("*")] == ["meta.json"]
    assert not list((tmp_path / "models").glob(".*.tmp"))


def test_an_archive_is_unpacked_once(archive: Weight, tmp_path: Path) -> None:
    folder = weights.unpacked(archive, folder=tmp_path / "models")
    (folder / "mark").touch()
    assert (weights.unpacked(archive, folder=tmp_path / "models") / "mark").exists()


def test_an_unpacking_that_was_killed_begins_anew(archive: Weight, tmp_path: Path) -> None:
    left = tmp_path / "models" / f".names.{archive.sha256[:12]}.tmp" / "names"
    left.mkdir(parents=True)
    (left / "half").touch()
    folder = weights.unpacked(archive, folder=tmp_path / "models")
    assert [path.name for path in folder.rglob("*")] == ["meta.json"]


def test_a_changed_archive_is_not_unpacked(archive: Weight, tmp_path: Path) -> None:
    with (tmp_path / "models" / archive.file).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelDamaged):
        weights.unpacked(archive, folder=tmp_path / "models", offline=True)


def test_names_and_files_of_the_catalogue_are_unique() -> None:
    entries = weights.catalogue()
    assert len({entry.name for entry in entries}) == len({entry.file for entry in entries}) == len(entries)


def test_some_brain_speaks_chinese() -> None:
    assert any("zh" in weight.languages for weight in weights.catalogue())


def test_no_name_is_the_default_brain() -> None:
    assert weights.find("") == weights.default_brain()


def test_a_wrong_name_names_the_nearest() -> None:
    with pytest.raises(WeightsError, match=r"'qwen2\.5-1\.5b'.*'qwen2\.5-1\.5b-instruct'"):
        weights.find("qwen2.5-1.5b")


def test_a_file_of_a_hub_can_be_named_and_has_no_hash_yet() -> None:
    weight = weights.find("hf:somebody/models@v1/small/tiny.gguf")
    assert weight.sources == ((Part("hf:somebody/models@v1", "small/tiny.gguf"),),)
    assert weight.file.endswith(".tiny.gguf")
    assert not weight.pinned


def test_files_of_one_name_from_several_places_are_kept_apart() -> None:
    addresses = ["hf:a/x/model.gguf", "hf:b/x/model.gguf", "hf:a/x@v1/model.gguf", "hf:a/x/small/model.gguf"]
    addresses += ["https://a.invalid/model.gguf", "https://b.invalid/model.gguf", "https://a.invalid/model.gguf?v=2"]
    assert len({weights.find(address).file for address in addresses}) == len(addresses)


def test_a_file_named_by_address_is_never_taken_for_one_of_the_catalogue() -> None:
    for file in [weight.file for weight in weights.catalogue() if weight.role == "brain"]:
        assert weights.find(f"hf:somebody/models/{file}").file != file


@pytest.mark.parametrize("address", ["hf:tiny.gguf", "hf:a/b/tiny.bin", "https://a.invalid/..%2Ftiny.gguf", "hf:a/b/"])
def test_an_address_that_names_no_file_says_how_to_write_one(address: str) -> None:
    with pytest.raises(WeightsError, match="hf:OWNER/REPOSITORY@REVISION"):
        weights.find(address)


def test_a_file_that_is_there_is_not_fetched(model: Path, weight: Weight) -> None:
    assert weights.fetch(weight, folder=model.parent) == model
    assert weights.is_here(weight, folder=model.parent)


def test_offline_a_missing_file_says_what_to_do(weight: Weight, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"'tiny' is not on this machine, .*`samantha pull tiny`"):
        weights.fetch(weight, folder=tmp_path / "empty", offline=True)
    assert not (tmp_path / "empty").exists()


def test_offline_a_truncated_file_is_damaged(model: Path, weight: Weight) -> None:
    os.truncate(model, 1000)
    with pytest.raises(ModelDamaged, match=r"tiny\.gguf' is damaged: it has 1000 bytes instead of"):
        weights.fetch(weight, folder=model.parent, offline=True)


def test_a_changed_byte_is_found(model: Path, weight: Weight) -> None:
    with model.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    with pytest.raises(ModelDamaged, match=f"instead of {weight.sha256}"):
        weights.verify(model, weight)


def test_a_file_is_hashed_again_only_when_it_has_changed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = weights.known_hash(model, folder=model.parent)
    monkeypatch.setattr(weights, "sha256_of", lambda path, progress: "read again")
    assert weights.known_hash(model, folder=model.parent) == known
    os.utime(model, ns=(1, 1))
    assert weights.known_hash(model, folder=model.parent) == "read again"


@pytest.mark.parametrize("prefix", ["", "file:"])
def test_a_path_is_taken_as_it_is(model: Path, prefix: str) -> None:
    assert weights.located(f"{prefix}{model}", folder=model.parent) == model


def test_a_path_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"No model at 'gone\.gguf'"):
        weights.located("gone.gguf", folder=tmp_path)


def test_a_brain_of_the_catalogue_that_is_not_here_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="Run `samantha pull smollm2-135m-instruct`"):
        weights.located("", folder=tmp_path)


def test_baking_gives_a_model_of_the_wanted_kind_once(model: Path, tmp_path: Path) -> None:
    heard: list[Text] = []
    baked = [weights.bake(model, folder=tmp_path, progress=lambda done, total, what: heard.append(what)) for _ in "12"]
    assert read_header(baked[0]).quantization == "Q8_0"
    assert baked[0] == baked[1]
    assert [*dict.fromkeys(map(str, heard))] == ["Checking tiny", "Preparing tiny for this machine"]


def test_a_file_that_is_as_wanted_is_not_baked(tmp_path: Path) -> None:
    model = write_tiny_gguf(tmp_path / "eight.gguf", quantization="Q8_0")
    assert weights.bake(model, folder=tmp_path, quantize="q8_0") == model


def test_another_adapter_or_source_is_baked_anew(model: Path, tmp_path: Path) -> None:
    adapters = [write_tiny_adapter(tmp_path / f"{seed}.gguf", seed=seed) for seed in (1, 2)]
    baked = [weights.bake(model, folder=tmp_path, adapter=adapter) for adapter in (None, *adapters)]
    write_tiny_gguf(model, seed=9)
    assert len({*baked, weights.bake(model, folder=tmp_path)}) == 4


def test_a_baked_file_cut_short_is_baked_again(model: Path, tmp_path: Path) -> None:
    baked = weights.bake(model, folder=tmp_path)
    whole = baked.read_bytes()
    os.truncate(baked, 5000)
    assert weights.bake(model, folder=tmp_path).read_bytes() == whole


def test_what_a_killed_bake_left_is_removed_by_the_next(model: Path, tmp_path: Path) -> None:
    left = tmp_path / ".tiny.0123456789ab.Q8_0.gguf.4711.tmp"
    left.write_bytes(b"half a model")
    others = [tmp_path / name for name in (".hashes.json.4711.tmp", "my.gguf.1.tmp")]
    for other in others:
        other.write_text("of somebody else")
    weights.bake(model, folder=tmp_path)
    assert not left.exists()
    assert all(other.exists() for other in others)


def test_progress_can_end_a_bake_and_nothing_is_left(model: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int, what: Text) -> None:
        if what.template.startswith("Preparing"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.bake(model, folder=tmp_path / "baked", progress=stop)
    assert {path.name for path in (tmp_path / "baked").iterdir()} <= {".lock", "hashes.json"}


def test_an_adapter_that_is_not_there_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"no adapter at '.*none\.gguf'\. Set model\.adapter"):
        weights.bake(model, folder=tmp_path, adapter=tmp_path / "none.gguf")


def test_a_full_disk_names_what_is_needed_and_what_is_free(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 1))
    with pytest.raises(WeightsError, match=r"disk is full: 'tiny' needs 0 MB, and '.*' has 0 MB free"):
        weights.bake(model, folder=tmp_path)


def test_what_is_ready_is_the_baked_default(weight: Weight, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find", lambda name: replace(weight, languages=("en",)))
    ready = weights.ready(Wanted(), folder=model.parent)
    assert (ready.name, ready.languages, read_header(ready.path).quantization) == ("tiny", ("en",), "Q8_0")


def test_the_file_as_published_leaves_the_adapter_to_the_engine(
    weight: Weight, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find", lambda name: weight)
    adapter = write_tiny_adapter(model.with_name("adapter.gguf"))
    ready = weights.ready(Wanted(quantize="as-is", adapter=adapter), folder=model.parent)
    assert (ready.path, ready.adapter) == (model, adapter)


def test_ones_own_file_is_ready_as_it_is(model: Path, tmp_path: Path) -> None:
    ready = weights.ready(Wanted(name=str(model)), folder=tmp_path)
    assert (ready.path, ready.name, ready.languages) == (model, "tiny", ())


def test_a_folder_that_cannot_be_written_is_named(weight: Weight, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsError, match=r"'.*file.*' cannot be used: .*\. Set data\.folder"):
        weights.fetch(weight, folder=tmp_path / "file")


@pytest.mark.parametrize(("count", "shown"), [(98_362_432, "98 MB"), (1_117_320_736, "1.1 GB"), (0, "0 MB")])
def test_sizes_are_shown_in_round_numbers(count: int, shown: str) -> None:
    assert in_bytes(count) == shown
