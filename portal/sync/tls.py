"""Whom we trust, and what a TLS failure means: the same for control calls and downloads."""

from __future__ import annotations

import hashlib
import os
import secrets
import ssl
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from certifi import where as public_roots
from cryptography import x509

from portal.errors import InvalidSetting

#: Words of OpenSSL and libcurl, and what they come down to.
_MEANINGS = (
    (("not yet valid",), "certificate not yet valid"),
    (("expired",), "certificate expired"),
    (("mismatch", "does not match", "no alternative certificate subject name"), "wrong host name"),
    (
        ("issuer", "self-signed", "self signed", "unable to verify", "signature failure"),
        "unknown CA",
    ),
)


def check_authorities(pem: str, now: datetime) -> None:
    """Refuse certificates that could not serve as a private CA.

    :raises ValueError: when there is none, one cannot be read or is not valid now, or when there
        is a private key, which has no business here
    """
    if "PRIVATE KEY-----" in pem:
        raise InvalidSetting(
            "私有证书：含有私钥；只需要证书",
            "private CA: holds a private key; give the certificates only",
        )
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise InvalidSetting(
            "私有证书：没有可读的 PEM 证书", "private CA: no readable certificate in PEM form"
        ) from None
    for certificate in certificates:
        name = certificate.subject.rfc4514_string()[:120]
        if certificate.not_valid_after_utc <= now:
            when = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
            raise InvalidSetting(
                f"私有证书：{name} 已于 {when} 过期",
                f"private CA: certificate {name} expired on {when}",
            )
        if certificate.not_valid_before_utc > now:
            when = f"{certificate.not_valid_before_utc:%Y-%m-%d}"
            raise InvalidSetting(
                f"私有证书：{name} 在 {when} 之前无效",
                f"private CA: certificate {name} is not valid before {when}",
            )


def context_trusting(pem: str) -> ssl.SSLContext:
    """A client's context that trusts these certificates alone, or the public ones for none.

    As with libcurl, a certificate of an authority in the middle is enough.

    :raises ssl.SSLError: when they cannot be read
    """
    if pem:
        context = ssl.create_default_context(cadata=pem)
    else:
        context = ssl.create_default_context(cafile=public_roots())
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def file_trusting(pem: str, folder: Path) -> str:
    """The path of a file with these certificates; written if it is not there yet.

    The name is made of the content's digest, so that any number of processes may do this at once.

    :raises OSError: when the folder cannot be written
    """
    content = pem.encode()
    path = folder / f"{hashlib.sha256(content).hexdigest()}.pem"
    with suppress(OSError):
        if path.read_bytes() == content:
            return str(path)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return str(path)


def meaning(text: str) -> str:
    """What a library's words about a failed handshake come down to, with the words."""
    lowered = text.lower()
    for words, plain in _MEANINGS:
        if any(word in lowered for word in words):
            return f"{plain} ({text})"
    return text
