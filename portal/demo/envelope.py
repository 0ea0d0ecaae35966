"""The envelope around every JSON answer of the contract."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Response

SUCCESS = "0000"
WRONG_CREDENTIALS = "1101"
MISSING_CREDENTIALS = "1200"
BAD_REQUEST = "1400"


class RefusedError(Exception):
    """The call is answered with a failure.

    :param errcode: the envelope's code
    :param status: of HTTP; business failures have 200
    """

    def __init__(
        self,
        errcode: str,
        description: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.errcode = errcode
        self.description = description
        self.status = status
        self.headers = headers

    def answer(self) -> Response:
        """The response."""
        return _enveloped(self.errcode, self.description, None, self.status, self.headers)


def success(data: Mapping[str, Any]) -> Response:
    """The response of a call that went well."""
    return _enveloped(SUCCESS, "操作成功", data, 200, None)


def _enveloped(
    errcode: str,
    description: str,
    data: Mapping[str, Any] | None,
    status: int,
    headers: Mapping[str, str] | None,
) -> Response:
    body = {
        "errcode": errcode,
        "description": description,
        "data": data,
        "traceId": secrets.token_hex(8),
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, content_type="application/json; charset=utf-8")
