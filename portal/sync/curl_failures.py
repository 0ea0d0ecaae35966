"""What libcurl's failures mean in the catalogue: the source, its certificate, or the proxy.

Nothing of a URL's path or query gets into an error.
"""

from __future__ import annotations

import re

import pycurl

from portal.errors import SyncError
from portal.sync.proxy import Proxy
from portal.sync.tls import meaning

#: libcurl's codes whose message names host and cause and nothing of the URL.
_TELLING_CODES = frozenset(
    {
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_RESOLVE_PROXY,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CONNECT_ERROR,
    }
)
#: Codes that say: this address or this answer is not HTTP.
_CONTRACT_CODES = frozenset(
    {pycurl.E_URL_MALFORMAT, pycurl.E_UNSUPPORTED_PROTOCOL, pycurl.E_FTP_WEIRD_SERVER_REPLY}
)
_TLS_CODES = frozenset(
    {pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CONNECT_ERROR, pycurl.E_SSL_CACERT_BADFILE}
)
#: Codes of a connection that could not be made, or ended before an answer.
_NO_ANSWER_CODES = frozenset({pycurl.E_GOT_NOTHING, pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR})
_NO_PROXY_CODES = frozenset({pycurl.E_COULDNT_RESOLVE_PROXY, pycurl.E_COULDNT_CONNECT})
_DETAIL_LENGTH = 160
_HOST = re.compile(r"https?://([^/?#]*)")


def forbidden(url: str, address: str) -> SyncError:
    """The error when the rule for connections forbade the address that was to be connected to."""
    host = _HOST.match(url)
    return SyncError("ADDRESS_FORBIDDEN", host=host[1] if host else "?", address=address)


class CurlFailure:
    """One failed transfer: libcurl's code and message, and how far the transfer had come.

    :param url: what was asked for
    :param connect_code: the proxy's status for CONNECT, 0 when there was none
    :param is_kept: whether the connection had served before
    """

    def __init__(
        self, code: int, message: str, *, url: str, connect_code: int, is_kept: bool
    ) -> None:
        self._code = code
        self._message = message
        host = _HOST.match(url)
        self._host = host[1] if host else "?"
        self._tunnels = url.startswith("https:")
        self._connect_code = connect_code
        self._has_tunnel = self._tunnels and (is_kept or 200 <= connect_code <= 299)

    @property
    def is_stall(self) -> bool:
        """Whether bytes stopped coming, and not the connection was slow to be made."""
        return self._message.startswith("Operation too slow")

    def proxy_error(self, proxy: Proxy) -> SyncError | None:
        """The error when it lies between us and the proxy."""
        if not self._is_proxys():
            return None
        text = self._text()
        if self._connect_code >= 300:
            text = f"CONNECT refused, {self._connect_code}"
        elif self._code == pycurl.E_OPERATION_TIMEDOUT:
            text = "no answer in time"
        return SyncError("SRC_PROXY", detail=f"{proxy.address}: {text}"[:_DETAIL_LENGTH])

    def source_error(self) -> SyncError:
        """The error when it is the source's, other than a time that ran out."""
        if self._code in _TLS_CODES:
            detail = f"{self._host}: {self._text()}"
            return SyncError("SRC_TLS", detail=detail[:_DETAIL_LENGTH])
        kind = "SRC_BAD_ANSWER" if self._code in _CONTRACT_CODES else "SRC_CONNECTION"
        return SyncError(kind, detail=self._text()[:_DETAIL_LENGTH])

    def _is_proxys(self) -> bool:
        """A forwarded request knows no other peer; before a tunnel stands, the source is far."""
        if self._code in _NO_PROXY_CODES:
            return True
        if self._tunnels:
            return not self._has_tunnel and self._code != pycurl.E_URL_MALFORMAT
        slow = self._code == pycurl.E_OPERATION_TIMEDOUT and not self.is_stall
        return slow or self._code in _NO_ANSWER_CODES | _TLS_CODES

    def _text(self) -> str:
        if self._code == pycurl.E_SSL_CACERT_BADFILE:
            return "the file of the private CA cannot be read"
        if self._code in _TLS_CODES:
            return f"TLS: {meaning(self._message)}"
        return self._message if self._code in _TELLING_CODES else pycurl.easy_strerror(self._code)
