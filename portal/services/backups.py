"""备份 as the ledger knows them: what was made, when, by whom."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import Backup
from portal.services import audit
from portal.services.backup.making import Made


def record(session: Session, made: Made, *, now: datetime) -> None:
    """Keep that a backup was made; the trail says so too."""
    manifest, archive = made.manifest, made.manifest.archive
    backup = Backup(
        name=manifest.name,
        host=manifest.host,
        place=str(made.folder.parent),
        made_by=manifest.made_by,
        as_of=manifest.as_of,
        ended_at=now,
        files=archive.files if archive else None,
        bytes=archive.bytes if archive else None,
        damaged=archive.damaged if archive else 0,
    )
    session.add(backup)
    audit.record(
        session,
        "ledger.backup",
        by=manifest.made_by,
        at=now,
        new=manifest.name,
        detail={
            "place": backup.place,
            "rows": sum(table.rows for table in manifest.tables),
            "files": backup.files,
            "bytes": backup.bytes,
            "damaged": backup.damaged,
            "anchor": manifest.anchor,
        },
    )


def newest(session: Session) -> Backup | None:
    """The newest backup that was finished."""
    return session.scalar(select(Backup).order_by(Backup.as_of.desc()).limit(1))
