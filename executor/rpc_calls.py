"""What admins of 2.0 and 2.1 post to the bare prefix: the same calls, in Hessian objects.

The token is in the object, so that has to be read first; it is read within bounds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from . import calls
from .log_pages import PAGE_CHARS
from .protocol import rpc, texts
from .protocol.inbound import RequestError
from .protocol.outbound import Answer, success

if TYPE_CHECKING:
    from .callers import Callers
    from .service import Executor

logger = logging.getLogger(__name__)

Within = Callable[[Callable[[], bytes]], bytes]

ANSWER_BYTES: Final = 2 << 20
"""The longest answer that admins of 2.0.0 and 2.0.1 take (Jetty's own bound); later ones 5 MiB."""


def answer(
    executor: Executor,
    callers: Callers,
    body: bytes,
    *,
    is_allowed: bool,
    within: Within,
) -> bytes:
    """The answer to a call, in bytes.

    :param is_allowed: whether the caller's network may call
    :param within: makes the call where the executor's tables can be reached
    """
    try:
        request = rpc.parse_request(body)
    except RequestError as error:
        return rpc.error_response(None, texts.bad_request(str(error)))
    problem = None if is_allowed else texts.FOREIGN_NETWORK
    if problem is None and not request.is_ping:
        problem = _refusal(executor, callers, request)
        if problem is None:
            try:
                return _made(executor, request, within)
            except RequestError as error:
                problem = texts.bad_request(str(error))
            except Exception:
                logger.exception("the call %s failed", request.method)
                problem = texts.INTERNAL_ERROR
    return rpc.error_response(request.request_id, problem)


def _refusal(executor: Executor, callers: Callers, request: rpc.Request) -> str | None:
    """Why the call is not made. Java looks at the token last; nobody needs to know the rest."""
    if not callers.knows(request.token.encode("utf-8", "replace")):
        return texts.WRONG_RPC_TOKEN
    if request.service != rpc.EXECUTOR:
        return texts.unknown_service(request.service)
    if executor.now().timestamp() * 1000 - request.created_ms > rpc.LATEST_MS:
        return texts.TOO_OLD
    if len(request.arguments) != _PARAMETERS.get(request.method):
        return texts.unknown_method(request.service, request.method)
    return None


def _made(executor: Executor, request: rpc.Request, within: Within) -> bytes:
    if request.method == "beat":
        return rpc.response(request.request_id, success())
    if request.method == "log":
        return within(lambda: _log(executor, request))
    call = _CALLS[request.method]
    return within(lambda: rpc.response(request.request_id, call(executor, *request.arguments)))


def _log(executor: Executor, request: rpc.Request) -> bytes:
    """As much of the log as the admin takes; a character has up to six bytes."""
    chars = min(PAGE_CHARS, ANSWER_BYTES)
    while True:
        query = rpc.parse_log_query(*request.arguments, max_chars=chars)
        page = success(executor.read_log(query).as_json())
        content = rpc.response(request.request_id, page)
        if len(content) <= ANSWER_BYTES or chars <= _FEW_CHARS:
            return content
        chars //= 2


_FEW_CHARS: Final = 50_000


def _idle_beat(executor: Executor, job_id: Any) -> Answer:
    return calls.tell_if_idle(executor, rpc.parse_job_id(job_id))


def _run(executor: Executor, trigger: Any) -> Answer:
    return calls.accept(executor, rpc.parse_trigger(trigger))


def _kill(executor: Executor, job_id: Any) -> Answer:
    return calls.kill_job(executor, rpc.parse_job_id(job_id))


_CALLS: Final[dict[str, Callable[..., Answer]]] = {
    "idleBeat": _idle_beat,
    "run": _run,
    "kill": _kill,
}
_PARAMETERS: Final = {"beat": 0, "idleBeat": 1, "run": 1, "kill": 1, "log": 3}
