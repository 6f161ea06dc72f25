"""How the default brain is best stored: as published (Q4_1), or rewritten as Q8_0 or Q4_0. Quality and speed.

Decided with it: Q8_0. In three runs on two cores of an AMD EPYC (Zen 3) Q8_0 read prompts 1.63 to 1.78 times as fast
as the published file, at 1.002 times its perplexity (standard error 0.001), and wrote 0.93 to 0.97 times as fast; Q4_0
read 1.79 to 1.82 times and wrote 1.06 to 1.18 times as fast, but the weights had been rounded to four bits once
already, and a second four-bit grid cost 1.17 times the perplexity (standard error 0.01). The newest figures are in
results/quantization.json.

Perplexity is that of the weights, by a float32 pass in NumPy; the engine's own next tokens show that the pass is right.
"""

import argparse
import http.client
import json
import os
import secrets
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import platformdirs
import xllamacpp
from numpy_llama import Array, Llama, load, log_likelihoods, log_probabilities
from results_file import Row, row, write

from samantha import weights

WINDOW = 512  # tokens
WINDOWS = 6  # of each text
ROUNDS = 7
PROMPT, WRITTEN = 512, 64  # tokens read and written in a round
POSITIONS = 60  # at which engine and NumPy are compared, each behind as many tokens as
BEHIND = 96
TIE = 0.4  # nat; the engine rounds activations to 8 bits, which moves each of two log-probabilities by up to 0.2
FILES = ("as published (Q4_1)", "Q8_0", "Q4_0")
SHIPPED, EIGHT, FOUR = FILES


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(os.environ.get("SAMANTHA_DATA", "../shared/data")))
    arguments.add_argument(
        "--models", type=Path, default=platformdirs.user_data_path("samantha", appauthor=False) / "models"
    )
    arguments.add_argument("--threads", type=int, default=os.cpu_count() or 2)
    given = arguments.parse_args()
    shipped = weights.fetch(weights.default_brain(), folder=given.models)
    with tempfile.TemporaryDirectory() as folder:
        eight, four = (weights.bake(shipped, folder=Path(folder), quantize=kind) for kind in ("q8_0", "q4_0"))
        paths = dict(zip(FILES, (shipped, eight, four), strict=True))
        engines = {name: Engine(path, threads=given.threads) for name, path in paths.items()}
        windows = [window for text in texts(given.data) for window in cut(engines[SHIPPED].tokens(text))]
        rows = [*speed_rows(engines, windows[0]), *quality_rows(paths, engines, windows)]
        rows += [row(f"size, {name}", path.stat().st_size / 1e6, "MB") for name, path in paths.items()]
    print(write("quantization", rows))


# --- the engine ------------------------------------------------------------------------------------------------


