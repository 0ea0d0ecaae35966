"""Reading events of the trail as what a seal keeps of them: id and digest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, or_
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from portal.services.id_ranges import Range, spans_over
from portal.services.seal_form import EVENTS, UNREADABLE, event_digest, event_rows

Digested = tuple[int, bytes]
_SPANS_AT_ONCE = 200
# A range more in a query costs about as much as so many rows too many in its answer.
_NEAR = 50
# What a value that no program of ours wrote makes the database's driver or our types raise.
_NOT_OURS = (ValueError, TypeError, OverflowError, DataError)


def behind(session: Session, event_id: int, *, limit: int) -> list[Digested]:
    """The next events behind an id, in the order of ids."""
    return _digested(session, event_rows().where(EVENTS.id > event_id), limit)


def within(session: Session, ranges: Sequence[Range], *, limit: int) -> list[Digested]:
    """The events there are of these ids, in their order; the first ``limit`` of them."""
    found: list[Digested] = []
    spans = spans_over(ranges, nearer_than=_NEAR)
    inside = iter(ranges)
    current = next(inside, None)
    for start in range(0, len(spans), _SPANS_AT_ONCE):
        some = [EVENTS.id.between(*span) for span in spans[start : start + _SPANS_AT_ONCE]]
        # So many at most lie between the ranges of a span and are not wanted.
        most = limit - len(found) + _NEAR * len(ranges)
        for event_id, digest in _digested(session, event_rows().where(or_(*some)), most):
            while current is not None and current[1] < event_id:
                current = next(inside, None)
            if current is None or len(found) == limit:
                return found
            if event_id >= current[0]:
                found.append((event_id, digest))
    return found


def _digested(session: Session, query: Select[Any], limit: int) -> list[Digested]:
    query = query.order_by(EVENTS.id).limit(limit)
    connection = session.connection()
    try:
        return [(row.id, event_digest(row)) for row in connection.execute(query)]
    except _NOT_OURS:
        # One that cannot be read must neither stop the sealing nor hide the others.
        ids = connection.scalars(query.with_only_columns(EVENTS.id)).all()
        return [(event_id, _digest_alone(session, event_id)) for event_id in ids]


def _digest_alone(session: Session, event_id: int) -> bytes:
    try:
        row = session.connection().execute(event_rows().where(EVENTS.id == event_id)).one()
        return event_digest(row)
    except _NOT_OURS:
        return UNREADABLE
