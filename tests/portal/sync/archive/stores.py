"""The kinds of archives that must keep the same promises, and what the tests do with them."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests

from portal.archive_place import S3Keys, S3Place, archive_place
from portal.sync.archive.base import Archive, Stage
from portal.sync.archive.local import LocalArchive
from portal.sync.archive.s3.archive import S3Archive
from portal.sync.archive.s3.client import S3Options
from portal.sync.archive.s3.wire import WireOptions

S3 = os.environ.get("IMGMIG_TEST_S3", "")
KEYS = S3Keys("test-key", "a-secret-never-to-be-seen")
#: Faults are waited out quickly, and nothing that stands still is waited for long.
#: Parts are as small as servers allow.
QUICK = S3Options(
    tries=4,
    first_pause=0.01,
    most_seconds=60,
    part_bytes=5 << 20,
    wire=WireOptions(connect=2, stall=2),
)
STORES = ["local", pytest.param("s3", marks=pytest.mark.s3)]


@contextmanager
def bucket() -> Iterator[str]:
    """The name of a new and empty bucket in the server that the environment names."""
    if not S3:
        pytest.skip("IMGMIG_TEST_S3 names no S3 server")
    name = f"test-{uuid.uuid4().hex}"
    requests.put(f"{S3}/{name}", timeout=10).raise_for_status()
    yield name


def s3_url(name: str, *, prefix: str = "归 档/a", endpoint: str = S3) -> str:
    return f"s3://{name}/{prefix}?{urlencode({'endpoint': endpoint, 'region': 'us-east-1'})}"


def s3_place(name: str, *, prefix: str = "归 档/a", endpoint: str = S3) -> S3Place:
    place = archive_place(s3_url(name, prefix=prefix, endpoint=endpoint))
    assert isinstance(place, S3Place)
    return place


def s3_archive(
    name: str, scratch: Path, *, endpoint: str = S3, options: S3Options = QUICK
) -> S3Archive:
    return S3Archive(s3_place(name, endpoint=endpoint), KEYS, scratch, options=options)


@dataclass(frozen=True)
class Store:
    """An archive, and where on this host it keeps what is not published.

    :ivar unpublished: a folder with nothing in it when everything was published or given up
    :ivar elsewhere: opens the same archive as another host does
    """

    archive: Archive
    unpublished: Path
    elsewhere: Callable[[], Archive]

    def staged(
        self, folder: str, files: int = 1, *, owner: str = "w1", text: str | None = None
    ) -> Stage:
        """A document with small files ``00.txt``, ``01.txt`` …"""
        contents = {f"{n:02d}.txt": (text or f"{folder} {n}").encode() for n in range(files)}
        return staged(self.archive, folder, contents, owner=owner)

    def keys(self) -> list[str]:
        return sorted(key for key, _ in self.archive.walk())

    def left_over(self) -> list[Path]:
        return [path for path in self.unpublished.rglob("*") if path.is_file()]


def staged(
    archive: Archive, folder: str, contents: Mapping[str, bytes], *, owner: str = "w1"
) -> Stage:
    """A document whose files were received."""
    stage = archive.stage(folder, owner=owner)
    for name, content in contents.items():
        stage.path(name).write_bytes(content)
        stage.note(name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
    return stage


@contextmanager
def opened_store(kind: str, place: Path) -> Iterator[Store]:
    if kind == "local":
        root = place / "archive"
        yield Store(LocalArchive(root), root / ".incoming", lambda: LocalArchive(root))
        return
    with bucket() as name:
        yield Store(
            s3_archive(name, place / "scratch"),
            place / "scratch",
            lambda: s3_archive(name, place / "another-scratch"),
        )
