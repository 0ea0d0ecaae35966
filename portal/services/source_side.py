"""The source's side of a month: its own count, and its listing compared document by document.

Whatever is listed and not here, or not the same here, becomes a finding. Count and listing of a
live source may differ by what came meanwhile: then both are asked again, a few times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.models import (
    Batch,
    BatchItem,
    Document,
    File,
    Part,
    ReconciliationFinding,
    Slice,
)
from portal.services.id_set import IdSet
from portal.services.identities import may_be
from portal.services.likeness import differences
from portal.services.months import MonthRange
from portal.services.sums import ZERO, CellTally, Tally, tally_of
from portal.statuses import ItemStatus, ListingStatus
from portal.sync.sources.rows import Count, Page, Scope, SourceDocument

AnyRow = Row[*tuple[Any, ...]]
CellKey = tuple[str, str]
ROUNDS = 3
_LONGEST_CODE = 255
_NO_FILES: Sequence[AnyRow] = ()


@dataclass(slots=True)
class MonthListed:
    """What a source said of a month.

    :ivar settled: whether its count and its listing agree
    """

    count: Count
    cells: dict[CellKey, CellTally] = field(default_factory=dict)
    seen: IdSet = field(default_factory=IdSet)
    unknown: set[int] = field(default_factory=set)
    listed: int = 0
    settled: bool = False


class SourceSide:
    """Reads a source's months for one reconciliation.

    :param count: asks for the source's own count
    :param page: asks for a page of the listing
    :param keep: keeps findings, atomically; called after every page
    :param forget: throws away what was kept of a month that is read once more
    """

    def __init__(
        self,
        *,
        source_id: int,
        run_id: int,
        zone: ZoneInfo,
        count: Callable[[Scope], Count],
        page: Callable[[Scope, int], Page],
        read: Callable[[], Any],
        keep: Callable[[Sequence[ReconciliationFinding]], None],
        forget: Callable[[str], None],
    ) -> None:
        self._source_id = source_id
        self._run_id = run_id
        self._zone = zone
        self._count = count
        self._page = page
        self._read = read
        self._keep = keep
        self._forget = forget
        self.seen = IdSet()

    def month(self, month: MonthRange) -> MonthListed:
        """Count and list a month.

        :raises SyncError: when the source cannot be read
        """
        scope = Scope(month.starts_at, month.ends_at)
        for _ in range(ROUNDS):
            self._forget(month.month)
            heard = MonthListed(self._count(scope))
            with self._read() as session:
                covers = _covers(session, self._source_id, month)
            total = self._list(scope, month, heard, covers)
            heard.settled = heard.listed == total == heard.count.documents
            if heard.settled:
                break
        self.seen.update(heard.seen)
        return heard

    def _list(
        self, scope: Scope, month: MonthRange, heard: MonthListed, covers: Sequence[_Cover]
    ) -> int:
        number, before = 1, None
        while True:
            page = self._page(scope, number)
            keys = [(document.resource, document.image_no) for document in page.documents]
            if keys and keys == before:
                raise SyncError("SRC_LISTING_REPEATS", page=number)
            with self._read() as session:
                known = _known(session, self._source_id, page.documents)
            findings = [
                finding
                for document in page.documents
                for finding in self._look_at(document, month, heard, known, covers)
            ]
            self._keep(findings)
            heard.listed += len(page.documents)
            if not page.documents or heard.listed >= page.total:
                return page.total
            number, before = number + 1, keys

    def _look_at(
        self,
        document: SourceDocument,
        month: MonthRange,
        heard: MonthListed,
        known: _Known,
        covers: Sequence[_Cover],
    ) -> Iterator[ReconciliationFinding]:
        cell = heard.cells.setdefault(_cell_of(document), CellTally())
        cell.org_name = document.org_name[:_LONGEST_CODE] or cell.org_name
        cell.bill_type_name = document.bill_type_name[:_LONGEST_CODE] or cell.bill_type_name
        tally = tally_of(document)
        cell.listed.add(tally)
        cell.vague = cell.vague or document.problem is not None
        key = (document.resource, document.image_no)
        here = known.documents.get(key)
        if self._is_known_already(key, here, heard):
            cell.explain(Part.LISTED_TWICE, tally)
            yield self._finding(Part.LISTED_TWICE, document, month, here, tally)
            return
        if here is None or here.archived_at is None:
            part, params = _lacking(document, here, known, covers)
            cell.explain(part, tally)
            yield self._finding(part, document, month, here, tally, params=params)
            return
        yield from self._compare(document, month, here, known.files.get(here.id, _NO_FILES), cell)

    def _compare(
        self,
        document: SourceDocument,
        month: MonthRange,
        here: AnyRow,
        files: Sequence[AnyRow],
        cell: CellTally,
    ) -> Iterator[ReconciliationFinding]:
        there = f"{here.collected_at.astimezone(self._zone):%Y-%m}" if here.collected_at else ""
        place = (there, here.org_code, here.bill_type_code)
        if place != (month.month, *_cell_of(document)):
            tally = tally_of(document)
            cell.explain(Part.MISPLACED, tally)
            stored = [file for file in files if file.storage_key is not None]
            size = sum(file.size or 0 for file in stored)
            kept = Tally(1, len(stored), size, here.amount or ZERO)
            finding = self._finding(
                Part.MISPLACED, document, month, here, tally, params=kept.as_json()
            )
            finding.at_month, finding.at_org, finding.at_type = place
            yield finding
        for each in differences(document, here, files, same_month=there == month.month):
            finding = self._finding(each.part, document, month, here, Tally(), params=each.params)
            finding.file_id, finding.place, finding.sha256 = each.file_id, each.place, each.sha256
            yield finding

    def _is_known_already(self, key: CellKey, here: AnyRow | None, heard: MonthListed) -> bool:
        if here is not None:
            if here.id in heard.seen or here.id in self.seen:
                return True
            heard.seen.add(here.id)
            return False
        mark = hash(key)
        if mark in heard.unknown:
            return True
        heard.unknown.add(mark)
        return False

    def _finding(
        self,
        part: Part,
        document: SourceDocument,
        month: MonthRange,
        here: AnyRow | None,
        tally: Tally,
        *,
        params: Mapping[str, Any] | None = None,
    ) -> ReconciliationFinding:
        org_code, bill_type_code = _cell_of(document)
        return ReconciliationFinding(
            reconciliation_id=self._run_id,
            month=month.month,
            org_code=org_code,
            bill_type_code=bill_type_code,
            part=part,
            document_id=None if here is None else here.id,
            image_no=document.image_no[:128],
            resource=document.resource[:64],
            files=tally.files,
            bytes=tally.bytes,
            amount=tally.amount,
            params=None if params is None else dict(params),
        )


def _cell_of(document: SourceDocument) -> CellKey:
    return document.org_code[:_LONGEST_CODE], document.bill_type_code[:_LONGEST_CODE]


@dataclass(frozen=True, slots=True)
class _Known:
    """What the ledger has of a page's documents."""

    documents: Mapping[tuple[str, str], AnyRow]
    files: Mapping[int, Sequence[AnyRow]]
    items: Mapping[int, AnyRow]


