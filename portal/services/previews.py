"""What a batch would do, told before it is made: how much, how long, whether it fits, what else.

Every figure says where it comes from, and none is told where there is nothing to go by.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from portal.models import Batch, Document, Overlap
from portal.services.batches import BatchScope
from portal.services.counting import Counted
from portal.services.months import months_between
from portal.statuses import RunStatus

_RUNS = 5
# A run that moved less says nothing of how fast a long one is.
_FEWEST_DOCUMENTS = 10
_SHORTEST_SECONDS = 1.0
_MOST_EARLIER = 10
_LOOKED_AT = 200


class Basis(StrEnum):
    """Where a size comes from."""

    SOURCE = "source"
    ARCHIVED = "archived"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class Size:
    """Files and bytes of a number of documents; ``of`` documents they were concluded from."""

    files: int
    bytes: int
    basis: Basis
    of: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast earlier batches of the source moved: the slowest and the fastest of ``runs``.

    Documents a second and bytes a second, over the whole run, its waits and closed hours included.
    """

    runs: int
    documents: tuple[float, float]
    bytes: tuple[float, float]

    def seconds(self, documents: int, size: int | None) -> tuple[float, float]:
        """The shortest and the longest time in which so much was moved."""
        times = [documents / rate for rate in self.documents]
        if size is not None:
            times += [size / rate for rate in self.bytes]
        return min(times), max(times)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What follows from the counts.

    :param size: of all documents; none when nothing tells it
    :param to_move: documents that are fetched, those that are archived already left out unless the
        policy looks at them again
    :param bytes_to_move: of these
    :param seconds: the shortest and the longest time; none when there is nothing to go by
    :param free_bytes: of the archive, none when it cannot be asked
    """

    size: Size | None
    to_move: int
    bytes_to_move: int | None
    pace: Pace | None
    seconds: tuple[float, float] | None
    free_bytes: int | None

    @property
    def is_tight(self) -> bool:
        """Whether the archive lacks room for it."""
        known = self.bytes_to_move is not None and self.free_bytes is not None
        return known and (self.bytes_to_move or 0) > (self.free_bytes or 0)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A batch that covers some of the same days, and how many of them."""

    batch: Batch
    days: int


def estimate(
    session: Session, scope: BatchScope, counted: Counted, *, free_bytes: int | None
) -> Estimate:
    """What follows from the counts, as far as they go."""
    size = _size(session, scope.source_id, counted)
    to_move = counted.documents
    if scope.overlap is not Overlap.ALL:
        to_move = max(0, to_move - counted.archived)
    share = to_move / counted.documents if counted.documents else 0
    bytes_to_move = None if size is None else round(size.bytes * share)
    pace = measured_pace(session, scope.source_id)
    return Estimate(
        size=size,
        to_move=to_move,
        bytes_to_move=bytes_to_move,
        pace=pace,
        seconds=pace.seconds(to_move, bytes_to_move) if pace else None,
        free_bytes=free_bytes,
    )


def measured_pace(session: Session, source_id: int) -> Pace | None:
    """How fast the last batches of the source that ran through in one go have moved.

    Those that were paused, or whose failures were sent again, say nothing: their time is not all
    work. So do those that moved next to nothing.
    """
    query = (
        select(Batch)
        .where(
            Batch.data_source_id == source_id,
            Batch.run_status == RunStatus.ENDED,
            Batch.run_no == 1,
            Batch.cancelled_by.is_(None),
            Batch.started_at.is_not(None),
            Batch.ended_at.is_not(None),
            Batch.synced >= _FEWEST_DOCUMENTS,
        )
        .order_by(Batch.id.desc())
        .limit(_RUNS)
    )
    documents, sizes = [], []
    for batch in session.scalars(query):
        if batch.started_at and batch.ended_at:
            seconds = max((batch.ended_at - batch.started_at).total_seconds(), _SHORTEST_SECONDS)
            documents.append(batch.synced / seconds)
            sizes.append(max(batch.stored_bytes, 1) / seconds)
    if not documents:
        return None
    return Pace(len(documents), _ends(documents), _ends(sizes))


