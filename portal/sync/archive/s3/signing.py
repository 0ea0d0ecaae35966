"""Signing of requests by AWS Signature Version 4, which every S3 server asks for; pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from portal.sync.archive.s3.credentials import Credentials

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"

Query = Sequence[tuple[str, str]]


def encoded_path(path: str) -> str:
    """A path as it is sent and signed: everything but letters, digits, ``-_.~`` and ``/``."""
    return quote(path, safe="/-_.~")


def encoded_query(query: Query) -> str:
    """A query as it is sent and signed, in the order that signing wants."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def signed(
    headers: Mapping[str, str],
    credentials: Credentials,
    *,
    method: str,
    path: str,
    query: str,
    payload_sha256: str,
    region: str,
    now: datetime,
) -> dict[str, str]:
    """The headers, by lower-case names and ``host`` among them, with those that sign them.

    :param path: as :func:`encoded_path` gives it
    :param query: as :func:`encoded_query` gives it
    :param now: in UTC
    """
    moment = f"{now:%Y%m%dT%H%M%SZ}"
    scope = f"{now:%Y%m%d}/{region}/s3/aws4_request"
    all_headers = {**headers, "x-amz-content-sha256": payload_sha256, "x-amz-date": moment}
    if credentials.token:
        all_headers["x-amz-security-token"] = credentials.token
    names = sorted(all_headers)
    lines = [f"{name}:{' '.join(all_headers[name].split())}\n" for name in names]
    names_text = ";".join(names)
    canonical = "\n".join((method, path, query, "".join(lines), names_text, payload_sha256))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join((_ALGORITHM, moment, scope, digest))
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    all_headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={names_text}, Signature={signature}"
    )
    return all_headers
