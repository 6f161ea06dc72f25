"""A brain that was trained here: the `Generator` over the folder of a run.

PyTorch is loaded when one is opened. Not here: what the model is given, and how it writes
(`samantha.training.talking`).
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from samantha.core.errors import GeneratorError
from samantha.core.ports import Brain, Delta
from samantha.core.types import Message, Sampling

if TYPE_CHECKING:
    from samantha.training.talking import Talker


class SchoolGenerator:
    """Talks through a trained model, on one worker thread: a second conversation waits for the first."""

    def __init__(self, talker: "Talker", worker: ThreadPoolExecutor) -> None:
        self._talker, self._worker, self._lock = talker, worker, asyncio.Lock()

    @classmethod
    async def open(cls, folder: Path) -> "SchoolGenerator":
        """The model in `folder`. Raises `GeneratorError` without PyTorch, `TrainingError` where there is no model."""
        worker = ThreadPoolExecutor(1, thread_name_prefix="school")
        try:
            return cls(await asyncio.get_running_loop().run_in_executor(worker, _opened, folder), worker)
        except BaseException:
            worker.shutdown(wait=False)
            raise

    async def aclose(self) -> None:
        """Wait for the worker, and let it go."""
        await asyncio.to_thread(self._worker.shutdown)

    @property
    def brain(self) -> Brain:
        return Brain(self._talker.name, self._talker.context)

    async def count(self, messages: Sequence[Message]) -> list[int]:
        return self._talker.count(messages)

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        """Write the reply, a few characters at a time; closing it stops the model within a token."""
        if sampling.json_schema:
            raise GeneratorError(
                "'{name}' was trained here and cannot be held to a schema. Choose another model with --model.",
                name=self._talker.name,
            )
        async with self._lock:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._worker, self._talker.answer, messages, sampling)
            pieces = iter(answer)
            while (piece := await loop.run_in_executor(self._worker, next, pieces, None)) is not None:
                if piece:
                    yield Delta(piece)
            yield Delta("", answer.finish, answer.prompt_tokens, 0, answer.tokens)

    async def read(self, messages: Sequence[Message]) -> None:
        """Nothing is kept between replies: these models read a prompt in milliseconds."""


def _opened(folder: Path) -> "Talker":
    if find_spec("torch") is None:
        raise GeneratorError(
            "'{folder}' was trained with PyTorch, which is not here. Install it: "
            "`pip install 'samantha-companion[train]'`.",
            folder=folder,
        )
    from samantha.training.talking import Talker

    return Talker.open(folder)
