"""What the flagship's answers say; pure.

Two forms: of the business calls ``{success, errorCode, message, data}``, where ``success`` is a
boolean or the text of one; of the two logins ``{state, data: {error_code, error_desc, …}}``.
"""

from __future__ import annotations

import json
import re
from typing import Any

from portal.errors import SyncError
from portal.sync.answers import looks_like_html, one_line

_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})
_FINE_CODES = frozenset({"", "0", "0000"})
_DESCRIPTION = 200
# Which code an expired token has is not published, beside HTTP 401: these are its words.
_OF_A_TOKEN = re.compile(r"token|令牌", re.I)
_NO_LONGER = re.compile(r"expire|invalid|过期|失效|无效|不存在", re.I)
_EXPIRED_CODES = frozenset({"401", "601"})
_UNKNOWN = re.compile(r"不存在|未找到|找不到|not\s+(?:found|exist)|no\s+such", re.I)


class TokenStale(Exception):
    """The answer says that the token is no longer taken."""


def read_json(content: bytes, content_type: str, call: str) -> dict[str, Any]:
    """The JSON object of an answer.

    :raises SyncError: TGT_BAD_ANSWER
    """
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        told = "HTML" if looks_like_html(content_type, content) else "not JSON"
        raise SyncError("TGT_BAD_ANSWER", call=call, detail=told) from None
    if not isinstance(answer, dict):
        raise SyncError("TGT_BAD_ANSWER", call=call, detail="no object")
    return answer


def business_data(answer: dict[str, Any], call: str) -> dict[str, Any]:
    """The data of a business call that succeeded; empty when it brought none.

    :raises TokenStale: when it was refused for its token
    :raises SyncError: TGT_REFUSED, or TGT_BAD_ANSWER for no envelope
    """
    errcode, message = _text(answer.get("errorCode")), _text(answer.get("message"))
    if not _is_success(answer, call) or errcode not in _FINE_CODES:
        if _is_of_token(errcode, message):
            raise TokenStale
        raise SyncError("TGT_REFUSED", call=call, errcode=errcode or "-", description=message)
    data = answer.get("data")
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SyncError("TGT_BAD_ANSWER", call=call, detail="data is no object")
    return data


def login_data(answer: dict[str, Any], call: str, wanted: str) -> str:
    """The token ``wanted`` of a login call.

    :raises SyncError: TGT_LOGIN, or TGT_BAD_ANSWER for none of either
    """
    data = answer.get("data")
    fields = data if isinstance(data, dict) else {}
    token = fields.get(wanted)
    if isinstance(token, str) and token:
        return token
    errcode = _text(fields.get("error_code")) or _text(answer.get("errorCode"))
    words = fields.get("error_desc") or answer.get("message") or answer.get("state")
    if errcode or words:
        description = _text(words)
        raise SyncError("TGT_LOGIN", call=call, errcode=errcode or "-", description=description)
    raise SyncError("TGT_BAD_ANSWER", call=call, detail=f"no {wanted}")


def text_of(data: dict[str, Any], name: str, call: str) -> str:
    """A text that the answer must have.

    :raises SyncError: TGT_BAD_ANSWER
    """
    value = data.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise SyncError("TGT_BAD_ANSWER", call=call, detail=f"no {name}")
    return value


def says_unknown(error: SyncError) -> bool:
    """Whether a refusal says that there is no such document; its code for that is not published."""
    return error.code == "TGT_REFUSED" and bool(
        _UNKNOWN.search(str(error.params.get("description")))
    )


def _is_success(answer: dict[str, Any], call: str) -> bool:
    word = str(answer.get("success")).strip().lower()
    if word not in _TRUE | _FALSE:
        raise SyncError("TGT_BAD_ANSWER", call=call, detail="no success")
    return word in _TRUE


def _is_of_token(errcode: str, message: str) -> bool:
    if errcode in _EXPIRED_CODES:
        return True
    return bool(_OF_A_TOKEN.search(message) and _NO_LONGER.search(message))


def _text(value: object) -> str:
    return "" if value is None else one_line(value, _DESCRIPTION)
