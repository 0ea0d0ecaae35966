"""暂缓 of a target: while it cannot be worked with, nothing is pushed, and no document fails."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.services import audit
from portal.services.push_targets import get

_FIRST_PROBE_SECONDS, _LONGEST_PROBE_SECONDS = 5.0, 300.0


def hold(
    session: Session, target_id: int, cause: SyncError, *, probed: bool, by: str, now: datetime
) -> None:
    """Have nothing pushed to it until a document that is tried gets through; idempotent.

    :param probed: a try while it was held has failed: the next one is later
    """
    target = get(session, target_id, lock=True)
    if target.hold_code is None:
        target.held_since, target.probes = now, 0
        audit.record(session, "target.hold", by=by, at=now, new=target.name[:40], reason=cause.code)
    elif not probed:
        return
    else:
        target.probes += 1
    seconds = min(_LONGEST_PROBE_SECONDS, _FIRST_PROBE_SECONDS * 2 ** min(target.probes, 10))
    target.hold_code, target.hold_params = cause.code, cause.params
    target.probe_at = now + timedelta(seconds=max(seconds, cause.retry_after or 0.0))


def lift(session: Session, target_id: int, *, by: str, now: datetime) -> None:
    """It serves again; idempotent."""
    target = get(session, target_id, lock=True)
    if target.hold_code is None:
        return
    audit.record(
        session, "target.lift", by=by, at=now, new=target.name[:40], reason=target.hold_code
    )
    target.hold_code = target.hold_params = target.held_since = target.probe_at = None
    target.probes = 0
