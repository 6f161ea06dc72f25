"""A GGUF model in this process, through llama.cpp (xllamacpp).

Tokens, not text, reach the engine: the template's markers are tokenized as control tokens, everybody's words
with special tokens off. Not here: choosing the file (`samantha.weights`), or what the prompt holds.
"""

import asyncio
import http.client
import json
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from samantha.adapters.chat_template import jinja_format
from samantha.core.chat import ChatFormat, Piece, chatml
from samantha.core.errors import GeneratorError, ModelMissing, ModelUnsupported
from samantha.core.ports import CONTEXT, Brain, Delta
from samantha.core.types import Finish, Message, Sampling
from samantha.gguf_files import Header, check_adapter, read_header

READ_AT_ONCE = 256  # tokens; while a prompt is read, the engine listens for a stop between batches of this size
REMEMBERED = 4096  # pieces of text whose tokens are kept


Chunk = dict[str, Any] | Exception | None
"""What comes out of the engine's thread: a part of the answer, what went wrong there, or its end."""


class LlamaGenerator:
    """Implements `samantha.core.ports.Generator`. Open one with `LlamaGenerator.open`."""

    def __init__(
        self,
        server: Any,
        brain: Brain,
        *,
        tokenizer: "_Tokenizer",
        chat_format: ChatFormat,
        parallel: int,
        patience: float,
    ) -> None:
        self.server = server
        self._brain = brain
        self._tokenizer = tokenizer
        self._format = chat_format
        self._patience = patience
        self._closing = threading.Event()
        self._engine = ThreadPoolExecutor(max_workers=2 * parallel, thread_name_prefix="llama")

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        name: str = "",
        context: int | None = None,
        parallel: int = 1,
        threads: int = 0,
        neighbours: int = 0,
        patience: float = 120,
        languages: Sequence[str] = (),
        adapter: Path | None = None,
    ) -> "LlamaGenerator":
        """Load the model at `path`.

        `context` is the tokens that one conversation may have (by default 4096, or less where the model was made
        for less), `parallel` how many are answered at once.
        `threads=0` chooses by the cores and by who else runs; `neighbours` says how many busy threads this
        process itself will have beside the engine (a voice, an encoder). A reply is given up after `patience`
        seconds without a sign of life. `adapter` is a GGUF LoRA.
        Raises `ModelMissing`, `ModelDamaged`, `ModelUnsupported`.
        """
        if not path.is_file():
            raise ModelMissing(
                "No model at '{path}'. Run `samantha pull`, or set model.name to a GGUF file.", path=path
            )
        header = await asyncio.to_thread(read_header, path)
        context = context or min(CONTEXT, header.context or CONTEXT)
        _check_context(header, context, path)
        if adapter is not None:
            _check_adapter(adapter, header)
        key = secrets.token_urlsafe(32)
        chosen = threads or choose_threads(_cores(), load=await asyncio.to_thread(_load), neighbours=neighbours)
        server = await asyncio.to_thread(
            _start, path, header, key=key, context=context, parallel=parallel, threads=chosen, adapter=adapter
        )
        tokenizer = await asyncio.to_thread(_Tokenizer, server.listening_address, key)
        brain = Brain(name or path.stem, context=context, languages=tuple(languages))
        template = header.chat_template
        chat_format = jinja_format(template, bos=tokenizer.bos_text, eos=tokenizer.eos_text) if template else chatml
        return cls(server, brain, tokenizer=tokenizer, chat_format=chat_format, parallel=parallel, patience=patience)

    @property
    def brain(self) -> Brain:
        return self._brain

    async def count(self, messages: Sequence[Message]) -> list[int]:
        pieces = self._pieces(messages, reply=True)
        counts = [0] * len(messages)
        for piece, tokens in zip(pieces, await self._tokenizer.tokens(pieces), strict=True):
            counts[piece.message] += len(tokens)  # what opens the reply (-1) counts with the newest message
        counts[0] += len(self._tokenizer.bos)  # one too many where the template writes it itself
        return counts

    async def request(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
        """What the engine is asked to do: the prompt as tokens, and how to draw from the logits."""
        return {**_sampling(sampling), "prompt": await self._prompt(messages, reply=True), "stream": True}

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        request = await self.request(messages, sampling)
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[Chunk] = asyncio.Queue()
        stop = threading.Event()

        def take(chunk: dict[str, Any]) -> bool:
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            return stop.is_set() or self._closing.is_set()  # True ends the generation

        def work() -> None:
            try:
                self.server.handle_completions(request, take)
            except Exception as error:
                loop.call_soon_threadsafe(chunks.put_nowait, error)
            else:
                loop.call_soon_threadsafe(chunks.put_nowait, None)

        self._engine.submit(work)
        try:
            while (chunk := await self._next(chunks)) is not None:
                if (delta := _delta(chunk)) is not None:
                    yield delta
        finally:
            stop.set()

    async def _next(self, chunks: "asyncio.Queue[Chunk]") -> "Chunk":
        try:
            async with asyncio.timeout(self._patience):
                return await chunks.get()
        except TimeoutError as error:
            raise GeneratorError(
                "The engine was silent for {seconds} seconds, so the reply was given up. "
                "Ask again, set a longer model.timeout, or choose a smaller model.",
                seconds=self._patience,
            ) from error

    async def read(self, messages: Sequence[Message]) -> None:
        nothing = Sampling(max_tokens=0)
        request = {**_sampling(nothing), "prompt": await self._prompt(messages, reply=False), "stream": True}
        stop, last = threading.Event(), dict[str, Any]()

        def take(chunk: dict[str, Any]) -> bool:
            last.update(chunk)
            return stop.is_set() or self._closing.is_set()

        try:
            await asyncio.wrap_future(self._engine.submit(self.server.handle_completions, request, take))
        finally:
            stop.set()
        _raise_engine_error(last)

    async def aclose(self) -> None:
        """Stop the engine and free the model; a reply that is being written ends where it is."""
        self._closing.set()
        await asyncio.to_thread(self._engine.shutdown)
        self._tokenizer.close()
        self.server = None

    def _pieces(self, messages: Sequence[Message], *, reply: bool) -> tuple[Piece, ...]:
        if self._closing.is_set():
            raise GeneratorError("The engine is closed. Start Samantha again.")
        return self._format(messages, reply)

    async def _prompt(self, messages: Sequence[Message], *, reply: bool) -> list[int]:
        pieces = await self._tokenizer.tokens(self._pieces(messages, reply=reply))
        tokens = [token for piece in pieces for token in piece]
        bos = self._tokenizer.bos
        return tokens if tuple(tokens[: len(bos)]) == bos else [*bos, *tokens]


class _Tokenizer:
    """The engine's own tokenizer, over its loopback port; pieces seen before are remembered.

    `bos` are the tokens that begin every text, for a model that wants one; `bos_text` and `eos_text` are what
    templates call them.
    """

    def __init__(self, address: str, key: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._known: OrderedDict[tuple[str, bool], tuple[int, ...]] = OrderedDict()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenizer")
        properties = self._ask("GET", "/props")
        self.bos_text: str = properties.get("bos_token", "")
        self.eos_text: str = properties.get("eos_token", "")
        self.bos = self._tokenize("", add_special=True, parse_special=True)

    async def tokens(self, pieces: Sequence[Piece]) -> list[tuple[int, ...]]:
        """The tokens of each piece; special tokens are recognised in control pieces only."""
        keys = [(piece.text, piece.control) for piece in pieces]
        if any(key not in self._known for key in keys):
            try:
                await asyncio.get_running_loop().run_in_executor(self._worker, self._learn, keys)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise GeneratorError("The engine's tokenizer failed: {reason}. Try again.", reason=error) from error
        return [self._known[key] for key in keys]

    def close(self) -> None:
        self._worker.shutdown()
        self._connection.close()

    def _learn(self, keys: Sequence[tuple[str, bool]]) -> None:
        for key in keys:
            if key not in self._known:
                self._known[key] = self._tokenize(key[0], add_special=False, parse_special=key[1])
            self._known.move_to_end(key)
        while len(self._known) > max(REMEMBERED, len(keys)):
            self._known.popitem(last=False)

    def _tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        question = {"content": text, "add_special": add_special, "parse_special": parse_special}
        return tuple(self._ask("POST", "/tokenize", json.dumps(question))["tokens"])

    def _ask(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        try:
            answer = self._exchange(method, path, body)
        except (ConnectionError, http.client.HTTPException):  # the engine hangs up on a connection left idle
            answer = self._exchange(method, path, body)
        _raise_engine_error(answer)
        return answer

    def _exchange(self, method: str, path: str, body: str | None) -> dict[str, Any]:
        try:
            self._connection.request(method, path, body, self._headers)
            answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        except BaseException:
            self._connection.close()  # the next request opens it again
            raise
        return answer


def choose_threads(cores: int, *, load: float, neighbours: int) -> int:
    """Engine threads for a machine of `cores`, of which `load` are busy with other programs.

    With a thread on every core, one busy neighbour makes llama.cpp wait for its slowest thread at every layer:
    75 tokens/s fall to 20. One thread fewer keeps two thirds of the speed under the same load.
    """
    return max(1, cores - neighbours - round(load))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load(seconds: float = 0.15) -> float:
    """Cores that other processes keep busy now; 0 where the platform does not say.

    Their own processor times are added up, because the load average still counts what ended half a minute ago, and
    virtual machines misreport the sum for the whole machine.
    """
    before = _processor_times()
    time.sleep(seconds)
    after = _processor_times()
    ticks = sum(after[process] - before[process] for process in after.keys() & before.keys())
    return ticks / os.sysconf("SC_CLK_TCK") / seconds if ticks else 0.0


def _processor_times() -> dict[str, int]:
    """Clock ticks that each other process has used, by its id."""
    times = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        times[path.parent.name] = int(fields[11]) + int(fields[12])  # in user and in kernel mode
    times.pop(str(os.getpid()), None)
    return times


def _check_context(header: Header, context: int, path: Path) -> None:
    if header.context and context > header.context:
        raise ModelUnsupported(
            "model.context is {context}, but the model '{path}' was made for {most} tokens. "
            "Set model.context to {most} or less.",
            context=context,
            path=path.name,
            most=header.context,
        )


def _check_adapter(adapter: Path, header: Header) -> None:
    """What llama.cpp would end the whole process for, said in a sentence instead."""
    changed = {tensor.name for tensor in check_adapter(adapter, header).tensors}
    tied = not any(tensor.name == "output.weight" for tensor in header.tensors)
    if tied and any(name.startswith("token_embd.weight") for name in changed):
        raise ModelUnsupported(
            "The engine cannot put '{adapter}' on this model: it changes embeddings that are also the output. "
            "Use it with a catalogue brain, into which it is merged.",
            adapter=adapter,
        )


def _start(
    path: Path, header: Header, *, key: str, context: int, parallel: int, threads: int, adapter: Path | None
) -> Any:
    """The engine, listening on loopback behind a random key; calls in this process need none."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = context * parallel
    params.n_parallel = parallel
    params.n_batch = params.n_ubatch = READ_AT_ONCE
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.api_keys = [key]
    params.cors_origins = ""
    params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = params.ui = False
    params.cache_ram_mib = 0  # prompts are kept in the slots alone; the default may take 8 GiB of memory
    params.warmup = False
    params.verbosity = -1
    if adapter is not None:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    try:
        return xllamacpp.Server(params)
    except Exception as error:
        raise ModelUnsupported(
            "The engine cannot load '{path}' (architecture '{architecture}'): {reason}. "
            "Choose another with `samantha models`.",
            path=path.name,
            architecture=header.architecture,
            reason=str(error).strip().rstrip("."),
        ) from error


def _sampling(sampling: Sampling) -> dict[str, Any]:
    request: dict[str, Any] = {
        "n_predict": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repeat_penalty,
        "dry_multiplier": sampling.dry_multiplier,
        "dry_penalty_last_n": 1024,  # tokens: a small model repeats itself from turn to turn
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": -1 if sampling.seed is None else sampling.seed,
        "stop": list(sampling.stop),
        "cache_prompt": True,
        "return_progress": True,
    }
    if sampling.json_schema is not None:
        request["json_schema"] = json.loads(sampling.json_schema)
    return request


def _delta(chunk: dict[str, Any] | Exception) -> Delta | None:
    """What a chunk of the engine says; None for a mere sign of progress."""
    if isinstance(chunk, Exception):
        raise GeneratorError(
            "The engine failed: {reason}. Try again, or choose another model.", reason=chunk
        ) from chunk
    _raise_engine_error(chunk)
    choice = chunk["choices"][0]
    finish = cast(Finish | None, choice["finish_reason"])
    if finish is None:
        return Delta(choice["text"]) if choice["text"] else None
    timings = chunk["timings"]
    return Delta(
        choice["text"],
        finish,
        prompt_tokens=timings["cache_n"] + timings["prompt_n"],
        cached_tokens=timings["cache_n"],
        completion_tokens=timings["predicted_n"],
    )


def _raise_engine_error(answer: dict[str, Any]) -> None:
    if "error" in answer:
        raise GeneratorError("The engine refused: {reason}.", reason=str(answer["error"]["message"]).rstrip("."))
