"""What the pages of data sources read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from portal.models import Batch, Chore, DataSource, Hold, Slice
from portal.services.paging import Column, Leaf, Place, read
from portal.services.source_check import State
from portal.statuses import ChoreStatus, RunStatus

CHECK = "source_check"
SORTS: Mapping[str, Column] = {
    "name": DataSource.name,
    "url": DataSource.base_url,
    "created": DataSource.created_at,
}
# Hosts that were asked so shortly before the newest one belong to the same test.
_ROUND = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """How many batches a source has that are not deleted, and how many of them run."""

    all: int = 0
    running: int = 0


@dataclass(frozen=True, slots=True)
class LastCheck:
    """The last test of a source: what each host found, and all of them together."""

    hosts: Sequence[Chore]

    @property
    def at(self) -> datetime:
        """When it was asked for."""
        return max(chore.asked_at for chore in self.hosts)

    @property
    def is_finished(self) -> bool:
        """Whether every host has ended it."""
        return all(chore.is_finished for chore in self.hosts)

    @property
    def state(self) -> State:
        """The gravest of what the hosts found so far."""
        states = {state_of(chore) for chore in self.hosts}
        gravity: Sequence[State] = ("failed", "warning", "ok")
        return next((state for state in gravity if state in states), "skipped")


def state_of(chore: Chore) -> State:
    """What a host found; skipped as long as it has not ended, or was cancelled."""
    if chore.status is ChoreStatus.FAILED:
        return "failed"
    if chore.status is not ChoreStatus.DONE or chore.result is None:
        return "skipped"
    state: State = chore.result["state"]
    return state


def sources_page(
    session: Session, place: Place, *, text: str, enabled: bool | None
) -> Leaf[DataSource]:
    """Some data sources; ``text`` is looked for in name and address."""
    query = select(DataSource)
    if text:
        columns = (DataSource.name, DataSource.base_url)
        query = query.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    if enabled is not None:
        query = query.where(DataSource.enabled.is_(enabled))
    return read(session, query, place, columns=SORTS, row_id=DataSource.id)


def batch_counts(session: Session, source_ids: Sequence[int]) -> dict[int, BatchCounts]:
    """The batches of these sources; nothing for one that has none."""
    running = func.sum(case((Batch.run_status == RunStatus.RUNNING, 1), else_=0))
    query = (
        select(Batch.data_source_id, func.count(), running)
        .where(Batch.data_source_id.in_(source_ids), Batch.deleted_at.is_(None))
        .group_by(Batch.data_source_id)
    )
    return {one: BatchCounts(count, int(busy)) for one, count, busy in session.execute(query)}


def last_checks(session: Session, source_ids: Sequence[int]) -> dict[int, LastCheck]:
    """The last test of each of these sources; nothing for one that was never tested."""
    subjects = {subject_of(source_id): source_id for source_id in source_ids}
    newest = (
        select(func.max(Chore.id))
        .where(Chore.kind == CHECK, Chore.subject.in_(subjects))
        .group_by(Chore.subject, Chore.host)
    )
    found: dict[int, list[Chore]] = {}
    for chore in session.scalars(select(Chore).where(Chore.id.in_(newest)).order_by(Chore.host)):
        found.setdefault(subjects[chore.subject], []).append(chore)
    return {source_id: LastCheck(_one_round(hosts)) for source_id, hosts in found.items()}


def subject_of(source_id: int) -> str:
    """How the chores of a source's tests are told from others."""
    return f"source:{source_id}"


def month_to_try(session: Session, source_id: int) -> str | None:
    """The last month in which a batch of the source found documents, ``yyyy-MM``."""
    query = select(func.max(Slice.month)).join(Batch, Batch.id == Slice.batch_id)
    return session.scalar(query.where(Batch.data_source_id == source_id, Slice.total > 0))


def hold_of(session: Session, source_id: int) -> Hold | None:
    """What holds all batches of the source just now."""
    query = select(Hold).where(Hold.data_source_id == source_id, Hold.key.is_not(None))
    return session.scalars(query.where(Hold.batch_id.is_(None)).limit(1)).first()


def _one_round(hosts: Sequence[Chore]) -> Sequence[Chore]:
    newest = max(chore.asked_at for chore in hosts)
    return [chore for chore in hosts if chore.asked_at > newest - _ROUND]
