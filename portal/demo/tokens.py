"""Handing out access tokens and checking them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Mapping
from typing import Any

from portal.demo.envelope import MISSING_CREDENTIALS, WRONG_CREDENTIALS, RefusedError

VALID_FOR = 36 * 3600
_TENANT_LEVEL = "TN_"


class Tokens:
    """The tokens of one run; safe to share between threads.

    :param credentials: client id and client secret
    """

    def __init__(self, credentials: tuple[str, str]) -> None:
        self._client_id, self._client_secret = credentials
        self._calls: dict[str, int] = {}
        self._lock = threading.Lock()

    def login(self, fields: Mapping[str, Any]) -> str:
        """A new token for a login request.

        The sign is the lower-case hex MD5 of client id, client secret and timestamp in a row.

        :raises RefusedError: credentials missing, wrong, or of the tenant level
        """
        client_id, sign, timestamp = (
            str(fields.get(name) or "") for name in ("clientId", "sign", "timestamp")
        )
        if not (client_id and sign and timestamp):
            raise RefusedError(MISSING_CREDENTIALS, "clientId、sign、timestamp 不能为空")
        if client_id.startswith(_TENANT_LEVEL):
            raise RefusedError(
                WRONG_CREDENTIALS, "租户级 clientId 不能用于影像，请使用企业级 clientId"
            )
        signed = f"{client_id}{self._client_secret}{timestamp}".encode("utf-8", "replace")
        expected = hashlib.md5(signed, usedforsecurity=False).hexdigest()
        right = hmac.compare_digest(sign.encode("utf-8", "replace"), expected.encode())
        if client_id != self._client_id or not right:
            raise RefusedError(WRONG_CREDENTIALS, "clientId 与签名不匹配")
        token = secrets.token_hex(16)
        with self._lock:
            self._calls[token] = 0
        return token

    def check(self, token: str | None, expire_after: int) -> None:
        """Count a call with a token.

        :param expire_after: how many calls a token is good for; 0 = any number
        :raises RefusedError: HTTP 401, the token is missing, unknown or used up
        """
        with self._lock:
            calls = self._calls.get(token or "")
            if token is None or calls is None or (expire_after and calls >= expire_after):
                raise RefusedError("401", "accessToken 无效或已过期", status=401)
            self._calls[token] = calls + 1
