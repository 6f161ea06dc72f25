"""The application, assembled from plain lists: routes, the guard, and what is said when something is wrong.

Not here: the routes themselves, or listening on a port (`server.py`).
"""

import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from samantha import __version__
from samantha.core.errors import SamanthaError
from samantha.core.text import text
from samantha.core.types import Message
from samantha.settings import ServerSettings
from samantha.surfaces.api.guard import LOOPBACK, Guard, too_large
from samantha.surfaces.api.openai import OpenAI
from samantha.surfaces.api.replies import DEFECT, Refusal, error_response, json_response, language_asked, refusal_of
from samantha.surfaces.api.service import Service
from samantha.surfaces.api.turns import Turns

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]

ALIVE_WITHIN = 5.0  # seconds in which a living engine counts a few tokens


def build_app(service: Service, server: ServerSettings) -> FastAPI:
    """The HTTP service around `service`. There is no page of its own: its scripts would come from elsewhere."""
    return FastAPI(
        title="Samantha",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        routes=[*Turns(service).routes(), *OpenAI(service).routes(), *_Watching(service).routes()],
        middleware=_middleware(service, server),
        exception_handlers=_handlers(service, limit=server.body_limit),
    )


def _middleware(service: Service, server: ServerSettings) -> list[Middleware]:
    pages = [each.rstrip("/") for each in server.allowed_origins]
    guard = Middleware(
        Guard,
        body_limit=server.body_limit,
        token=server.token.get_secret_value(),
        hosts=list(filter(None, (server.host, *server.allowed_hosts))),
        origins=pages,
        remote=server.host not in LOOPBACK,
        language=service.language,
    )
    cross = Middleware(CORSMiddleware, allow_origins=pages, allow_methods=["GET", "POST"], allow_headers=["*"])
    return [cross, guard] if pages else [guard]


class _Watching:
    """What those who run the service look at."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[APIRoute]:
        return [
            APIRoute("/healthz", self.health, methods=["GET"]),
            APIRoute("/metrics", self.metrics, methods=["GET"]),
        ]

    async def health(self) -> Response:
        """Ready for work: 200, else 503."""
        status = "stopping" if self._service.stopping else await self._engine()
        return json_response({"status": status}, 200 if status == "ready" else 503)

    async def metrics(self) -> Response:
        """Counts for Prometheus."""
        return Response(self._service.metrics.render(), media_type=CONTENT_TYPE_LATEST)

    async def _engine(self) -> str:
        unheard = Message("user", secrets.token_hex(4))  # or a cache would answer for the engine
        try:
            with anyio.fail_after(ALIVE_WITHIN):
                await self._service.companion.generator.count([unheard])
        except (SamanthaError, TimeoutError):
            return "the engine does not answer"
        return "ready"


def _handlers(service: Service, *, limit: int) -> dict[int | type[Exception], Handler]:
    async def answer(request: Request, error: Exception) -> Response:
        language = language_asked(request.headers.get("accept-language"), service.language)
        return error_response(_refusal(error, request, limit=limit), language)

    return dict.fromkeys((Refusal, SamanthaError, RequestValidationError, HTTPException, Exception), answer)


def _refusal(error: Exception, request: Request, *, limit: int) -> Refusal:
    match error:
        case Refusal():
            return error
        case SamanthaError():
            return refusal_of(error)
        case RequestValidationError():
            return _invalid(error.errors())
        case HTTPException():
            return _of_status(error, request, limit=limit)
    return Refusal(DEFECT, 500)


def _invalid(problems: Sequence[Any]) -> Refusal:
    """The first thing that is wrong with a body or a parameter; pydantic's own words are English alone."""
    problem = problems[0]
    where = ".".join(str(step) for step in problem["loc"][1:])
    if problem["type"] == "json_invalid":
        return Refusal(text("The body is not valid JSON: it breaks at character {place}.", place=where))
    if not where:
        return Refusal(
            text("The body is not a JSON object. Send one, with the header 'Content-Type: application/json'.")
        )
    match problem["type"]:
        case "missing":
            said = text("'{where}' is missing.", where=where)
        case "extra_forbidden":
            said = text("There is no field '{where}' here. Leave it out.", where=where)
        case _:
            said = text("'{where}' is not what it should be. /openapi.json says what it takes.", where=where)
    return Refusal(said, param=where)


def _of_status(error: HTTPException, request: Request, *, limit: int) -> Refusal:
    """What FastAPI and Starlette refuse by themselves."""
    match error.status_code:
        case 404:
            said = text("There is nothing at '{path}'. /openapi.json lists what there is.", path=request.url.path)
        case 405:
            said = text("'{path}' does not know the method {method}.", path=request.url.path, method=request.method)
        case 413:
            return too_large(limit)
        case _:
            said = text("The body is not JSON in UTF-8, or nested too deeply.")
    return Refusal(said, error.status_code, **dict(error.headers or {}))
