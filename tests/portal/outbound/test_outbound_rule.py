"""Which addresses are connected to: however they are written, and whatever they stand for."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from portal.outbound.rule import FORBIDDEN, AddressForbidden, OutboundRule, literal

NETWORKS = st.sampled_from([one for one in FORBIDDEN if isinstance(one, IPv4Network)])
FORBIDDEN_V4 = NETWORKS.flatmap(lambda network: st.ip_addresses(v=4, network=network))
PRIVATE = st.sampled_from(
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/8", "::1/128"]
).flatmap(lambda network: st.ip_addresses(network=network))
# What an IPv4 address is carried in, by where its 32 bits stand.
CARRIERS = {"::ffff:0:0": 0, "::": 0, "64:ff9b::": 0, "64:ff9b:1::": 0, "2002::": 80}


def as_ipv6(address: IPv4Address, carrier: str) -> str:
    return str(IPv6Address(int(IPv6Address(carrier)) | int(address) << CARRIERS[carrier]))


@given(FORBIDDEN_V4, st.sampled_from(sorted(CARRIERS)))
def test_what_is_forbidden_is_so_inside_of_ipv6(address: IPv4Address, carrier: str) -> None:
    assert OutboundRule().forbids(str(address))
    carried = as_ipv6(address, carrier)
    assume(carried != "::1")  # which is this host's own, and allowed
    assert OutboundRule().forbids(carried)


@given(FORBIDDEN_V4)
def test_what_is_forbidden_is_so_in_any_notation(address: IPv4Address) -> None:
    number, parts = int(address), address.packed
    written = (
        str(number),
        hex(number),
        f"0{number:o}",
        ".".join(f"0{part:o}" for part in parts),
        ".".join(hex(part) for part in parts),
        f"{parts[0]}.{int.from_bytes(parts[1:], 'big')}",
        f"[::ffff:{address}]",
    )
    for host in written:
        with pytest.raises(AddressForbidden):
            OutboundRule().check_host(host)


@given(PRIVATE)
def test_private_networks_and_this_host_are_where_sources_are(address: IPv4Address) -> None:
    assert not OutboundRule().forbids(str(address))
    if isinstance(address, IPv4Address):
        assert not OutboundRule().forbids(as_ipv6(address, "::ffff:0:0"))


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.170.2", "100.100.100.200", "0.0.0.0", "0.1.2.3"),
        *("224.0.0.1", "239.255.255.250", "255.255.255.255", "168.63.129.16"),
        *("fd00:ec2::254", "fe80::1", "fe80::1%eth0", "ff02::1", "::", "::ffff:169.254.169.254"),
        *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "no address", ""),
    ],
)
def test_refused(address: str) -> None:
    assert OutboundRule().forbids(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "100.64.0.1", "2001:db8::1", "fd00::1", "::1"])
def test_allowed(address: str) -> None:
    assert not OutboundRule().forbids(address)


def test_the_settings_except_what_they_name_and_no_more() -> None:
    rule = OutboundRule([ip_network("169.254.10.0/24"), ip_network("fe80::/64")])
    assert not rule.forbids("169.254.10.7")
    assert not rule.forbids("::ffff:169.254.10.7")
    assert not rule.forbids("fe80::1%eth0")
    assert rule.forbids("169.254.169.254")
    rule.allow([])
    assert rule.forbids("169.254.10.7")


@pytest.mark.parametrize("host", ["example.com", "minio.1", "1.2.3.4.example", "host-1", ""])
def test_names_are_no_addresses(host: str) -> None:
    assert literal(host) is None
    OutboundRule().check_host(host)
