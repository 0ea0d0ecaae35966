"""Restoring a backup into an installation in which nothing is.

Everything of the backup is verified before anything is written. Then come the files of the home,
the documents' files, and last the ledger, in one transaction that also compares what it has
loaded: so at no moment does a ledger call archived what is not on the disk, and a restore that is
interrupted leaves an empty ledger and can be begun again.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound, SyncError
from portal.ledger import Ledger, this_host
from portal.models import AuditEvent
from portal.seal_key import SealKey
from portal.services.backup import ledger_copy, manifest
from portal.services.backup.making import DAMAGED, HOME, LIST
from portal.services.backup.manifest import Manifest
from portal.services.backup.store import Store
from portal.services.extra_files import unnamed
from portal.services.restores import ACTION, signed_detail
from portal.services.visible_text import escaped
from portal.settings import SECRET_KEY_FILE, TOKEN_FILE
from portal.sync.archive.base import Archive, Stage
from portal.sync.archive.local import LocalArchive

#: In the home while a restore is not finished; holds the backup's name.
UNFINISHED = "restore-unfinished"
OWNER = "restore"
_PUBLISHED_AT_ONCE = 200
_LOOKED_UP_AT_ONCE = 500
_SECRET = frozenset({SECRET_KEY_FILE, TOKEN_FILE})
_SHA256 = re.compile(r"[0-9a-f]{64}")

Progress = Callable[[str, int, int | None], None]


class _ListedFile(NamedTuple):
    folder: str
    name: str
    size: int
    sha256: str


class FoundBackup(NamedTuple):
    """A backup in its folder."""

    folder: Path
    manifest: Manifest


def find(path: Path) -> FoundBackup:
    """The backup in a folder, or the newest of a place that holds several.

    :raises NotFound: when there is none
    :raises SyncError: BACKUP_UNREADABLE
    """
    if not (path / manifest.NAME).exists():
        names = sorted(one.parent.name for one in path.glob(f"2*Z/{manifest.NAME}"))
        if not names:
            raise NotFound(f"{path} 中没有完整的备份", f"there is no whole backup in {path}")
        path = path / names[-1]
    return FoundBackup(path, manifest.read(path))


def key_of(found: FoundBackup, given: str) -> str:
    """The secret key the backup's installation had.

    :param given: as the settings say, empty when they say none
    :raises SyncError: BACKUP_KEY when there is none, or it is another one
    """
    key = given
    if not key and found.manifest.has_key:
        key = (found.folder / HOME / SECRET_KEY_FILE).read_text().strip()
    if not key or not manifest.is_signed(found.folder, SealKey(key)):
        raise SyncError("BACKUP_KEY")
    return key


def check(found: FoundBackup, progress: Progress) -> None:
    """Read the whole backup and compare it with its manifest; nothing is changed anywhere.

    :raises SyncError: BACKUP_DAMAGED
    """
    for path in manifest.damaged_files(found.folder, found.manifest):
        raise SyncError("BACKUP_DAMAGED", path=path)
    if found.manifest.archive is None:
        return
    store, total = Store(found.folder.parent), found.manifest.archive.files
    for number, file in enumerate(_listed(found), start=1):
        if not store.is_sound(file.sha256):
            raise SyncError("BACKUP_DAMAGED", path=str(store.path(file.sha256)))
        progress("check", number, total)


def refuse_unless_empty(ledger: Ledger, archive: Archive, home: Path, found: FoundBackup) -> None:
    """
    :raises SyncError: RESTORE_NOT_EMPTY, naming what is there
    """
    if is_begun(home, found):
        return
    with ledger.read() as session:
        inspector = inspect(session.connection())
        for name in sorted({*inspector.get_table_names()} - ledger_copy.OF_THE_SCHEMA):
            if session.connection().exec_driver_sql(f"SELECT 1 FROM {name}").first():  # noqa: S608
                raise SyncError("RESTORE_NOT_EMPTY", what=f"ledger: {name}")
    for file in _home_files(found):
        kept = found.folder / HOME / file
        if (home / file).exists() and not filecmp.cmp(home / file, kept, shallow=False):
            raise SyncError("RESTORE_NOT_EMPTY", what=str(home / file))
    if found.manifest.archive is not None:
        for key, _size in archive.walk():
            raise SyncError("RESTORE_NOT_EMPTY", what=f"archive: {escaped(key)}")


def is_begun(home: Path, found: FoundBackup) -> bool:
    """Whether a restore of this very backup was begun here and not finished.

    :raises NotAllowed: when it was another one's
    """
    try:
        name = (home / UNFINISHED).read_text().strip()
    except FileNotFoundError:
        return False
    if name != found.manifest.name:
        raise NotAllowed(
            f"备份 {name} 的恢复尚未完成；先完成它，或清空该目录",
            f"the restore of {name} is not finished: finish it, or empty the home",
        )
    return True


def begin(home: Path, found: FoundBackup, *, with_key: bool) -> None:
    """Mark the home as being restored, and put its files there."""
    home.mkdir(parents=True, exist_ok=True)
    (home / UNFINISHED).write_text(found.manifest.name)
    for path in _home_files(found):
        if path == SECRET_KEY_FILE and not with_key:
            continue
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        mode = 0o600 if path in _SECRET else 0o640
        with os.fdopen(
            os.open(home / path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb"
        ) as to:
            with (found.folder / HOME / path).open("rb") as source:
                shutil.copyfileobj(source, to)
            to.flush()
            os.fsync(to.fileno())


def end(home: Path) -> None:
    """The restore is finished."""
    (home / UNFINISHED).unlink()


def bring_archive(archive: Archive, found: FoundBackup, progress: Progress) -> None:
    """Publish the documents' files; folders that are there already are left.

    :raises SyncError: BACKUP_DAMAGED, or an error of the archive
    """
    kept = found.manifest.archive
    if kept is None:
        return
    archive.sweep(OWNER)
    store, done = Store(found.folder.parent), 0
    waiting: list[Stage] = []
    for folder, files in groupby(_listed(found), key=lambda file: file.folder):
        some = list(files)
        if not archive.present([folder]):
            waiting.append(_staged(archive, store, folder, some))
        done += len(some)
        if len(waiting) >= _PUBLISHED_AT_ONCE:
            archive.publish(waiting)
            waiting.clear()
        progress("archive", done, kept.files)
    archive.publish(waiting)


def load_ledger(session: Session, found: FoundBackup, progress: Progress) -> None:
    """Fill the empty ledger of the backup's revision and compare it with the manifest.

    :raises SyncError: BACKUP_DAMAGED, RESTORE_DIFFERS
    """
    done = 0
    total = 2 * sum(kept.rows for kept in found.manifest.tables)

    def on_rows(_table: str, rows: int) -> None:
        nonlocal done
        done += rows
        progress("ledger", done, total)

    for kept in found.manifest.tables:
        ledger_copy.load(session, kept, found.folder, on_rows)
    for kept in found.manifest.tables:
        seen = ledger_copy.digest(session, kept.table, on_rows)
        if (seen.rows, seen.sha256) != (kept.rows, kept.sha256):
            raise SyncError("RESTORE_DIFFERS", table=kept.table.name)
        ledger_copy.number_on(session, kept.table)


def record(session: Session, found: FoundBackup, key: SealKey, *, by: str, now: datetime) -> None:
    """Have the loaded trail say that it was restored.

    The schema is the backup's still, so only columns that it has are written.
    """
    (events,) = (kept.table for kept in found.manifest.tables if kept.table.name == "audit_events")
    detail = signed_detail(session, key, backup=found.manifest.name, as_of=found.manifest.as_of)
    session.execute(
        events.table().insert(),
        {
            "at": now,
            "actor": by,
            "origin": f"cli {this_host()}",
            "action": ACTION,
            "new": found.manifest.name,
            "detail": detail,
        },
    )


def is_loaded(session: Session, found: FoundBackup) -> bool:
    """Whether this backup's ledger is there already, from a restore that was interrupted."""
    if not inspect(session.connection()).has_table("audit_events"):
        return False
    query = select(AuditEvent.id).where(
        AuditEvent.action == ACTION, AuditEvent.new == found.manifest.name
    )
    return session.scalar(query.limit(1)) is not None


