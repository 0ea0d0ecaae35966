"""Where a download may go, and what it may carry there.

The rules: http and https only; the host is the base URL's or on the data source's allow-list; no
user-info; the token goes only to the base URL's own scheme, host and port; a redirect never
leaves https. URLs are put together again from their parsed parts, so that no other parser can
see another host in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urljoin, urlsplit

from portal.errors import InvalidSetting, SyncError

#: Printable ASCII is sent as it was written; spaces and everything else percent-encoded.
_AS_WRITTEN = "".join(chr(code) for code in range(0x21, 0x7F))
_NOTHING_TO_QUOTE = re.compile(r"[!-~]*")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_HOST = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]")
_PORTS = {"http": 80, "https": 443}
_MAX_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class Address:
    """An absolute http or https URL in its parts; ``host`` in lower case, IPv6 in brackets."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a URL apart; its fragment is dropped.

        :raises ValueError: saying what is wrong, without the URL's path or query
        """
        if _FORBIDDEN.search(url):
            raise ValueError("control character or backslash in the address")
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:
            raise ValueError("not an address") from None
        if parts.scheme not in _PORTS:
            raise ValueError("only http and https addresses are fetched")
        if "@" in parts.netloc:
            raise ValueError("user name in the address")
        host = host_name(parts.hostname or "")
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], parts.path, parts.query)

    @property
    def origin(self) -> tuple[str, str, int]:
        """What must be equal for the token to be sent."""
        return (self.scheme, self.host, self.port)

    @property
    def url(self) -> str:
        """The URL as it is requested: ASCII, the query as it was written."""
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        query = f"?{self.query}" if self.query else ""
        rest = (self.path or "/") + query
        if not _NOTHING_TO_QUOTE.fullmatch(rest):
            rest = quote(rest, safe=_AS_WRITTEN)
        return f"{self.scheme}://{self.host}{port}{rest}"


@dataclass(frozen=True, slots=True)
class Target:
    """One GET of a file: what to send where; ``headers`` as ``Name: value``.

    ``token`` is the one it carries, if any; a 401 means that this one is stale. ``redirects``
    counts the redirects that led here. Its representation shows neither token nor query.
    """

    url: str
    headers: tuple[str, ...] = ()
    token: str | None = None
    redirects: int = 0

    def __repr__(self) -> str:
        return f"Target({self.url.partition('?')[0]!r}, sends_token={self.sends_token})"

    @property
    def sends_token(self) -> bool:
        """Whether the token goes along."""
        return self.token is not None


def redirect_address(target: Target, location: str) -> Address:
    """Where a redirect leads to; whether that host is allowed is another question.

    :raises SyncError: ``SRC_REDIRECT_LOOP``, or ``SRC_BAD_ANSWER`` where it is not to be followed
    """
    if target.redirects >= _MAX_REDIRECTS:
        raise SyncError("SRC_REDIRECT_LOOP")
    try:
        address = Address.parse(urljoin(target.url, location))
    except ValueError as error:
        raise SyncError("SRC_BAD_ANSWER", detail=f"redirect: {error}") from None
    if target.url.startswith("https:") and address.scheme != "https":
        raise SyncError("SRC_BAD_ANSWER", detail=f"redirect to plain http, {address.host}")
    return address


def allowed_host(entry: str) -> tuple[str, int | None]:
    """An entry of an allow-list, ``host`` or ``host:port``, as host and port.

    :raises ValueError: if it is anything else
    """
    try:
        parts = urlsplit(f"//{entry}")
        if parts.netloc == entry and "@" not in entry:
            return (host_name(parts.hostname or ""), parts.port)
    except ValueError:
        pass  # said below, with the entry
    raise InvalidSetting(
        f"下载主机“{entry}”：须为主机名，或 主机名:端口",
        f"download host {entry!r}: must be a host, or host:port",
    )


def host_name(host: str) -> str:
    """A host as it is compared and requested: lower case, IDNA, IPv6 in brackets.

    :raises ValueError: if it is none
    """
    if ":" in host:
        host = f"[{host}]"
    elif not host.isascii():
        host = host.encode("idna").decode()
    host = host.lower().removesuffix(".")
    if not _HOST.fullmatch(host) or "" in host.split("."):
        raise ValueError("no valid host in the address")
    return host
