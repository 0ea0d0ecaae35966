"""导出: a clerk makes the file that somebody asked for."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from portal.chores.desk import Desk
from portal.models import utc_now
from portal.services import exports
from portal.services.chores import ChoreLost
from portal.services.export_making import make
from portal.services.export_tables import Wanted
from portal.sync.archive.keeping import forget, keep

_LEFT_SECONDS = 24 * 3600


def export(desk: Desk) -> Mapping[str, Any]:
    """Perform it; begun anew after a clerk's death, maybe on another host, it begins anew."""
    portal = desk.portal
    with portal.ledger.read() as session:
        wish = exports.of_chore(session, desk.chore_id)
    for attempt in range(1, desk.attempt):
        forget(portal.archive, exports.folder_of(wish.id, attempt))
    with _workshop(portal.settings.home) as workshop:
        made = make(
            portal.ledger,
            exports.kind_of(wish.kind),
            Wanted.of(wish.filters, portal.settings.timezone),
            workshop / f"{wish.id:06d}-{wish.kind}.{wish.format}",
            format_=wish.format,
            language=wish.language,
            filters=wish.filters,
            by=wish.asked_by,
            now=utc_now(),
            draft=workshop / ".part",
            progress=desk.progress,
        )
        folder = exports.folder_of(wish.id, desk.attempt)
        keep(portal.archive, folder, {made.file: workshop / made.file}, owner=desk.clerk)
    now = utc_now()
    try:
        with portal.ledger.write() as session:
            desk.expect_held(session)
            export = exports.find(session, wish.id)
            exports.note_made(session, export, made, folder, by=wish.asked_by, now=now)
            exports.remove_old(session, portal.archive, by="system", now=now)
    except ChoreLost:
        forget(portal.archive, folder)
        raise
    return {"export": wish.id, "rows": made.rows, "sha256": made.sha256}


@contextmanager
def _workshop(home: Path) -> Iterator[Path]:
    """A folder of this host for a file on its way; those of dead clerks go with the next one."""
    root = home / "cache" / "exports"
    root.mkdir(mode=0o750, parents=True, exist_ok=True)
    oldest = time.time() - _LEFT_SECONDS
    for left in root.iterdir():
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < oldest:
                shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(dir=root, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
