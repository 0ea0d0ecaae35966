"""The ``requests`` session of a data source: its proxy, whom it trusts, nothing of the environment.

Host name and chain of a certificate are always verified.
"""

from __future__ import annotations

import ssl
from http.client import HTTPException
from typing import Any

import requests
from urllib3 import HTTPSConnectionPool
from urllib3.exceptions import ProxyError

from portal.outbound.http import JudgedAdapter, JudgedTlsConnection
from portal.sync.proxy import Proxy
from portal.sync.sources.connection import Connection
from portal.sync.tls import context_trusting


def prepare(session: requests.Session, connection: Connection) -> None:
    """Make a session reach the source as its settings say."""
    session.trust_env = False
    transport = _Transport(connection)
    session.mount("http://", transport)
    session.mount("https://", transport)
    session.proxies.clear()
    if connection.proxy is not None:
        # Without its password: that is in no URL that could get into a message.
        address = connection.proxy.address
        session.proxies.update({"http": address, "https": address})


class _Transport(JudgedAdapter):
    def __init__(self, connection: Connection) -> None:
        self._proxy: Proxy | None = connection.proxy
        self._ca_pem = connection.ca_pem
        self._made: ssl.SSLContext | None = None
        super().__init__()

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._context(), "cert_reqs": "CERT_REQUIRED"}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing: the context knows whom to trust; requests would add the public roots."""

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(
            proxy, **proxy_kwargs, proxy_ssl_context=self._context()
        )
        classes = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {**classes, "https": _TunnelPool}
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        return self._proxy.headers if self._proxy is not None else {}

    def _context(self) -> ssl.SSLContext:
        if self._made is None:
            self._made = context_trusting(self._ca_pem)
        return self._made


class _TunnelConnection(JudgedTlsConnection):
    def _tunnel(self) -> None:
        """Have the proxy connect us; what goes wrong here is the proxy's, not the source's."""
        try:
            super()._tunnel()
        except (OSError, HTTPException) as error:
            raise ProxyError("no tunnel", error) from error


class _TunnelPool(HTTPSConnectionPool):
    ConnectionCls = _TunnelConnection
