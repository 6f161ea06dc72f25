"""OpenAI's chat completions, answered by the same path as everything else.

The last user message is the turn; the history is the one that the client sends; `user` names the person;
nothing is kept unless `store` is true. She stays herself: a client's system message follows her persona.
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import Response
from starlette.types import Receive

from samantha.core.errors import GeneratorError
from samantha.core.events import Event, Failed, Finished, Said
from samantha.core.text import text
from samantha.core.types import Conversation, Message, Role, Sampling, Turn, Usage
from samantha.language import Language
from samantha.surfaces.api.replies import (
    Refusal,
    error_json,
    error_response,
    json_response,
    language_asked,
    refusal_of,
    stopping,
    to_json,
)
from samantha.surfaces.api.service import Events, Service
from samantha.surfaces.api.streams import EventStream

HERSELF = "samantha"  # the model name that always works, whatever brain she has
DEEPEST = 32  # levels of a JSON schema; the engine's grammar writer descends into it on the C stack
_UNSUPPORTED = frozenset(
    ("audio", "functions", "logit_bias", "logprobs", "prediction", "tools", "top_logprobs", "web_search_options")
)
_ROLES: dict[str, Role] = {"developer": "system", "system": "system", "user": "user", "assistant": "assistant"}


def _text_of_parts(content: object) -> object:
    """Content parts as one text; what is not a list is left for the type to judge."""
    if not isinstance(content, list):
        return content
    for part in content:
        if not (isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)):
            raise Refusal(text('Only text is understood here: send content parts of type "text".'), param="messages")
    return "\n".join(part["text"] for part in content)


class ChatMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_text_of_parts, json_schema_input_type=str | list[dict[str, str]])]


class StreamOptions(BaseModel):
    include_usage: bool | None = None


class ResponseFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None

    def schema_text(self) -> str | None:
        """JSON text of the schema that the reply must fit, if any."""
        if self.type == "text":
            return None
        schema = {"type": "object"} if self.type == "json_object" else (self.json_schema or {}).get("schema")
        if not isinstance(schema, dict) or _deeper_than(DEEPEST, schema):
            raise Refusal(
                text(
                    "response_format needs json_schema.schema, an object at most {levels} levels deep.", levels=DEEPEST
                ),
                param="response_format",
            )
        return json.dumps(schema)


class ChatBody(BaseModel):
    """What `POST /v1/chat/completions` takes; a field that is not named here is ignored or refused."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    messages: list[ChatMessage] = Field(min_length=1, max_length=2048)
    model: str = HERSELF
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = None
    stop: str | list[str] | None = Field(None, max_length=256)
    n: int | None = None
    response_format: ResponseFormat | None = None
    user: str | None = Field(None, min_length=1, max_length=256)
    store: bool | None = None

    @property
    def usage_at_end(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def require_supported(self) -> None:
        """Raises `Refusal` for what would change the reply and is not there."""
        asked = {name for name, value in (self.model_extra or {}).items() if value}
        for name in sorted(_UNSUPPORTED & asked):
            raise Refusal(text("'{name}' is not supported. Leave it out.", name=name), param=name, code="unsupported")
        if self.n not in (None, 1):
            raise Refusal(text("n is {n}, but one reply at a time is all there is. Set n to 1.", n=self.n), param="n")

    def said(self) -> tuple[tuple[Message, ...], str]:
        """The history, and the last user message, which is the turn."""
        roles = [message.role for message in self.messages]
        if "user" not in roles:
            raise Refusal(text("There is no user message to answer. Send at least one."), param="messages")
        last = len(roles) - 1 - roles[::-1].index("user")
        if "assistant" in roles[last:]:
            raise Refusal(text("The last message is the assistant's. End with the user's."), param="messages")
        history = self.messages[:last] + self.messages[last + 1 :]
        return tuple(Message(_ROLES[each.role], each.content) for each in history), self.messages[last].content

    def sampling(self, usual: Sampling, *, most: int) -> Sampling:
        """`usual`, with what the client asked for; `most` is the longest reply that there can be, in tokens."""
        given = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "frequency_penalty": self.frequency_penalty,
            "presence_penalty": self.presence_penalty,
            "max_tokens": min(self.max_completion_tokens or self.max_tokens or usual.max_tokens, most),
            "seed": None if self.seed is None else self.seed % (2**32 - 1),  # engines hold 32 bits
            "stop": tuple(filter(None, [self.stop] if isinstance(self.stop, str) else self.stop or ())),
            "json_schema": self.response_format and self.response_format.schema_text(),
        }
        return replace(usual, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


class OpenAI:
    """The routes under /v1."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._created = int(service.companion.clock.now().timestamp())

    def routes(self) -> list[APIRoute]:
        return [
            APIRoute("/v1/chat/completions", self.complete, methods=["POST"]),
            APIRoute("/v1/models", self.models, methods=["GET"]),
            APIRoute("/v1/models/{model:path}", self.model, methods=["GET"]),
        ]

    async def complete(self, request: Request, body: ChatBody) -> Response:
        """Answer the last user message, whole or as a stream."""
        self._require_model(body.model)
        body.require_supported()
        history, said = body.said()
        id = uuid.uuid4().hex
        conversation = Conversation(body.user or "me", id, bool(body.store), history)
        brain = self._service.companion.generator.brain
        sampling = body.sampling(self._service.companion.sampling, most=brain.context)
        language = language_asked(request.headers.get("accept-language"), self._service.language)
        form = _Form(f"chatcmpl-{id}", int(self._service.companion.clock.now().timestamp()), body.model)

        def answer(receive: Receive) -> AbstractAsyncContextManager[Events]:
            return self._service.answer(Message("user", said, id), conversation, receive=receive, sampling=sampling)

        if body.stream:
            chunks = _Chunks(form, sampling, usage_at_end=body.usage_at_end, language=language)
            refuse = partial(_refusal, sampling=sampling)
            return EventStream(answer, frame=chunks.frame, refuse=refuse, language=language)
        async with answer(request.receive) as events:
            async for event in events:
                if isinstance(event, Finished):
                    _require_schema_followed(event.turn, sampling)
                    return json_response(form.whole(event.turn))
                if isinstance(event, Failed):
                    return error_response(_refusal(event, sampling=sampling), language)
        raise stopping()  # or the client has left and reads nothing

    async def models(self) -> Response:
        """The names that `model` may have."""
        return json_response({"object": "list", "data": [self._model_json(name) for name in self._names()]})

    async def model(self, model: str) -> Response:
        """One of them."""
        self._require_model(model)
        return json_response(self._model_json(model))

    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((HERSELF, self._service.companion.generator.brain.name)))

    def _require_model(self, model: str) -> None:
        if model not in self._names():
            raise Refusal(
                text("There is no model '{model}' here. Use {names}.", model=model, names=", ".join(self._names())),
                404,
                param="model",
                code="model_not_found",
            )

    def _model_json(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": HERSELF}


@dataclass(frozen=True, slots=True)
class _Form:
    """What every part of one reply repeats."""

    id: str
    created: int
    model: str

    def whole(self, turn: Turn) -> dict[str, Any]:
        message = {"role": "assistant", "content": turn.reply.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(turn)}
        return {**self._head("chat.completion"), "choices": [choice], "usage": _usage_json(turn.reply.usage)}

    def chunk(self, delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def usage(self, usage: Usage) -> dict[str, Any]:
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": _usage_json(usage)}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


class _Chunks:
    """The events of a turn as OpenAI's chunks."""

    def __init__(self, form: _Form, sampling: Sampling, *, usage_at_end: bool, language: Language) -> None:
        self._form, self._sampling = form, sampling
        self._usage_at_end, self._language = usage_at_end, language
        self._begun = False

    def frame(self, event: Event) -> bytes:
        """The chunks of `event`, ready to send; empty where the protocol has no word for it."""
        try:
            lines = list(self._lines(event))
        except Refusal as refusal:
            lines = [to_json(error_json(refusal, self._language))]
        return b"".join(b"data: %s\n\n" % line for line in lines)

    def _lines(self, event: Event) -> Iterator[bytes]:
        match event:
            case Said(piece):
                yield from self._beginning()
                yield to_json(self._form.chunk({"content": piece}))
            case Finished(turn):
                _require_schema_followed(turn, self._sampling)
                yield from self._beginning()
                yield to_json(self._form.chunk({}, _finish(turn)))
                if self._usage_at_end:
                    yield to_json(self._form.usage(turn.reply.usage))
                yield b"[DONE]"
            case Failed(error, _):
                raise refusal_of(error)

    def _beginning(self) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            yield to_json(self._form.chunk({"role": "assistant", "content": ""}))


def _finish(turn: Turn) -> str:
    return "length" if turn.reply.finish == "length" else "stop"


def _usage_json(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def _refusal(failed: Failed, *, sampling: Sampling) -> Refusal:
    """An engine that fails at a client's schema before it says a word was given one it cannot follow."""
    if sampling.json_schema and type(failed.error) is GeneratorError and not failed.turn.reply.text:
        return refusal_of(failed.error, status=400, param="response_format")
    return refusal_of(failed.error)


def _require_schema_followed(turn: Turn, sampling: Sampling) -> None:
    """llama.cpp writes freely where it cannot turn a schema into a grammar; then the reply is hardly JSON."""
    if sampling.json_schema is None or turn.reply.finish != "stop":
        return
    try:
        json.loads(turn.reply.text)
    except ValueError as error:
        raise Refusal(
            text("The engine could not follow this schema. Use a simpler one."), param="response_format"
        ) from error


def _deeper_than(levels: int, document: object) -> bool:
    layer = [document]
    for _ in range(levels):
        layer = [
            inner
            for each in layer
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(layer)
