"""``requests`` under the rule: every new connection is judged, whatever the environment says."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from portal.outbound.head_in_time import HeadInTime
from portal.outbound.rule import AddressForbidden, rule


def _connected(connection: HTTPConnection) -> socket.socket:
    timeout = connection.timeout
    try:
        return rule.connect(
            connection._dns_host,
            int(connection.port or connection.default_port),
            timeout if isinstance(timeout, int | float) else None,
            source=connection.source_address,
            options=connection.socket_options or (),
        )
    except AddressForbidden:
        raise
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    except TimeoutError as error:
        text = f"no connection to {connection.host} in time"
        raise ConnectTimeoutError(connection, text) from error
    except OSError as error:
        raise NewConnectionError(connection, f"no new connection: {error}") from error


class JudgedConnection(HTTPConnection):
    """A connection that is only made where the rule allows it, and whose answers come in time."""

    response_class = HeadInTime

    def _new_conn(self) -> socket.socket:
        return _connected(self)


class JudgedTlsConnection(HTTPSConnection):
    """The same with TLS."""

    response_class = HeadInTime

    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = JudgedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = JudgedTlsConnection


class JudgedAdapter(HTTPAdapter):
    """What a session sends by. A proxy is judged too, and what is asked of it by its address."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Build the pools from connections that are judged."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """The same for connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> Any:
        """Send it; see :meth:`OutboundRule.check_host`."""
        url = request.url or ""
        if select_proxy(url, options.get("proxies")):
            try:
                rule.check_host(urlsplit(url).hostname or "")
            except AddressForbidden as error:
                raise requests.ConnectionError(error, request=request) from error
        return super().send(request, *arguments, **options)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: what a request carries is for nobody but whom it was sent to."""
        return None


def session() -> requests.Session:
    """A session under the rule: no proxy and no ``.netrc`` of the environment, no redirects.

    Certificates are verified against the public authorities, or those of ``REQUESTS_CA_BUNDLE``.
    """
    made = _Session()
    made.trust_env = False
    if bundle := os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        made.verify = bundle
    for scheme in ("http://", "https://"):
        made.mount(scheme, JudgedAdapter())
    return made


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, which urllib3 also keeps among an error's arguments."""
    link: BaseException | None = error
    passed: list[BaseException] = []
    while link is not None and link not in passed:
        yield link
        passed.append(link)
        origin = getattr(link, "original_error", None)
        led = (origin, link.__cause__, link.__context__, *link.args)
        link = next((one for one in led if isinstance(one, BaseException)), None)


def forbidden_in(error: BaseException) -> AddressForbidden | None:
    """The rule's refusal that a failure comes from; None when it comes from anything else."""
    return next((link for link in causes(error) if isinstance(link, AddressForbidden)), None)
