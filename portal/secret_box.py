"""Secrets at rest: encrypted with a key derived from the portal's secret key."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from portal.errors import PortalError
from portal.logs.redaction import redactor


class SecretUnreadable(PortalError):
    """A stored secret was encrypted with another secret key."""


class SecretBox:
    """Closes and opens secrets; its key differs from that of sessions by its purpose."""

    def __init__(self, secret_key: str) -> None:
        key = HKDF(SHA256(), length=32, salt=None, info=b"imgmig secrets at rest")
        derived = base64.urlsafe_b64encode(key.derive(secret_key.encode()))
        self._fernet = MultiFernet([Fernet(derived)])

    def close(self, secret: str) -> str:
        """The secret as it may be stored."""
        redactor.learn_text(secret)
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, stored: str) -> str:
        """The secret again.

        :raises SecretUnreadable: when the secret key is not the one it was closed with
        """
        try:
            secret = self._fernet.decrypt(stored.encode()).decode()
        except InvalidToken:
            raise SecretUnreadable(
                "密钥已更换，请重新填写凭据",
                "stored with another PORTAL_SECRET_KEY: enter it again",
            ) from None
        redactor.learn_text(secret)
        return secret
