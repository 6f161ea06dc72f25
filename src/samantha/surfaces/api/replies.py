"""How the service puts things on the wire: JSON, the language of a sentence, and a refusal with its status.

Errors have OpenAI's shape on every route: {"error": {"message", "type", "param", "code"}}.
Not here: when something is refused.
"""

import json
from typing import Any

from starlette.responses import Response

from samantha.core.errors import EndpointError, MessageError, SamanthaError
from samantha.core.text import Text, text
from samantha.language import Language, translate

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}

DEFECT = text("Something went wrong inside Samantha. Try again; the service's log says more.")


class Refusal(Exception):
    """A request that is not answered, with the sentence and the HTTP status that say why."""

    def __init__(
        self, said: Text, status: int = 400, *, param: str | None = None, code: str | None = None, **headers: str
    ) -> None:
        super().__init__(str(said))
        self.said, self.status, self.param, self.code = said, status, param, code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def refusal_of(error: SamanthaError, *, status: int | None = None, param: str | None = None) -> Refusal:
    """What a failed turn is over HTTP: 400 where the message is at fault, 502 an endpoint, 500 anything else."""
    if status is None:
        status = 400 if isinstance(error, MessageError) else 502 if isinstance(error, EndpointError) else 500
    return Refusal(error.text, status, param=param, code=type(error).__name__)


def stopping() -> Refusal:
    """Why nothing new is begun while the service shuts down."""
    return Refusal(text("The service is stopping. Start it again, then ask once more."), 503, retry_after="5")


def error_json(refusal: Refusal, language: Language) -> dict[str, Any]:
    """`refusal` in OpenAI's shape."""
    kind = _TYPES.get(refusal.status, "server_error" if refusal.status >= 500 else "invalid_request_error")
    said = translate(refusal.said, language)
    return {"error": {"message": said, "type": kind, "param": refusal.param, "code": refusal.code}}


def error_response(refusal: Refusal, language: Language) -> Response:
    return json_response(error_json(refusal, language), refusal.status, refusal.headers)


def json_response(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(data), status, headers, media_type="application/json")


def to_json(data: Any) -> bytes:
    """One line of JSON in UTF-8; half a surrogate pair, which UTF-8 cannot hold, becomes a question mark."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def language_asked(header: str | None, default: Language) -> Language:
    """The better liked of English and Chinese in an Accept-Language header (RFC 9110, 12.5.4)."""
    liked: dict[Language, float] = {}
    for each in (header or "").lower().split(","):
        tag, _, quality = each.partition(";")
        if tag.strip()[:2] in ("en", "zh"):
            liked.setdefault("zh" if tag.strip()[:2] == "zh" else "en", _quality(quality))
    return max(liked, key=lambda language: liked[language], default=default)


def _quality(parameter: str) -> float:
    try:
        return float(parameter.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0.0