def put_aside_unnamed(ledger: Ledger, archive: LocalArchive) -> int:
    """Put aside every folder that the restored ledger does not name; how many there were.

    An archive that was not part of the backup is as it was later: what the ledger does not know
    will be fetched again, into a folder of the very same name.
    """
    unknown: list[str] = []
    some: dict[str, list[str]] = {}
    # A folder's files come one behind the other.
    for folder, files in groupby(archive.walk(), key=lambda file: file[0].rpartition("/")[0]):
        some[folder] = [key for key, _size in files]
        if len(some) >= _LOOKED_UP_AT_ONCE:
            unknown += _unknown_of(ledger, some)
            some = {}
    unknown += _unknown_of(ledger, some)
    for folder in unknown:
        archive.put_aside(folder)
    return len(unknown)


def _unknown_of(ledger: Ledger, folders: Mapping[str, Sequence[str]]) -> list[str]:
    """The folders of which the ledger names no file; a stray file beside named ones stays."""
    keys = [key for some in folders.values() for key in some]
    with ledger.read() as session:
        strange = {
            key
            for start in range(0, len(keys), _LOOKED_UP_AT_ONCE)
            for key in unnamed(session, keys[start : start + _LOOKED_UP_AT_ONCE])
        }
    return [folder for folder, some in folders.items() if folder and strange.issuperset(some)]


def _home_files(found: FoundBackup) -> list[str]:
    start = f"{HOME}/"
    paths = [file.path for file in found.manifest.files]
    return [path.removeprefix(start) for path in paths if path.startswith(start)]


def _listed(found: FoundBackup) -> Iterator[_ListedFile]:
    """The documents' files that the backup holds."""
    damaged = {key for (key,) in _lines(found.folder / DAMAGED, str)}
    for key, size, sha256 in _lines(found.folder / LIST, str, int, str):
        # The digest is where the content lies: it must not lead anywhere else.
        if not _SHA256.fullmatch(sha256):
            raise SyncError("BACKUP_DAMAGED", path=LIST)
        if key not in damaged:
            folder, _, name = key.rpartition("/")
            yield _ListedFile(folder, name, size, sha256)


def _lines(path: Path, *kinds: type) -> Iterator[list[Any]]:
    """A list's lines, which a backup that is none of ours may have made of anything."""
    for line in ledger_copy.read_list(path):
        if [type(value) for value in line] != [*kinds]:
            raise SyncError("BACKUP_DAMAGED", path=path.name)
        yield line


def _staged(archive: Archive, store: Store, folder: str, files: Sequence[_ListedFile]) -> Stage:
    """The folder's files on their way in, each read once and compared with its digest."""
    stage = archive.stage(folder, owner=OWNER)
    for file in files:
        try:
            with stage.path(file.name).open("wb") as target:
                is_sound = store.copy(file.sha256, target)
        except OSError as error:
            raise stage.refused(error) from error
        if not is_sound:
            raise SyncError("BACKUP_DAMAGED", path=str(store.path(file.sha256)))
        stage.note(file.name, size=file.size, sha256=file.sha256)
    return stage
