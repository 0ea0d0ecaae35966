"""The HTTP face for admins: whatever comes in, HTTP 200 with a JSON code goes out.

An admin takes any other status for a broken connection and shows no reason, so not even a wrong
method or path may fall through to the application's own error pages.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import PathConverter, Rule

from .callers import Callers
from .calls import CALLS, Call
from .protocol import texts
from .protocol.dialects import Dialect, dialect_of
from .protocol.inbound import RequestError
from .protocol.outbound import Answer, failure

if TYPE_CHECKING:
    from .service import Executor

logger = logging.getLogger(__name__)

BODY_LIMIT: Final = 5 << 20
"""Bytes of a request; the Java executor's own bound."""
DISCARD_LIMIT: Final = 32 << 20
"""Bytes read and thrown away, so that the refusal reaches the client."""


class _AnythingConverter(PathConverter):
    """Unlike ``path`` also nothing, leading slashes and line breaks."""

    regex = r"[\s\S]*?"
    part_isolating = False


def create_blueprint(executor: Executor, *, prefix: str) -> Blueprint:
    """A blueprint that answers every method and every path below ``prefix``."""
    blueprint = Blueprint("xxl_job", __name__)

    callers = Callers(executor.settings)

    def call(word: str = "") -> Response:
        answer = _answer(executor, callers, word)
        return Response(answer.to_bytes(), content_type="application/json;charset=UTF-8")

    def add_rule(state: BlueprintSetupState) -> None:
        # Added past Flask, which always narrows a rule to a list of methods.
        converters = state.app.url_map.converters
        converters["xxl_job_word"] = _AnythingConverter
        state.app.view_functions["xxl_job.call"] = call
        base = prefix.rstrip("/")
        options: dict[str, Any] = {"endpoint": "xxl_job.call", "strict_slashes": False}
        state.app.url_map.add(Rule(f"{base}/<xxl_job_word:word>", **options))
        if base:  # admins of 2.0 and 2.1 post to the very address they were told
            state.app.url_map.add(Rule(base, **options))

    blueprint.record(add_rule)
    return blueprint


def _answer(executor: Executor, callers: Callers, word: str) -> Answer:
    """Java's order of checks: method, token, path, body."""
    dialect = dialect_of(word, names_app=texts.APP_NAME_HEADER in request.headers)
    refusal = _refusal(callers, dialect)
    if refusal is not None:
        return failure(refusal)
    call = CALLS.get(word)
    if call is None or request.query_string:
        return failure(texts.unknown_word(request.full_path.rstrip("?")))
    try:
        return call(executor, Call(_body(), dialect))
    except RequestError as error:
        return failure(texts.bad_request(str(error)))
    except Exception:
        logger.exception("the call %s failed", word)
        return failure(texts.bad_request("internal error, its cause is in the executor's log"))


def _refusal(callers: Callers, dialect: Dialect) -> str | None:
    if not callers.is_allowed(request):
        return texts.FOREIGN_NETWORK
    if request.method != "POST":
        return texts.WRONG_METHOD
    return callers.refusal(request, dialect)


def _body() -> bytes:
    request.max_content_length = BODY_LIMIT
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        _discard_body()
        raise RequestError(f"the body is larger than {BODY_LIMIT} bytes") from error
    except (HTTPException, OSError) as error:
        raise RequestError("the body ended early") from error


def _discard_body() -> None:
    """Take what is too large off the wire: a client reads no answer before it has sent all."""
    left = request.content_length
    if left is None:  # chunked; where it ends is known to the server, when it says so
        left = DISCARD_LIMIT if request.environ.get("wsgi.input_terminated") else 0
    left = min(left, DISCARD_LIMIT)
    stream = request.environ["wsgi.input"]
    while left > 0 and (piece := stream.read(min(left, 1 << 16))):
        left -= len(piece)
