"""Counting failures by code while they are recorded, for a monitor that may not go through rows."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.models import FailureCount, table_of

_COUNTS = table_of(FailureCount)


def add(session: Session, batch_id: int, failures: Mapping[str, int]) -> None:
    """Add to a batch's counts; in the transaction that records the failures.

    To be called behind the change of the batch's own counts: whoever changes those is alone with
    these, too, so nobody waits in a circle.
    """
    if not failures:
        return
    query = select(_COUNTS.c.code).where(
        _COUNTS.c.batch_id == batch_id, _COUNTS.c.code.in_(sorted(failures))
    )
    known = set(session.scalars(query))
    for code, number in sorted(failures.items()):
        if code in known or not _begun(session, batch_id, code, number):
            session.execute(
                update(_COUNTS)
                .where(_COUNTS.c.batch_id == batch_id, _COUNTS.c.code == code)
                .values(failures=_COUNTS.c.failures + number)
            )


def by_code(session: Session) -> Mapping[str, int]:
    """How many documents were ever recorded as failed, by code, over all batches."""
    query = select(_COUNTS.c.code, func.sum(_COUNTS.c.failures)).group_by(_COUNTS.c.code)
    return {code: int(number) for code, number in session.execute(query.order_by(_COUNTS.c.code))}


def _begun(session: Session, batch_id: int, code: str, number: int) -> bool:
    """Whether this was the first failure of its code."""
    row = {"batch_id": batch_id, "code": code, "failures": number}
    try:
        with session.begin_nested():
            session.execute(insert(_COUNTS).values(row))
    except IntegrityError:  # a transaction whose view of the counts is older than its turn
        return False
    return True
