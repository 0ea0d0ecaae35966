"""Which documents are meant: batches, single documents, or all that match a list's filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed
from portal.models import Batch, BatchItem, Document
from portal.services import selection_filters

# A form holds no more parts than this, and a statement no more parameters.
MOST_DOCUMENTS = 1000


@dataclass(frozen=True, slots=True)
class Selection:
    """Batches by number, documents by id, and filters by name as they stand in addresses.

    What is empty asks for nothing; all that is given must hold.
    """

    batch_nos: tuple[str, ...] = ()
    document_ids: tuple[int, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As the parameters of a chore keep it."""
        return {
            "batches": list(self.batch_nos),
            "documents": list(self.document_ids),
            "filters": dict(self.filters),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Selection:
        """What :meth:`as_json` wrote."""
        return cls(tuple(values["batches"]), tuple(values["documents"]), dict(values["filters"]))

    def told(self) -> dict[str, Any]:
        """For the trail: the batches, how many documents were picked, and the filters."""
        told: dict[str, Any] = {}
        if self.batch_nos:
            told["batches"] = list(self.batch_nos)
        if self.document_ids:
            told["chosen"] = len(self.document_ids)
        if self.filters:
            told["filters"] = dict(self.filters)
        return told

    def of_items(self, zone: ZoneInfo) -> list[ColumnElement[bool]]:
        """Conditions on items, which say nothing of their batches.

        :raises NotAllowed: for a filter that makes no sense
        """
        found = selection_filters.of_items(self.filters)
        if self.document_ids:
            found.append(BatchItem.document_id.in_(self.document_ids))
        of_documents = selection_filters.of_documents(self.filters, zone)
        if of_documents:
            query = select(Document.id).where(Document.id == BatchItem.document_id, *of_documents)
            found.append(query.exists())
        return found

    def of_documents(self, zone: ZoneInfo) -> list[ColumnElement[bool]]:
        """Conditions on documents alone; a month is that of the day of collection.

        :raises NotAllowed: for a filter that makes no sense, or that asks of a batch's item
        """
        found = selection_filters.of_documents(self.filters, zone)
        found += selection_filters.of_month(self.filters, zone)
        if self.document_ids:
            found.append(Document.id.in_(self.document_ids))
        return found


def documents_of_items(session: Session, item_ids: Sequence[int]) -> Sequence[int]:
    """The documents of some items of batches."""
    query = select(BatchItem.document_id).where(BatchItem.id.in_(item_ids))
    return session.scalars(query.order_by(BatchItem.id)).all()


def batch_ids(session: Session, numbers: Sequence[str]) -> list[int]:
    """The batches' ids in the order of their numbers.

    :raises NotAllowed: naming those there are not
    """
    query = select(Batch.batch_no, Batch.id).where(
        Batch.batch_no.in_(numbers), Batch.deleted_at.is_(None)
    )
    known = {row.batch_no: row.id for row in session.execute(query)}
    missing = sorted({*numbers} - {*known})
    if missing:
        raise NotAllowed(
            f"没有批次 {'、'.join(missing)}", f"there is no batch {', '.join(missing)}"
        )
    return [known[number] for number in sorted(known)]
