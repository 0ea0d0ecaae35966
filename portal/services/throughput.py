"""How fast a batch moves: samples of its counts, and what follows from them.

The agent takes one sample of each running batch every five seconds and keeps those of the last
ten minutes in one row a batch, so they cost the same however long it runs, and outlive a restart.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import Batch, Throughput
from portal.services.standing import Standing
from portal.statuses import RunStatus

EVERY_SECONDS = 5
WINDOW_SECONDS = 600
KEPT = WINDOW_SECONDS // EVERY_SECONDS + 1
# Two agents, or one that is a little early, take no second sample.
_TOO_SOON = timedelta(seconds=EVERY_SECONDS - 1)
# Between samples further apart nobody looked, or the batch did not run.
_GAP_SECONDS = 4 * EVERY_SECONDS
_NOW_SECONDS = 60
_STEADY_SECONDS = 300

Sample = tuple[float, int, int]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Between two samples; ``seconds_ago`` is its end, the speeds are for each second."""

    seconds_ago: float
    seconds: float
    documents: float
    bytes: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a batch has moved.

    :param documents: decided for each second of the last minute; None when it was not looked at
    :param bytes: likewise stored
    :param steady: documents a second over the last five minutes
    :param stretches: what the chart shows, the oldest first
    :param minutes: how much of the past they cover, rounded up
    """

    documents: float | None = None
    bytes: float | None = None
    steady: float = 0.0
    stretches: Sequence[Stretch] = ()
    minutes: int = 1


def take_samples(ledger: Ledger, *, now: datetime) -> int:
    """Sample the running batches whose last sample is old enough; how many."""
    with ledger.read() as session:
        due = session.scalars(
            select(Batch.id)
            .outerjoin(Throughput, Throughput.batch_id == Batch.id)
            .where(
                Batch.run_status == RunStatus.RUNNING,
                Batch.deleted_at.is_(None),
                # One of the future: the clock was put back.
                or_(
                    Throughput.at.is_(None),
                    Throughput.at <= now - _TOO_SOON,
                    Throughput.at > now,
                ),
            )
        ).all()
    if due:
        ledger.transact(lambda session: _take(session, due, now))
    return len(due)


def _take(session: Session, batch_ids: Sequence[int], now: datetime) -> None:
    for batch_id in batch_ids:
        _sample(session, batch_id, now)


def _sample(session: Session, batch_id: int, now: datetime) -> None:
    batch = session.get_one(Batch, batch_id)
    row = session.get(Throughput, batch_id, with_for_update=True)
    if row is not None and timedelta(0) <= now - row.at < _TOO_SOON:
        return  # another agent has sampled it since we looked
    second = round(now.timestamp(), 1)
    sample = (second, batch.done + batch.failed, batch.stored_bytes)
    if row is None:
        # Another agent may be the first one in this moment.
        with suppress(IntegrityError), session.begin_nested():
            session.add(Throughput(batch_id=batch_id, at=now, samples=json.dumps([sample])))
        return
    kept = [one for one in _decoded(row.samples) if second - WINDOW_SECONDS - 1 <= one[0] < second]
    row.samples = json.dumps([*kept, sample][-KEPT:], separators=(",", ":"))
    row.at = now


def pace_of(batch: Batch, *, now: datetime) -> Pace:
    """How fast a batch has moved of late; its session is open, or its samples are loaded."""
    if batch.throughput is None:
        return Pace()
    instant = now.timestamp()
    stretches = _stretches(_decoded(batch.throughput.samples), instant)
    if not stretches:
        return Pace()
    recent = [one for one in stretches if one.seconds_ago < _NOW_SECONDS]
    steady = [one for one in stretches if one.seconds_ago < _STEADY_SECONDS]
    oldest = stretches[0].seconds_ago + stretches[0].seconds
    return Pace(
        documents=_mean(recent, "documents"),
        bytes=_mean(recent, "bytes"),
        steady=_mean(steady, "documents") or 0.0,
        stretches=stretches,
        minutes=max(1, ceil(min(oldest, WINDOW_SECONDS) / 60)),
    )


def seconds_left(batch: Batch, pace: Pace, standing: Standing) -> float | None:
    """How long the rest will take at this pace; None whenever that would be a guess.

    It would be before every month is counted, while something holds the batch or keeps it
    waiting for its hours, and when nothing has moved of late.
    """
    counted = all(part.is_counted for part in batch.slices)
    kept_back = standing.holds or standing.opens_at is not None
    if batch.run_status is not RunStatus.RUNNING or not counted or kept_back:
        return None
    if not batch.pending or not pace.documents or not pace.steady:
        return None
    return batch.pending / pace.steady


def _stretches(samples: Sequence[Sample], instant: float) -> list[Stretch]:
    """Between samples that follow each other; a retry that takes failures back slows nothing."""
    found = []
    for (before, decided, stored), (after, decided_then, stored_then) in pairwise(samples):
        seconds = after - before
        if not 0 < seconds <= _GAP_SECONDS or not 0 <= instant - after <= WINDOW_SECONDS:
            continue
        found.append(
            Stretch(
                seconds_ago=instant - after,
                seconds=seconds,
                documents=max(0, decided_then - decided) / seconds,
                bytes=max(0, stored_then - stored) / seconds,
            )
        )
    return found


def _mean(stretches: Sequence[Stretch], name: str) -> float | None:
    seconds = sum(one.seconds for one in stretches)
    if not seconds:
        return None
    return float(sum(getattr(one, name) * one.seconds for one in stretches)) / seconds


def _decoded(samples: str) -> list[Sample]:
    rows: list[Any] = json.loads(samples)
    return [(float(second), int(decided), int(stored)) for second, decided, stored in rows]
