"""What holds the targets that documents are pushed on to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from executor.exposition import Family
from portal.models import PushTarget
from portal.services.figures.ages import age


def figures(session: Session, now: datetime) -> Iterator[Family]:
    """Since when nothing is pushed to a target, and why; absent for one that serves."""
    held = session.scalars(
        select(PushTarget)
        .where(PushTarget.enabled, PushTarget.hold_code.is_not(None))
        .order_by(PushTarget.id)
    )
    yield Family(
        "imgmig_target_hold_age_seconds",
        "Since a target is held; absent for one that serves.",
        [
            ({"target": one.name, "code": str(one.hold_code)}, age(one.held_since or now, now))
            for one in held
        ],
    )
