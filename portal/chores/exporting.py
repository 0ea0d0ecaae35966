"""导出: a clerk makes the file that somebody asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portal.chores.desk import Desk
from portal.models import utc_now
from portal.services import exports
from portal.services.export_making import make
from portal.services.export_tables import Wanted


def export(desk: Desk) -> Mapping[str, Any]:
    """Perform it; begun anew after a clerk's death it begins anew."""
    portal = desk.portal
    folder = exports.folder_of(portal.settings.home)
    with portal.ledger.read() as session:
        wish = exports.of_chore(session, desk.chore_id)
    _clear(folder, wish.id)
    made = make(
        portal.ledger,
        exports.kind_of(wish.kind),
        Wanted.of(wish.filters, portal.settings.timezone),
        folder / f"{wish.id:06d}-{wish.kind}.{wish.format}",
        format_=wish.format,
        language=wish.language,
        filters=wish.filters,
        by=wish.asked_by,
        now=utc_now(),
        draft=folder / f".{wish.id}-{desk.attempt}.part",
        progress=desk.progress,
    )
    now = utc_now()
    with portal.ledger.write() as session:
        exports.note_made(session, exports.find(session, wish.id), made, by=wish.asked_by, now=now)
        exports.remove_old(session, folder, by="system", now=now)
    return {"export": wish.id, "rows": made.rows, "sha256": made.sha256}


def _clear(folder: Path, export_id: int) -> None:
    """Remove what an attempt that died had begun."""
    for left in folder.glob(f".{export_id}-*.part"):
        left.unlink(missing_ok=True)
