"""文件下载: marks what is wanted, then follows the engine until nothing of it is pending."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.chores.desk import Desk, Later
from portal.models import utc_now
from portal.services import chores, fetches

# Counting takes the longer the more there is to count.
_LOOK_SECONDS, _LONGEST_SECONDS = 1.0, 10.0
_MANY = 50_000


def fetch(desk: Desk) -> Mapping[str, Any]:
    """Perform it; between two looks at the counts the clerk has its hands free for others.

    :raises Later: while the engine is at work
    :raises NotAllowed: for a batch there is not, or a filter that makes no sense
    """
    portal = desk.portal
    with portal.ledger.read() as session:
        is_marked = chores.find(session, desk.chore_id).total is not None
    if not is_marked:
        _mark(desk)
    with portal.ledger.read() as session:
        counts = fetches.counts(session, desk.chore_id)
    desk.progress(counts.total - counts.pending, counts.total)
    if counts.pending:
        raise Later(min(_LOOK_SECONDS + counts.total / _MANY, _LONGEST_SECONDS))
    return counts.as_json()


def _mark(desk: Desk) -> None:
    portal = desk.portal
    selection, permanent_too = fetches.of_chore(desk.params)
    with portal.ledger.read() as session:
        batches = fetches.batches_of(session, selection)
    for batch_id in batches:
        with portal.ledger.write() as session:
            fetches.want(
                session,
                batch_id,
                selection,
                chore_id=desk.chore_id,
                permanent_too=permanent_too,
                zone=portal.settings.timezone,
                by=desk.asked_by,
                now=utc_now(),
            )
    portal.offer()
