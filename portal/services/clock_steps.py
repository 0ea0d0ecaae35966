"""After the clock was put back: nobody waits for a moment that no rule could have named.

Put forward, a clock makes leases and back-offs end early; the fence sees to it that nothing is
recorded twice. Put back by two hours, it leaves them two hours in the future. So what lies further
ahead than its rule allows is drawn back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import Batch, BatchItem, Hold, Slice, table_of
from portal.services.discovery import LISTING_LEASE
from portal.services.leases import DEFERRED, LEASE
from portal.statuses import ItemStatus, ListingStatus, RunStatus
from portal.sync.answers import MAX_RETRY_AFTER

# Clocks of several hosts differ a little, and a transaction may wait for its turn.
_MARGIN = timedelta(minutes=1)
# The longest back-off there is: a source's Retry-After is believed up to this.
_LONGEST_WAIT = timedelta(seconds=MAX_RETRY_AFTER)
_RUNNING = select(Batch.id).where(Batch.run_status == RunStatus.RUNNING)


def draw_back(ledger: Ledger, *, now: datetime) -> int:
    """Shorten waits of running batches that are longer than any rule allows; how many there were.

    A lease then ends after its full length from now (its owner renews it long before), a back-off
    at once. Untried documents that wait for their month to be listed again are left alone: the
    end of the listing wakes them.
    """
    rules = _rules(now)
    with ledger.read() as session:
        found = [rule for rule in rules if _is_broken(session, rule)]
    if not found:
        return 0
    return ledger.transact(lambda session: sum(_mend(session, rule) for rule in found))


_WAITS = {BatchItem: "next_try_at", Slice: "next_try_at", Hold: "probe_at"}
_Rule = tuple[type[BatchItem] | type[Hold] | type[Slice], ColumnElement[bool], datetime]


def _rules(now: datetime) -> list[_Rule]:
    """Which rows wait too long, and until when they may."""
    still_listed = select(Slice.id).where(
        Slice.batch_id.in_(_RUNNING),
        Slice.listing_status.in_([ListingStatus.WAITING, ListingStatus.OPEN]),
    )
    item = and_(BatchItem.batch_id.in_(_RUNNING), BatchItem.status == ItemStatus.PENDING)
    listing = and_(Slice.batch_id.in_(_RUNNING), Slice.listing_status == ListingStatus.OPEN)
    return [
        (
            BatchItem,
            and_(
                item,
                BatchItem.next_try_at > now + LEASE + _MARGIN,
                BatchItem.next_try_at < DEFERRED,
                BatchItem.lease_owner.is_not(None),
            ),
            now + LEASE,
        ),
        (
            BatchItem,
            and_(
                item,
                BatchItem.next_try_at > now + _MARGIN,
                BatchItem.next_try_at < DEFERRED,
                BatchItem.lease_owner.is_(None),
                or_(
                    and_(
                        BatchItem.error_code.is_not(None),
                        BatchItem.next_try_at > now + _LONGEST_WAIT + _MARGIN,
                    ),
                    # Without an error it backs off from nothing: it was due when it was written.
                    and_(BatchItem.error_code.is_(None), BatchItem.slice_id.not_in(still_listed)),
                ),
            ),
            now,
        ),
        (
            Hold,
            and_(Hold.key.is_not(None), Hold.probe_at > now + LEASE + _MARGIN),
            now,
        ),
        (
            Slice,
            and_(
                listing,
                Slice.lease_owner.is_not(None),
                Slice.next_try_at > now + LISTING_LEASE + _MARGIN,
            ),
            now + LISTING_LEASE,
        ),
        (
            Slice,
            and_(
                listing,
                Slice.lease_owner.is_(None),
                or_(
                    Slice.next_try_at > now + _LONGEST_WAIT + _MARGIN,
                    and_(Slice.error_code.is_(None), Slice.next_try_at > now + _MARGIN),
                ),
            ),
            now,
        ),
    ]


def _is_broken(session: Session, rule: _Rule) -> bool:
    model, condition, _ = rule
    return session.scalar(select(model.id).where(condition).limit(1)) is not None


def _mend(session: Session, rule: _Rule) -> int:
    model, condition, until = rule
    table = table_of(model)
    return (
        session.connection()
        .execute(update(table).where(condition).values({_WAITS[model]: until}))
        .rowcount
    )
