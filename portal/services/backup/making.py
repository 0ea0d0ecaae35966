"""Making a backup while everything runs.

The order is what keeps it true. The anchors are copied before the ledger, so the copied trail is
never shorter than they say. The ledger is copied from one moment's view before the documents'
files are, and whatever it calls archived was on the disk before it said so: the files copied
afterwards are all that the copy names, and perhaps more is in the archive by then, which is left.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import __version__
from portal.errors import NotAllowed, SyncError
from portal.ledger import Ledger, this_host
from portal.models import Document, DocumentVersion, File, VersionFile
from portal.seal_key import SealKey
from portal.services import exports, manifests, same_keys
from portal.services.anchor_file import NAME as ANCHORS
from portal.services.backup import ledger_copy
from portal.services.backup.manifest import KeptArchive, KeptFile, KeptTable, Manifest, kept_file
from portal.services.backup.store import Store
from portal.services.rechecks import Verdict
from portal.services.sealing import newest_anchor
from portal.settings import SECRET_KEY_FILE, TOKEN_FILE, Settings
from portal.sync.archive.base import Archive
from portal.sync.archive.flushing import sync_file_system
from portal.sync.archive.local import FULL

# What the ledger calls archived, and of that what was missing or changed when it was copied.
LIST, DAMAGED = "archive.jsonl.gz", "damaged.jsonl.gz"
HOME = "home"
# What comes of the home, before the ledger.
_FIRST = (ANCHORS, SECRET_KEY_FILE, TOKEN_FILE)
_PART = ".part"

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Made:
    """A finished backup; ``new_bytes`` is what it added to the documents' files kept before."""

    folder: Path
    manifest: Manifest
    new_files: int
    new_bytes: int
    damaged: tuple[str, ...]
    """Keys of archived files that were missing or changed."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to copy, and where to.

    :param place: the folder that holds all backups
    :param with_archive: copy the documents' files, too
    :param with_keys: copy the secret key and the executor's token, too
    """

    place: Path
    with_archive: bool
    with_keys: bool
    by: str


