"""The compatibility scan of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.chores.desk import Desk
from portal.models import Batch, utc_now
from portal.services import scanning
from portal.services.opening import open_source


def scan(desk: Desk) -> Mapping[str, Any]:
    """Scan the batch and keep what was found; nothing is moved."""
    portal = desk.portal
    started_at = utc_now()
    with portal.ledger.read() as session:
        batch = session.get_one(Batch, desk.params["batch"])
        plan = scanning.plan_of(batch, sample=desk.params["sample"], seed=desk.params["seed"])
        opened = open_source(batch.data_source, portal.box, portal.settings.home)
    try:
        found = scanning.scan(
            portal.ledger, opened, plan, portal.settings.home, progress=desk.progress
        )
    finally:
        opened.close()
    scan_id = scanning.keep(
        portal.ledger,
        plan,
        found,
        chore_id=desk.chore_id,
        by=desk.asked_by,
        started_at=started_at,
        now=utc_now(),
    )
    return {"scan": scan_id}
