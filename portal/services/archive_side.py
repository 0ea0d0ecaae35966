"""The archive's side of a month as the ledger has it, added up by the database."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    cast,
    distinct,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import BatchItem, Document, File
from portal.services.id_set import IdSet
from portal.services.months import MonthRange
from portal.services.sums import Tally
from portal.statuses import ItemStatus

AnyRow = Row[*tuple[Any, ...]]
CellKey = tuple[str, str]
_PAGE = 2000
_CELL = (Document.org_code, Document.bill_type_code)


def within(source_id: int, month: MonthRange) -> list[ColumnElement[bool]]:
    """The documents that are archived of a source's month."""
    return [
        Document.data_source_id == source_id,
        Document.collected_at >= month.starts_at,
        Document.collected_at < month.ends_at,
        Document.archived_at.is_not(None),
    ]


def archived(session: Session, source_id: int, month: MonthRange) -> dict[CellKey, Tally]:
    """Documents, files, bytes and amount of every organisation and type."""
    # Whole hundredths: SQLite would add up decimals as floating-point numbers.
    cents = cast(func.round(Document.amount * literal_column("100")), BigInteger)
    documents = (
        select(*_CELL, func.count(), func.sum(cents))
        .where(*within(source_id, month))
        .group_by(*_CELL)
    )
    cells = {
        (org, kind): Tally(documents=count, amount=Decimal(int(total or 0)).scaleb(-2))
        for org, kind, count, total in session.execute(documents)
    }
    files = (
        select(*_CELL, func.count(), func.sum(File.size))
        .join(File, File.document_id == Document.id)
        .where(*within(source_id, month), File.storage_key.is_not(None))
        .group_by(*_CELL)
    )
    for org, kind, count, total in session.execute(files):
        cells[org, kind].files = count
        cells[org, kind].bytes = int(total or 0)
    return cells


def names(session: Session, source_id: int, month: MonthRange) -> dict[CellKey, tuple[str, str]]:
    """The names of organisation and type, where the archive knows them."""
    columns = (func.max(Document.org_name), func.max(Document.bill_type_name))
    query = select(*_CELL, *columns).where(*within(source_id, month)).group_by(*_CELL)
    return {(org, kind): (name, type_name) for org, kind, name, type_name in session.execute(query)}


def skipped(session: Session, source_id: int, month: MonthRange) -> dict[CellKey, int]:
    """Documents that a later batch passed over because they were archived: they count as there."""
    query = (
        select(*_CELL, func.count(distinct(Document.id)))
        .join(BatchItem, BatchItem.document_id == Document.id)
        .where(*within(source_id, month), BatchItem.status == ItemStatus.SKIPPED)
        .group_by(*_CELL)
    )
    return {(org, kind): count for org, kind, count in session.execute(query)}


def unseen(
    ledger: Ledger, source_id: int, month: MonthRange, seen: IdSet
) -> Iterator[list[AnyRow]]:
    """Archived documents that the source did not list, with their sums, a page at a time."""
    last: AnyRow | None = None
    while True:
        query = select(Document.id, Document.collected_at).where(*within(source_id, month))
        if last is not None:
            query = query.where(
                Document.collected_at >= last.collected_at,
                or_(Document.collected_at > last.collected_at, Document.id > last.id),
            )
        with ledger.read() as session:
            page = session.execute(
                query.order_by(Document.collected_at, Document.id).limit(_PAGE)
            ).all()
            gone = [row.id for row in page if row.id not in seen]
            found = _with_sums(session, gone) if gone else []
        yield found
        if len(page) < _PAGE:
            return
        last = page[-1]


def _with_sums(session: Session, ids: list[int]) -> list[AnyRow]:
    query = (
        select(
            Document.id,
            Document.image_no,
            Document.resource,
            Document.org_code,
            Document.bill_type_code,
            Document.amount,
            func.count(File.storage_key).label("files"),
            func.coalesce(func.sum(File.size), 0).label("bytes"),
        )
        .outerjoin(File, File.document_id == Document.id)
        .where(Document.id.in_(ids))
        .group_by(Document.id)
        .order_by(Document.id)
    )
    return list(session.execute(query).all())
