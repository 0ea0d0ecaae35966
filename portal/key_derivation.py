"""Keys for each purpose out of the one secret key, and what tells secret keys apart."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_PRINT_BYTES = 8


def derived(secret: str, purpose: bytes, *, length: int = 32) -> bytes:
    """A key for one purpose: HKDF-SHA-256 without salt; nothing of another can be told from it."""
    return HKDF(SHA256(), length=length, salt=None, info=purpose).derive(secret.encode())


def fingerprint(secret: str, kind: bytes = b"secret key") -> str:
    """Tells secrets of a kind apart and gives nothing of them away."""
    return derived(secret, b"imgmig fingerprint of " + kind, length=_PRINT_BYTES).hex()
