"""What may be told of a data source's certificates and proxy without showing a secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from portal.models import DataSource
from portal.secret_box import SecretBox, SecretUnreadable
from portal.sync.proxy import Proxy


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that is trusted."""

    name: str
    expires_at: datetime


def authorities(pem: str) -> Sequence[Authority]:
    """The certificates of a private CA; none when there is none."""
    if not pem:
        return ()
    return [
        Authority(one.subject.rfc4514_string(), one.not_valid_after_utc)
        for one in x509.load_pem_x509_certificates(pem.encode())
    ]


def has_proxy_login(source: DataSource, box: SecretBox) -> bool:
    """Whether user and password are stored with its proxy; no, when nobody can read them."""
    if source.proxy_box is None:
        return False
    try:
        return bool(Proxy.parse(box.open(source.proxy_box)).user)
    except (SecretUnreadable, ValueError):
        return False
