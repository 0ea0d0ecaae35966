"""An installation whose archive is a bucket."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.functional.installation import Installation, free_port
from tests.functional.seen import SeenBucket
from tests.portal.sync.archive.stores import S3


@dataclass
class S3Site(Installation):
    """Looks at its archive with a client of its own, beside whatever stands before it.

    :ivar bucket: the bucket's name
    :ivar endpoint: what its processes talk to
    """

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    bucket: str = ""
    endpoint: str = S3

    def __post_init__(self) -> None:
        super().__post_init__()
        self._seen = SeenBucket(self.bucket, self.home.parent / "looking", endpoint=self.endpoint)
        self.settings = self._seen.settings | self.settings
        self.store = self._seen.store

    def archived_folders(self) -> list[Path]:
        return sorted(map(Path, self._seen.folders()))

    def incoming_files(self) -> list[Path]:
        """What is in the scratch folder, and uploads that were not finished."""
        return self._seen.unpublished(self.home)

    def ledger_files(self) -> dict[str, tuple[int, str]]:
        """Size and SHA-256 of every archived file, by its key."""
        query = "SELECT storage_key, size, sha256 FROM files WHERE storage_key IS NOT NULL"
        with closing(sqlite3.connect(self.home / "ledger.db", timeout=10)) as ledger:
            return {key: (size, digest) for key, size, digest in ledger.execute(query)}
