"""A language model behind an OpenAI-compatible endpoint: vLLM, llama-server, Ollama, a cloud.

Messages go out as JSON, the answer comes back as server-sent events; an endpoint that does not know a field is
asked again without it. Not here: the service of our own that speaks this protocol (`samantha.surfaces.api`).

Messages travel as text and the endpoint makes the tokens: whether a `<|im_start|>` that somebody writes stays
text or begins a turn is its business, and cannot be seen from here. Nor where it runs: behind an address of this
machine may be a tunnel, a proxy or a cloud, so its brain is never called local.
"""

import asyncio
import codecs
import difflib
import ipaddress
import json
import math
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from samantha.adapters.openai_errors import (
    Refused,
    broken_off,
    explained,
    json_object,
    no_model,
    reason_in,
    refusal,
    untrusted,
)
from samantha.core.chat import alternating
from samantha.core.errors import EndpointError, SettingError
from samantha.core.ports import CONTEXT, Brain, Delta
from samantha.core.types import Finish, Message, Sampling

if TYPE_CHECKING:
    from httpx2 import URL, AsyncBaseTransport, AsyncClient, Response, ServerSentEvent
    from tenacity import RetryCallState

CONNECT = 10.0  # seconds; a machine that is there accepts a connection in far less
ATTEMPTS = 3
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0  # seconds; an endpoint that asks for more is not waited for
PASSING = {429, 502, 503, 504}  # statuses that may be gone a moment later
MOST_OF_A_REFUSAL = 2**16  # bytes
MOST_TOKENS = 10**9  # no prompt is near it
DONE = "[DONE]"

LETTERS_A_TOKEN = 3.5  # of ASCII; few, so that English dialogue never comes out short
TOKENS_A_MESSAGE = 4  # its role and markers
LEARNING = 100  # tokens; shorter prompts are mostly template and say little about the text

# What an endpoint may do without: the reply is then drawn a little differently, or comes without its cost.
OPTIONAL = {
    *("top_k", "min_p", "repeat_penalty", "temperature", "top_p", "seed"),
    *("frequency_penalty", "presence_penalty", "stream_options"),
}
UNKNOWN_FIELD = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|extra|additional", re.I
)
UNKNOWN_ORDER = re.compile(r"system role|role.{0,20}system|roles?.{0,20}alternat", re.I)
FOLDS: tuple[Callable[[Sequence[Message]], Sequence[Message]], ...] = (
    tuple,
    partial(alternating, system=True),
    alternating,
)

_UTF16 = codecs.getincrementaldecoder("utf-16-le")


