"""What an installation keeps, as the tests look at it behind the back of its processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import requests
from sqlalchemy import text

from portal.ledger import Ledger, prepare_engine
from portal.sync.archive.local import INCOMING, LocalArchive
from tests.portal.ledger_scene import engine_of
from tests.portal.sync.archive.stores import KEYS, S3, s3_archive, s3_url


class SeenLedger:
    """The ledger, asked in SQL that every database takes."""

    def __init__(self, url: str) -> None:
        engine = engine_of(url)
        prepare_engine(engine)
        self.ledger = Ledger(engine)

    def query(self, sql: str, **words: Any) -> list[Any]:
        """The rows of an answer."""
        with self.ledger.read() as session:
            return [tuple(row) for row in session.execute(text(sql), words)]

    def one(self, sql: str, **words: Any) -> Any:
        """The single value of an answer."""
        ((value,),) = self.query(sql, **words)
        return value

    def leased(self) -> int:
        """How many documents and months a worker holds."""
        return int(self.one(_LEASES))


_LEASES = """SELECT (SELECT count(*) FROM batch_items WHERE lease_owner IS NOT NULL)
 + (SELECT count(*) FROM slices WHERE lease_owner IS NOT NULL)"""


@contextmanager
def seen_ledger(url: str) -> Iterator[SeenLedger]:
    """The ledger at a URL as the settings have it."""
    seen = SeenLedger(url)
    yield seen
    seen.ledger.close()


class SeenArchive(Protocol):
    """An archive, and where what is not published lies.

    :ivar settings: that name it
    """

    settings: dict[str, str]

    def keys(self) -> set[str]:
        """Of every published file."""

    def folders(self) -> set[str]:
        """Of the documents."""

    def staging(self, home: Path) -> Path:
        """Below it are the folders of the workers of a home."""

    def unpublished(self, *homes: Path) -> list[Path]:
        """What these homes began, and whatever else is unfinished."""


class SeenFolder:
    """An archive in a folder."""

    def __init__(self, root: Path) -> None:
        self.settings = {"PORTAL_ARCHIVE_URL": f"file://{root}"}
        self._root = root

    def keys(self) -> set[str]:
        return {key for key, _ in LocalArchive(self._root).walk()}

    def folders(self) -> set[str]:
        return {path.relative_to(self._root).as_posix() for path in self._root.glob("[!.]*/*/*")}

    def staging(self, home: Path) -> Path:
        return self._root / INCOMING

    def unpublished(self, *homes: Path) -> list[Path]:
        return _files(self._root / INCOMING)


class SeenBucket:
    """An archive in a bucket of the server that the environment names.

    :param looking: a folder for a client of the tests' own
    :param endpoint: what the processes talk to
    """

    def __init__(self, bucket: str, looking: Path, *, endpoint: str = S3) -> None:
        self.settings = {
            "PORTAL_ARCHIVE_URL": s3_url(bucket, endpoint=endpoint),
            "PORTAL_S3_ACCESS_KEY_ID": KEYS.access_key,
            "PORTAL_S3_SECRET_ACCESS_KEY": KEYS.secret_key,
        }
        self.store = s3_archive(bucket, looking, endpoint=S3)
        self._bucket = bucket

    def keys(self) -> set[str]:
        return {key for key, _ in self.store.walk()}

    def folders(self) -> set[str]:
        return {key.rpartition("/")[0] for key in self.keys()}

    def staging(self, home: Path) -> Path:
        return home / "scratch"

    def unpublished(self, *homes: Path) -> list[Path]:
        """What is in the scratch folders, and uploads that were not finished."""
        scratch = [path for home in homes for path in _files(self.staging(home))]
        answer = requests.get(f"{S3}/{self._bucket}?uploads", timeout=10)
        answer.raise_for_status()
        return scratch + [Path("upload")] * answer.text.count("<UploadId>")


def _files(root: Path) -> list[Path]:
    """Every file below; what vanishes meanwhile is passed over."""
    return [Path(place, name) for place, _, names in os.walk(root) for name in names]
