"""The HTTP face for admins: whatever comes in, HTTP 200 with a JSON code goes out.

An admin takes any other status for a broken connection and shows no reason, so not even a wrong
method or path may fall through to the application's own error pages.
"""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, json, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import PathConverter, Rule

from .calls import CALLS
from .protocol import texts
from .protocol.inbound import RequestError
from .protocol.outbound import Answer, failure

if TYPE_CHECKING:
    from .service import Executor

logger = logging.getLogger(__name__)

BODY_LIMIT: Final = 5 << 20
"""Bytes of a request; the Java executor's own bound."""


class _AnythingConverter(PathConverter):
    """Unlike ``path`` also nothing, leading slashes and line breaks."""

    regex = r"[\s\S]*?"
    part_isolating = False


def create_blueprint(executor: Executor, *, prefix: str) -> Blueprint:
    """A blueprint that answers every method and every path below ``prefix``."""
    blueprint = Blueprint("xxl_job", __name__)

    def call(word: str) -> Response:
        answer = _answer(executor, word)
        return Response(json.dumps(answer.as_json()), content_type="application/json;charset=UTF-8")

    def add_rule(state: BlueprintSetupState) -> None:
        # Added past Flask, which always narrows a rule to a list of methods.
        converters = state.app.url_map.converters
        converters["xxl_job_word"] = _AnythingConverter
        state.app.view_functions["xxl_job.call"] = call
        rule = f"{prefix.rstrip('/')}/<xxl_job_word:word>"
        state.app.url_map.add(Rule(rule, endpoint="xxl_job.call", strict_slashes=False))

    blueprint.record(add_rule)
    return blueprint


def _answer(executor: Executor, word: str) -> Answer:
    """Java's order of checks: method, token, path, body."""
    if request.method != "POST":
        return failure(texts.WRONG_METHOD)
    if not _token_is_right(executor):
        return failure(texts.WRONG_TOKEN)
    call = CALLS.get(word)
    if call is None or request.query_string:
        return failure(texts.unknown_word(request.full_path.rstrip("?")))
    try:
        return call(executor, _body())
    except RequestError as error:
        return failure(texts.bad_request(str(error)))
    except Exception:
        logger.exception("the call %s failed", word)
        return failure(texts.bad_request("internal error, its cause is in the executor's log"))


def _body() -> bytes:
    request.max_content_length = BODY_LIMIT
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise RequestError(f"the body is larger than {BODY_LIMIT} bytes") from error
    except HTTPException as error:
        raise RequestError("the body ended early") from error


def _token_is_right(executor: Executor) -> bool:
    """Compare with every accepted token, in a time that tells nothing about them."""
    settings = executor.settings
    # A header's characters are its bytes; admins write the token in UTF-8.
    given = request.headers.get(texts.TOKEN_HEADER, "").encode("latin-1", "replace")
    matches = [hmac.compare_digest(given, token.encode()) for token in settings.access_tokens]
    if settings.allow_no_token and (not settings.access_tokens or not given):
        return True
    return any(matches)