class Engine:
    """A file open in llama.cpp, spoken to without anything of ours in between."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self._key = secrets.token_hex(16)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.api_keys = [self._key]
        parameters.n_ctx = 1024
        parameters.n_parallel = 1
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        parameters.cache_ram_mib = 0
        parameters.verbosity = -1
        parameters.warmup = parameters.ui = parameters.endpoint_slots = False
        parameters.cors_origins = ""
        self._server = xllamacpp.Server(parameters)

    def tokens(self, text: str) -> list[int]:
        body = json.dumps({"content": text, "add_special": False, "parse_special": False})
        connection = http.client.HTTPConnection(urlsplit(self._server.listening_address).netloc)
        connection.request("POST", "/tokenize", body, {"Authorization": f"Bearer {self._key}"})
        answer: list[int] = json.loads(connection.getresponse().read())["tokens"]
        connection.close()
        return answer

    def next_token(self, prompt: list[int]) -> tuple[int, float]:
        """The likeliest token behind `prompt`, and its log-probability."""
        first = self._complete(prompt, n_predict=1, n_probs=1)[0]
        content = first["choices"][0]["logprobs"]["content"][0]
        return content["id"], content["logprob"]

    def timings(self, prompt: list[int]) -> dict[str, float]:
        timings: dict[str, float] = self._complete(prompt[:PROMPT], n_predict=WRITTEN, ignore_eos=True)[-1]["timings"]
        return timings

    def _complete(self, prompt: list[int], **options: object) -> list[dict[str, Any]]:
        chunks: list[dict[str, Any]] = []
        request = {"prompt": prompt, "temperature": 0, "stream": True, "cache_prompt": False, **options}
        self._server.handle_completions(request, lambda chunk: chunks.append(chunk))
        return chunks


# --- the texts -------------------------------------------------------------------------------------------------


def texts(data: Path) -> Iterator[str]:
    """The last tenth of tinyshakespeare, and dialogues of DialogSum's dev split."""
    plays = (data / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")
    yield plays[-len(plays) // 10 :]
    lines = (data / "dialogsum_dev_test" / "dialogsum.dev.jsonl").read_text(encoding="utf-8").splitlines()
    yield "\n\n".join(json.loads(line)["dialogue"] for line in lines)


def cut(tokens: Sequence[int]) -> list[list[int]]:
    """Windows spread evenly over the tokens of a text."""
    starts = np.linspace(0, len(tokens) - WINDOW, WINDOWS).astype(int)
    return [list(tokens[start : start + WINDOW]) for start in starts]


# --- quality ---------------------------------------------------------------------------------------------------


def quality_rows(paths: dict[str, Path], engines: dict[str, Engine], windows: list[list[int]]) -> Iterator[Row]:
    """Perplexity of each file's weights, and proof that the reference pass computes what the engine does."""
    likelihoods: dict[str, Array] = {}
    agreement: dict[str, Agreement] = {}
    for name, path in paths.items():
        print(f"reading {len(windows)} windows with {name} in NumPy ...", file=sys.stderr)
        model = load(path)
        likelihoods[name] = np.concatenate([log_likelihoods(model, window) for window in windows])
        agreement[name] = compare(model, engines[name], windows)
    for name, values in likelihoods.items():
        yield row(f"perplexity, {name}", float(np.exp(-values.mean())), f"over {len(values)} tokens")
    for name in (EIGHT, FOUR):
        change, error = paired(likelihoods[SHIPPED], likelihoods[name])
        at_most = 1.005 if name == EIGHT else None  # what the default may lose
        yield row(f"perplexity, {name} / {SHIPPED}", float(np.exp(change)), "ratio", at_most=at_most)
        yield row(f"perplexity, {name} / {SHIPPED}, standard error", error, "ratio")
    for name, seen in agreement.items():
        yield row(f"engine and NumPy: same next token, {name}", seen.same, "share")
        yield row(f"engine and NumPy: same where it leads by {TIE} nat, {name}", seen.clear, "share", at_least=1)
        yield row(f"engine and NumPy: its log-probability apart by, {name}", seen.apart, "nat, median", at_most=0.05)


def paired(before: Array, after: Array) -> tuple[float, float]:
    """Mean loss in log-likelihood a token, and its standard error; both files were asked the same."""
    lost = before - after
    return float(lost.mean()), float(lost.std(ddof=1) / np.sqrt(len(lost)))


@dataclass(frozen=True)
class Agreement:
    same: float  # share of positions with the same likeliest token
    clear: float  # the same, of those positions where it is no tie
    apart: float  # median difference of its log-probability


def compare(model: Llama, engine: Engine, windows: list[list[int]]) -> Agreement:
    """Ask both for the next token at fixed places."""
    same, clear, apart = [], [], []
    for number in range(POSITIONS):
        window = windows[number % len(windows)]
        start = 7 * number % (WINDOW - BEHIND)
        stretch = window[start : start + BEHIND]
        expected = log_probabilities(model, stretch)[-1]
        second, first = np.sort(expected)[-2:]
        token, probability = engine.next_token(stretch)
        same.append(token == int(expected.argmax()))
        clear += [same[-1]] if first - second > TIE else []
        apart.append(abs(probability - float(expected[token])))
    return Agreement(statistics.mean(same), statistics.mean(clear), statistics.median(apart))


# --- speed -----------------------------------------------------------------------------------------------------


def speed_rows(engines: dict[str, Engine], prompt: list[int]) -> Iterator[Row]:
    """Reading and writing speed, the files in turn in every round, so that a busy moment hits them alike."""
    for engine in engines.values():
        engine.timings(prompt)  # the first pass reads the file from disk
    print(f"reading and writing, {ROUNDS} rounds ...", file=sys.stderr)
    rounds = [{name: engine.timings(prompt) for name, engine in engines.items()} for _ in range(ROUNDS)]
    for key, doing in (("prompt_per_second", "reading"), ("predicted_per_second", "writing")):
        for name in engines:
            yield row(f"{doing}, {name}", statistics.median(each[name][key] for each in rounds), "tokens/s")
    for name in (EIGHT, FOUR):
        ratios = [each[name]["prompt_per_second"] / each[SHIPPED]["prompt_per_second"] for each in rounds]
        what = "prompt reading speed of the baked default / the file as shipped"
        if name == EIGHT:
            yield row(what, statistics.median(ratios), "ratio", at_least=1.5)
        else:
            yield row(f"prompt reading speed, {name} / {SHIPPED}", statistics.median(ratios), "ratio")


if __name__ == "__main__":
    main()
