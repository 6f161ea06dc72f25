"""The voice adapter around a scripted engine: what is asked of it, and what becomes of its troubles."""

import sys
import threading
from contextlib import aclosing

import numpy as np
import pytest

from samantha.adapters import hibari
from samantha.adapters.hibari import LONGEST, HibariVoice
from samantha.core.errors import VoiceError

pytestmark = pytest.mark.anyio


class Engine:
    """Says each text as two samples that are too loud, and notes what it was asked for and where."""

    sample_rate = 24_000

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.threads: set[int] = set()

    @staticmethod
    def split_sentences(text: str) -> list[str]:
        return [f"{part.strip()}." for part in text.split(".") if part.strip()]

    def __call__(self, text: str, *, speed: float, seed: int | None) -> "np.typing.NDArray[np.float64]":
        self.asked.append(text)
        self.threads.add(threading.get_ident())
        if text == "Boom.":
            raise IndexError("out of range")
        return np.array([2.0, -2.0])


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    scripted = Engine()
    monkeypatch.setattr(hibari, "_load", lambda name: scripted)
    return scripted


async def said(text: str) -> list[bytes]:
    return [sound.samples async for sound in HibariVoice().speak(text)]


async def test_each_sentence_is_a_sound_within_the_range_of_sound(engine: Engine) -> None:
    assert await said("One. Two.") == [np.array([1, -1], "<f4").tobytes()] * 2
    assert engine.asked == ["One.", "Two."]


async def test_the_model_runs_on_one_thread_that_is_not_the_loop(engine: Engine) -> None:
    await said("One. Two. Three.")
    assert len(engine.threads) == 1
    assert threading.get_ident() not in engine.threads


async def test_closing_the_iterator_stops_before_the_next_sentence(engine: Engine) -> None:
    async with aclosing(HibariVoice().speak("One. Two. Three.")) as sounds:
        await anext(sounds)
    assert engine.asked == ["One."]


@pytest.mark.parametrize("text", ["", "  \n", "…", "🙂", "?! -- ."])
async def test_a_text_without_words_is_silence(engine: Engine, text: str) -> None:
    assert await said(text) == []


async def test_chinese_is_refused_before_anything_is_said(engine: Engine) -> None:
    with pytest.raises(VoiceError, match=r"only English .*'你好，世界。\.'"):
        await said("Hello there. 你好，世界。")
    assert engine.asked == []


async def test_a_foreign_word_in_an_english_sentence_is_not_refused(engine: Engine) -> None:
    assert len(await said("The word 你好 means hello")) == 1


async def test_a_sentence_the_engine_fails_at_is_named(engine: Engine) -> None:
    with pytest.raises(VoiceError, match=r"cannot read 'Boom\.' \(out of range\)"):
        await said("Boom.")


@pytest.mark.parametrize(
    "text",
    ["word " * 500, "clause, " * 500, "x" * 5000, "(" * 50_000 + "a", "7" * 5000, "- " * 3000 + "b", "a,b;" * 999],
)
async def test_nothing_longer_than_the_model_can_bear_reaches_it(engine: Engine, text: str) -> None:
    await said(text)
    assert engine.asked
    assert max(map(len, engine.asked)) <= LONGEST


async def test_a_long_sentence_is_cut_at_its_clauses(engine: Engine) -> None:
    clause = "and then she went on for quite a while about it,"
    await said(" ".join([clause] * 8))
    assert all(part.rstrip(".").endswith("about it,") for part in engine.asked)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hibari", None)
    with pytest.raises(VoiceError, match=r"not installed\. Run `pip install 'samantha-companion\[voice\]'`"):
        HibariVoice()


async def test_a_part_of_the_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(VoiceError, match=r"'heart' cannot be opened \(.*onnxruntime.*\)"):
        await HibariVoice().open()
