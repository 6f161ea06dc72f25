"""The catalogue of model files, and having them: fetch, verify, bake, unpack.

A file is whole and as the catalogue says, or it is not there. Progress is told to whoever asks, as a `Text`; nothing
is printed. Not here: which brain a person chose (`samantha.wiring`), the GGUF format (`samantha.gguf_files`).
"""

import difflib
import glob
import hashlib
import json
import os
import re
import shutil
import tomllib
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from samantha.core.errors import ModelDamaged, ModelMissing, WeightsError
from samantha.core.text import Text, text
from samantha.downloads import (
    NO_SPACE,
    Failed,
    Job,
    Part,
    Partial,
    alone,
    disk,
    download,
    need_space,
    read_json,
    replace_text,
)
from samantha.downloads import (
    Progress as Progress,  # part of the interface here
)
from samantha.gguf_files import MAGIC, Quantization, read_header, rewrite, sha256_of

Storage = Literal["q8_0", "q4_0", "as-is"]

# Chosen by benchmarks/quantization.py: against the Q4_1 file as published, eight bits cost 0.2 % of perplexity and
# read prompts more than 1.6 times as fast; four bits (Q4_0) read 1.8 times as fast and cost 17 %, because the file had
# been rounded to another four-bit grid before.
DEFAULT_STORAGE: Storage = "q8_0"

BYTES_A_WEIGHT = 34 / 32  # at most, in a baked file: a block of 32 with its scale
BOOK = "hashes.json"  # of files as they were when they were last read


@dataclass(frozen=True, slots=True)
class Weight:
    """A model file of the catalogue. `sha256` is "" where nobody could state it: then the first use fixes it."""

    name: str
    file: str
    sources: tuple[tuple[Part, ...], ...]  # each source is the parts that make the file, in order
    size: int = 0  # bytes; 0: not known
    sha256: str = ""
    role: str = "brain"  # or "entities": finds names and dates; "trunk": what the encoder is trained from
    description: str = ""
    licence: str = ""
    languages: tuple[str, ...] = ()  # ISO 639-1
    context: int = 0  # tokens it was made for
    memory: int = 0  # bytes that the process takes with it, roughly
    default: bool = False
    bake: bool = False  # rewritten after fetching: as published it reads prompts slowly
    unpack: str = ""  # the folder inside the file, an archive, that holds the model

    @property
    def pinned(self) -> bool:
        return bool(self.sha256)


class Wanted(Protocol):
    """What a person set about the brain; the model section of the settings is one."""

    @property
    def name(self) -> str: ...
    @property
    def quantize(self) -> Storage: ...
    @property
    def adapter(self) -> Path | None: ...
    @property
    def offline(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ReadyBrain:
    """A model file to open, and what the catalogue knows about it. `adapter` is still to be put on by the engine."""

    path: Path
    name: str
    languages: tuple[str, ...]
    adapter: Path | None = None


def quiet(done: int, total: int, what: Text) -> None:
    """Progress for those who do not ask."""


# --- the catalogue ---------------------------------------------------------------------------------------------


@cache
def catalogue() -> tuple[Weight, ...]:
    """Every model file that Samantha knows, the default brain first."""
    entries = tomllib.loads(files("samantha").joinpath("weights.toml").read_text(encoding="utf-8"))["weight"]
    return tuple(_weight(entry) for entry in entries)


def _weight(entry: dict[str, Any]) -> Weight:
    sources = tuple(tuple(Part(part["from"], part.get("member", "")) for part in source) for source in entry["sources"])
    return Weight(**{**entry, "sources": sources, "languages": tuple(entry["languages"])})


def default_brain() -> Weight:
    return next(weight for weight in catalogue() if weight.default)


def entities_model() -> Weight:
    """What finds names and dates in a text."""
    return next(weight for weight in catalogue() if weight.role == "entities")


def find(name: str) -> Weight:
    """The weight called `name`; "" is the default brain, `hf:OWNER/REPO@REVISION/FILE.gguf` one of the hub's.

    Raises `WeightsError` that names the nearest name.
    """
    if name.startswith(("hf:", "https://")):
        return _weight_at(name)
    known = {weight.name: weight for weight in catalogue()}
    if name in known or not name:
        return known[name] if name else default_brain()
    nearest = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.0)[0]
    raise WeightsError(
        "There is no model called '{name}'. The nearest name is '{nearest}'; `samantha models` lists them all.",
        name=name,
        nearest=nearest,
    )


