"""影像单据列表: pages of archived documents, and what its filters offer to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.models import DataSource, Document
from portal.services import paging
from portal.services.archive_filters import ArchiveFilter, search
from portal.services.paging import Leaf, Place

#: More of a kind are typed, not chosen.
MOST_CHOICES = 300


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is of organisations, types and systems: (code, name); None when it is too much."""

    orgs: Sequence[tuple[str, str]] | None
    bill_types: Sequence[tuple[str, str]] | None
    resources: Sequence[tuple[str, str]] | None


def archive_page(session: Session, wanted: ArchiveFilter, place: Place) -> Leaf[Document]:
    """Archived documents at a place of the list."""
    query, key = search(session, wanted).query(place.sort)
    return paging.read(session, query, place, columns={place.sort: key}, row_id=Document.id)


def lack_amount(session: Session) -> bool:
    """Whether any archived document has no amount, and so is not in the order of amounts."""
    query = select(Document.id).where(Document.archived_at.is_not(None), Document.amount.is_(None))
    return session.execute(query.limit(1)).first() is not None


def choices(session: Session) -> Choices:
    """What the filters offer; a seek in an index for each, however many documents there are."""
    archived = Document.archived_at.is_not(None)
    resources: set[str] = set()
    for source_id in session.scalars(select(DataSource.id)):
        of_source = Document.data_source_id == source_id
        found = _distinct(session, Document.resource, Document.resource, of_source)
        resources.update(code for code, _ in found or ())
    return Choices(
        orgs=_distinct(session, Document.org_code, Document.org_name, archived),
        bill_types=_distinct(session, Document.bill_type_code, Document.bill_type_name, archived),
        resources=[(code, code) for code in sorted(resources)],
    )


def _distinct(
    session: Session,
    code: InstrumentedAttribute[str],
    name: InstrumentedAttribute[str],
    condition: ColumnElement[bool],
) -> list[tuple[str, str]] | None:
    """The values of an indexed column, each with the name that one of its documents gives it.

    Each is found behind the one before it. None for too many.
    """
    step = select(func.min(code).label("value")).where(condition).cte("step", recursive=True)
    behind = select(func.min(code)).where(condition, code > step.c.value).scalar_subquery()
    step = step.union_all(select(behind).where(step.c.value.is_not(None)))
    called = select(name).where(code == step.c.value, condition).limit(1).scalar_subquery()
    query = select(step.c.value, called).where(step.c.value > "").limit(MOST_CHOICES + 1)
    found = [(value, words or "") for value, words in session.execute(query)]
    return found if len(found) <= MOST_CHOICES else None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The documents before and behind one in the list it was opened from."""

    before: int | None
    after: int | None


def neighbours(
    session: Session, wanted: ArchiveFilter, document: Document, *, sort: str, descending: bool
) -> Neighbours:
    """Its neighbours in the list; none where the list does not hold it in this order."""
    value = getattr(document, sort)
    if value is None:
        return Neighbours(None, None)
    mark = f"{document.id}~{value.isoformat() if isinstance(value, date | datetime) else value}"
    found: list[int | None] = []
    for side in ("before", "after"):
        turned: dict[str, Any] = {side: mark}
        place = Place(sort=sort, descending=descending, size=1, **turned)
        rows = archive_page(session, wanted, place).rows
        found.append(rows[0].id if rows else None)
    return Neighbours(*found)


def amount_of(text: str) -> Decimal | None:
    """An amount as somebody types it, ``1,234.56``; None when it is none that a document has."""
    try:
        amount = Decimal(text.replace(",", "").replace("，", ""))
        # Of an exponent beyond all bounds, the absolute value is refused too.
        is_possible = amount.is_finite() and abs(amount) < Decimal(10) ** 16
    except ArithmeticError:
        return None
    return amount if is_possible else None
