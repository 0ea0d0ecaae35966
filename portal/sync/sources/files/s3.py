"""Files of a bucket: each request is signed by itself; the bytes come by the usual downloads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO
from urllib.parse import urlsplit

import requests

from portal.archive_place import S3Keys, S3Place, archive_place
from portal.errors import InvalidSetting, SyncError
from portal.sync.answers import status_error
from portal.sync.archive.s3.credentials import CredentialChain
from portal.sync.archive.s3.signing import EMPTY_SHA256, encoded_path, signed
from portal.sync.download import Download
from portal.sync.fetching import Fetcher
from portal.sync.sources.gate import Gate
from portal.sync.sources.kind import Opening
from portal.sync.sources.session import prepare
from portal.sync.sources.targets import Address, Target
from portal.sync.sources.transport_errors import transport_error

_WAIT_SECONDS = 1.0
_KEYS = ("access_key_id", "secret_access_key")
_ABSENT = 404


class S3Files:
    """A :class:`portal.sync.sources.files.base.FileStore`.

    Without keys of its own it signs with those that AWS's own programs would find.

    :param place: ``s3://bucket/prefix?endpoint=…&region=…``
    """

    def __init__(self, place: str, opening: Opening) -> None:
        self._place = s3_place(place)
        values = opening.values
        keys = S3Keys(*(values.get(name, "") for name in _KEYS))
        self._chain = CredentialChain(keys if keys.access_key else None, region=self._place.region)
        self._opening = opening
        self._connection = opening.http
        self._gate = Gate(self._connection)
        self._session: requests.Session | None = None

    def check(self) -> None:
        """Whether the bucket answers to our keys."""
        self._head("")

    def target(self, path: str) -> Target:
        """A signed GET, good for some minutes; it is sent at once."""
        url, headers = self._signed("GET", self._key(path))
        lines = tuple(f"{name}: {value}" for name, value in headers.items() if name != "host")
        return Target(url, lines)

    def redirect_target(self, target: Target, location: str) -> Target:
        """A signature is good for one address only."""
        raise SyncError("SRC_BAD_ANSWER", detail="redirect by an S3 server: check endpoint, region")

    def look(self, path: str) -> None:
        """A HEAD of it."""
        self._head(self._key(path))

    def stamp(self, path: str) -> str:
        """ETag, size and time."""
        headers = self._head(self._key(path))
        return "|".join(headers.get(name, "") for name in _STAMPED)

    def copy(self, path: str, into: BinaryIO) -> None:
        """Fetch it; its ETag before and after must be the same."""
        before = self.stamp(path)
        fetcher, target = self.fetcher(), self.target(path)
        try:
            fetcher.start(Download(1, target.url, target.headers, _Into(into), None))
            while not (ended := fetcher.wait(_WAIT_SECONDS)):
                pass
        finally:
            fetcher.close()
        if ended[0].error is not None:
            raise ended[0].error
        if self.stamp(path) != before:
            raise SyncError("SRC_MANIFEST_CHANGED", name=path)

    def fetcher(self) -> Fetcher:
        """By HTTP."""
        return self._opening.downloader()

    def close(self) -> None:
        """Close the session's connections."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _key(self, path: str) -> str:
        return "/".join(part for part in (self._place.prefix, path) if part)

    def _signed(self, method: str, key: str) -> tuple[str, dict[str, str]]:
        place = self._place
        parts = urlsplit(place.endpoint)
        host = f"{place.bucket}.{parts.netloc}" if place.is_virtual else parts.netloc
        path = encoded_path(f"/{key}" if place.is_virtual else f"/{place.bucket}/{key}")
        address = Address.parse(f"{parts.scheme}://{host}{path}")
        self._gate.check(address)
        try:
            credentials = self._chain.current()
        except SyncError as error:
            raise SyncError("SRC_CREDENTIALS", detail=error.params.get("detail", "S3")) from None
        headers = signed(
            {"host": host},
            credentials,
            method=method,
            path=path,
            query="",
            payload_sha256=EMPTY_SHA256,
            region=place.region,
            now=datetime.now(UTC),
        )
        return f"{parts.scheme}://{host}{path}", headers

    def _head(self, key: str) -> Mapping[str, str]:
        if self._session is None:
            self._session = requests.Session()
            prepare(self._session, self._connection)
        url, headers = self._signed("HEAD", key)
        timeouts = (self._connection.connect_timeout, self._connection.read_timeout)
        try:
            answer = self._session.head(
                url, headers=headers, timeout=timeouts, allow_redirects=False
            )
        except (requests.RequestException, OSError) as error:
            raise transport_error(error, self._connection, timeouts, answered=False) from None
        if answer.status_code == _ABSENT and key:
            raise SyncError("SRC_FILE_MISSING", path=key)
        if answer.status_code != requests.codes.ok:
            raise status_error(answer.status_code, answer.headers, b"", datetime.now(UTC))
        return {name.lower(): value for name, value in answer.headers.items()}


class _Into:
    def __init__(self, into: BinaryIO) -> None:
        self._into = into

    def write(self, data: bytes) -> None:
        self._into.write(data)


_STAMPED = ("etag", "content-length", "last-modified")


def s3_place(text: str) -> S3Place:
    """The bucket that an address names.

    :raises InvalidSetting: when it is none
    """
    try:
        place = archive_place(text)
    except ValueError:
        place = None
    if not isinstance(place, S3Place):
        raise InvalidSetting(
            "S3 地址须写成 s3://桶/前缀?endpoint=https://主机:端口&region=…",
            "write s3://bucket/prefix?endpoint=https://host:port&region=…",
        )
    if place.ca_file is not None:
        raise InvalidSetting(
            "ca 不写在地址里：私有证书填在数据源的“私有证书”",
            "no ca in the address: set the data source's private CA",
        )
    return place


def s3_base_url(text: str) -> str:
    """Where a bucket is reached by HTTP."""
    place = s3_place(text)
    if not place.is_virtual:
        return place.endpoint
    parts = urlsplit(place.endpoint)
    return replace(place, endpoint=f"{parts.scheme}://{place.bucket}.{parts.netloc}").endpoint
