"""How hard each source is worked, what is in flight, and what holds it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload

from executor.exposition import Family, Sample
from portal.models import Batch, BatchItem, DataSource, Hold
from portal.services.figures.ages import age
from portal.services.leases import LEASE
from portal.services.levels import level_of
from portal.statuses import ItemStatus, RunStatus


def figures(session: Session, now: datetime) -> Iterator[Family]:
    """How hard each source is worked, and what holds it."""
    sources = session.scalars(
        select(DataSource).options(joinedload(DataSource.level)).order_by(DataSource.id)
    ).all()
    in_flight = {row.data_source_id: row for row in session.execute(_in_flight(now))}
    windows: list[Sample] = []
    rates: list[Sample] = []
    flights: list[Sample] = []
    paused: list[Sample] = []
    names: dict[int | None, str] = {None: ""}
    for source in sources:
        name = {"source": source.name}
        names[source.id] = source.name
        level = level_of(source)
        windows.append((name, level.window))
        if level.rate is not None:
            rates.append((name, level.rate))
        paused.append((name, max(0.0, level.paused_until - now.timestamp())))
        flights.append((name, in_flight[source.id].number if source.id in in_flight else 0))
    yield Family("imgmig_source_concurrency", "Requests at once in force now.", windows)
    yield Family("imgmig_source_rate", "Requests a second in force; absent while unlimited.", rates)
    yield Family("imgmig_source_pause_seconds", "How long it asked to be left alone.", paused)
    yield Family("imgmig_documents_in_flight", "Documents that workers hold now.", flights)
    ages = [age(row.oldest - LEASE, now) for row in in_flight.values() if row.oldest]
    yield Family(
        "imgmig_lease_oldest_age_seconds",
        "Since the document lease was renewed that was renewed longest ago; 30 is expiry.",
        [({}, max(ages, default=0.0))],
    )
    holds = session.execute(
        select(Hold.data_source_id, Hold.code, func.count(), func.min(Hold.since))
        .where(Hold.key.is_not(None))
        .group_by(Hold.data_source_id, Hold.code)
    ).all()
    of_hold = [({"source": names.get(row[0], ""), "code": row[1]}, row) for row in holds]
    yield Family(
        "imgmig_holds",
        "Holds in force; without a source: of everything.",
        [(labels, row[2]) for labels, row in of_hold],
    )
    yield Family(
        "imgmig_hold_age_seconds",
        "Since when the oldest of them is in force.",
        [(labels, age(row[3], now)) for labels, row in of_hold],
    )


def _in_flight(now: datetime) -> Select[*tuple[Any, ...]]:
    """Items whose lease runs: a short stretch of the index of what is due, in open batches only."""
    return (
        select(
            Batch.data_source_id,
            func.count().label("number"),
            func.min(BatchItem.next_try_at).label("oldest"),
        )
        .join(BatchItem, BatchItem.batch_id == Batch.id)
        .where(
            Batch.run_status.in_([RunStatus.WAITING, RunStatus.RUNNING]),
            BatchItem.status == ItemStatus.PENDING,
            BatchItem.next_try_at > now,
            BatchItem.next_try_at <= now + LEASE + timedelta(seconds=1),
            BatchItem.lease_owner.is_not(None),
        )
        .group_by(Batch.data_source_id)
    )
