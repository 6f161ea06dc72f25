"""What every voice promises; the fake and the real one. The real one must be installed where tests run."""

import asyncio
import urllib.request
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from samantha.adapters.hibari import HibariVoice
from samantha.core.errors import VoiceError
from samantha.core.ports import Sound, Voice
from samantha.testing import SilentVoice

pytestmark = pytest.mark.anyio

HEART = HibariVoice(seed=0)  # loads when it first speaks, once for all tests
TWO = "Hello there, it is good to hear from you. How was your day?"


@pytest.fixture(params=["silent", "hibari"])
def voice(request: pytest.FixtureRequest) -> Voice:
    return SilentVoice() if request.param == "silent" else HEART


async def said(voice: Voice, text: str) -> list[Sound]:
    return [sound async for sound in voice.speak(text)]


def samples(*sounds: Sound) -> "np.typing.NDArray[np.float32]":
    return np.frombuffer(b"".join(sound.samples for sound in sounds), "<f4")


async def test_each_sentence_is_a_sound_of_one_rate_within_the_range_of_sound(voice: Voice) -> None:
    sounds = await said(voice, TWO)
    assert len(sounds) == 2
    assert len({sound.rate for sound in sounds}) == 1
    assert np.abs(samples(*sounds)).max() <= 1


async def test_more_words_take_longer(voice: Voice) -> None:
    short, long = await said(voice, "Hello."), await said(voice, "Hello, this is rather a lot more to say than that.")
    assert len(samples(*long)) > 2 * len(samples(*short)) > 0


@pytest.mark.parametrize("text", ["", "  \n\t ", "…", "🙂"])
async def test_a_text_without_words_is_silence(voice: Voice, text: str) -> None:
    assert await said(voice, text) == []


async def test_closing_early_leaves_a_voice_that_speaks_again(voice: Voice) -> None:
    sounds = voice.speak(TWO)
    async with aclosing(sounds):  # type: ignore[type-var]  # every voice is a generator, which the port does not say
        first = await anext(sounds)
    assert len((await said(voice, TWO))[0].samples) == len(first.samples)


async def test_two_texts_at_once_do_not_mix(voice: Voice) -> None:
    alone = [await said(voice, text) for text in (TWO, "Good night.")]
    together = await asyncio.gather(said(voice, TWO), said(voice, "Good night."))
    assert [len(samples(*sounds)) for sounds in together] == [len(samples(*sounds)) for sounds in alone]


async def test_real_speech_is_as_long_and_as_loud_as_speech_is() -> None:
    sounds = await said(HEART, TWO)
    heard = samples(*sounds)
    assert sounds[0].rate == 24_000
    assert 12 / 5 < len(heard) / 24_000 < 12 / 1.5  # twelve words, at 1.5 to 5 a second
    assert 0.01 < np.sqrt(np.mean(heard**2)) < 0.2
    assert 0.1 < np.abs(heard).max() < 1


async def test_a_seed_makes_the_same_sound_again() -> None:
    assert await said(HEART, "Hello.") == await said(HEART, "Hello.")


async def test_a_slower_voice_takes_longer() -> None:
    slow, usual = await said(HibariVoice(speed=0.7), TWO), await said(HEART, TWO)
    assert len(samples(*slow)) > 1.2 * len(samples(*usual))


async def test_chinese_is_refused_with_a_reason() -> None:
    with pytest.raises(VoiceError, match="only English"):
        await said(HEART, "你好，很高兴认识你。")


async def test_a_page_of_brackets_and_digits_is_no_harm() -> None:
    assert len(samples(*await said(HEART, "(" * 50_000 + "Hi. " + "1" * 100 + ".5"))) < 120 * 24_000


async def test_a_voice_that_would_have_to_be_downloaded_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: pytest.fail("it went to the network"))
    with pytest.raises(VoiceError, match=r"'emma' is not on this machine\. Fetch it with `hibari Hello --voice emma"):
        await HibariVoice("emma").open()


async def test_an_unknown_voice_is_answered_with_the_known_ones() -> None:
    with pytest.raises(VoiceError, match=r"no voice 'heat'\. There are: heart, "):
        await HibariVoice("heat").open()


async def test_a_damaged_voice_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bf_emma.int8.onnx").write_bytes(b"not a model")
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    with pytest.raises(VoiceError, match="'emma' cannot be opened"):
        await HibariVoice("emma").open()