def _weight_at(address: str) -> Weight:
    """A file outside the catalogue, with no hash to hold it to until it has been fetched once."""
    file = urlsplit(address).path.rsplit("/", 1)[-1]
    owner, _, rest = address.removeprefix("hf:").partition("/")
    repository, _, member = rest.partition("/")
    whole = all((owner, repository, member)) if address.startswith("hf:") else True
    if not whole or not re.fullmatch(r"[\w.+-]+\.gguf", file, re.IGNORECASE):
        raise WeightsError(
            "'{address}' does not name a GGUF file. Write hf:OWNER/REPOSITORY@REVISION/FILE.gguf or https://….gguf.",
            address=address,
        )
    part = Part(f"hf:{owner}/{repository}", member) if address.startswith("hf:") else Part(address)
    mark = hashlib.sha256(address.encode()).hexdigest()[:12]  # many files are called model.gguf
    return Weight(name=address, file=f"{mark}.{file}", sources=((part,),))


# --- having a file ---------------------------------------------------------------------------------------------


def ready(wanted: Wanted, *, folder: Path, progress: Progress = quiet) -> ReadyBrain:
    """The brain that `wanted` asks for, fetched and baked where that is still to be done.

    A file of the person's own is used as it is, and an adapter is then left to the engine. Raises `WeightsError`.
    """
    if (own := _own_file(wanted.name)) is not None:
        return ReadyBrain(_existing(own), own.stem, (), wanted.adapter)
    weight = find(wanted.name)
    if weight.role != "brain":
        raise WeightsError("'{name}' cannot talk: it is no brain. `samantha models` lists those.", name=weight.name)
    path = fetch(weight, folder=folder, offline=wanted.offline, progress=progress)
    if wanted.quantize == "as-is" or not weight.bake:
        return ReadyBrain(path, weight.name, weight.languages, wanted.adapter)
    baked = bake(path, folder=folder, quantize=wanted.quantize, adapter=wanted.adapter, progress=progress)
    return ReadyBrain(baked, weight.name, weight.languages)


def unpacked(weight: Weight, *, folder: Path, offline: bool = False, progress: Progress = quiet) -> Path:
    """The folder that the archive of `weight` holds, fetched and unpacked where that is still to be done.

    Nothing of it is installed. Raises `WeightsError`.
    """
    archive = fetch(weight, folder=folder, offline=offline, progress=progress)
    target = folder / f"{weight.name}.{weight.sha256[:12]}"
    with disk(folder, weight.name, weight.size):
        if not target.is_dir():
            with alone(folder, progress):
                _unpack(archive, weight, target)
    return target


def is_here(weight: Weight, *, folder: Path) -> bool:
    """Whether its file is in `folder`, by size alone: quick enough for a list."""
    path = folder / weight.file
    return path.exists() and (not weight.size or path.stat().st_size == weight.size)


def located(name_or_path: str | Path, *, folder: Path) -> Path:
    """Where the model of that name or path is on this machine; nothing is fetched.

    Raises `ModelMissing`, and `ModelDamaged` where a fetched file is no longer what it was.
    """
    if (own := _own_file(str(name_or_path))) is not None:
        return _existing(own)
    weight = find(str(name_or_path))
    path = folder / weight.file
    verify(path, weight)
    return path


def verify(path: Path, weight: Weight, *, progress: Progress = quiet) -> None:
    """Hold `path` to the size and hash of `weight`; a file that has not changed since is not read again.

    Raises `ModelDamaged` or `ModelMissing`.
    """
    if not path.exists():
        raise _missing(weight)
    reason = _mismatch(path, weight, progress)
    if reason is not None:
        raise _damaged(path, reason)


def fetch(weight: Weight, *, folder: Path, offline: bool = False, progress: Progress = quiet) -> Path:
    """The file of `weight` in `folder`, fetched if it is not there whole; what has arrived is kept if it breaks.

    One process fetches at a time; another waits, and then finds the file there. Raises `WeightsError`.
    """
    path = folder / weight.file
    with disk(folder, weight.name, weight.size):
        if _whole(path, weight, progress):
            return path
        if offline:
            raise _offline(path, weight)
        with alone(folder, progress):
            if not _whole(path, weight, progress):
                _fetch(weight, path, progress)
    return path


