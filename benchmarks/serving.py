"""Sixteen conversations at once over HTTP against one alone: what continuous batching gives through the whole path.

A real `samantha serve` and plain OpenAI requests. Each conversation has had its first turn before the clock runs,
as in use; the first turns, in which every slot reads the persona, are reported beside it. Run it on a quiet
machine with `make bench NAME=serving`.
"""

import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from results_file import Row, row, write

from samantha.settings import load
from samantha.wiring import ready_brain

TOGETHER = 16
WORDS = 64  # tokens of a reply at most
QUESTIONS = (  # what one alone is asked, then what all are asked
    ("Tell me about the sea.", "Tell me about the mountains."),
    ("And what lives in it?", "And who lives there?"),
    ("What do you like best?", "What would you do there?"),
)


@contextmanager
def service() -> Iterator[str]:
    """The address of a running `samantha serve` on the default brain."""
    brain = ready_brain(load().settings).path
    with tempfile.TemporaryDirectory() as folder:
        options = {"data.folder": folder, "model.name": brain, "server.port": 0, "server.parallel": TOGETHER}
        assignments = [part for key, value in options.items() for part in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "samantha", "serve", *assignments]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            try:
                yield re.findall(r"http://[\d.]+:\d+", process.stderr.readline())[0]
            finally:
                process.terminate()


class Talk:
    """One conversation, held by the client as the OpenAI protocol wants it."""

    def __init__(self, client: httpx2.AsyncClient, number: int) -> None:
        self._client, self._number = client, number
        self._messages = [{"role": "user", "content": f"Hello, I am guest {number}."}]

    async def turn(self, question: str = "") -> int:
        """One more exchange; returns the tokens written."""
        if question:
            self._messages.append({"role": "user", "content": question})
        body = {"model": "samantha", "messages": self._messages, "max_tokens": WORDS, "seed": self._number}
        answer = await self._client.post("/v1/chat/completions", json=body)
        answer.raise_for_status()
        found = answer.json()
        self._messages.append({"role": "assistant", "content": found["choices"][0]["message"]["content"]})
        tokens: int = found["usage"]["completion_tokens"]
        return tokens


async def speed(talks: list[Talk], question: str = "") -> float:
    """Tokens a second that all of `talks` write together."""
    started = time.perf_counter()
    tokens = await asyncio.gather(*(talk.turn(question) for talk in talks))
    return sum(tokens) / (time.perf_counter() - started)


async def measure(address: str) -> list[Row]:
    async with httpx2.AsyncClient(base_url=address, timeout=600) as client:
        talks = [Talk(client, number) for number in range(TOGETHER)]
        first_alone = await speed(talks[:1])
        first_together = await speed(talks[1:])
        alone, together, ratios = [], [], []
        for one, all_of_them in QUESTIONS:
            alone.append(statistics.median([await speed([talk], one) for talk in talks[:5]]))
            together.append(await speed(talks, all_of_them))
            ratios.append(together[-1] / alone[-1])
    return [
        row("16 conversations at once / one alone, tokens/s", statistics.median(ratios), "ratio", at_least=1.5),
        row("one conversation alone over HTTP", statistics.median(alone), "tokens/s"),
        row("16 conversations together over HTTP", statistics.median(together), "tokens/s"),
        row("first turns, 15 at once / one alone", first_together / first_alone, "ratio"),
    ]


def main() -> None:
    with service() as address:
        write("serving", asyncio.run(measure(address)))


if __name__ == "__main__":
    main()
