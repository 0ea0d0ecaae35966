"""核对: verifications as the ledger keeps them: begun, under way, interrupted, resumed, ended."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound
from portal.ledger import Ledger
from portal.models import (
    Verification,
    VerificationFinding,
    VerificationKind,
    VerificationState,
    VerificationStep,
)
from portal.services import checked_months
from portal.services.changing import rows_changed
from portal.services.runners import is_gone, this_runner
from portal.services.verification_scope import (
    count_batches,
    count_documents,
    count_versions,
    sample_size,
)

_PAGE = 500
_DAMAGE = frozenset({"ARCHIVE_MISSING", "ARCHIVE_DAMAGED", "ARCHIVE_EXTRA"})


@dataclass(frozen=True, slots=True)
class Order:
    """What to verify: everything, unless narrowed.

    :param month: of the documents' collection, ``2024-03``
    :param source_id: only the documents of this data source
    :param percent: of the documents, chosen by chance; ``seed`` repeats a choice
    :param part: (n, t): the n-th of t parts, from 1; every document is in exactly one
    :param counters: recompute the counts instead of reading files
    """

    batch_id: int | None = None
    month: str | None = None
    source_id: int | None = None
    percent: float | None = None
    seed: int | None = None
    part: tuple[int, int] | None = None
    counters: bool = False

    @property
    def kind(self) -> VerificationKind:
        """What the verification is called."""
        if self.counters:
            return VerificationKind.COUNTERS
        if self.percent is not None:
            return VerificationKind.SAMPLE
        if self.batch_id is not None:
            return VerificationKind.BATCH
        return VerificationKind.ALL if self.month is None else VerificationKind.MONTH


@dataclass(slots=True)
class Seen:
    """What was seen since the last commit, or, as a whole, since the beginning."""

    cursor: int = 0
    passed: int = 0
    looked_at: int = 0
    documents: int = 0
    files: int = 0
    bytes: int = 0
    findings: list[VerificationFinding] = field(default_factory=list)


def start(ledger: Ledger, order: Order, *, by: str, zone: ZoneInfo, now: datetime) -> int:
    """Record a verification as running by this process; its id."""
    run = Verification(
        kind=order.kind,
        batch_id=order.batch_id,
        month=order.month,
        data_source_id=order.source_id,
        percent=order.percent,
        seed=_seed(order),
        part_no=order.part[0] if order.part else None,
        part_total=order.part[1] if order.part else None,
        state=VerificationState.RUNNING,
        step=VerificationStep.COUNTERS if order.counters else VerificationStep.DOCUMENTS,
        runner=this_runner(),
        started_by=by,
        started_at=now,
        seen_at=now,
    )
    with ledger.read() as session:  # counting takes its time: nobody waits for it
        if order.counters:
            run.total = count_batches(session, run)
        else:
            run.population = count_documents(session, run, zone)
            run.total = sample_size(run)
        if run.kind is VerificationKind.ALL:
            run.total += count_versions(session, run)
    with ledger.write() as session:
        notice_dead(session, now=now)
        session.add(run)
        session.flush()
        return run.id


def _seed(order: Order) -> int | None:
    if order.percent is None:
        return None
    return secrets.randbelow(1 << 31) if order.seed is None else order.seed


def resume(ledger: Ledger, *, now: datetime) -> int:
    """Take over the latest verification that was interrupted; its id.

    :raises NotFound: when there is none
    """
    with ledger.write() as session:
        notice_dead(session, now=now)
        run = session.scalar(
            select(Verification)
            .where(Verification.state == VerificationState.INTERRUPTED)
            .order_by(Verification.id.desc())
            .limit(1)
            .with_for_update()
        )
        if run is None:
            raise NotFound("没有中断的核对可继续", "there is no interrupted verification")
        run.state = VerificationState.RUNNING
        run.runner = this_runner()
        run.seen_at = now
        return run.id


def notice_dead(session: Session, *, now: datetime) -> None:
    """Mark as interrupted what no living process runs."""
    running = select(Verification).where(Verification.state == VerificationState.RUNNING)
    for run in session.scalars(running.with_for_update()):
        if is_gone(run.runner, run.seen_at, now):
            run.state = VerificationState.INTERRUPTED


def keep(ledger: Ledger, run: Verification, seen: Seen, *, now: datetime) -> None:
    """Commit how far the verification is, with what it saw; ``run`` then says the same.

    :raises NotAllowed: when another process has taken it over
    """
    values = {
        "step": run.step,
        "cursor": seen.cursor,
        "passed": run.passed + seen.passed,
        "looked_at": run.looked_at + seen.looked_at,
        "documents": run.documents + seen.documents,
        "files": run.files + seen.files,
        "bytes": run.bytes + seen.bytes,
        "findings": run.findings + len(seen.findings),
        "seen_at": now,
    }
    with ledger.write() as session:
        _store(session, run, values)
        session.add_all(seen.findings)
        places = {finding.storage_key for finding in seen.findings if finding.code in _DAMAGE}
        checked_months.withdraw_at(session, places, "damage", by=run.started_by, now=now)
    _say(run, values)


def forget_findings(ledger: Ledger, run: Verification, code: str) -> None:
    """Forget the findings of a step that begins again.

    :raises NotAllowed: when another process has taken it over
    """
    mine = (VerificationFinding.verification_id == run.id, VerificationFinding.code == code)
    with ledger.write() as session:
        known = session.scalar(select(func.count()).select_from(VerificationFinding).where(*mine))
        session.execute(delete(VerificationFinding).where(*mine))
        values = {"findings": run.findings - (known or 0)}
        _store(session, run, values)
    _say(run, values)


def finish(ledger: Ledger, run: Verification, state: VerificationState, *, now: datetime) -> None:
    """Record that this process no longer runs it; what was not kept counts as not seen.

    :raises NotAllowed: when another process has taken it over
    """
    ended_at = now if state is VerificationState.ENDED else None
    values = {"state": state, "seen_at": now, "ended_at": ended_at}
    with ledger.write() as session:
        _store(session, run, values)
    _say(run, values)


def _store(session: Session, run: Verification, values: Mapping[str, Any]) -> None:
    ours = rows_changed(
        session,
        update(Verification)
        .where(
            Verification.id == run.id,
            Verification.runner == run.runner,
            Verification.state == VerificationState.RUNNING,
        )
        .values(values),
    )
    if not ours:
        raise NotAllowed(
            "这次核对已由另一个进程接手", "another process has taken this verification over"
        )


def _say(run: Verification, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(run, name, value)


def findings(ledger: Ledger, verification_id: int) -> Iterator[VerificationFinding]:
    """What was found, in the order it was, a page at a time."""
    last = 0
    while True:
        with ledger.read() as session:
            page: Sequence[VerificationFinding] = session.scalars(
                select(VerificationFinding)
                .where(
                    VerificationFinding.verification_id == verification_id,
                    VerificationFinding.id > last,
                )
                .order_by(VerificationFinding.id)
                .limit(_PAGE)
            ).all()
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1].id
