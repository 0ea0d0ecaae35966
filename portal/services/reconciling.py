"""Performing a reconciliation (对账): the source's side, the archive's side, re-reading, the end.

Months are worked one after the other and nothing is held of a document but one bit, so that a
million documents need no more memory than a thousand.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select, update

from portal.ledger import Ledger
from portal.models import (
    DataSource,
    Part,
    Reconciliation,
    ReconciliationCell,
    ReconciliationFinding,
    ReconciliationMonth,
    ReconciliationState,
    Verification,
    utc_now,
)
from portal.models.reconciliation import DEFECTS
from portal.services import (
    archive_side,
    audit,
    checked_months,
    reconciliations,
    reread_classes,
    verification,
)
from portal.services.balancing import add_up, judge
from portal.services.extra_files import extra_files
from portal.services.months import MonthRange
from portal.services.reconciliations import writing
from portal.services.source_side import MonthListed, SourceSide
from portal.services.sums import Tally
from portal.services.verification import Order
from portal.services.verifying import Verifier
from portal.sync.archive.base import Archive
from portal.sync.archive.names import safe_name
from portal.sync.sources.rows import Count, Page, Scope

_PAGE = 200


class Reconciler:
    """Performs one reconciliation; :meth:`run` once.

    :param count: asks the source for its count, :param page: for a page of its listing
    :param runner: a name that nobody else performs it under
    :param progress: told documents or files done so far; what it raises ends the work
    :param wait: sleeps that many seconds
    """

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        run_id: int,
        *,
        count: Callable[[Scope], Count],
        page: Callable[[Scope, int], Page],
        runner: str,
        zone: ZoneInfo,
        progress: Callable[[int, int | None], None] = lambda _done, _total: None,
        clock: Callable[[], datetime] = utc_now,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._zone = zone
        self._progress = progress
        self._clock = clock
        self._wait = wait
        self._page = page
        self._done = 0
        self._total: int | None = None
        self._run = reconciliations.begin(ledger, run_id, runner=runner, now=clock())
        self._began_at = self._run.started_at or clock()
        self._months = reconciliations.ranges_of(self._run, zone)
        self._side = SourceSide(
            source_id=self._run.data_source_id,
            run_id=run_id,
            zone=zone,
            count=count,
            page=self._ask_page,
            read=ledger.read,
            keep=self._keep,
            forget=self._forget,
        )

    def run(self) -> Reconciliation:
        """Perform it to its end.

        :raises SyncError: when the source cannot be read
        :raises NotAllowed: when another process has taken it over
        """
        for month in self._months:
            self._tell()
            self._keep_listed(month, self._side.month(month))
        self._pair_listed()
        for month in self._months:
            self._add_archive(month)
        if self._run.reread:
            for month in self._months:
                self._reread(month)
            self._look_for_extra()
        return self._end()

    # The source's side.

    def _ask_page(self, scope: Scope, number: int) -> Page:
        page = self._page(scope, number)
        self._done += len(page.documents)
        self._tell()
        return page

    def _keep(self, findings: Sequence[ReconciliationFinding]) -> None:
        if findings:
            with writing(self._ledger, self._run) as session:
                session.add_all(findings)

    def _forget(self, month: str) -> None:
        with writing(self._ledger, self._run) as session:
            session.execute(
                delete(ReconciliationFinding).where(
                    ReconciliationFinding.reconciliation_id == self._run.id,
                    ReconciliationFinding.month == month,
                )
            )

    def _keep_listed(self, month: MonthRange, heard: MonthListed) -> None:
        with writing(self._ledger, self._run) as session:
            kept = session.scalar(self._month_row(month.month))
            if kept is None:
                kept = ReconciliationMonth(reconciliation_id=self._run.id, month=month.month)
                session.add(kept)
            session.add_all(add_up(kept, heard))

    def _pair_listed(self) -> None:
        """Files in the wrong document are missing in one and extra in the other: one defect."""
        mine = select(ReconciliationFinding).where(
            ReconciliationFinding.reconciliation_id == self._run.id,
            ReconciliationFinding.part == Part.EXTRA,
        )
        last = 0
        while True:
            with writing(self._ledger, self._run) as session:
                query = mine.where(ReconciliationFinding.id > last)
                found = session.scalars(query.order_by(ReconciliationFinding.id).limit(_PAGE)).all()
                if not found:
                    return
                last = found[-1].id
                reread_classes.pair_listed(session, self._run.data_source_id, found)
            self._tell()

    # The archive's side.

    def _add_archive(self, month: MonthRange) -> None:
        source_id = self._run.data_source_id
        with self._ledger.snapshot() as session:
            archived = archive_side.archived(session, source_id, month)
            skipped = archive_side.skipped(session, source_id, month)
            names = archive_side.names(session, source_id, month)
        explained: dict[tuple[str, str], dict[Part, Tally]] = {}
        for rows in archive_side.unseen(self._ledger, source_id, month, self._side.seen):
            self._keep([self._gone(month, row, explained) for row in rows])
            self._tell()
        for found in self._misplaced(month):
            amount = Decimal(found.params["amount"])
            tally = Tally(1, found.params["files"], found.params["bytes"], amount)
            here = explained.setdefault((found.at_org, found.at_type), {})
            here.setdefault(Part.MISPLACED, Tally()).add(tally, -1)
        with writing(self._ledger, self._run) as session:
            cells = {
                (cell.org_code, cell.bill_type_code): cell
                for cell in session.scalars(self._cells(month.month))
            }
            for key in archived.keys() | explained.keys():
                if key not in cells:
                    cells[key] = self._empty_cell(session, month.month, key)
            row = session.scalars(self._month_row(month.month)).one()
            judge(row, cells, archived, explained, skipped)
            for key, (org, kind) in names.items():
                cells[key].org_name = cells[key].org_name or org
                cells[key].bill_type_name = cells[key].bill_type_name or kind

    def _gone(
        self, month: MonthRange, row: Any, explained: dict[tuple[str, str], dict[Part, Tally]]
    ) -> ReconciliationFinding:
        tally = Tally(1, row.files, int(row.bytes), row.amount or Decimal(0))
        parts = explained.setdefault((row.org_code, row.bill_type_code), {})
        parts.setdefault(Part.GONE, Tally()).add(tally, -1)
        return ReconciliationFinding(
            reconciliation_id=self._run.id,
            month=month.month,
            org_code=row.org_code,
            bill_type_code=row.bill_type_code,
            part=Part.GONE,
            document_id=row.id,
            image_no=row.image_no,
            resource=row.resource,
            files=tally.files,
            bytes=tally.bytes,
            amount=tally.amount,
        )

    def _misplaced(self, month: MonthRange) -> Iterator[Any]:
        query = select(ReconciliationFinding).where(
            ReconciliationFinding.reconciliation_id == self._run.id,
            ReconciliationFinding.part == Part.MISPLACED,
            ReconciliationFinding.at_month == month.month,
        )
        return reconciliations.every(self._ledger, query, ReconciliationFinding.id)

    def _empty_cell(self, session: Any, month: str, key: tuple[str, str]) -> ReconciliationCell:
        """Of an organisation and type that only the archive has: the source counts none."""
        row = session.scalars(self._month_row(month)).one()
        told = 0 if row.source_documents is not None and self._has_groups(session, month) else None
        cell = ReconciliationCell(
            reconciliation_id=self._run.id,
            month=month,
            org_code=key[0],
            bill_type_code=key[1],
            source_documents=told,
            source_files=told,
            source_bytes=told,
            source_amount=None if told is None else Decimal(0),
            listed_documents=0,
            listed_files=0,
            listed_bytes=0,
            listed_amount=Decimal(0),
            parts={},
            vague=False,
        )
        session.add(cell)
        return cell

    def _has_groups(self, session: Any, month: str) -> bool:
        query = self._cells(month).where(ReconciliationCell.source_documents.is_(None))
        return session.scalar(query.limit(1)) is None

    # The files themselves.

    def _reread(self, month: MonthRange) -> None:
        with self._ledger.read() as session:
            row = session.scalars(self._month_row(month.month)).one()
        run_id = row.verification_id
        if row.reread_at is None or run_id is None:
            order = Order(month=month.month, source_id=self._run.data_source_id)
            run_id = verification.start(
                self._ledger, order, by=self._run.asked_by, zone=self._zone, now=self._clock()
            )
            verified = Verifier(
                self._ledger,
                self._archive,
                run_id,
                zone=self._zone,
                progress=self._tell_files,
                clock=self._clock,
                wait=self._wait,
            ).run()
            with writing(self._ledger, self._run) as session:
                row = session.scalars(self._month_row(month.month)).one()
                row.verification_id = run_id
                row.reread_documents = verified.looked_at
                row.reread_files = verified.files
                row.reread_at = self._clock()
        blamed = verification.findings(self._ledger, run_id)
        while page := list(itertools.islice(blamed, _PAGE)):
            with self._ledger.read() as session:
                found = list(
                    reread_classes.damaged(session, self._archive, self._run.id, month.month, page)
                )
            self._keep(found)
            self._tell()

    def _tell_files(self, now: Verification) -> None:
        self._progress(now.looked_at, max(now.total, now.looked_at))

    def _look_for_extra(self) -> None:
        """What lies in these months' folders and nobody names."""
        with self._ledger.read() as session:
            source = session.get_one(DataSource, self._run.data_source_id)
            folder = safe_name(source.name)
        places = tuple(f"{folder}/{month.month}/" for month in self._months)
        pages = extra_files(self._ledger, self._archive, wait=self._wait, clock=self._clock)
        for keys in pages:
            ours = [key for key in keys if key.startswith(places)]
            if ours:
                with writing(self._ledger, self._run) as session:
                    found = reread_classes.unnamed(session, self._archive, self._run.id, ours)
                    session.add_all(list(found))
            self._tell()

    # The end.

    def _end(self) -> Reconciliation:
        now = self._clock()
        with writing(self._ledger, self._run) as session:
            run = session.get_one(Reconciliation, self._run.id)
            self._count_defects(session)
            rows = session.scalars(
                select(ReconciliationMonth)
                .where(ReconciliationMonth.reconciliation_id == run.id)
                .order_by(ReconciliationMonth.month)
            ).all()
            for row, month in zip(rows, self._months, strict=True):
                self._close(session, run, row, month, now)
            run.months = len(rows)
            run.unbalanced = sum(row.balance == "unbalanced" for row in rows)
            run.defects = sum(row.defects for row in rows)
            run.state = ReconciliationState.ENDED
            run.ended_at = now
            detail = {
                "reconciliation": run.id,
                "months": run.months,
                "unbalanced": run.unbalanced,
                "defects": run.defects,
            }
            audit.record(
                session, "reconcile.end", by=run.asked_by, at=now, new=run.state, detail=detail
            )
            session.flush()
            session.expunge(run)
        return run

    def _count_defects(self, session: Any) -> None:
        mine = (
            ReconciliationFinding.reconciliation_id == self._run.id,
            ReconciliationFinding.part.in_(DEFECTS),
        )
        for table, *columns in (
            (ReconciliationMonth, "month"),
            (ReconciliationCell, "month", "org_code", "bill_type_code"),
        ):
            same = [
                getattr(ReconciliationFinding, name) == getattr(table, name) for name in columns
            ]
            number = (
                select(func.count())
                .select_from(ReconciliationFinding)
                .where(*mine, *same)
                .correlate(table)
                .scalar_subquery()
            )
            session.execute(
                update(table)
                .where(table.reconciliation_id == self._run.id)
                .values(defects=number)
                .execution_options(synchronize_session=False)
            )
            session.execute(
                update(table)
                .where(table.reconciliation_id == self._run.id, table.defects > 0)
                .values(balance="unbalanced")
                .execution_options(synchronize_session=False)
            )
        session.expire_all()

    def _close(
        self,
        session: Any,
        run: Reconciliation,
        row: ReconciliationMonth,
        month: MonthRange,
        now: datetime,
    ) -> None:
        """Tick the month, or say why not; what is wrong with it takes an older tick away."""
        why = None
        if row.balance == "unbalanced":
            why = "unbalanced"
        elif row.open_documents:
            why = "open"
        elif not row.archived_documents:
            why = "empty"
        elif row.reread_at is None:
            why = "not-reread"
        elif checked_months.changed_since(session, run.data_source_id, month, self._began_at):
            why = "changed"
        row.not_checked = why
        if why is None:
            checked_months.tick(session, run, row.month, now=now)
        elif why in ("unbalanced", "open"):
            checked_months.withdraw(
                session, run.data_source_id, [row.month], why, by=run.asked_by, now=now
            )

    def _tell(self) -> None:
        self._progress(self._done, self._total)

    def _month_row(self, month: str) -> Any:
        return select(ReconciliationMonth).where(
            ReconciliationMonth.reconciliation_id == self._run.id,
            ReconciliationMonth.month == month,
        )

    def _cells(self, month: str) -> Any:
        return select(ReconciliationCell).where(
            ReconciliationCell.reconciliation_id == self._run.id,
            ReconciliationCell.month == month,
        )
