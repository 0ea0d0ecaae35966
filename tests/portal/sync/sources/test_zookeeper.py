"""Reading the four settings from a real ZooKeeper, and what stands in the way."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator

import pytest

from portal.errors import SyncError
from portal.sync.sources.old_settings import (
    CLIENT_ID,
    CLIENT_SECRET,
    STATUS,
    URL,
    USUAL_PATH,
    OldSettings,
)
from portal.sync.sources.zookeeper import read_settings
from portal.sync.sources.zookeeper_place import ZooKeeperPlace
from tests.portal.zookeeper_nodes import (
    NEEDS_ZOOKEEPER,
    SECRET,
    SOUND,
    ZOOKEEPER,
    Nodes,
    nodes_of_my_own,
)


@pytest.fixture(params=[pytest.param("", marks=NEEDS_ZOOKEEPER)])
def nodes() -> Iterator[Nodes]:
    with nodes_of_my_own() as nodes:
        yield nodes


def read(nodes: Nodes, path: str = "", *, login: str = "") -> OldSettings:
    return read_settings(ZooKeeperPlace.parse(nodes.address, path, login))


def refused(nodes: Nodes, path: str = "", *, login: str = "") -> SyncError:
    with pytest.raises(SyncError) as caught:
        read(nodes, path, login=login)
    return caught.value


def values(found: OldSettings) -> dict[str, str]:
    return {
        STATUS: found.status,
        URL: found.url,
        CLIENT_ID: found.client_id,
        CLIENT_SECRET: found.client_secret,
    }


def test_a_node_for_each_setting_is_read_and_nothing_is_written(nodes: Nodes) -> None:
    nodes.put_settings()
    nodes.put(f"{USUAL_PATH}/jdbc.url", b"jdbc:mysql://db/x?a=b")
    before = nodes.versions()
    found = read(nodes)
    assert values(found) == SOUND
    assert (found.path, found.servers) == (f"{nodes.root}/{USUAL_PATH}", ZOOKEEPER)
    assert (found.others, found.missing, found.open_to_all) == (1, (), True)
    assert SECRET not in repr(found)
    assert nodes.versions() == before


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_all_as_the_text_of_one_node(nodes: Nodes, encoding: str) -> None:
    text = "# 公有云\r\n" + "\r\n".join(f"{key}={value}" for key, value in SOUND.items())
    nodes.put(USUAL_PATH, f"{text}\r\nother=值\r\n".encode(encoding))
    found = read(nodes)
    assert values(found) == SOUND
    assert (found.others, found.path) == (1, f"{nodes.root}/{USUAL_PATH}")


def test_a_node_of_its_own_counts_before_the_text(nodes: Nodes) -> None:
    nodes.put(USUAL_PATH, f"{URL}=https://old.example/\n{CLIENT_ID}=ent-1".encode())
    nodes.put_settings({URL: SOUND[URL], STATUS: "2"})
    found = read(nodes)
    assert (found.url, found.client_id) == (SOUND[URL], "ent-1")
    assert (found.ambiguous, found.missing) == ((URL,), (CLIENT_SECRET,))


def test_empty_and_unreadable_values_are_told_apart(nodes: Nodes) -> None:
    nodes.put_settings({CLIENT_ID: "", STATUS: "2"})
    nodes.put(f"{USUAL_PATH}/{CLIENT_SECRET}", b"\xac\xed\x00\x05t\x00\x04junk")
    found = read(nodes)
    assert found.missing == (URL, CLIENT_ID, CLIENT_SECRET)
    assert found.unreadable == (CLIENT_SECRET,)


def test_a_path_that_is_not_there_names_what_is_beside(nodes: Nodes) -> None:
    nodes.put("api-archive-scan/prod")
    nodes.put("api-archive-scan/dev")
    error = refused(nodes)
    assert error.code == "ZK_NO_PATH"
    assert error.params["parent"] == f"{nodes.root}/api-archive-scan"
    assert error.params["names"] == "dev, prod"
    assert refused(nodes, "x/y/z").params["names"] == "api-archive-scan"


def test_a_node_without_the_settings_names_what_it_has(nodes: Nodes) -> None:
    for number in range(25):
        nodes.put(f"api-archive-scan/{number:02}")
    error = refused(nodes, "api-archive-scan")
    assert (error.code, error.params["names"].split(", ")[-2:]) == (
        "ZK_NO_SETTINGS",
        ["19", "… (+5)"],
    )
    nodes.put("plain", "没有".encode())
    assert refused(nodes, "plain").params["names"] == "(6 bytes)"


def test_what_is_refused_opens_with_the_login_which_is_in_no_log(
    nodes: Nodes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    logging.getLogger("kazoo").setLevel(1)
    nodes.put_settings()
    for key in ("", f"/{CLIENT_SECRET}"):
        nodes.put(f"{USUAL_PATH}{key}", SECRET.encode() if key else b"", digest="reader:pass")
    error = refused(nodes)
    assert (error.code, error.params["path"]) == (
        "ZK_REFUSED",
        f"{nodes.root}/{USUAL_PATH}/{CLIENT_SECRET}",
    )
    assert refused(nodes, login="reader:wrong").code == "ZK_REFUSED"
    caplog.clear()
    found = read(nodes, login="reader:pass")
    assert (values(found), found.open_to_all) == (SOUND, False)
    assert SECRET not in caplog.text
    assert "reader:pass" not in caplog.text


def test_children_are_read_where_their_parent_may_not_be(nodes: Nodes) -> None:
    nodes.put_settings()
    nodes.put(USUAL_PATH, digest="reader:pass")
    assert values(read(nodes)) == SOUND


def test_a_server_of_the_ensemble_that_is_gone_does_not_matter(nodes: Nodes) -> None:
    nodes.put_settings()
    place = ZooKeeperPlace.parse(f"127.0.0.1:{closed_port()},{nodes.address}")
    assert values(read_settings(place)) == SOUND


def test_nobody_there_is_said_at_once_for_each_server() -> None:
    ports = closed_port(), closed_port()
    address = ",".join(f"127.0.0.1:{port}" for port in ports)
    with pytest.raises(SyncError) as caught:
        read_settings(ZooKeeperPlace.parse(address))
    assert caught.value.code == "ZK_UNREACHABLE"
    for port in ports:
        assert f"127.0.0.1:{port} Connection refused" in caught.value.params["detail"]


def test_who_never_answers_is_waited_for_so_long_and_no_longer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = ZooKeeperPlace.parse(f"127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(SyncError) as caught:
            read_settings(place, seconds=0.5)
    assert caught.value.code == "ZK_TIMEOUT"
    assert time.monotonic() - began < 5  # the bound is what was asked for


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
