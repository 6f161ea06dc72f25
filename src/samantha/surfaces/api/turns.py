"""Samantha's own routes: a turn as a stream of its events, the threads of a person, and how they have been.

`POST /api/turns` is `Companion.respond()` on the wire, each event as `event_json` has it.
Not here: the OpenAI protocol (`openai.py`).
"""

import uuid
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from samantha.core.events import Decided, Event, Failed, Notice, event_json, mood_json
from samantha.core.ports import READ_BACK, Thread
from samantha.core.text import text
from samantha.core.types import Conversation, Message, Reading
from samantha.language import Language, translate
from samantha.mind.feeling import mood
from samantha.surfaces.api.replies import Refusal, json_response, language_asked, refusal_of, to_json
from samantha.surfaces.api.service import Service
from samantha.surfaces.api.streams import EventStream

Id = Annotated[str, Field(pattern=r"^[\w.:@-]+$", max_length=128)]
Days = Annotated[int, Field(ge=1, le=3660)]
Person = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=256)]

_STREAMED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}


class TurnBody(BaseModel):
    """What `POST /api/turns` takes."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    text: str
    """What the person says."""
    id: Id | None = None
    """Names the message; sent twice, it is one turn. A reply that broke off is then begun anew."""
    parent: Id | Literal[""] | None = None
    """The message it follows; by default the newest of the thread, empty starts it anew."""
    thread: Id | None = None
    """The conversation; by default a new one, named like the message."""
    person: Person = "me"
    """Who speaks."""
    keep: bool = True
    """Keep the turn; false writes nothing of it."""
    language: Language | None = None
    """Of notices and errors; by default Accept-Language decides."""


class Turns:
    """The routes under /api."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[APIRoute]:
        return [
            APIRoute("/api/turns", self.answer, methods=["POST"], response_class=Response, responses=_STREAMED),
            APIRoute("/api/threads", self.threads, methods=["GET"]),
            APIRoute("/api/threads/{thread}", self.history, methods=["GET"]),
            APIRoute("/api/threads/{thread}/undo", self.undo, methods=["POST"]),
            APIRoute("/api/mood", self.mood, methods=["GET"]),
        ]

    async def answer(self, request: Request, body: TurnBody) -> Response:
        """Say something to her; the reply is a stream of events."""
        asked = language_asked(request.headers.get("accept-language"), self._service.language)
        language = body.language or asked
        id = body.id or uuid.uuid4().hex
        message = Message("user", body.text, id, body.parent)
        conversation = Conversation(body.person, body.thread or id, body.keep)
        return EventStream(
            lambda receive: self._service.answer(message, conversation, receive=receive),
            frame=lambda event: _frame(event, language),
            refuse=lambda failed: refusal_of(failed.error),
            language=language,
        )

    async def threads(self, person: Annotated[Person, Query()] = "me") -> Response:
        """The person's conversations, newest first."""
        return json_response({"threads": [_thread_json(each) for each in await self._service.threads.list(person)]})

    async def history(self, thread: Annotated[Id, Path()], person: Annotated[Person, Query()] = "me") -> Response:
        """What was said in a conversation, oldest first."""
        messages = await self._service.threads.history(person, thread)
        if not messages:
            await self._require(thread, person)
        return json_response({"id": thread, "messages": [_message_json(each) for each in messages]})

    async def undo(self, thread: Annotated[Id, Path()], person: Annotated[Person, Query()] = "me") -> Response:
        """Go back before the newest turn; it stays as a branch. Nothing is undone at the start: null."""
        undone = await self._service.threads.rewind(person, thread)
        if undone is None:
            await self._require(thread, person)
        return json_response({"undone": undone and _message_json(undone)})

    async def mood(
        self,
        person: Annotated[Person, Query()] = "me",
        thread: Annotated[Id | None, Query()] = None,
        days: Annotated[Days, Query()] = READ_BACK.days,
    ) -> Response:
        """How the person is in a conversation and was before, and how each message of the last days sounded."""
        now = self._service.companion.clock.now()
        since = now - max(READ_BACK, timedelta(days=days))
        readings = await self._service.threads.readings(person, since)
        shown = [each for each in readings if now - each.at <= timedelta(days=days)]
        return json_response(
            {
                "mood": mood_json(mood(readings, None, now=now, thread=thread)),
                "readings": [_reading_json(each) for each in shown],
            }
        )

    async def _require(self, thread: str, person: str) -> None:
        if thread not in {each.id for each in await self._service.threads.list(person)}:
            raise Refusal(text("There is no conversation '{thread}'. GET /api/threads lists them.", thread=thread), 404)


def _frame(event: Event, language: Language) -> bytes:
    data = event_json(event)
    match event:
        case Notice(_, said):
            data["text"] = translate(said, language)
        case Failed(error, _):
            data["text"] = translate(error.text, language)
        case Decided(decision) if decision.reason is not None:
            data["reason"] = translate(decision.reason, language)
    return b"event: %s\ndata: %s\n\n" % (data["type"].encode(), to_json(data))


def _thread_json(thread: Thread) -> dict[str, Any]:
    return {
        "id": thread.id,
        "title": thread.title,
        "turns": thread.turns,
        "updated": thread.updated.isoformat(),
    }


def _reading_json(reading: Reading) -> dict[str, Any]:
    return asdict(reading) | {"at": reading.at.isoformat()}


def _message_json(message: Message) -> dict[str, Any]:
    """An assistant's message has no id of its own; its parent is the message that it answers."""
    return {"role": message.role, "text": message.text, "id": message.id or None, "parent": message.parent}