class OpenAIGenerator:
    """Implements `samantha.core.ports.Generator`.

    `url` is the base address, such as ``http://127.0.0.1:11434/v1``. `timeout` is the seconds that the endpoint
    may be silent, before its answer and within it. `context` is what the person says the model takes: the
    protocol has no question for it. `sleep` waits between attempts. Raises `SettingError` for a bad address.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str = "",
        timeout: float = 60.0,
        context: int | None = None,
        languages: Sequence[str] = (),
        transport: "AsyncBaseTransport | None" = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = _client(url, key=key, timeout=timeout, transport=transport)
        self._url = _shown(self._client.base_url)
        self._timeout = timeout
        self._sleep = sleep
        self._brain = Brain(model, context or CONTEXT, tuple(languages), local=False)
        self._unknown: set[str] = set()  # fields that the endpoint refused
        self._renamed: dict[str, str] = {}
        self._fold = 0  # how far the endpoint has made us go in FOLDS
        self._scale = 1.0  # tokens that the endpoint counted / tokens estimated

    @property
    def brain(self) -> Brain:
        return self._brain

    async def count(self, messages: Sequence[Message]) -> list[int]:
        """An estimate: a token for 3.5 ASCII letters or spaces, one for any other character, 4 a message.

        Corrected upwards, for all later calls, by what the endpoint reports of longer prompts. Measured with
        SmolLM2, English dialogue never has more tokens than this, Chinese has up to twice as many until it is
        corrected. No text has more than four times as many: tokenizers write at most a token a byte.
        """
        return [math.ceil(self._scale * estimate(message)) for message in messages]

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        """Write the assistant's next message. A failed request is repeated only while none of it has come."""
        answer = _Answer(self._url)
        async with aclosing(await self._open(messages, sampling)) as response:
            with explained(self._url, self._timeout, answer):
                async with aclosing(_events(response, self._url)) as events:
                    async for data in events:
                        if text := answer.take(data):
                            yield Delta(text)
        yield self._last(answer, messages)

    async def read(self, messages: Sequence[Message]) -> None:
        """Nothing: the endpoint keeps its own cache."""

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _last(self, answer: "_Answer", messages: Sequence[Message]) -> Delta:
        """The delta that ends the reply; what the endpoint does not report of its cost is estimated."""
        if answer.finish is None:
            raise broken_off(self._url)
        expected, prompt = sum(map(estimate, messages)), _whole(answer.usage.get("prompt_tokens"))
        if expected >= LEARNING:
            self._scale = max(self._scale, prompt / expected)
        details = answer.usage.get("prompt_tokens_details")
        prompt = prompt or math.ceil(self._scale * expected)
        return Delta(
            "",
            answer.finish,
            prompt_tokens=prompt,
            cached_tokens=min(prompt, _whole(details.get("cached_tokens"))) if isinstance(details, dict) else 0,
            completion_tokens=_whole(answer.usage.get("completion_tokens")) or answer.pieces,
        )

    async def _open(self, messages: Sequence[Message], sampling: Sampling) -> "Response":
        """A response that has begun; asked for again as long as the endpoint teaches us how to ask."""
        while True:
            body = self._body(messages, sampling)
            try:
                return await self._send(body)
            except Refused as refused:
                if not self._learn(refused, body):
                    raise await self._told(refused) from refused

    def _body(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
        told = [{"role": each.role, "content": each.text} for each in FOLDS[self._fold](messages)]
        body = {"model": self._brain.name, "messages": told, **_options(sampling)}
        return {self._renamed.get(name, name): value for name, value in body.items() if name not in self._unknown}

    def _learn(self, refused: "Refused", body: Mapping[str, Any]) -> bool:
        """Whether to ask again, differently: what the endpoint did not take is remembered."""
        if refused.status not in (400, 422):
            return False
        named = {name for name in OPTIONAL & body.keys() if re.search(rf"\b{name}\b", refused.reason)}
        if "max_tokens" in body and "max_completion_tokens" in refused.reason:
            self._renamed["max_tokens"] = "max_completion_tokens"
        elif named and UNKNOWN_FIELD.search(refused.reason):
            self._unknown |= named
        elif UNKNOWN_ORDER.search(refused.reason) and self._fold + 1 < len(FOLDS):
            self._fold += 1
        else:
            return False
        return True

    async def _send(self, body: Mapping[str, Any]) -> "Response":
        """Ask, and ask again where the trouble may pass. Raises `Refused` and `EndpointError`."""
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=stop_after_attempt(ATTEMPTS),
            wait=_pause,
            retry=retry_if_exception(_may_pass),
            reraise=True,
        )
        with explained(self._url, self._timeout):
            response: Response = await retrying(self._ask, json.dumps(body).encode())
        return response

    async def _ask(self, body: bytes) -> "Response":
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        request = self._client.build_request("POST", "chat/completions", content=body, headers=headers)
        response = await self._client.send(request, stream=True)
        if response.status_code != 200:
            async with aclosing(response):
                raise await _refused(response)
        return response

    async def _told(self, refused: "Refused") -> EndpointError:
        """What to tell the person about a refusal; where the model is unknown, with the nearest of those that are."""
        if refused.status != 404:
            return refusal(refused, self._url, self._brain.name)
        names: tuple[str, ...] = ()
        with suppress(EndpointError):
            names = await _models(self._client, self._timeout)
        model = self._brain.name
        if names and model not in names:
            nearest = difflib.get_close_matches(model, names, n=5, cutoff=0)
            return EndpointError(
                "{url} has no model '{model}', but it has: {names}. Choose one of them with --model.",
                url=self._url,
                model=model,
                names=", ".join(nearest),
            )
        return refusal(refused, self._url, model)


async def list_models(
    url: str,
    *,
    key: str = "",
    timeout: float = 2.0,  # noqa: ASYNC109  # of each step, as in the HTTP client, not of the whole
    transport: "AsyncBaseTransport | None" = None,
) -> tuple[str, ...]:
    """The names of the models that the endpoint offers, in its order. Raises `EndpointError`, `SettingError`."""
    async with _client(url, key=key, timeout=timeout, transport=transport) as client:
        return await _models(client, timeout)


def estimate(message: Message) -> int:
    """Tokens that `message` probably takes in a prompt, its role markers included."""
    cheap = sum(each.isascii() and (each.isalpha() or each.isspace()) for each in message.text)
    return math.ceil(cheap / LETTERS_A_TOKEN) + len(message.text) - cheap + TOKENS_A_MESSAGE


