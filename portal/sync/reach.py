"""Whether a host can be reached the way a migration reaches it: DNS, TCP, proxy, TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from portal.errors import SyncError
from portal.sync.proxy import refusal
from portal.sync.sources.connection import Connection
from portal.sync.sources.session import prepare
from portal.sync.sources.targets import allowed_host
from portal.sync.sources.transport_errors import transport_error

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """A host to reach; ``is_guess`` when no port was told and the usual one is tried."""

    scheme: str
    host: str
    port: int
    is_guess: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Reached:
    """``addresses`` are those the name stands for, none when a proxy looks it up."""

    addresses: Sequence[str]
    tls_expires_at: datetime | None


def places_of(connection: Connection) -> Sequence[Place]:
    """Where a migration goes: the source itself, then the hosts that may be downloaded from."""
    base = connection.base
    found = [Place(base.scheme, base.host, base.port)]
    for entry in connection.download_hosts:
        host, port = allowed_host(entry.strip())
        scheme = "http" if port == _PORTS["http"] else base.scheme
        if host == base.host and port in (None, base.port):
            continue
        found.append(Place(scheme, host, port or _PORTS[scheme], is_guess=port is None))
    return list(dict.fromkeys(found))


def reach(connection: Connection, place: Place) -> Reached:
    """Ask the place for anything at all, by proxy and with certificates as the source is set.

    Any answer is good: what matters is that there is somebody. Nothing secret goes there.

    :raises SyncError: SRC_CONNECTION, SRC_TLS, SRC_TIMEOUT or SRC_PROXY, naming the place
    """
    url = f"{place.scheme}://{place}/"
    there = replace(connection, base_url=url)
    timeouts = (there.token_connect_timeout, there.token_read_timeout)
    expiry: list[datetime] = []
    hooks = {"response": lambda answer, **_: expiry.extend(_expiry(answer))}
    with requests.Session() as session:
        prepare(session, there)
        try:
            with closing(
                session.get(url, stream=True, allow_redirects=False, timeout=timeouts, hooks=hooks)
            ) as answer:
                why = refusal(answer.status_code, answer.headers) if there.proxy else None
            addresses = () if there.proxy else _addresses(place)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise transport_error(error, there, timeouts, answered=False) from error
    if there.proxy and why is not None:
        raise SyncError("SRC_PROXY", detail=f"{there.proxy.address}: {why}")
    return Reached(addresses, next(iter(expiry), None))


def _addresses(place: Place) -> Sequence[str]:
    found = socket.getaddrinfo(place.host.strip("[]"), place.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _expiry(answer: requests.Response) -> Sequence[datetime]:
    """When the certificate of an answer ends; its body has not been read, so the line is open."""
    connection = getattr(answer.raw, "connection", None)
    line = getattr(connection, "sock", None)
    certificate: dict[str, Any] = getattr(line, "getpeercert", dict)() or {}
    if not certificate:
        return ()
    return (datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC),)