def known_documents(session: Session, scope: BatchScope, zone: ZoneInfo) -> tuple[int, int]:
    """How many documents of the scope are archived, and how many were listed and are not.

    A look through the documents of those days, so not for a request that somebody waits for.
    """
    months = list(months_between(scope.date_from, scope.date_to, zone))
    conditions: list[ColumnElement[bool]] = [
        Document.data_source_id == scope.source_id,
        Document.collected_at >= months[0].starts_at,
        Document.collected_at < months[-1].ends_at,
    ]
    if scope.org_codes:
        conditions.append(Document.org_code.in_(scope.org_codes))
    if scope.bill_type_codes:
        conditions.append(Document.bill_type_code.in_(scope.bill_type_codes))
    query = select(func.count(), func.count(Document.archived_at)).where(and_(*conditions))
    known, archived = session.execute(query).one()
    return archived, known - archived


def earlier_batches(session: Session, scope: BatchScope) -> Sequence[Earlier]:
    """Batches of the source that share days, organisations and types with it, the newest first."""
    query = (
        select(Batch)
        .where(
            Batch.data_source_id == scope.source_id,
            Batch.deleted_at.is_(None),
            Batch.date_from <= scope.date_to,
            Batch.date_to >= scope.date_from,
        )
        .order_by(Batch.id.desc())
        .limit(_LOOKED_AT)
    )
    found = [
        Earlier(batch, _days(scope, batch))
        for batch in session.scalars(query)
        if _meet(scope.org_codes, batch.org_codes)
        and _meet(scope.bill_type_codes, batch.bill_type_codes)
    ]
    return found[:_MOST_EARLIER]


def twin(session: Session, scope: BatchScope) -> Batch | None:
    """The unfinished batch of an equal scope, if there is one; nothing is locked."""
    query = select(Batch).where(
        Batch.scope_key == scope.key,
        Batch.run_status != RunStatus.ENDED,
        Batch.deleted_at.is_(None),
    )
    return session.scalars(query.order_by(Batch.id.desc()).limit(1)).first()


def future_days(scope: BatchScope, *, now: datetime, zone: ZoneInfo) -> date | None:
    """Today, when the scope reaches beyond it: what comes later is not migrated by it."""
    today = now.astimezone(zone).date()
    return today if scope.date_to > today else None


def _size(session: Session, source_id: int, counted: Counted) -> Size | None:
    documents = counted.documents
    if not documents:
        return Size(0, 0, Basis.SOURCE)
    if counted.bytes is not None:
        files = counted.files or 0
        return Size(files, counted.bytes, Basis.SOURCE)
    before = _archived_before(session, source_id)
    if before is not None:
        moved, files, size = before
        basis = Basis.ARCHIVED
    elif counted.sample is not None:
        moved, files, size = (
            counted.sample.documents,
            counted.sample.files,
            counted.sample.bytes,
        )
        basis = Basis.SAMPLE
    else:
        return None
    told = counted.files
    share = documents / moved
    return Size(
        told if told is not None else round(files * share), round(size * share), basis, moved
    )


def _archived_before(session: Session, source_id: int) -> tuple[int, int, int] | None:
    """Documents, files and bytes that batches of the source have put into the archive."""
    query = select(
        func.sum(Batch.synced), func.sum(Batch.stored_files), func.sum(Batch.stored_bytes)
    ).where(Batch.data_source_id == source_id)
    documents, files, size = (int(value or 0) for value in session.execute(query).one())
    return (documents, files, size) if documents and size else None


def _days(scope: BatchScope, batch: Batch) -> int:
    first, last = max(scope.date_from, batch.date_from), min(scope.date_to, batch.date_to)
    return (last - first).days + 1


def _meet(ours: Collection[str], theirs: Collection[str]) -> bool:
    """Whether two choices of codes have one in common; no codes mean all."""
    return not ours or not theirs or bool(set(ours) & set(theirs))


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)
