"""Who downloaded which file: the trail of single files that left the archive."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import AuditEvent, File, VersionFile
from portal.services import audit

DOWNLOADED = "file.download"
#: Parts of a file that are asked for within so long are one download.
_ONE_DOWNLOAD = timedelta(hours=1)


def is_recorded(
    session: Session, file: File | VersionFile, document_id: int, *, by: str, now: datetime
) -> bool:
    """Whether the same person's download of this very file was recorded a short while ago."""
    query = select(AuditEvent.detail).where(
        AuditEvent.document_id == document_id,
        AuditEvent.action == DOWNLOADED,
        AuditEvent.actor == by,
        AuditEvent.at > now - _ONE_DOWNLOAD,
    )
    return any(detail == _detail(file) for detail in session.scalars(query))


def record(
    session: Session, file: File | VersionFile, document_id: int, *, by: str, now: datetime
) -> None:
    """Write down that a file is given away."""
    event = {"at": now, "actor": by, "action": DOWNLOADED, "document_id": document_id}
    audit.record_items(session, [event | {"detail": _detail(file)}])


def _detail(file: File | VersionFile) -> dict[str, str | None]:
    return {"file": file.name or file.file_id, "sha256": file.sha256}
