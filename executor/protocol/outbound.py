"""What leaves for an admin: answers to its calls, and the bodies of our calls to it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import texts
from .dialects import Shape

JsonValue = dict[str, Any] | str | None
JsonBody = dict[str, Any] | list[dict[str, Any]]


class AnswerError(Exception):
    """An admin's answer is not the JSON of an admin; the text says what came instead."""


@dataclass(frozen=True)
class Answer:
    """What a call is answered with, in either direction."""

    code: int
    msg: str | None = None
    content: JsonValue = None

    def to_bytes(self) -> bytes:
        """JSON in all shapes at once: admins up to 3.2 read ``content``, from 3.3 on ``data``."""
        content = json.dumps(self.content)  # once: it may be a log of megabytes
        head = f'{{"code": {self.code}, "msg": {json.dumps(self.msg)}, '
        return f'{head}"content": {content}, "data": {content}}}'.encode()


@dataclass(frozen=True)
class LogPage:
    """Lines ``from_line`` to ``to_line`` of a run, both included and counted from 1."""

    from_line: int
    to_line: int
    text: str
    is_end: bool

    def as_json(self) -> dict[str, Any]:
        """The object an admin's page reads; it drops answers that do not echo ``fromLineNum``."""
        return {
            "fromLineNum": self.from_line,
            "toLineNum": self.to_line,
            "logContent": self.text,
            "isEnd": self.is_end,
        }


@dataclass(frozen=True)
class Result:
    """How a run ended, for the admin."""

    log_id: int
    log_date_time: int
    code: int
    message: str


def success(content: JsonValue = None) -> Answer:
    """Code 200, the only success there is."""
    return Answer(texts.OK, texts.SUCCESS, content)


def failure(text: str) -> Answer:
    """Code 500 with its reason."""
    return Answer(texts.FAIL, text)


def headers(token: str, app_name: str) -> dict[str, bytes]:
    """Headers of every call to an admin, those of all versions at once.

    3.3.0 demands the token's even when it is empty, 2.1 has another name for it, 3.5 wants to
    know who calls. Bytes, because a token or a name need not be ASCII.
    """
    return {
        "Content-Type": b"application/json;charset=UTF-8",
        texts.TOKEN_HEADER: token.encode(),
        texts.OLD_TOKEN_HEADER: token.encode(),
        texts.APP_NAME_HEADER: app_name.encode(),
    }


def registry_body(app_name: str, address: str) -> dict[str, str]:
    """The body of ``registry`` and ``registryRemove``."""
    return {"registryGroup": "EXECUTOR", "registryKey": app_name, "registryValue": address}


def callback_body(results: Iterable[Result], shape: Shape) -> JsonBody:
    """The body of ``callback`` in the shape an admin reads."""
    match shape:
        case Shape.ARRAY:
            return [_array_item(result) for result in results]
        case Shape.OBJECT:
            return {"callbackList": [_object_item(result) for result in results]}
        case Shape.STRICT:
            return [_strict_item(result) for result in results]
        case Shape.RPC:
            raise ValueError("a callback in Hessian has no JSON")


def _array_item(result: Result) -> dict[str, Any]:
    # 2.2.0 reads executeResult and fails without it; 2.3 to 3.4 read handleCode, and take its
    # absence for a run that still goes on. All of them ignore what they do not know.
    return {
        **_strict_item(result),
        "logDateTime": result.log_date_time,
        "handleCode": result.code,
        "handleMsg": texts.message(result.message),
    }


def _object_item(result: Result) -> dict[str, Any]:
    return {
        "logId": result.log_id,
        "logDateTime": result.log_date_time,
        "handleCode": result.code,
        "handleMsg": texts.message(result.message),
    }


def _strict_item(result: Result) -> dict[str, Any]:
    return {
        "logId": result.log_id,
        "logDateTim": result.log_date_time,
        "executeResult": {"code": result.code, "msg": texts.message(result.message)},
    }


def parse_answer(body: bytes) -> Answer:
    """Read what an admin answered.

    :raises AnswerError: if it is no JSON object with an integer code
    """
    try:
        members = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise AnswerError(_described(body)) from error
    code = members.get("code") if isinstance(members, dict) else None
    if not isinstance(code, int) or isinstance(code, bool):
        raise AnswerError("JSON without a code")
    msg = members.get("msg")
    return Answer(code, msg if isinstance(msg, str) else None)


def _described(body: bytes) -> str:
    start = body.lstrip()[:1]
    return "a web page (HTML)" if start == b"<" else f"{len(body)} bytes that are not JSON"
