"""导出: asking for one, finding it again, and removing its file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound, SyncError
from portal.models import Export
from portal.services import audit, chores, paging
from portal.services.export_kinds import FORMATS, KINDS
from portal.services.export_making import Made
from portal.services.export_tables import Kind
from portal.services.paging import Leaf, Place
from portal.sync.archive.base import Archive
from portal.sync.archive.keeping import forget, place_of

CHORE = "export"
#: How long a file is kept.
KEPT = timedelta(days=180)


def kind_of(name: str) -> Kind:
    """
    :raises NotFound: when there is no such kind of export
    """
    if name not in KINDS:
        raise NotFound(f"没有这种导出 {name}", f"there is no such export: {name}")
    return KINDS[name]


def ask(
    session: Session,
    kind: str,
    *,
    format_: str,
    language: str,
    filters: Mapping[str, Sequence[str]],
    by: str,
    now: datetime,
) -> Export:
    """Ask for an export, to be made by a clerk; an equal one just asked for is not made twice.

    :raises NotFound: when there is no such kind
    :raises NotAllowed: for a format that makes no sense
    """
    known = known_filters(kind_of(kind), filters)
    if format_ not in FORMATS:
        raise NotAllowed(f"没有这种格式 {format_}", f"there is no such format: {format_}")
    params = {"kind": kind, "format": format_, "language": language, "filters": known}
    chore = chores.ask(session, CHORE, by=by, now=now, subject=f"export:{by}", params=params)
    same = session.scalar(select(Export).where(Export.chore_id == chore.id))
    if same is not None:
        return same
    export = Export(**params, asked_by=by, asked_at=now, chore_id=chore.id)
    session.add(export)
    session.flush()
    told = {"export": export.id, "kind": kind, "format": format_, "filters": known}
    audit.record(session, "export.ask", by=by, at=now, detail=told)
    return export


def known_filters(kind: Kind, filters: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The filters that a kind knows, of those given."""
    return {name: [*filters[name]] for name in kind.filters if filters.get(name)}


def folder_of(export_id: int, attempt: int) -> str:
    """Where the file that an attempt made is kept, for :mod:`portal.sync.archive.keeping`."""
    return f"exports/{export_id}-{attempt}"


def find(session: Session, export_id: int) -> Export:
    """
    :raises NotFound: when there is none
    """
    export = session.get(Export, export_id)
    if export is None:
        raise NotFound("没有这个导出", "there is no such export")
    return export


def of_chore(session: Session, chore_id: int) -> Export:
    """The export a chore is to make."""
    return session.scalars(select(Export).where(Export.chore_id == chore_id)).one()


def page(session: Session, place: Place, kinds: Collection[str]) -> Leaf[Export]:
    """Exports of some kinds at a place of their list, which is sorted by ``id``."""
    query = select(Export).where(Export.kind.in_(kinds))
    return paging.read(session, query, place, columns={"id": Export.id}, row_id=Export.id)


def note_made(
    session: Session, export: Export, made: Made, folder: str, *, by: str, now: datetime
) -> None:
    """Record what came of it, and the folder that its file is kept in."""
    for name, value in asdict(made).items():
        setattr(export, name, value)
    export.file = f"{folder}/{made.file}"
    export.made_at = now
    told = {"export": export.id, "rows": made.rows, "bytes": made.bytes, "sha256": made.sha256}
    audit.record(session, "export.make", by=by, at=now, detail=told)


def opened(export: Export, archive: Archive) -> BinaryIO:
    """Its file; every host has it.

    :raises NotFound: when it has none, or the file is gone
    """
    if export.is_kept:
        with suppress(SyncError):
            return archive.open(place_of(str(export.file)))
    raise NotFound("该导出没有文件", "the export has no file")


def kept_files(session: Session) -> Iterator[tuple[str, int, str]]:
    """Every file there is, for a backup: its key in the archive, size and SHA-256."""
    query = select(Export.file, Export.bytes, Export.sha256).order_by(Export.id)
    kept = Export.file.is_not(None), Export.removed_at.is_(None)
    for file, size, sha256 in session.execute(query.where(*kept)):
        yield place_of(str(file)), size or 0, str(sha256)


def remove(session: Session, export: Export, archive: Archive, *, by: str, now: datetime) -> None:
    """Delete its file; what it was, and its digest, stay.

    :raises NotAllowed: when it has no file
    """
    if not export.is_kept:
        raise NotAllowed("该导出没有文件", "the export has no file")
    export.removed_at = now
    export.removed_by = by
    detail = {"export": export.id, "sha256": export.sha256}
    audit.record(session, "export.remove", by=by, at=now, detail=detail)
    forget(archive, str(export.file).rpartition("/")[0])


def remove_old(session: Session, archive: Archive, *, by: str, now: datetime) -> int:
    """Delete the files that were kept long enough; how many."""
    query = select(Export).where(
        Export.file.is_not(None), Export.removed_at.is_(None), Export.made_at < now - KEPT
    )
    old = session.scalars(query).all()
    for export in old:
        remove(session, export, archive, by=by, now=now)
    return len(old)
