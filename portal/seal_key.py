"""The key of the trail's seals: who can only write the database cannot make one."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class SealKey:
    """Signs seals with a key derived from the portal's secret key: HKDF-SHA-256, 32 bytes,
    no salt, info ``imgmig audit seals``.
    """

    def __init__(self, secret_key: str) -> None:
        key = HKDF(SHA256(), length=32, salt=None, info=b"imgmig audit seals")
        self._key = key.derive(secret_key.encode())

    def __repr__(self) -> str:
        return "SealKey()"

    def mac(self, seal_hash: str) -> str:
        """The signature of a seal's hash."""
        return hmac.new(self._key, seal_hash.encode(), hashlib.sha256).hexdigest()

    def signed(self, seal_hash: str, mac: str) -> bool:
        """Whether the signature is this key's."""
        return hmac.compare_digest(self.mac(seal_hash).encode(), mac.encode())