class BackupMaking:
    """One backup; :meth:`run` once.

    :param revision: of the ledger's schema
    :param progress: told the step, how much of it is done, and of how much if that is known
    """

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        key: SealKey,
        settings: Settings,
        order: Order,
        *,
        revision: str,
        clock: Callable[[], datetime],
        progress: Progress = lambda _step, _done, _total: None,
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._key = key
        self._settings = settings
        self._order = order
        self._revision = revision
        self._clock = clock
        self._progress = progress
        self._rows = self._files = self._new_files = self._new_bytes = self._bytes = 0
        self._damaged: list[str] = []

    def run(self) -> Made:
        """Make it; a folder that is there without ``.part`` is whole.

        :raises NotAllowed: when another backup into the same place is under way
        :raises SyncError: BACKUP_FULL, BACKUP_UNWRITABLE, BACKUP_ROW, SECRET_KEY_CHANGED
        """
        place = self._order.place
        with _told(place), _alone(place):
            for left in place.glob(f"*{_PART}"):
                shutil.rmtree(left)
            moment = self._clock()
            name = f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"
            part = place / f"{name}{_PART}"
            for folder in (part / HOME, part / ledger_copy.FOLDER):
                folder.mkdir(parents=True)
            manifest = self._fill(name, part)
            sync_file_system(part)
            part.rename(place / name)
            sync_file_system(place)
        return Made(place / name, manifest, self._new_files, self._new_bytes, tuple(self._damaged))

    def _fill(self, name: str, part: Path) -> Manifest:
        home = self._settings.home
        wanted = _FIRST if self._order.with_keys else (ANCHORS,)
        has_key = SECRET_KEY_FILE in [file for file in wanted if _copy(home, part / HOME, file)]
        with self._ledger.snapshot() as session:
            if not same_keys.is_current(session, self._key.fingerprint):
                raise SyncError("SECRET_KEY_CHANGED")  # the key copied above may be another
            as_of = self._clock()
            tables = [self._dump(session, table, part) for table in ledger_copy.tables()]
            anchor = newest_anchor(session)
            if self._order.with_archive:
                ledger_copy.write_list(part / LIST, self._archived(session))
        archive = self._copy_archive(part) if self._order.with_archive else None
        manifest = Manifest(
            name=name,
            as_of=as_of,
            made_by=self._order.by,
            host=this_host(),
            version=__version__,
            revision=self._revision,
            database=self._settings.database_url.partition(":")[0].partition("+")[0],
            timezone=str(self._settings.timezone),
            anchor=str(anchor) if anchor else None,
            has_key=has_key,
            tables=tuple(tables),
            files=tuple(_kept_files(part)),
            archive=archive,
        )
        manifest.write(part, self._key)
        return manifest

    def _dump(self, session: Session, table: Any, part: Path) -> KeptTable:
        return ledger_copy.dump(session, table, part, self._on_rows)

    def _on_rows(self, _table: str, rows: int) -> None:
        self._rows += rows
        self._progress("ledger", self._rows, None)

    def _archived(self, session: Session) -> Iterator[Sequence[Any]]:
        """Every file the ledger names, a folder's one behind the other: key, size, SHA-256."""
        for query in (
            select(File.storage_key, File.size, File.sha256)
            .join(Document, Document.id == File.document_id)
            .where(Document.archived_at.is_not(None), File.storage_key.is_not(None))
            .order_by(File.document_id, File.seq, File.id),
            select(VersionFile.storage_key, VersionFile.size, VersionFile.sha256)
            .join(DocumentVersion, DocumentVersion.id == VersionFile.version_id)
            # What was replaced because it was damaged is damaged still, and everybody knows.
            .where(DocumentVersion.reason != Verdict.DAMAGED, VersionFile.storage_key.is_not(None))
            .order_by(VersionFile.version_id, VersionFile.seq, VersionFile.id),
        ):
            for row in session.connection().execute(query, execution_options={"yield_per": 1000}):
                self._files += 1
                yield row
        for kept in (*exports.kept_files(session), *manifests.kept_files(session)):
            self._files += 1
            yield kept

    def _copy_archive(self, part: Path) -> KeptArchive:
        store = Store(self._order.place)
        listed = ledger_copy.read_list(part / LIST)
        for number, (key, size, sha256) in enumerate(listed, start=1):
            self._copy_file(store, key, size, sha256)
            self._progress("archive", number, self._files)
        store.flush()
        ledger_copy.write_list(part / DAMAGED, ([key] for key in self._damaged))
        return KeptArchive(self._files, self._bytes, len(self._damaged))

    def _copy_file(self, store: Store, key: str, size: int, sha256: str) -> None:
        self._bytes += size
        if store.has(sha256, size):
            return
        try:
            with self._archive.open(key) as stream:
                is_sound = store.add(stream, sha256)
        except SyncError:
            is_sound = False
        if is_sound:
            self._new_files += 1
            self._new_bytes += size
            return
        self._damaged.append(key)


def _copy(home: Path, target: Path, path: str) -> bool:
    """Copy a file of the home, if there is one."""
    (target / path).parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(home / path, target / path)
    except FileNotFoundError:
        return False
    return True


def _kept_files(part: Path) -> Iterator[KeptFile]:
    for path in sorted(part.rglob("*")):
        if path.is_file():
            yield kept_file(part, str(path.relative_to(part)))


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Two backups at once would take each other's unfinished files for left ones."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotAllowed(
                f"{place} 正有另一个备份在进行", f"another backup into {place} is under way"
            ) from None
        yield


@contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        code = "BACKUP_FULL" if error.errno in FULL else "BACKUP_UNWRITABLE"
        detail = error.strerror or type(error).__name__
        raise SyncError(code, path=str(error.filename or place), detail=detail) from error