def _known(session: Session, source_id: int, listed: Sequence[SourceDocument]) -> _Known:
    table = Document.__table__.c
    unread = ("source_metadata", "folder", "fence", "described_at")
    columns = [column for column in table if column.name not in unread]
    query = select(*columns).where(
        may_be(source_id, [(document.resource, document.image_no) for document in listed])
    )
    documents = {(row.resource, row.image_no): row for row in session.execute(query)}
    archived = [row.id for row in documents.values() if row.archived_at is not None]
    lacking = [row.id for row in documents.values() if row.archived_at is None]
    files: dict[int, list[AnyRow]] = {}
    stored = select(
        File.document_id,
        File.file_id,
        File.category,
        File.name,
        File.seq,
        File.storage_key,
        File.size,
        File.sha256,
    )
    for row in session.execute(stored.where(File.document_id.in_(archived)).order_by(File.id)):
        files.setdefault(row.document_id, []).append(row)
    items = (
        select(
            BatchItem.document_id, BatchItem.status, BatchItem.error_code, BatchItem.error_params
        )
        .join(Batch, Batch.id == BatchItem.batch_id)
        .where(BatchItem.document_id.in_(lacking), Batch.deleted_at.is_(None))
        .order_by(BatchItem.id)
    )
    return _Known(documents, files, {row.document_id: row for row in session.execute(items)})


@dataclass(frozen=True, slots=True)
class _Cover:
    """What of a month one batch was to bring, and whether it has listed it."""

    month: MonthRange
    orgs: frozenset[str]
    types: frozenset[str]
    is_listed: bool

    def holds(self, document: SourceDocument) -> bool:
        """Whether the document is in its scope."""
        moment = document.collected_at
        return (
            (moment is None or self.month.starts_at <= moment < self.month.ends_at)
            and (not self.orgs or document.org_code in self.orgs)
            and (not self.types or document.bill_type_code in self.types)
        )


def _covers(session: Session, source_id: int, month: MonthRange) -> list[_Cover]:
    query = (
        select(Slice, Batch.org_codes, Batch.bill_type_codes)
        .join(Batch, Batch.id == Slice.batch_id)
        .where(
            Batch.data_source_id == source_id,
            Batch.deleted_at.is_(None),
            Slice.month == month.month,
        )
    )
    return [
        _Cover(
            MonthRange(part.month, part.starts_at, part.ends_at),
            frozenset(orgs),
            frozenset(types),
            part.listing_status is ListingStatus.LISTED,
        )
        for part, orgs, types in session.execute(query)
    ]


def _lacking(
    document: SourceDocument, here: AnyRow | None, known: _Known, covers: Sequence[_Cover]
) -> tuple[Part, Mapping[str, Any] | None]:
    """Why a listed document is not in the archive."""
    item = None if here is None else known.items.get(here.id)
    if item is not None and item.status is ItemStatus.FAILED:
        return Part.FAILED, {"code": item.error_code, "params": item.error_params}
    if item is not None:
        return Part.PENDING, None
    holding = [cover for cover in covers if cover.holds(document)]
    if not holding:
        return Part.EXCLUDED, None
    return (Part.NEW if any(cover.is_listed for cover in holding) else Part.UNLISTED), None