async def _models(client: "AsyncClient", seconds: float) -> tuple[str, ...]:
    url = _shown(client.base_url)
    with explained(url, seconds):
        response = await client.get("models")
    if response.status_code != 200:
        raise refusal(Refused(response.status_code, reason_in(response.content) or response.reason_phrase), url, "")
    listed = json_object(response.text, url).get("data")
    found = [each.get("id") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return tuple(name for name in found if isinstance(name, str))


def _client(url: str, *, key: str, timeout: float, transport: "AsyncBaseTransport | None") -> "AsyncClient":
    from httpx2 import AsyncClient, Timeout

    base = _base(url)
    if not (key.isascii() and key.isprintable()):
        raise SettingError(
            "The key for {url} has characters that no key has. Set endpoints.NAME.key anew.", url=_shown(base)
        )
    return AsyncClient(
        base_url=base,
        headers={"Authorization": f"Bearer {key.strip()}"} if key.strip() else {},
        timeout=Timeout(timeout, connect=min(timeout, CONNECT)),
        transport=transport,
        trust_env=not _is_loopback(base),  # a proxy in the environment knows nothing of this machine
    )


def _base(url: str) -> "URL":
    """The address that paths are appended to; /v1 where `url` names no path."""
    from httpx2 import URL, InvalidURL

    with suppress(InvalidURL):
        base = URL(url.strip())
        if base.scheme in ("http", "https") and base.host:
            return base.copy_with(path=base.path.rstrip("/").removesuffix("/chat/completions") or "/v1")
    raise SettingError("'{url}' is not the address of an endpoint. Write it like http://127.0.0.1:11434/v1.", url=url)


def _shown(url: "URL") -> str:
    """The address without the name and password that may be in it."""
    return str(url.copy_with(username=None, password=None)).rstrip("/")


def _is_loopback(url: "URL") -> bool:
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return url.host == "localhost"


def _options(sampling: Sampling) -> dict[str, Any]:
    """The fields of `sampling`, those that change nothing left out.

    `top_k`, `min_p` and `repeat_penalty` are not OpenAI's, but llama-server and most local engines take them.
    """
    options: dict[str, Any] = {
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    neutral = {"top_k": 0, "min_p": 0, "repeat_penalty": 1, "frequency_penalty": 0, "presence_penalty": 0, "seed": None}
    options |= {name: value for name, off in neutral.items() if (value := getattr(sampling, name)) != off}
    if sampling.stop:
        options["stop"] = list(sampling.stop)
    if sampling.json_schema is not None:
        schema = {"name": "reply", "schema": json.loads(sampling.json_schema), "strict": True}
        options["response_format"] = {"type": "json_schema", "json_schema": schema}
    return options


@dataclass
class _Answer:
    """What the events have said so far."""

    url: str
    pieces: int = 0  # of text; engines send a token or two in each
    finish: Finish | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    joiner: codecs.IncrementalDecoder = field(default_factory=lambda: _UTF16("replace"))  # of split emoji

    def take(self, data: str) -> str:
        """The text in the next event."""
        if data.strip() == DONE:
            self.finish = self.finish or "stop"
            return ""
        event = json_object(data, self.url)
        if event.get("error") or event.get("object") == "error":
            raise EndpointError(
                "{url} stopped with an error: {reason}. Ask again, or choose another model with --model.",
                url=self.url,
                reason=reason_in(data),
            )
        if isinstance(usage := event.get("usage"), dict):
            self.usage = usage
        choices = event.get("choices")
        return self._choose(choices[0]) if isinstance(choices, list) and choices else ""

    def _choose(self, choice: Any) -> str:
        if not isinstance(choice, dict):
            return ""
        if reason := choice.get("finish_reason"):
            self._finish(reason)
        told = choice.get("delta") or choice.get("message")
        text = (told.get("content") or told.get("refusal")) if isinstance(told, dict) else None
        if not isinstance(text, str) or not text:
            return ""
        self.pieces += 1
        return self.joiner.decode(text.encode("utf-16-le", "surrogatepass"))

    def _finish(self, reason: object) -> None:
        if reason == "content_filter":
            raise EndpointError(
                "The content filter of {url} stopped the answer. "
                "Say it differently, or choose another model with --model.",
                url=self.url,
            )
        self.finish = "length" if reason in ("length", "max_tokens") else "stop"


async def _events(response: "Response", url: str) -> AsyncGenerator[str, None]:
    """The data of each server-sent event; an answer in one piece counts as one."""
    from httpx2 import EventSource

    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        yield (await response.aread()).decode(errors="replace")
        yield DONE
        return
    if kind != "text/event-stream":
        raise no_model(url, kind)
    source = cast("AsyncGenerator[ServerSentEvent, None]", aiter(EventSource(response)))
    async with aclosing(source) as events:
        async for event in events:
            if event.data.strip():
                yield event.data
            if event.data.strip() == DONE:
                await _drain(events)


async def _drain(events: "AsyncGenerator[ServerSentEvent, None]") -> None:
    """Read what may follow the last event: only a response that was read to its end leaves its connection usable."""
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            async for _ in events:
                pass


async def _refused(response: "Response") -> Refused:
    body = b""
    async with aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > MOST_OF_A_REFUSAL:
                break
    wait = response.headers.get("retry-after", "")
    pause = float(wait) if re.fullmatch(r"\d{1,6}(\.\d+)?", wait) else None  # its other form, a date, is rare
    reason = response.headers.get("location") or reason_in(body) or response.reason_phrase
    return Refused(response.status_code, reason, pause=pause)


def _may_pass(error: BaseException) -> bool:
    from httpx2 import ConnectError, ReadError, RemoteProtocolError, WriteError

    if isinstance(error, Refused):
        return error.status in PASSING and (error.pause or 0) <= LONGEST_PAUSE
    return isinstance(error, ConnectError | ReadError | RemoteProtocolError | WriteError) and not untrusted(error)


def _pause(state: "RetryCallState") -> float:
    """Seconds until the next attempt."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause if isinstance(error, Refused) else None
    return FIRST_PAUSE * 2 ** (state.attempt_number - 1) if asked is None else asked


def _whole(number: object) -> int:
    """A count as the endpoint reports it; 0 where it cannot be one."""
    return number if isinstance(number, int) and 0 < number < MOST_TOKENS else 0
