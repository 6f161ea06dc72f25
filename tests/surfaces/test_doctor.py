"""What the doctor says of the encoder."""

from pathlib import Path

import numpy as np
import pytest

from samantha.adapters.onnx_encoder import OwnHead, read_manifest, write_head
from samantha.settings import Settings
from samantha.surfaces.doctor import examine
from samantha.wiring import encoder_folder

pytestmark = pytest.mark.anyio


async def said_of_the_encoder(data: Path) -> tuple[str, str]:
    findings = await examine(Settings(data={"folder": data}, model={"name": "nowhere.gguf"}))
    (found,) = [finding for finding in findings if str(finding.what) == "Encoder"]
    return found.verdict, str(found.detail)


def write_own_head(folder: Path, *, encoder: str) -> None:
    folder.mkdir(parents=True)
    plain = np.zeros(4, np.float32)
    write_head(folder / "topic.npz", OwnHead(("a", "b"), plain, plain, np.zeros((2, 4)), plain[:2]), encoder=encoder)


async def test_the_encoder_that_came_with_her_is_good(tmp_path: Path) -> None:
    verdict, detail = await said_of_the_encoder(tmp_path)
    assert verdict == "good"
    assert detail.startswith("understands feelings, ")


async def test_own_heads_are_named(tmp_path: Path) -> None:
    write_own_head(tmp_path / "heads", encoder=read_manifest(encoder_folder() / "manifest.json").sha256)
    assert "; heads of your own: topic" in (await said_of_the_encoder(tmp_path))[1]


async def test_a_head_of_an_older_encoder_is_bad_and_says_what_to_do(tmp_path: Path) -> None:
    write_own_head(tmp_path / "heads", encoder="older")
    verdict, detail = await said_of_the_encoder(tmp_path)
    assert verdict == "bad"
    assert "samantha train encoder head=topic" in detail
