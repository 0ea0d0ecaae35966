"""Which documents of a batch are meant: the filters of their list, as conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.models import Batch, BatchItem, Document
from portal.services.instants import instant
from portal.statuses import ItemStatus

_NEVER = instant(datetime(1, 1, 1, tzinfo=UTC))
_PREFIXES: Mapping[str, InstrumentedAttribute[str]] = {
    "image_no": Document.image_no,
    "bill_no": Document.bill_no,
    "applicant": Document.applicant,
}
_CODES: Mapping[str, InstrumentedAttribute[str]] = {
    "org": Document.org_code,
    "type": Document.bill_type_code,
}


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """What to look for; what is empty or None asks for nothing. The days are inclusive.

    ``code`` is an error code, ``org`` and ``type`` are codes, the three after them beginnings.
    """

    status: ItemStatus | None = None
    month: str = ""
    code: str = ""
    org: str = ""
    type: str = ""
    image_no: str = ""
    bill_no: str = ""
    applicant: str = ""
    first: date | None = None
    last: date | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What is asked for, by name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name))}

    @property
    def words(self) -> dict[str, str]:
        """The same in plain words, for the trail and the history."""
        return {name: str(value) for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter said twice: so that an index can answer it, and so that none will.

    SQLite chooses the index that a list is read by from guesses; here the list says itself which
    one, and all other filters only test the rows (see :mod:`portal.services.item_list`).

    :ivar of_item: whether it asks of the item and not of its document
    """

    indexed: ColumnElement[bool]
    tested: ColumnElement[bool]
    of_item: bool


def conditions(
    session: Session, batch: Batch, wanted: ItemFilter, *, zone: ZoneInfo
) -> dict[str, Condition]:
    """The filters that were given, by name, beside that of the batch itself (``batch``).

    :param zone: where the days are meant
    """
    sqlite = session.get_bind().dialect.name == "sqlite"
    makers: dict[str, Callable[[Any], Condition]] = {
        "status": _status,
        "month": lambda month: _month(batch, month),
        "code": _code,
        "first": lambda day: _since(datetime.combine(day, time(), zone)),
        "last": lambda day: _before(datetime.combine(day + timedelta(days=1), time(), zone)),
    }
    found = {"batch": _batch(batch)}
    for name, value in wanted.given.items():
        if name in _CODES:
            found[name] = _document_code(batch, _CODES[name], value)
        elif name in _PREFIXES:
            found[name] = _prefix(_PREFIXES[name], value, sqlite=sqlite)
        else:
            found[name] = makers[name](value)
    if sqlite:
        return found
    # Others count their values, choose well by that, and are misled by what is said for no index.
    return {name: replace(one, tested=one.indexed) for name, one in found.items()}


def chosen_items(
    session: Session, batch: Batch, wanted: ItemFilter, *, zone: ZoneInfo
) -> list[ColumnElement[bool]]:
    """The same as conditions on items alone, for statements that change them."""
    found = conditions(session, batch, wanted, zone=zone).values()
    documents = [one.tested for one in found if not one.of_item]
    clauses = [one.indexed for one in found if one.of_item]
    if documents:
        query = select(Document.id).where(Document.id == BatchItem.document_id, *documents)
        clauses.append(query.exists())
    return clauses


def _batch(batch: Batch) -> Condition:
    return Condition(
        BatchItem.batch_id == batch.id, BatchItem.batch_id + 0 == batch.id, of_item=True
    )


def _status(status: ItemStatus) -> Condition:
    return Condition(
        BatchItem.status == status, func.lower(BatchItem.status) == status, of_item=True
    )


def _month(batch: Batch, month: str) -> Condition:
    # A month of no batch is none at all.
    slice_id = next((part.id for part in batch.slices if part.month == month), 0)
    return Condition(
        BatchItem.slice_id == slice_id, BatchItem.slice_id + 0 == slice_id, of_item=True
    )


def _code(code: str) -> Condition:
    said = and_(BatchItem.error_code.is_not(None), BatchItem.error_code == code)
    return Condition(said, func.coalesce(BatchItem.error_code, "") == code, of_item=True)


def _document_code(batch: Batch, column: InstrumentedAttribute[str], code: str) -> Condition:
    return Condition(
        and_(Document.data_source_id == batch.data_source_id, column == code),
        func.coalesce(column, "") == code,
        of_item=False,
    )


def _prefix(column: InstrumentedAttribute[str], text: str, *, sqlite: bool) -> Condition:
    tested = column.startswith(text, autoescape=True)
    if not sqlite:
        return Condition(tested, tested, of_item=False)
    # SQLite's LIKE uses no index and knows no case; what begins so lies between these two.
    behind = text[:-1] + chr(min(ord(text[-1]) + 1, 0x10FFFF))
    return Condition(
        and_(column >= text, column < behind),
        and_(func.coalesce(column, "") >= text, func.coalesce(column, "") < behind),
        of_item=False,
    )


def _since(start: datetime) -> Condition:
    column = Document.collected_at
    return Condition(column >= start, func.coalesce(column, _NEVER) >= start, of_item=False)


def _before(end: datetime) -> Condition:
    column = Document.collected_at
    dated = func.coalesce(column, _NEVER)
    return Condition(column < end, and_(dated > _NEVER, dated < end), of_item=False)
