"""The key of the trail's seals: who can only write the database cannot make one.

When the secret key is replaced, the key that signed the seals so far is kept in the ledger for
verifying them, encrypted and authenticated by the new one, together with the last seal it signed
(ADR 21). The key for that is derived for nothing else: a secret that somebody had stored, such as
a client secret of his choice, can never pass for a retired key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from portal.key_derivation import derived, fingerprint


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A key that signed seals once.

    :ivar order: how many were retired before it
    :ivar last_no: the last seal it signed, 0 for none; ``last_hash`` is that seal's
    :ivar last_event: the newest event there was when it was retired
    """

    order: int
    last_no: int
    last_hash: str
    last_event: int
    _key: bytes = field(repr=False)

    def signed(self, digest: str, mac: str) -> bool:
        """Whether the signature is this key's."""
        return _is_mac(self._key, digest, mac)


class SealKey:
    """Signs seals with a key derived from the portal's secret key: HKDF-SHA-256, 32 bytes,
    no salt, info ``imgmig audit seals``.

    :ivar fingerprint: of the secret key
    """

    def __init__(self, secret_key: str) -> None:
        self.fingerprint = fingerprint(secret_key)
        self._key = derived(secret_key, b"imgmig audit seals")
        keeping = derived(secret_key, b"imgmig retired seal keys")
        self._keeper = Fernet(base64.urlsafe_b64encode(keeping))

    def __repr__(self) -> str:
        return "SealKey()"

    def mac(self, seal_hash: str) -> str:
        """The signature of a seal's hash."""
        return _mac(self._key, seal_hash)

    def signed(self, seal_hash: str, mac: str) -> bool:
        """Whether the signature is this key's."""
        return _is_mac(self._key, seal_hash, mac)

    def handed_over(
        self, to: SealKey, *, order: int, last_no: int, last_hash: str, last_event: int
    ) -> str:
        """This key as the ledger may keep it once ``to`` has taken its place."""
        kept = {
            "key": self._key.hex(),
            "order": order,
            "last_no": last_no,
            "last_hash": last_hash,
            "last_event": last_event,
        }
        return to._keep(kept)

    def rekept(self, kept: str, to: SealKey) -> str | None:
        """A retired key that this one keeps, kept by ``to``; None when it is not kept by this."""
        opened = self._opened(kept)
        return None if opened is None else to._keep(opened)

    def retired(self, kept: str) -> RetiredKey | None:
        """A retired key again; None for what this key did not keep: it proves nothing."""
        opened = self._opened(kept)
        if opened is None:
            return None
        return RetiredKey(
            int(opened["order"]),
            int(opened["last_no"]),
            str(opened["last_hash"]),
            int(opened["last_event"]),
            bytes.fromhex(opened["key"]),
        )

    def _keep(self, values: Mapping[str, Any]) -> str:
        return self._keeper.encrypt(json.dumps(values).encode()).decode()

    def _opened(self, kept: str) -> dict[str, Any] | None:
        try:
            values: dict[str, Any] = json.loads(self._keeper.decrypt(kept.encode()))
        except InvalidToken:
            return None
        return values


def _mac(key: bytes, digest: str) -> str:
    return hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()


def _is_mac(key: bytes, digest: str, mac: str) -> bool:
    return hmac.compare_digest(_mac(key, digest).encode(), mac.encode())
