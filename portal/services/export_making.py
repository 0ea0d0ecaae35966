"""Making the file of an export: of one moment's ledger, in constant memory, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import Export
from portal.services.export_tables import Kind, Wanted
from portal.services.export_writers import Writer, open_writer
from portal.services.sealing import newest_anchor

# Told how many rows are written, and how many there will be.
Progress = Callable[[int, int], None]
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Made:
    """What came of an export; ``file`` is the name of its file, ``anchor`` the trail's newest."""

    file: str
    rows: int
    bytes: int
    sha256: str
    as_of: datetime
    anchor: str | None


def check(session: Session, kind: Kind, wanted: Wanted) -> None:
    """See that the filters make sense.

    :raises NotAllowed: naming the one that does not
    """
    next(iter(kind.pages(session, wanted)), None)


def make(
    ledger: Ledger,
    kind: Kind,
    wanted: Wanted,
    target: Path,
    *,
    format_: str,
    language: str,
    filters: Mapping[str, Any],
    by: str,
    now: datetime,
    draft: Path,
    progress: Progress,
) -> Made:
    """Write an export to ``target``, over what is there; all rows are of the same moment.

    :param draft: where it is written first, in the same folder
    :raises NotAllowed: for a filter that makes no sense
    :raises SyncError: EXPORT_TOO_LARGE or EXPORT_UNWRITABLE
    """
    try:
        with ledger.snapshot() as session:
            anchor = newest_anchor(session)
            about = {
                "kind": kind.name,
                "title": kind.title(language),
                "filters": {name: value for name, value in filters.items() if value},
                "as_of": now.astimezone(wanted.zone).isoformat(timespec="seconds"),
                "by": by,
                "audit_anchor": None if anchor is None else str(anchor),
                "columns": {column.name: column.heading(language) for column in kind.columns},
            }
            rows = _write(
                session,
                kind,
                wanted,
                open_writer(format_, draft, kind, about, language=language, zone=wanted.zone),
                progress,
            )
        size, digest = _sealed(draft)
        draft.replace(target)
        _flush(target.parent)
    except OSError as error:
        raise SyncError(
            "EXPORT_UNWRITABLE", detail=error.strerror or type(error).__name__
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return Made(target.name, rows, size, digest, now, None if anchor is None else str(anchor))


def companion_text(export: Export, name: str, as_of: str) -> str:
    """What a file cannot say of itself, to be kept beside it.

    :param name: under which the file was downloaded
    :param as_of: the moment it shows, as people read it
    """
    lines = {
        "文件 file": name,
        "种类 kind": export.kind,
        "筛选 filters": json.dumps(export.filters, ensure_ascii=False),
        "截至 as of": as_of,
        "导出人 asked by": export.asked_by,
        "行数 rows": export.rows,
        "大小 bytes": export.bytes,
        "SHA-256": export.sha256,
        "操作日志锚点 audit anchor": export.anchor or "—",
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items())


def _write(session: Session, kind: Kind, wanted: Wanted, writer: Writer, progress: Progress) -> int:
    done = 0
    try:
        total = kind.count(session, wanted)
        for page in kind.pages(session, wanted):
            for row in page:
                writer.row(row)
            done += len(page)
            progress(done, max(total, done))
    except BaseException:
        writer.abandon()
        raise
    writer.close()
    return done


def _sealed(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of the file, once it is on disk."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return file.tell(), digest.hexdigest()


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
