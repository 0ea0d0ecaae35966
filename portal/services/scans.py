"""Reading scans: what was predicted of a batch, beside what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from portal.errors import action, reason
from portal.models import Batch, Chore, Scan
from portal.services import chores, failure_groups

CHORE = "batch.scan"
USUAL_SAMPLE = 50


@dataclass(slots=True)
class Prediction:
    """One cause: how many documents were predicted, seen in the sample, and failed in fact."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)
    predicted: int = 0
    sampled: int = 0
    actual: int = 0
    examples: list[dict[str, str]] = field(default_factory=list)


def ask(session: Session, batch: Batch, *, sample: int, seed: int, by: str, now: datetime) -> Chore:
    """Have a clerk scan the batch."""
    return chores.ask(
        session,
        CHORE,
        by=by,
        now=now,
        subject=f"batch:{batch.id}",
        params={"batch": batch.id, "sample": sample, "seed": seed},
    )


def unfinished(session: Session, batch: Batch) -> Chore | None:
    """The scan that waits or is under way, or failed after the last one that was kept."""
    newest = chores.newest(session, CHORE, f"batch:{batch.id}")
    return newest[0] if newest and newest[0].status != "done" else None


def newest(session: Session, batch_id: int) -> Scan | None:
    """The last scan of a batch with its causes."""
    query = (
        select(Scan)
        .options(selectinload(Scan.causes))
        .where(Scan.batch_id == batch_id)
        .order_by(Scan.id.desc())
        .limit(1)
    )
    return session.scalar(query)


def predictions(session: Session, scan: Scan) -> Sequence[Prediction]:
    """Every cause that was predicted, seen in the sample, or came true; the commonest first."""
    found: dict[str, Prediction] = {}
    for cause in scan.causes:
        one = found.setdefault(cause.code, Prediction(cause.code, cause.params))
        if cause.sampled:
            one.sampled += cause.documents
        else:
            one.predicted += cause.documents
        one.examples += cause.examples
    for group in failure_groups.by_cause(session, scan.batch_id):
        one = found.setdefault(group.code, Prediction(group.code, group.params))
        one.actual = group.count
    return sorted(found.values(), key=lambda one: (-one.predicted - one.actual, one.code))


def scan_report(session: Session, scan: Scan) -> dict[str, Any]:
    """A scan for scripts and exports."""
    return {
        "started_by": scan.started_by,
        "ended_at": scan.ended_at,
        "rules": scan.rules,
        "seed": scan.seed,
        "documents": scan.documents,
        "archived": scan.archived,
        "files": scan.files,
        "bytes": scan.bytes,
        "sampled": scan.sampled,
        "causes": [
            {
                "code": one.code,
                "reason": reason(one.code, one.params, "zh"),
                "action": action(one.code, one.params, "zh"),
                "predicted": one.predicted,
                "sampled": one.sampled,
                "actual": one.actual,
                "examples": one.examples,
            }
            for one in predictions(session, scan)
        ],
    }
