"""What goes wrong with an OpenAI-compatible endpoint, and the sentence that tells a person.

Statuses, exceptions of the HTTP client and answers that are none become `EndpointError`, each with a next step.
Not here: asking again, and learning from a refusal (`samantha.adapters.openai`).
"""

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from samantha.core.errors import EndpointError

if TYPE_CHECKING:
    from httpx2 import HTTPError

REASON = 500  # characters of an endpoint's own words; beyond that it is usually a page or a traceback
TOO_LONG = re.compile(r"context.{0,20}(length|window|size)|maximum context|too many tokens|too long", re.I)


class Ending(Protocol):
    """How far an answer has come."""

    @property
    def pieces(self) -> int: ...

    @property
    def finish(self) -> object: ...


class Refused(Exception):
    """An answer that is none, before it is known whether anything can be done about it."""

    def __init__(self, status: int, reason: str, *, pause: float | None = None) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.pause = pause  # seconds after which the endpoint wants to be asked again


@contextmanager
def explained(url: str, seconds: float, answer: Ending | None = None) -> Iterator[None]:
    """Turn what the HTTP client raises into a sentence; once the answer has ended, what follows is of no matter."""
    from httpx2 import HTTPError

    try:
        yield
    except HTTPError as error:
        if answer is None or answer.finish is None:
            raise _trouble(error, url, seconds, begun=answer is not None and answer.pieces > 0) from error


def _trouble(error: "HTTPError", url: str, seconds: float, *, begun: bool) -> EndpointError:
    from httpx2 import ConnectError, ConnectTimeout, TimeoutException

    if untrusted(error):
        return EndpointError(
            "The certificate of {url} is not trusted: {reason}. Check the address.", url=url, reason=_line(str(error))
        )
    if isinstance(error, ConnectError | ConnectTimeout):
        return EndpointError("Nothing answers at {url}. Start it, or choose another model with --model.", url=url)
    if isinstance(error, TimeoutException) and begun:
        return EndpointError(
            "{url} fell silent in the middle of its answer, for {seconds} seconds. "
            "Ask again, or choose another model with --model.",
            url=url,
            seconds=f"{seconds:g}",
        )
    if isinstance(error, TimeoutException):
        return EndpointError(
            "{url} did not begin to answer within {seconds} seconds. "
            "Set endpoints.NAME.timeout higher, or choose another model with --model.",
            url=url,
            seconds=f"{seconds:g}",
        )
    return broken_off(url)


def broken_off(url: str) -> EndpointError:
    return EndpointError("{url} broke off its answer. Ask again, or choose another model with --model.", url=url)


def no_model(url: str, kind: str) -> EndpointError:
    return EndpointError(
        "{url} answers with '{kind}', not as a language model does. Check the address: it usually ends in /v1.",
        url=url,
        kind=kind,
    )


def refusal(refused: Refused, url: str, model: str) -> EndpointError:
    """The sentence for a status other than 200."""
    reason, status = refused.reason, refused.status
    if status in (401, 403):
        return EndpointError(
            "{url} does not accept the key: {reason}. Set endpoints.NAME.key to one that it knows.",
            url=url,
            reason=reason,
        )
    if status == 404:
        return EndpointError(
            "{url} does not know what it was asked for: {reason}. "
            "Check the address, which usually ends in /v1, and the model.",
            url=url,
            reason=reason,
        )
    if status == 429:
        return EndpointError(
            "{url} takes no more requests for now: {reason}. Wait a while, or choose another model with --model.",
            url=url,
            reason=reason,
        )
    if status < 400:
        return EndpointError("{url} points to {target}. Set endpoints.NAME.url to that.", url=url, target=reason)
    if TOO_LONG.search(reason):
        return EndpointError(
            "The conversation does not fit into '{model}': {reason}. Set model.context to what it takes.",
            model=model,
            reason=reason,
        )
    return EndpointError(
        "{url} cannot answer ({status}: {reason}). Look into its log, or choose another model with --model.",
        url=url,
        status=status,
        reason=reason,
    )


def untrusted(error: BaseException | None) -> bool:
    """Whether a certificate is at the bottom of it."""
    while error is not None:
        if isinstance(error, ssl.SSLError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def json_object(data: str, url: str) -> dict[str, Any]:
    """A JSON object, as every event must be."""
    with suppress(ValueError, RecursionError):
        found = json.loads(data)
        if isinstance(found, dict):
            return found
    raise EndpointError(
        "{url} sent something that no endpoint sends: {start}. Check the address: it usually ends in /v1.",
        url=url,
        start=_line(data)[:60],
    )


def reason_in(answer: str | bytes) -> str:
    """An endpoint's own words about a failure; "" where they are not for reading."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]
    return _line(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False))


def _line(words: str) -> str:
    return " ".join(words.split())[:REASON].rstrip(".")
