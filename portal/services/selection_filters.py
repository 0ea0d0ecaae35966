"""The filters of the lists of documents, by their names in addresses, as conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select

from portal.errors import NotAllowed
from portal.models import BatchItem, DataSource, Document, Slice
from portal.services.months import months_between
from portal.statuses import ItemStatus

Clause = ColumnElement[bool]
T = TypeVar("T")
_MOST_DIGITS = 16


def _source(name: str) -> Clause:
    query = select(DataSource.id).where(DataSource.name == name)
    return Document.data_source_id.in_(query)


def _midnight(text: str, zone: ZoneInfo, *, days: int = 0) -> datetime:
    return datetime.combine(date.fromisoformat(text) + timedelta(days=days), time(), zone)


def _amount(text: str) -> Decimal:
    """An amount that a document may have; :raises ValueError: or InvalidOperation for any other."""
    amount = Decimal(text)
    if not amount.is_finite() or amount.adjusted() > _MOST_DIGITS:
        raise ValueError(text)
    return amount


# Codes are meant whole, numbers and names by how they begin, days inclusively.
_DOCUMENT: Mapping[str, Callable[..., Clause]] = {
    "org": lambda text, zone: Document.org_code == text,
    "type": lambda text, zone: Document.bill_type_code == text,
    "resource": lambda text, zone: Document.resource == text,
    "source": lambda text, zone: _source(text),
    "image_no": lambda text, zone: Document.image_no.startswith(text, autoescape=True),
    "bill_no": lambda text, zone: Document.bill_no.startswith(text, autoescape=True),
    "applicant": lambda text, zone: Document.applicant.startswith(text, autoescape=True),
    "first": lambda text, zone: Document.collected_at >= _midnight(text, zone),
    "last": lambda text, zone: Document.collected_at < _midnight(text, zone, days=1),
    "least": lambda text, zone: Document.amount >= _amount(text),
    "most": lambda text, zone: Document.amount <= _amount(text),
}
_ITEM: Mapping[str, Callable[[str], Clause]] = {
    "status": lambda text: BatchItem.status == ItemStatus(text),
    "code": lambda text: BatchItem.error_code == text,
    "month": lambda text: BatchItem.slice_id.in_(select(Slice.id).where(Slice.month == text)),
}
NAMES = (*_ITEM, *_DOCUMENT)


def given(values: Mapping[str, str]) -> dict[str, str]:
    """The filters among some values that ask for anything."""
    return {name: text for name in NAMES if (text := values.get(name, "").strip())}


def of_items(filters: Mapping[str, str]) -> list[Clause]:
    """Those that ask of a document's passage through a batch.

    :raises NotAllowed: for a value that makes no sense
    """
    return [_made(name, filters[name], make) for name, make in _ITEM.items() if name in filters]


def of_documents(filters: Mapping[str, str], zone: ZoneInfo) -> list[Clause]:
    """Those that ask of the document itself.

    :raises NotAllowed: for a value that makes no sense
    """
    return [
        _made(name, filters[name], partial(make, zone=zone))
        for name, make in _DOCUMENT.items()
        if name in filters
    ]


def of_month(filters: Mapping[str, str], zone: ZoneInfo) -> list[Clause]:
    """The month of collection, where there is no batch whose month could be meant.

    :raises NotAllowed: for what is no month, or a filter that needs a batch
    """
    for name in ("status", "code"):
        if name in filters:
            raise NotAllowed(f"筛选 {name} 需要指定批次", f"filter {name} needs a batch")
    if "month" not in filters:
        return []

    def whole_month(text: str) -> list[Clause]:
        day = date.fromisoformat(f"{text}-01")
        (month,) = months_between(day, _last_day(day), zone)
        return [
            Document.collected_at >= month.starts_at,
            Document.collected_at < month.ends_at,
        ]

    return _made("month", filters["month"], whole_month)


def day_of(filters: Mapping[str, str], name: str) -> date | None:
    """A filter's day.

    :raises NotAllowed: for what is none
    """
    text = filters.get(name)
    return _made(name, text, date.fromisoformat) if text else None


def _last_day(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _made(name: str, text: str, make: Callable[[str], T]) -> T:
    try:
        return make(text)
    except (ValueError, OverflowError, InvalidOperation):
        raise NotAllowed(
            f"筛选 {name} 的值无效：{text}", f"filter {name} has an invalid value: {text}"
        ) from None
