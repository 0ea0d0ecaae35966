"""Testing a target, and 推送核对, for whoever asked for it on a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from portal.chores.desk import Desk
from portal.models import Batch, PushTarget, utc_now
from portal.services import push_checking, push_targets
from portal.sync.targets.base import Target


def test(desk: Desk) -> Mapping[str, Any]:
    """Log in at the target ``target_id`` once, from this host."""
    with _opened(desk) as (_row, target):
        target.check()
    return {}


def reconcile(desk: Desk) -> Mapping[str, Any]:
    """Ask the target for all that was pushed to it, or for what batch ``batch_id`` has there."""
    batch_id = desk.params.get("batch_id")
    batch = None
    if batch_id is not None:
        with desk.portal.ledger.read() as session:
            batch = session.get_one(Batch, int(batch_id))
    with _opened(desk) as (row, target):
        found = push_checking.check(
            desk.portal.ledger,
            target,
            row,
            batch=batch,
            by=desk.asked_by,
            clock=utc_now,
            on_step=desk.progress,
        )
    return found.as_json(push_checking.SHOWN)


@contextmanager
def _opened(desk: Desk) -> Iterator[tuple[PushTarget, Target]]:
    portal = desk.portal
    with portal.ledger.read() as session:
        row = push_targets.get(session, int(desk.params["target_id"]))
    target = push_targets.open_target(row, portal.box)
    try:
        yield row, target
    finally:
        target.close()
