"""Addresses of ensembles and paths, as people write them."""

from __future__ import annotations

import pytest

from portal.errors import InvalidSetting
from portal.sync.sources.zookeeper_place import ZooKeeperPlace

USUAL = "/api-archive-scan/pri"


@pytest.mark.parametrize(
    ("address", "path", "shown", "node"),
    [
        ("zk1", "", "zk1:2181", USUAL),
        (" zk1:2182 ", "/a/b/", "zk1:2182", "/a/b"),
        ("h1:2181, h2:2181/root", "api-archive-scan/pri", "h1:2181,h2:2181", f"/root{USUAL}"),
        ("h1，h2", "//a//b", "h1:2181,h2:2181", "/a/b"),
        ("[::1]:2181,[fe80::1]", "影像/pri", "[::1]:2181,[fe80::1]:2181", "/影像/pri"),
        ("h1/", "/", "h1:2181", "/"),
    ],
)
def test_what_is_meant_is_understood(address: str, path: str, shown: str, node: str) -> None:
    place = ZooKeeperPlace.parse(address, path)
    assert (str(place), place.path) == (shown, node)
    assert ZooKeeperPlace.parse(str(place), place.path) == place


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("", ""),
        (",,", ""),
        ("http://host/zkui/", ""),
        ("zk://host", ""),
        ("user:pass@host:2181", ""),
        ("host:0", ""),
        ("host:65536", ""),
        ("host:abc", ""),
        ("::1", ""),
        ("a b:2181", ""),
        ("h" * 501, ""),
        (",".join("h" for _ in range(21)), ""),
        ("host", "a/../b"),
        ("host", "a/./b"),
        ("host", "a\x00b"),
        ("host", "a\ud800"),
        ("host", "p" * 501),
    ],
)
def test_what_cannot_be_meant_is_refused(address: str, path: str) -> None:
    with pytest.raises(InvalidSetting):
        ZooKeeperPlace.parse(address, path)


@pytest.mark.parametrize("login", ["user", ":pass", "user:"])
def test_a_login_is_user_and_password_and_never_shows(login: str) -> None:
    with pytest.raises(InvalidSetting):
        ZooKeeperPlace.parse("h", login=login)
    place = ZooKeeperPlace.parse("h", login="user:pass:word")
    assert "pass:word" not in repr(place) + str(place)