def bake(
    path: Path,
    *,
    folder: Path,
    quantize: Storage = DEFAULT_STORAGE,
    adapter: Path | None = None,
    progress: Progress = quiet,
) -> Path:
    """The model `path` in another quantization and with `adapter` merged, made in `folder` where it is not yet.

    The name of the result carries what it was made of, so a changed source or adapter is baked anew. A file that is
    already as wanted is returned itself. Raises `WeightsError`.
    """
    if adapter is not None and not adapter.exists():
        raise ModelMissing(
            "There is no adapter at '{path}'. Set model.adapter to a GGUF file, or leave it empty.", path=adapter
        )
    header = read_header(path)
    if quantize == "as-is" or (adapter is None and header.quantization == quantize.upper()):
        return path
    need = int(header.parameters * BYTES_A_WEIGHT)
    with disk(folder, path.stem, need):
        marks = [_checked_hash(file, folder, progress)[:12] for file in (path, adapter) if file is not None]
        target = folder / f"{'.'.join([path.stem, *marks, quantize.upper()])}.gguf"
        if not _sound(target):
            with alone(folder, progress):
                _bake(path, target, quantize, adapter, need, progress)
    return target


def _checked_hash(path: Path, folder: Path, progress: Progress) -> str:
    size, what = path.stat().st_size, text("Checking {name}", name=path.stem)
    return known_hash(path, folder=folder, progress=lambda done: progress(done, size, what))


def _bake(
    path: Path, target: Path, quantize: Quantization, adapter: Path | None, need: int, progress: Progress
) -> None:
    if _sound(target):  # another process made it while this one waited
        return
    _delete_unfinished(target.parent)
    need_space(target.parent, path.stem, need)
    what = text("Preparing {name} for this machine", name=path.stem)
    rewrite(
        path,
        target,
        quantize=quantize,
        adapter=adapter,
        progress=lambda done, total: progress(done, total, what),
    )


def _unpack(archive: Path, weight: Weight, target: Path) -> None:
    """Bring the folder out beside its place, and into it at once: it is there whole or not at all."""
    if target.is_dir():  # another process made it while this one waited
        return
    need_space(target.parent, weight.name, 2 * weight.size)
    workspace = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(workspace, ignore_errors=True)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(workspace, [name for name in opened.namelist() if name.startswith(f"{weight.unpack}/")])
    os.replace(workspace / weight.unpack, target)
    shutil.rmtree(workspace)


def _delete_unfinished(folder: Path) -> None:
    """What bakes left that were killed; the lock says that none is at work."""
    for left in folder.glob(".*.gguf.[0-9]*.tmp"):
        left.unlink(missing_ok=True)


def _sound(path: Path) -> bool:
    """Whether there is a GGUF file that was not cut short."""
    try:
        return path.exists() and bool(read_header(path).tensors)
    except ModelDamaged:
        return False


def known_hash(path: Path, *, folder: Path, progress: Callable[[int], None] = lambda done: None) -> str:
    """The SHA-256 of `path`; remembered in `folder` for as long as its size and its time of change stay."""
    entry = read_json(folder / BOOK).get(str(path.resolve()), {})
    if entry.get("mark") == _mark(path):
        return str(entry["sha256"])
    found = sha256_of(path, progress=progress)
    _remember(path, found, folder)
    return found


def _remember(path: Path, sha256: str, folder: Path) -> None:
    book = folder / BOOK
    entry = {str(path.resolve()): {"mark": _mark(path), "sha256": sha256}}
    with suppress(OSError):  # where nothing can be written, it is computed again next time
        replace_text(book, json.dumps({**read_json(book), **entry}, indent=1))


