"""Batch numbers: ``MB<yyyymmdd>-<4 digits>``, never given out twice."""

from __future__ import annotations

from datetime import date

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.models import BatchNumber


def next_batch_no(session: Session, day: date) -> str:
    """Take the day's next number; concurrent takers wait for each other on the day's row.

    The ten-thousandth batch of a day gets five digits.
    """
    if not _count_up(session, day):
        try:
            with session.begin_nested():
                session.execute(insert(BatchNumber).values(day=day, last=1))
        except IntegrityError:
            _count_up(session, day)
    number = session.scalar(select(BatchNumber.last).where(BatchNumber.day == day))
    return f"MB{day:%Y%m%d}-{number:04d}"


def _count_up(session: Session, day: date) -> bool:
    counted = update(BatchNumber).where(BatchNumber.day == day).values(last=BatchNumber.last + 1)
    # The result of an UPDATE is a cursor result, which knows its row count.
    return bool(session.execute(counted).rowcount)  # type: ignore[attr-defined]
