"""What every test stands on: asyncio, English, repeatable chance, and none of the person's own files."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import platformdirs
import pytest

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores Ctrl-C


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sets", default="", metavar="DIR", help="The folder of the public data sets.")


@pytest.fixture(scope="session")
def sets(request: pytest.FixtureRequest) -> Path:
    """The folder of the public data sets; without one the test is skipped, and says so."""
    folder = Path(request.config.getoption("--sets") or "nowhere")
    if not folder.is_dir():
        pytest.skip("It needs the public data sets: make test SETS=DIR")
    return folder


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parent.parent


@pytest.fixture(autouse=True, scope="session")
def nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Settings and data folders that are empty, for this process and those it starts."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SAMANTHA_")]:
            patch.delenv(name)
        _keep_pip_settings(patch)
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_DATA_HOME", str(home / "data"))
        patch.setenv("LC_ALL", "C.UTF-8")
        yield home


def _keep_pip_settings(patch: pytest.MonkeyPatch) -> None:
    """pip looks into XDG_CONFIG_HOME too, and may need what stands there to reach the package index."""
    own = platformdirs.user_config_path("pip", appauthor=False) / "pip.conf"
    if own.is_file() and "PIP_CONFIG_FILE" not in os.environ:
        patch.setenv("PIP_CONFIG_FILE", str(own))