def _mark(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def _own_file(name: str) -> Path | None:
    """The path that `name` is, if it is one rather than a name of the catalogue."""
    if name.startswith("file:"):
        return Path(name.removeprefix("file:")).expanduser()
    looks_like_one = name.lower().endswith(".gguf") or name.startswith((".", "~", os.sep)) or Path(name).is_absolute()
    if name.startswith(("hf:", "https://")) or not (name and looks_like_one):
        return None
    return Path(name).expanduser()


def _existing(path: Path) -> Path:
    read_header(path)  # says in one sentence what is wrong with it
    return path


def _missing(weight: Weight) -> ModelMissing:
    return ModelMissing("'{name}' is not on this machine. Run `samantha pull {name}` to fetch it.", name=weight.name)


def _offline(path: Path, weight: Weight) -> WeightsError:
    if path.exists() and (reason := _mismatch(path, weight, quiet)):
        return _damaged(path, reason)
    return ModelMissing(
        "'{name}' is not on this machine, and nothing may be fetched. Run `samantha pull {name}` once without"
        " --offline.",
        name=weight.name,
    )


def _damaged(path: Path, reason: Text) -> ModelDamaged:
    return ModelDamaged(
        "The model '{path}' is damaged: {reason}. Delete it and run `samantha pull` to fetch it again.",
        path=path,
        reason=reason,
    )


def _whole(path: Path, weight: Weight, progress: Progress) -> bool:
    return path.exists() and _mismatch(path, weight, progress) is None


def _mismatch(path: Path, weight: Weight, progress: Progress) -> Text | None:
    """What is wrong with the file, or None."""
    size = path.stat().st_size
    if weight.size and size != weight.size:
        return text("it has {size} bytes instead of {expected}", size=size, expected=weight.size)
    expected = weight.sha256 or _pin(path)
    what = text("Checking {name}", name=weight.name)
    found = known_hash(path, folder=path.parent, progress=lambda done: progress(done, size, what))
    if expected and found != expected:
        return text("its SHA-256 is {found} instead of {expected}", found=found, expected=expected)
    return None


def _pin(path: Path) -> str:
    """The hash that a file without one in the catalogue had when it was first fetched; "" before that."""
    pin = path.with_name(f"{path.name}.sha256")
    return pin.read_text(encoding="utf-8").split()[0] if pin.exists() else ""


# --- fetching --------------------------------------------------------------------------------------------------


def _fetch(weight: Weight, path: Path, progress: Progress) -> None:
    """Try the sources in turn; the first that gives the right file wins."""
    failures: list[Failed] = []
    for number, source in enumerate(weight.sources):
        partial = Partial(path.with_name(f"{path.name}.{number}.part"))
        try:
            download(source, partial, Job(weight.name, weight.size, weight.pinned, progress))
            sha256 = _checked(weight, path, partial, progress)
            break
        except Failed as failure:
            failures.append(failure)
        except OSError as error:
            if error.errno in NO_SPACE:
                _delete_partials(path)
            raise
    else:
        raise _all_failed(weight, failures)
    os.replace(partial.path, path)
    _delete_partials(path)
    _remember(path, sha256, path.parent)
    if not weight.pinned:
        replace_text(path.with_name(f"{path.name}.sha256"), f"{sha256}  {path.name}\n")


def _checked(weight: Weight, path: Path, partial: Partial, progress: Progress) -> str:
    """The hash of what has arrived, held to the catalogue; what is something else is deleted."""
    size, expected = partial.size(), weight.sha256 or _pin(path)
    what = text("Checking {name}", name=weight.name)
    found = sha256_of(partial.path, progress=lambda done: progress(done, size, what))
    wrong = None
    if expected and found != expected:
        wrong = text(
            "'{file}' has the SHA-256 {found} instead of {expected}, and was deleted",
            file=path.name,
            found=found,
            expected=expected,
        )
    elif path.suffix.lower() == ".gguf" and not _is_gguf(partial.path):
        wrong = text("'{file}' is not a GGUF file, and was deleted", file=path.name)
    if wrong is not None:
        partial.delete()
        raise Failed(wrong, damaged=True)
    return found


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _delete_partials(path: Path) -> None:
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.part*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


def _all_failed(weight: Weight, reasons: list[Failed]) -> WeightsError:
    kind = ModelDamaged if all(reason.damaged for reason in reasons) else WeightsError
    first, last = reasons[0].reason, reasons[-1].reason
    if len(reasons) == 1:
        return kind(
            "'{name}' could not be fetched: {reason}. Check the network and run `samantha pull {name}` again.",
            name=weight.name,
            reason=first,
        )
    return kind(
        "'{name}' could not be fetched: {first}; and from its second source: {last}. Check the network and run"
        " `samantha pull {name}` again.",
        name=weight.name,
        first=first,
        last=last,
    )
