"""The calls of admins 2.0 and 2.1: Hessian objects that are posted to one address.

Objects are read by the names of their fields: their order is Java's own affair. Up to 2.1.0 both
sides speak so; 2.1.1 and 2.1.2 call executors so and take JSON themselves. The name of one field
of a trigger tells which of the two sent it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from . import texts
from .dialects import Dialect
from .hessian import HessianError, Long, Record, TypedList, decode, encode
from .inbound import LogQuery, RequestError, Trigger, read_integer, read_trigger
from .outbound import Answer, AnswerError, Result

FIRST_BYTE: Final = b"C"
"""What an object begins with: the definition of its class. No JSON begins so."""
EXECUTOR: Final = "com.xxl.job.core.biz.ExecutorBiz"
ADMIN: Final = "com.xxl.job.core.biz.AdminBiz"
PING: Final = "BEAT_PING_PONG"
"""The request id by which xxl-rpc keeps a connection alive."""
LATEST_MS: Final = 180_000
"""A request that is older than this is not served."""

_NET: Final = "com.xxl.rpc.remoting.net.params."
_MODEL: Final = "com.xxl.job.core.biz.model."


@dataclass(frozen=True)
class Request:
    """One call in either direction."""

    request_id: str | None
    created_ms: int
    """By the caller's clock, epoch milliseconds."""
    token: str
    service: str
    method: str
    arguments: tuple[Any, ...]

    @property
    def is_ping(self) -> bool:
        """Whether nothing is asked but that the connection stays."""
        return self.request_id == PING


def parse_request(body: bytes) -> Request:
    """Read a call.

    :raises RequestError: if it is none
    """
    fields = _fields(_decoded(body), "XxlRpcRequest")
    arguments = fields.get("parameters")
    if arguments is not None and not isinstance(arguments, list):
        raise RequestError("parameters is not a list")
    return Request(
        _optional_text(fields, "requestId"),
        read_integer(fields, "createMillisTime", bits=64),
        _optional_text(fields, "accessToken") or "",
        _optional_text(fields, "className") or "",
        _optional_text(fields, "methodName") or "",
        tuple(arguments or ()),
    )


def parse_trigger(argument: Any) -> Trigger:
    """Read the argument of ``run``.

    :raises RequestError: if it is no trigger or a field has the wrong type
    """
    fields = _fields(argument, "TriggerParam")
    if "logDateTim" in fields:  # without its last letter up to 2.1.0
        return read_trigger({**fields, "logDateTime": fields["logDateTim"]}, Dialect.RPC)
    return read_trigger(fields, Dialect.RPC_21)


def parse_job_id(argument: Any) -> int:
    """Read the argument of ``idleBeat`` and ``kill``.

    :raises RequestError: if it is no number
    """
    return read_integer({"jobId": argument}, "jobId")


def parse_log_query(_date: Any, log_id: Any, from_line: Any, *, max_chars: int) -> LogQuery:
    """Read the arguments of ``log``. All admins that ask so show the lines as HTML.

    :raises RequestError: if one is no number
    """
    fields = {"logId": log_id, "fromLineNum": from_line}
    return LogQuery(
        read_integer(fields, "logId", bits=64),
        read_integer(fields, "fromLineNum"),
        max_chars=max_chars,
        shown_as_html=True,
    )


def response(request_id: str | None, answer: Answer) -> bytes:
    """A call's answer; what it carries besides code and text is a page of a log, or nothing."""
    page = None
    if isinstance(answer.content, dict):
        page = Record(f"{_MODEL}LogResult", answer.content)
    # Java's success says nothing; what it would say stands in the admin's pages.
    msg = None if answer.msg == texts.SUCCESS else answer.msg
    return _response(request_id, None, _return(answer.code, msg, page))


def error_response(request_id: str | None, message: str | None) -> bytes:
    """The answer to a call that was not made, or (without a message) to a ping."""
    return _response(request_id, message, None)


def registry_request(call: Request, app_name: str, address: str) -> bytes:
    """``registry`` or ``registryRemove`` as bytes."""
    fields = {"registGroup": "EXECUTOR", "registryKey": app_name, "registryValue": address}
    argument = Record(f"{_MODEL}RegistryParam", fields)
    return _request(call, f"{_MODEL}RegistryParam", argument)


def callback_request(call: Request, results: Iterable[Result]) -> bytes:
    """``callback`` as bytes."""
    items = [
        Record(
            f"{_MODEL}HandleCallbackParam",
            {
                "logId": result.log_id,
                "logDateTim": Long(result.log_date_time),
                "executeResult": _return(result.code, texts.message(result.message), None),
            },
        )
        for result in results
    ]
    return _request(call, "java.util.List", items)


def parse_response(body: bytes) -> Answer:
    """Read what an admin answered to a call.

    :raises AnswerError: if it is not the answer of an admin up to 2.1.0
    """
    try:
        fields = _fields(_decoded(body), "XxlRpcResponse")
        message = _optional_text(fields, "errorMsg")
        if message is not None:
            return Answer(texts.FAIL, message)
        result = _fields(fields.get("result"), "ReturnT")
        return Answer(read_integer(result, "code"), _optional_text(result, "msg"))
    except RequestError as error:
        raise AnswerError(f"{len(body)} bytes that are no answer in Hessian ({error})") from error


def _request(call: Request, parameter_type: str, argument: Any) -> bytes:
    java_class = Record("java.lang.Class", {"name": parameter_type})
    fields = {
        "requestId": call.request_id,
        "createMillisTime": Long(call.created_ms),
        "accessToken": call.token,
        "className": call.service,
        "methodName": call.method,
        "version": None,
        "parameterTypes": TypedList("[java.lang.Class", [java_class]),
        "parameters": TypedList("[object", [argument]),
    }
    return encode(Record(f"{_NET}XxlRpcRequest", fields))


def _response(request_id: str | None, message: str | None, result: Record | None) -> bytes:
    fields = {"requestId": request_id, "errorMsg": message, "result": result}
    return encode(Record(f"{_NET}XxlRpcResponse", fields))


def _return(code: int, msg: str | None, content: Any) -> Record:
    return Record(f"{_MODEL}ReturnT", {"code": code, "msg": msg, "content": content})


def _decoded(body: bytes) -> Any:
    try:
        return decode(body)
    except HessianError as error:
        raise RequestError(f"the body is not Hessian: {error}") from error


def _fields(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Record) or value.class_name.rpartition(".")[2] != name:
        raise RequestError(f"not an object of {name}")
    return value.fields


def _optional_text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise RequestError(f"{name} is not a string")
    return value
