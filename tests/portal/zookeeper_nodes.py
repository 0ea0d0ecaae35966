"""Nodes in the ZooKeeper that the environment names, below a root of the test's own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from portal.sync.sources.old_settings import CLIENT_ID, CLIENT_SECRET, STATUS, URL, USUAL_PATH

ZOOKEEPER = os.environ.get("IMGMIG_TEST_ZOOKEEPER", "")
NEEDS_ZOOKEEPER = [
    pytest.mark.zookeeper,
    pytest.mark.skipif(not ZOOKEEPER, reason="IMGMIG_TEST_ZOOKEEPER names no ZooKeeper"),
]
SECRET = "planted-s3cret-of-the-client"
SOUND: Mapping[str, str] = {
    STATUS: "2",
    URL: "https://api.piaozone.com/",
    CLIENT_ID: "ent-1",
    CLIENT_SECRET: SECRET,
}


class Nodes:
    """Writes nodes; ``address`` has the root of the test as its chroot."""

    def __init__(self, client: Any, root: str) -> None:
        self._client = client
        self.root = root
        self.address = f"{ZOOKEEPER}{root}"

    def put(self, path: str, data: bytes = b"", *, digest: str = "") -> None:
        """Write a node and its parents; ``user:password`` makes it theirs alone."""
        from kazoo.security import make_digest_acl  # noqa: PLC0415 - not for tests without a server

        node = f"{self.root}/{path}"
        self._client.ensure_path(node)
        self._client.set(node, data)
        if digest:
            self._client.set_acls(node, [make_digest_acl(*digest.split(":"), all=True)])

    def put_settings(self, values: Mapping[str, str] = SOUND, path: str = USUAL_PATH) -> None:
        """As zkui leaves them: a node for each."""
        for key, value in values.items():
            self.put(f"{path}/{key}", value.encode())

    def versions(self) -> dict[str, tuple[int, int]]:
        """How often every node, and its list of children, was written."""
        found, waiting = {}, [self.root]
        while waiting:
            node = waiting.pop()
            stat = self._client.exists(node)
            found[node] = (stat.version, stat.cversion)
            waiting += [f"{node}/{name}" for name in self._client.get_children(node)]
        return found


@contextmanager
def nodes_of_my_own() -> Iterator[Nodes]:
    from kazoo.client import KazooClient  # noqa: PLC0415

    client, root = KazooClient(ZOOKEEPER), f"/test-{uuid.uuid4().hex}"
    client.start()
    try:
        client.create(root)
        yield Nodes(client, root)
    finally:
        client.add_auth("digest", "reader:pass")
        client.delete(root, recursive=True)
        client.stop()
        client.close()
