"""Making one host's report of a preflight, by whichever process is asked to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from portal.ledger import Ledger
from portal.secret_box import SecretBox
from portal.services import preflights, sources
from portal.services.months import months_between
from portal.services.preflight_host import HostCheck, OnStep, Wanted
from portal.services.source_browsing import month_to_try
from portal.services.source_check import Finding
from portal.sync.archive.base import Archive
from portal.sync.sources.rows import Scope


def made_here(
    ledger: Ledger,
    preflight_id: int,
    *,
    box: SecretBox,
    archive: Archive,
    home: Path,
    zone: ZoneInfo,
    clock: Callable[[], datetime],
    on_step: OnStep = lambda _done, _total: None,
) -> list[Finding]:
    """What this host finds.

    :raises NotFound: when there is no such preflight
    """
    with ledger.read() as session:
        preflight = preflights.find(session, preflight_id)
        source = sources.get(session, preflight.data_source_id)
        months = list(months_between(preflight.date_from, preflight.date_to, zone))
        whole = Scope(months[0].starts_at, months[-1].ends_at)
        wanted = Wanted(
            whole=whole,
            archived_bytes=preflights.archived_bytes(session, source.id, whole),
            month=month_to_try(session, source.id) or months[-1].month,
        )
    return HostCheck(
        source,
        wanted,
        box=box,
        archive=archive,
        home=home,
        zone=zone,
        clock=clock,
        on_step=on_step,
    ).run()
