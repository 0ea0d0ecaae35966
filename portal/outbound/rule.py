"""The rule: which addresses the portal never connects to, however they are written or looked up.

What is judged is the address a connection is about to be made to, so that a name cannot stand for
one address when it is looked at and for another when it is used. Private networks and loopback are
allowed: that is where sources, proxies and admins are. See ADR 20.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Network = IPv4Network | IPv6Network

#: No source, proxy, channel or admin is ever there; clouds hand out the host's own keys at some.
FORBIDDEN = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this very host, whatever it listens at
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "100.100.100.200/32",  # metadata: Alibaba
        "168.63.129.16/32",  # metadata: Azure
        "192.0.0.192/32",  # metadata: Oracle
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/128",
        "fe80::/10",
        "fd00:ec2::254/128",  # metadata: AWS
        "fd20:ce::254/128",  # metadata: Google
        "ff00::/8",
    )
)
# IPv6 addresses that stand for an IPv4 address, which is the last 32 bits of them.
_TRANSLATED = tuple(
    IPv6Network(text) for text in ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_6TO4 = IPv6Network("2002::/16")
_OWN = frozenset((IPv6Address("::"), IPv6Address("::1")))


class AddressForbidden(PermissionError):
    """A connection was not made because the rule forbids the address.

    :ivar host: what was asked for
    :ivar address: what it stands for
    """

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"connections to {address} are forbidden")
        self.host = host
        self.address = address


class OutboundRule:
    """Judges addresses; the networks of the settings are excepted."""

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def allow(self, networks: Iterable[Network]) -> None:
        """Except these networks, and no others, from what is forbidden."""
        self._allowed = tuple(networks)

    def forbids(self, address: str) -> bool:
        """Whether no connection is made there.

        :param address: numeric, as a socket has it; anything else is forbidden
        """
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return True
        meant = tuple(_meant(found))
        if any(one in network for one in meant for network in self._allowed):
            return False
        return any(one in network for one in meant for network in FORBIDDEN)

    def check_host(self, host: str) -> None:
        """Refuse a host that is an address itself, in any notation; a name is judged later.

        For what is asked of a proxy, which looks names up, and to tell early.

        :raises AddressForbidden: when the rule forbids it
        """
        address = literal(host.strip("[]"))
        if address is not None and self.forbids(address):
            raise AddressForbidden(host, address)

    def connect(
        self,
        host: str,
        port: int,
        timeout: float | None,
        *,
        source: tuple[str, int] | None = None,
        options: Iterable[tuple[int, int, int | bytes]] = (),
    ) -> socket.socket:
        """A TCP connection to the first address of the host that takes one.

        :param timeout: seconds for each address, and from then on for every wait
        :raises AddressForbidden: when the rule forbids all the addresses
        :raises OSError: as :func:`socket.create_connection` does
        """
        failure: OSError = OSError(f"no address for {host}")
        is_tried = False
        for family, kind, protocol, _, place in socket.getaddrinfo(
            host.strip("[]"), port, 0, socket.SOCK_STREAM
        ):
            address = str(place[0])
            if self.forbids(address):
                failure = failure if is_tried else AddressForbidden(host, address)
                continue
            is_tried = True
            made = socket.socket(family, kind, protocol)
            try:
                for option in options:
                    made.setsockopt(*option)
                made.settimeout(timeout)
                if source is not None:
                    made.bind(source)
                made.connect(place)
            except OSError as error:
                made.close()
                failure = error
            except BaseException:
                made.close()
                raise
            else:
                return made
        raise failure


#: The rule of this process; the settings tell it what is excepted.
rule = OutboundRule()


def _meant(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address, and the IPv4 address it stands for."""
    yield address
    if isinstance(address, IPv4Address) or address in _OWN:
        return
    if any(address in network for network in _TRANSLATED):
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    elif address in _6TO4:
        yield IPv4Address((int(address) >> 80) & 0xFFFFFFFF)


def literal(host: str) -> str | None:
    """The address that a host is written as, in the usual notation; None when it is a name.

    Decimal, octal, hexadecimal and shortened IPv4 addresses are addresses too.
    """
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError, ValueError):
        return None
