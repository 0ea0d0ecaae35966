"""The standard-edition imaging system (标准版影像) by the source contract, version 1.

Its functions are the contract's four calls: token, count, documents, and where a file is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import requests

from portal.errors import SyncError
from portal.sync.sources.connection import Connection
from portal.sync.sources.control import post
from portal.sync.sources.head_in_time import HeadInTimeAdapter
from portal.sync.sources.listings import read_count, read_page
from portal.sync.sources.profile import FILE_ID
from portal.sync.sources.rows import Count, Page, Scope
from portal.sync.sources.targets import Address, Target
from portal.sync.sources.values import SOURCE_ZONE

_OTHER_SYSTEM = 99  # fsource: none of those the imaging system has a number for
_TENANT_PREFIX = "TN_"  # tenant-level ids, which imaging refuses
_CREDENTIAL_ERRCODES = frozenset({"1101", "1200"})
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")  # what fits a header
_MAX_REDIRECTS = 5


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PiaozoneSource:
    """A :class:`portal.sync.sources.base.Source`; its methods are documented there.

    :param session: carries an outbound proxy or a private CA when the site has one; proxies,
        certificates and passwords of the environment are ignored in any case
    :param clock: the aware present, for the signed timestamp
    """

    def __init__(
        self,
        connection: Connection,
        session: requests.Session | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._connection = connection
        self._profile = connection.profile
        self._session = session or requests.Session()
        self._session.trust_env = False
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HeadInTimeAdapter())
        self._clock = clock
        self._token: str | None = None
        self._token_lock = Lock()

    def __repr__(self) -> str:
        return f"PiaozoneSource({self._connection!r})"

    def count(self, scope: Scope) -> Count:
        """Call 2."""
        return read_count(self._post(self._profile.paths.count, self._filter(scope)))

    def page(self, scope: Scope, page_no: int) -> Page:
        """Call 3."""
        body = self._filter(scope) | self._paging(page_no)
        data = self._post(self._profile.paths.documents, body)
        return read_page(data, page_no, self._profile)

    def check(self) -> None:
        """Calls 1 and 2, for the last day."""
        with self._token_lock:
            self._token = self._fetch_token()
        now = self._clock()
        self.count(Scope(now - timedelta(days=1), now))

    def token(self) -> str:
        """Call 1, once."""
        with self._token_lock:
            if self._token is None:
                self._token = self._fetch_token()
            return self._token

    def renew_token(self, stale: str) -> str:
        """Call 1 again, unless somebody else did."""
        with self._token_lock:
            if self._token is None or self._token == stale:
                self._token = None
                self._token = self._fetch_token()
            return self._token

    def download_target(self, file_id: str, download_url: str | None) -> Target:
        """Call 4, or the file's own address."""
        names = self._profile.file
        if not download_url:
            if not file_id.strip("."):
                # As a segment of a path these mean a folder, not a file.
                raise SyncError("META_BAD_VALUE", field=names.file_id, value=file_id)
            path = self._profile.paths.file.replace(FILE_ID, quote(file_id, safe=""))
            return self._target(Address.parse(self._connection.url(path)), redirects=0)
        try:
            address = Address.parse(download_url)
        except ValueError as error:
            raise SyncError("META_BAD_VALUE", field=names.download_url, value=str(error)) from None
        return self._target(address, redirects=0)

    def redirect_target(self, target: Target, location: str) -> Target:
        """Follow one redirect, as far as the rules go."""
        if target.redirects >= _MAX_REDIRECTS:
            raise SyncError("SRC_REDIRECT_LOOP")
        try:
            address = Address.parse(urljoin(target.url, location))
        except ValueError as error:
            raise SyncError("SRC_BAD_ANSWER", detail=f"redirect: {error}") from None
        if target.url.startswith("https:") and address.scheme != "https":
            raise SyncError("SRC_BAD_ANSWER", detail=f"redirect to plain http, {address.host}")
        if address.origin != self._connection.base.origin:
            _refuse_token(address.url, target.token)
        return self._target(address, redirects=target.redirects + 1)

    def close(self) -> None:
        """Close the session's connections."""
        self._session.close()

    def _target(self, address: Address, redirects: int) -> Target:
        if not self._connection.allows(address):
            raise SyncError("SRC_HOST_NOT_ALLOWED", host=address.host)
        if address.origin != self._connection.base.origin:
            _refuse_token(address.url, self._token)
            return Target(address.url, redirects=redirects)
        token = self.token()
        if self._profile.token_passing == "header":  # noqa: S105 - a way
            return Target(address.url, (f"Authorization: Bearer {token}",), token, redirects)
        passed = urlencode({self._profile.token_parameter: token})
        joint = "&" if address.query else "?"
        return Target(f"{address.url}{joint}{passed}", (), token, redirects)

    def _post(self, path: str, body: dict[str, object]) -> dict[str, Any]:
        """A call with the token; a 401 gets one new token and one repetition."""
        token = self.token()
        try:
            return self._call(path, body, token)
        except SyncError as error:
            if error.code != "SRC_UNAUTHORIZED":
                raise
        return self._call(path, body, self.renew_token(token))

    def _call(self, path: str, body: dict[str, object], token: str | None) -> dict[str, Any]:
        return post(self._session, self._connection, path, body, token=token, now=self._clock())

    def _fetch_token(self) -> str:
        """Call 1; the caller holds the lock."""
        connection = self._connection
        if connection.client_id.startswith(_TENANT_PREFIX):
            raise SyncError("SRC_CREDENTIALS", detail="TN_")
        factor = {"ms": 1000, "s": 1}[self._profile.timestamp_unit]
        timestamp = int(self._clock().timestamp() * factor)
        body: dict[str, object] = {
            "clientId": connection.client_id,
            "sign": sign(connection.client_id, connection.client_secret, timestamp),
            "timestamp": timestamp,
            "fsource": _OTHER_SYSTEM,
        }
        try:
            data = self._call(self._profile.paths.token, body, None)
        except SyncError as error:
            raise _credentials_error(error) or error from None
        token = data.get("accessToken")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise SyncError("SRC_BAD_ANSWER", detail="accessToken")
        return token

    def _filter(self, scope: Scope) -> dict[str, object]:
        names = self._profile.request
        return {
            names.collect_from: scope.starts_at.astimezone(SOURCE_ZONE).isoformat(),
            names.collect_to: scope.ends_at.astimezone(SOURCE_ZONE).isoformat(),
            names.org_codes: list(scope.org_codes),
            names.bill_type_codes: list(scope.bill_type_codes),
        }

    def _paging(self, page_no: int) -> dict[str, object]:
        names, size = self._profile.request, self._profile.page_size
        if self._profile.paging == "offset":
            return {names.offset: (page_no - 1) * size, names.page_size: size}
        return {names.page_no: page_no, names.page_size: size}


def _refuse_token(url: str, token: str | None) -> None:
    """Refuse to go where the token would go along, as with a redirect that echoes it.

    :raises SyncError: ``SRC_BAD_ANSWER``
    """
    if token is not None and (token in url or quote(token, safe="") in url):
        raise SyncError("SRC_BAD_ANSWER", detail="the address carries the token elsewhere")


def sign(client_id: str, client_secret: str, timestamp: int) -> str:
    """Kingdee's published sign: MD5 of id, secret and timestamp in a row, lower-case hex."""
    signed = f"{client_id}{client_secret}{timestamp}".encode()
    return hashlib.md5(signed, usedforsecurity=False).hexdigest()


def _credentials_error(error: SyncError) -> SyncError | None:
    """What a failed token call means if it is the credentials that were refused."""
    if error.params.get("errcode") in _CREDENTIAL_ERRCODES:
        return SyncError("SRC_CREDENTIALS", detail=error.params["errcode"])
    if error.code == "SRC_UNAUTHORIZED":
        return SyncError("SRC_CREDENTIALS", detail="HTTP 401")
    return None
