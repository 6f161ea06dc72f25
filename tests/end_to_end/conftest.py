"""The real default brain for the tests that need one, fetched once and kept beside the checkout.

A missing model fails, loudly: these tests never skip.
"""

from pathlib import Path

import pytest

from samantha import weights
from samantha.settings import ModelSettings, Settings, load

CACHE = Path(__file__).parents[2] / ".cache" / "models"


@pytest.fixture(scope="session")
def brain_path() -> Path:
    """The default brain as `samantha chat` opens it: fetched, verified, baked."""
    return weights.ready(ModelSettings(), folder=CACHE).path


@pytest.fixture(scope="session")
def entities_path() -> Path:
    """The model that finds names and dates: fetched, verified, unpacked beside its archive."""
    return weights.unpacked(weights.entities_model(), folder=CACHE.with_name("entities"))


@pytest.fixture
def settings(brain_path: Path, tmp_path: Path) -> Settings:
    """A fresh installation with the weights already there; greedy, so that a test sees the same reply each time."""
    overrides = {
        "data.folder": str(tmp_path / "data"),
        "model.name": str(brain_path),
        "model.temperature": 0,
        "language": "en",
    }
    return load(overrides=overrides, environ={}).settings
