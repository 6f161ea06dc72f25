"""What a person gets who installs the wheel: built here, without a network."""

import subprocess
import sys
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from samantha import __version__


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    return set(ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


@pytest.mark.parametrize(
    "file",
    [
        *("py.typed", "weights.toml", "personas/samantha.toml", "locale/zh.toml", "surfaces/cli.py"),
        *("encoder/encoder.onnx", "encoder/tokenizer.json", "encoder/manifest.json", "encoder/README.md"),
    ],
)
def test_the_wheel_holds(file: str, names: set[str]) -> None:
    assert f"samantha/{file}" in names


def test_the_wheel_holds_every_file_of_the_package(names: set[str], repository: Path) -> None:
    package = repository / "src" / "samantha"
    files = {path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file()}
    wanted = {file for file in files if "__pycache__" not in file}
    assert {name for name in names if name.startswith("samantha/")} == wanted


def test_the_wheel_holds_nothing_else(names: set[str]) -> None:
    assert {name.split("/")[0] for name in names} == {"samantha", f"samantha_companion-{__version__}.dist-info"}
    assert not [name for name in names if name.endswith((".gguf", ".safetensors", ".wav", ".pyc"))]


def test_the_wheel_is_small(wheel: Path) -> None:
    files = ZipFile(wheel).infolist()
    encoder = sum(file.compress_size for file in files if "/encoder/" in file.filename)
    assert encoder < 26_000_000
    assert wheel.stat().st_size - encoder < 2_000_000


def test_the_licence_travels_with_it(names: set[str], metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_base_install_has_no_torch(metadata: Message) -> None:
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert needed
    assert not [line for line in needed if line.startswith(("torch", "transformers", "tensorflow", "jax"))]


def test_the_wheel_runs_by_itself(wheel: Path, tmp_path: Path) -> None:
    ZipFile(wheel).extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import samantha; from samantha.language import catalogue; "
        "from samantha.settings import load; from samantha.wiring import open_encoder; "
        "assert catalogue('zh'); assert open_encoder(load().settings).understood(['I miss her.'])[0].emotion; "
        "print(samantha.__file__, samantha.__version__, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [str(tmp_path / "samantha" / "__init__.py"), __version__]
