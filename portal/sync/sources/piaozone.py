"""The standard-edition imaging system (标准版影像) by the source contract, version 1.

Its functions are the contract's four calls: token, count, documents, and where a file is.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode

import requests

from portal.errors import SyncError
from portal.logs.redaction import redactor
from portal.sync.lookup import at
from portal.sync.sources.connection import Connection
from portal.sync.sources.control import Call, perform
from portal.sync.sources.gate import Gate
from portal.sync.sources.kind import Opening, OpenSource, SourceKind
from portal.sync.sources.listings import read_count, read_named, read_page
from portal.sync.sources.profile import FILE_ID
from portal.sync.sources.rows import Count, Named, Page, Scope
from portal.sync.sources.session import prepare
from portal.sync.sources.targets import Address, Target, redirect_address
from portal.sync.sources.values import SOURCE_ZONE

_TENANT_PREFIX = "TN_"  # tenant-level ids, which imaging refuses
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")  # what fits a header
#: A token call that fails after so long, or by a timeout, is not repeated for a while.
_SLOW_SECONDS = 1.0
_TOKEN_PAUSE_SECONDS = 5.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PiaozoneSource:
    """A :class:`portal.sync.sources.base.Source`; its methods are documented there.

    :param session: made to use the connection's proxy and private CA; proxies, certificates and
        passwords of the environment are ignored
    :param clock: the aware present, for the signed timestamp
    :param on_answer: sees every answer's head, the first one to come too
    """

    def __init__(
        self,
        connection: Connection,
        session: requests.Session | None = None,
        clock: Callable[[], datetime] = _utc_now,
        on_answer: Callable[[requests.Response], None] | None = None,
    ) -> None:
        self._connection = connection
        self._profile = connection.profile
        # With the place for the id in it: this is made for every file.
        self._file_place = connection.address(connection.profile.paths.file)
        self._file_url = self._file_place.url
        self._session = session or requests.Session()
        prepare(self._session, connection)
        if on_answer is not None:
            self._session.hooks["response"] = [lambda answer, **_: on_answer(answer)]
        self._clock = clock
        self._token: str | None = None
        self._slow_failure: tuple[float, SyncError] | None = None
        self._token_lock = Lock()
        self._gate = Gate(connection)

    def __repr__(self) -> str:
        return f"PiaozoneSource({self._connection!r})"

    def count(self, scope: Scope) -> Count:
        """Call 2."""
        data = self._query(self._profile.paths.count, self._filter(scope))
        return read_count(data, self._profile)

    def page(self, scope: Scope, page_no: int) -> Page:
        """Call 3."""
        fields = self._filter(scope) | self._paging(page_no)
        data = self._query(self._profile.paths.documents, fields)
        return read_page(data, page_no, self._profile)

    def organisations(self) -> tuple[Named, ...] | None:
        """No call of the contract: only where the profile names its path."""
        return self._named(self._profile.paths.organisations)

    def bill_types(self) -> tuple[Named, ...] | None:
        """As for organisations."""
        return self._named(self._profile.paths.bill_types)

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
            self._gate.check(self._file_place)
            return self._own_target(self._file_url.replace(FILE_ID, quote(file_id, safe="")))
        try:
            address = Address.parse(download_url)
        except ValueError as error:
            raise SyncError("META_BAD_VALUE", field=names.download_url, value=str(error)) from None
        return self._target(address, redirects=0)

    def redirect_target(self, target: Target, location: str) -> Target:
        """Follow one redirect, as far as the rules go."""
        address = redirect_address(target, location)
        if address.origin != self._connection.base.origin:
            _refuse_token(address.url, target.token)
        return self._target(address, redirects=target.redirects + 1)

    def close(self) -> None:
        """Close the session's connections."""
        self._session.close()

    def _target(self, address: Address, redirects: int) -> Target:
        self._gate.check(address)
        url = address.url
        if address.origin != self._connection.base.origin:
            _refuse_token(url, self._token)
            return Target(url, redirects=redirects)
        return self._own_target(url, redirects)

    def _own_target(self, url: str, redirects: int = 0) -> Target:
        """A place at the source itself, which gets the token."""
        token = self.token()
        if self._profile.token_passing == "header":  # noqa: S105 - a way
            return Target(url, (f"Authorization: Bearer {token}",), token, redirects)
        passed = urlencode({self._profile.token_parameter: token})
        joint = "&" if "?" in url else "?"
        return Target(f"{url}{joint}{passed}", (), token, redirects)

    def _query(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        """A call with the token; a 401 gets one new token and one repetition."""
        token = self.token()
        try:
            return self._perform(Call.for_query(self._connection, path, fields, token))
        except SyncError as error:
            if error.code != "SRC_UNAUTHORIZED":
                raise
        token = self.renew_token(token)
        return self._perform(Call.for_query(self._connection, path, fields, token))

    def _named(self, path: str) -> tuple[Named, ...] | None:
        return read_named(self._query(path, {}), self._profile) if path else None

    def _perform(self, call: Call) -> dict[str, Any]:
        return perform(self._session, self._connection, call, self._clock())

    def _fetch_token(self) -> str:
        """Call 1; the caller holds the lock.

        One that failed slowly is not repeated at once: many downloads wait for the same token,
        one after the other, and their leases run out meanwhile.
        """
        started = time.monotonic()
        if self._slow_failure is not None:
            again_at, error = self._slow_failure
            if started < again_at:
                raise SyncError(error.code, **error.params)
        self._slow_failure = None
        try:
            return self._ask_for_token()
        except SyncError as error:
            ended = time.monotonic()
            if error.code == "SRC_TIMEOUT" or ended - started >= _SLOW_SECONDS:
                self._slow_failure = (ended + _TOKEN_PAUSE_SECONDS, error)
            raise

    def _ask_for_token(self) -> str:
        connection, names = self._connection, self._profile.token
        if connection.client_id.startswith(_TENANT_PREFIX):
            raise SyncError("SRC_CREDENTIALS", detail="TN_")
        factor = {"ms": 1000, "s": 1}[self._profile.timestamp_unit]
        timestamp = int(self._clock().timestamp() * factor)
        fields: dict[str, Any] = {
            names.client_id: connection.client_id,
            names.sign: sign(connection.client_id, connection.client_secret, timestamp),
            names.timestamp: timestamp,
        }
        if names.source:
            fields[names.source] = names.source_value
        try:
            data = self._perform(Call.for_token(connection, fields))
        except SyncError as error:
            raise self._credentials_error(error) or error from None
        token = at(data, names.token)
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise SyncError("SRC_BAD_ANSWER", detail=names.token)
        redactor.learn(token)
        return token

    def _credentials_error(self, error: SyncError) -> SyncError | None:
        """What a failed token call means if it is the credentials that were refused."""
        if error.params.get("errcode") in self._profile.credential_errcodes:
            return SyncError("SRC_CREDENTIALS", detail=error.params["errcode"])
        if error.code == "SRC_UNAUTHORIZED":
            return SyncError("SRC_CREDENTIALS", detail="HTTP 401")
        return None

    def _filter(self, scope: Scope) -> dict[str, Any]:
        names = self._profile.request
        return {
            names.collect_from: self._time(scope.starts_at),
            names.collect_to: self._time(scope.ends_at),
            names.org_codes: list(scope.org_codes),
            names.bill_type_codes: list(scope.bill_type_codes),
        }

    def _time(self, instant: datetime) -> str:
        there = instant.astimezone(SOURCE_ZONE)
        if self._profile.time_format == "local":
            return there.strftime("%Y-%m-%d %H:%M:%S")
        return there.isoformat()

    def _paging(self, page_no: int) -> dict[str, Any]:
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


def _opened(opening: Opening) -> OpenSource:
    return OpenSource(
        source=PiaozoneSource(opening.http, on_answer=opening.on_answer),
        downloader=opening.downloader(),
    )


KIND = SourceKind(
    name="piaozone",
    zh="标准版影像（接口）",
    en="Standard-edition imaging (interface)",
    open=_opened,
    trial=("token", "count", "listing", "file", "inspection"),
    has_login=True,
    manual="连接配置.md",
)
