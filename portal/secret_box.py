"""Secrets at rest: encrypted with a key derived from the portal's secret key."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken

from portal.errors import PortalError
from portal.key_derivation import derived, fingerprint
from portal.logs.redaction import redactor


class SecretUnreadable(PortalError):
    """A stored secret was encrypted with another secret key."""


class SecretBox:
    """Closes and opens secrets; its key differs from that of sessions by its purpose.

    :ivar fingerprint: of the secret key
    """

    def __init__(self, secret_key: str) -> None:
        self.fingerprint = fingerprint(secret_key)
        key = derived(secret_key, b"imgmig secrets at rest")
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

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
