"""Where the archive is, as ``PORTAL_ARCHIVE_URL`` says it: a local folder, or a bucket."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

ALLOWED = (
    "file:///path or s3://bucket/prefix?endpoint=http(s)://host:port&region=…&style=path|virtual&"
    "ca=/path.pem"
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_WORDS = frozenset({"endpoint", "region", "style", "ca"})
_MOST_PREFIX_BYTES = 200


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket and what of it is ours; holds no secret.

    :ivar prefix: of every key, without slashes around it; empty for the whole bucket
    :ivar endpoint: scheme, host and port; plain http only when the URL says so
    :ivar is_virtual: the bucket's name stands in the host name, not in the path
    :ivar ca_file: the roots to trust instead of the public ones
    """

    bucket: str
    prefix: str
    endpoint: str
    region: str
    is_virtual: bool = False
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class S3Keys:
    """A pair of keys; the secret is never shown."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return "S3Keys(***)"


def archive_place(value: str, *, usual_region: str = "") -> Path | S3Place:
    """Read the URL.

    :param usual_region: where the URL names none
    :raises ValueError: when it is neither, or says something that is not known
    """
    parts = urlsplit(value)
    if parts.scheme == "s3":
        return _s3_place(value, usual_region)
    if parts.scheme != "file" or parts.netloc or len(parts.path) < 2:
        raise ValueError(value)
    return Path(parts.path)


def _s3_place(value: str, usual_region: str) -> S3Place:
    parts = urlsplit(value)
    words = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    prefix = unquote(parts.path).strip("/")
    if (
        not _BUCKET.fullmatch(parts.netloc)  # keys do not belong into the address either
        or parts.fragment
        or words.keys() - _WORDS
        or words.get("style", "path") not in ("path", "virtual")
        or any(part in ("", ".", "..") for part in prefix.split("/") if prefix)
        or len(prefix.encode()) > _MOST_PREFIX_BYTES
    ):
        raise ValueError(value)
    region = words.get("region") or usual_region or "us-east-1"
    endpoint = words.get("endpoint") or f"https://s3.{region}.amazonaws.com"
    return S3Place(
        bucket=parts.netloc,
        prefix=prefix,
        endpoint=_endpoint(endpoint),
        region=region,
        is_virtual=words.get("style") == "virtual",
        ca_file=words.get("ca") or None,
    )


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    odd = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not parts.hostname or odd or parts.port == 0:
        raise ValueError(value)
    return f"{parts.scheme}://{parts.netloc}"
