"""The older procedure's settings: pasted, in files, in ZooKeeper; and where that is."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from portal.errors import InvalidSetting, NotAllowed
from portal.secret_box import SecretBox
from portal.services.source_import import sealed, unsealed
from portal.sync.sources.old_settings import (
    CLIENT_ID,
    CLIENT_SECRET,
    KEYS,
    STATUS,
    URL,
    OldSettings,
    decoded,
    read,
    read_nodes,
)
from portal.sync.sources.zookeeper_place import ZooKeeperPlace
from tests.fuzz.bending import as_json, bent_bytes, bent_texts, bent_values
from tests.fuzz.parser import ACCEPTED, REFUSED, Parser

BOX = SecretBox("a-key-for-tests-" * 3)
PROPERTIES = (
    f"# saved\n{STATUS}=2\n{URL}=http\\://img.example\\:8080/base\n{CLIENT_ID} : id\\u0041\n"
    f"{CLIENT_SECRET}=se\\\n   cret\n! more\nother=1\n"
)
ZKUI = "".join(
    f"/kd/api-archive-scan/pri={key}={value}\n"
    for key, value in zip(KEYS, ("2", "https://img.example", "id", "a=b=c"), strict=True)
)
FOUND = OldSettings("2", "http://img.example", "id", "secret", path="/a", ambiguous=(URL,))
PLACES = ["zk1:2181,zk2:2181/kd", "[::1]:2181", "zk1，zk2", "10.0.0.1", "h:1/a/b"]


def _text(content: bytes) -> bool:
    return _assert_understood(read(decoded(content)))


def _nodes(case: tuple[str, bytes, list[bytes]]) -> bool:
    path, content, values = case
    children = dict(zip((*KEYS, "other"), values, strict=False))
    return _assert_understood(read_nodes(path, content, children))


def _assert_understood(found: OldSettings) -> bool:
    for value in (found.status, found.url, found.client_id, found.client_secret):
        assert value == value.strip()
        assert value.isprintable() or not any(ord(char) < 0x20 for char in value)
        value.encode()
    assert not found.client_secret or len(found.client_secret) < 3 or found.others >= 0
    assert found.client_secret not in repr(found) or len(found.client_secret) < 20
    assert set(found.ambiguous) | set(found.unreadable) <= set(KEYS)
    assert unsealed(sealed(found, BOX), BOX) == found
    return REFUSED if found.missing else ACCEPTED


def _sealed(content: bytes) -> bool:
    try:
        found = unsealed(BOX.close(content.decode("utf-8", "replace")), BOX)
    except NotAllowed:
        return REFUSED
    assert isinstance(found, OldSettings)
    assert all(isinstance(one, str) for one in (found.status, found.url, found.client_id))
    return ACCEPTED


def _sealed_text(text: str) -> bool:
    try:
        unsealed(text, BOX)
    except NotAllowed:
        return REFUSED
    return ACCEPTED


def _place(case: tuple[str, str, str]) -> bool:
    try:
        place = ZooKeeperPlace.parse(*case)
    except InvalidSetting:
        return REFUSED
    assert place.path.startswith("/")
    assert ".." not in place.path.split("/")
    assert 0 < len(place.servers) <= 20
    assert all(host and 0 < port < 65536 for host, port in place.servers)
    assert "me:word" not in case[2] or case[2] not in repr(place)
    return ACCEPTED


_files = bent_bytes(
    [PROPERTIES.encode(), ZKUI.encode(), (PROPERTIES + ZKUI).encode(), ZKUI.encode("utf-16"),
     PROPERTIES.replace("id", "张伟").encode("gb18030")],
)  # fmt: skip
_values = bent_bytes([b"2", b"http://img.example", b"id", b"secret", b"a\\:b\\u0041"])
_sealed_forms = json.loads(BOX.open(sealed(FOUND, BOX)))
PARSERS = (
    Parser("old settings, a text", _files, _text),
    Parser(
        "old settings, ZooKeeper",
        st.tuples(bent_texts(["/kd/api-archive-scan/pri"]), _files, st.lists(_values, max_size=5)),
        _nodes,
    ),
    Parser("old settings, a preview", as_json(bent_values([_sealed_forms])), _sealed),
    Parser("old settings, sealed", bent_texts([sealed(FOUND, BOX)]), _sealed_text),
    Parser(
        "ZooKeeper place",
        st.tuples(bent_texts(PLACES), bent_texts(["/a/b", ""]), bent_texts(["", "me:word"])),
        _place,
    ),
)
