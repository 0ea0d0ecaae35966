"""Files in the archive that the ledger does not name, found without holding all names at once.

A file may be there that the ledger is about to name: published, and its commit on the way. Whoever
commits holds the document's lease until that commit; so what is leased is looked up before what
is named, and a file of neither is looked at once more after a while before it is blamed.
"""

from __future__ import annotations

import itertools
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, union_all
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import Batch, BatchItem, DataSource, Document, File, Slice, VersionFile, utc_now
from portal.statuses import ItemStatus, RunStatus
from portal.sync.archive.base import Archive
from portal.sync.archive.names import document_folder

_PAGE = 500
_WAIT_SECONDS = 2.0
# A lease that ran out so long ago belongs to nobody who could still commit.
_LATE = timedelta(minutes=10)
_CLAIM_NUMBER = re.compile(r"~\d+$")
_NO_UTF_8 = re.compile("[\ud800-\udfff]")


def extra_files(
    ledger: Ledger,
    archive: Archive,
    *,
    part: tuple[int, int] | None = None,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[list[str]]:
    """The extra files' keys, a list for each page of files looked at, empty for most.

    :param part: (n, t): only the n-th of t parts of the files
    """
    keys = (key for key, _ in archive.walk() if part is None or _is_in(key, part))
    while page := list(itertools.islice(keys, _PAGE)):
        suspects = _unknown(ledger, archive, page, clock())
        if suspects and _is_something_moving(ledger, clock()):
            wait(_WAIT_SECONDS)
            suspects = _unknown(ledger, archive, suspects, clock())
        yield suspects


def _is_in(key: str, part: tuple[int, int]) -> bool:
    number, total = part
    return zlib.crc32(key.encode("utf-8", "surrogateescape")) % total == number - 1


def _unknown(ledger: Ledger, archive: Archive, keys: list[str], now: datetime) -> list[str]:
    with ledger.read() as session:
        if not unnamed(session, keys):
            return []
        writing = set(_folders_being_written(session, now))
        found = unnamed(session, keys)
    return [
        key
        for key in found
        if _CLAIM_NUMBER.sub("", key.rpartition("/")[0]) not in writing and archive.holds(key)
    ]


def unnamed(session: Session, keys: Iterable[str]) -> list[str]:
    """Those of the keys that no document and no version names.

    One statement, so that a file on its way from a document to its version is seen once.
    """
    keys = list(keys)
    files, kept = File.storage_key, VersionFile.storage_key
    # The ledger's names are UTF-8, and others cannot even be asked for.
    asked = [key for key in keys if not _NO_UTF_8.search(key)]
    query = union_all(select(files).where(files.in_(asked)), select(kept).where(kept.in_(asked)))
    named = set(session.scalars(query))
    return [key for key in keys if key not in named]


def _folders_being_written(session: Session, now: datetime) -> Iterator[str]:
    """The folders, without a claim's number, of the documents somebody holds."""
    query = (
        select(DataSource.name, Slice.month, Document.resource, Document.image_no)
        .select_from(BatchItem)
        .join(Batch, Batch.id == BatchItem.batch_id)
        .join(DataSource, DataSource.id == Batch.data_source_id)
        .join(Slice, Slice.id == BatchItem.slice_id)
        .join(Document, Document.id == BatchItem.document_id)
        .where(
            BatchItem.batch_id.in_(select(Batch.id).where(_may_move(now))),
            BatchItem.status == ItemStatus.PENDING,
            BatchItem.next_try_at > now - _LATE,
            BatchItem.lease_owner.is_not(None),
        )
    )
    for source, month, resource, image_no in session.execute(query):
        yield document_folder(
            source=source, month=month, resource=resource, image_no=image_no, fence=1
        )


def _may_move(now: datetime) -> ColumnElement[bool]:
    return or_(Batch.run_status != RunStatus.ENDED, Batch.ended_at > now - _LATE)


def _is_something_moving(ledger: Ledger, now: datetime) -> bool:
    with ledger.read() as session:
        return session.scalar(select(Batch.id).where(_may_move(now)).limit(1)) is not None
