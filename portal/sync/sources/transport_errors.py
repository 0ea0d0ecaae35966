"""What a control call's failure below HTTP means: the source, its certificate, or the proxy.

The innermost reason is told, never the text of the outer errors, which holds the URL.
"""

from __future__ import annotations

import socket
import ssl

import requests
import urllib3

from portal.errors import SyncError
from portal.outbound.http import causes, forbidden_in
from portal.sync.answers import one_line
from portal.sync.sources.connection import Connection
from portal.sync.tls import meaning

_NO_TUNNEL = "Tunnel connection failed: "
_LENGTH = 160


def transport_error(
    error: Exception, connection: Connection, timeouts: tuple[float, float], *, answered: bool
) -> SyncError:
    """The error of the catalogue for one of ``requests``, ``urllib3`` or the system.

    :param timeouts: seconds that were given to connect and to read
    :param answered: whether the head of an answer had arrived
    """
    forbidden = forbidden_in(error)
    if forbidden is not None:
        return SyncError("ADDRESS_FORBIDDEN", host=forbidden.host, address=forbidden.address)
    if connection.proxy is not None and _is_proxys(error, connection, answered=answered):
        detail = f"{connection.proxy.address}: {_cause(error, timeouts)}"
        return SyncError("SRC_PROXY", detail=detail)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        seconds = timeouts[0 if isinstance(error, requests.ConnectTimeout) else 1]
        return SyncError("SRC_TIMEOUT", seconds=f"{seconds:g}")
    if isinstance(error, urllib3.exceptions.DecodeError):
        return SyncError("SRC_BAD_ANSWER", detail="Content-Encoding")
    detail = f"{connection.base.host}:{connection.base.port}: {_cause(error, timeouts)}"
    if any(isinstance(link, ssl.SSLError) for link in causes(error)):
        return SyncError("SRC_TLS", detail=detail)
    return SyncError("SRC_CONNECTION", detail=detail)


def _is_proxys(error: Exception, connection: Connection, *, answered: bool) -> bool:
    """Whether the failure lies between us and the proxy.

    A forwarded request knows no other peer; in a tunnel the source's side is out of sight until
    it stands (``session._TunnelConnection``).
    """
    if isinstance(error, requests.exceptions.ProxyError | requests.ConnectTimeout):
        return True
    is_slow = isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError)
    return connection.base.scheme == "http" and not answered and not is_slow


def _cause(error: BaseException, timeouts: tuple[float, float]) -> str:
    return one_line(_innermost(error, timeouts), _LENGTH)


def _innermost(error: BaseException, timeouts: tuple[float, float]) -> str:
    name = type(error).__name__
    for link in causes(error):
        name = type(link).__name__
        if isinstance(link, requests.ConnectTimeout):
            return f"no answer within {timeouts[0]:g} s"
        if isinstance(link, OSError) and (told := _told(link)):
            return told
    return name


def _told(link: OSError) -> str:
    """What one of the system's or OpenSSL's errors says; empty for a mere wrapper."""
    match link:
        case ssl.SSLCertVerificationError():
            return f"TLS: {meaning(link.verify_message)}"
        case ssl.SSLError():
            return f"TLS: {link.reason}"
        case socket.gaierror():
            return f"DNS: {link.strerror}"
        case _ if str(link).startswith(_NO_TUNNEL):
            return "CONNECT refused, " + str(link).removeprefix(_NO_TUNNEL)
    return link.strerror or ("timed out" if type(link) is TimeoutError else "")
