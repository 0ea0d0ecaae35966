"""An installation whose archive is a bucket."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.functional.installation import Installation, free_port
from tests.portal.sync.archive.stores import KEYS, S3, s3_archive, s3_url


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
        self.settings = {
            "PORTAL_ARCHIVE_URL": s3_url(self.bucket, endpoint=self.endpoint),
            "PORTAL_S3_ACCESS_KEY_ID": KEYS.access_key,
            "PORTAL_S3_SECRET_ACCESS_KEY": KEYS.secret_key,
        } | self.settings
        self.store = s3_archive(self.bucket, self.home.parent / "looking", endpoint=S3)

    def archived_folders(self) -> list[Path]:
        return sorted({Path(key).parent for key, _ in self.store.walk()})

    def incoming_files(self) -> list[Path]:
        """What is in the scratch folder, and uploads that were not finished."""
        scratch = [path for path in (self.home / "scratch").rglob("*") if path.is_file()]
        text = requests.get(f"{S3}/{self.bucket}?uploads", timeout=10).text
        return scratch + [Path("upload")] * text.count("<UploadId>")

    def ledger_files(self) -> dict[str, tuple[int, str]]:
        """Size and SHA-256 of every archived file, by its key."""
        query = "SELECT storage_key, size, sha256 FROM files WHERE storage_key IS NOT NULL"
        with closing(sqlite3.connect(self.home / "ledger.db", timeout=10)) as ledger:
            return {key: (size, digest) for key, size, digest in ledger.execute(query)}
