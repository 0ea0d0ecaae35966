"""What the source says of a document, as columns, and kept aside with a batch's item.

A document that is archived keeps the words it was archived under. When a batch that looks at
everything again lists it with other words, these wait on the batch's item until the new version
is in force; so nothing ever describes what is not there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from portal.errors import SyncError
from portal.sync.sources.rows import SourceDocument

_CANONICAL = json.JSONEncoder(sort_keys=True, default=str)


def listing_digest(document: SourceDocument) -> str:
    """A digest of all that the source says of a document, to see whether it changed."""
    fields: dict[str, Any] = {name: getattr(document, name) for name in document.__slots__}
    fields["problem"] = None
    fields["files"] = [
        {name: getattr(file, name) for name in file.__slots__} for file in document.files
    ]
    return hashlib.sha256(_CANONICAL.encode(fields).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Listed:
    """A listed document in the ledger's words, made before the ledger is locked.

    :ivar values: the columns of a ``Document`` that the source fills, but for when it did
    :ivar files: the columns of each ``File`` that the source fills; a file named twice is one
    """

    document: SourceDocument
    values: Mapping[str, Any]
    files: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, document: SourceDocument) -> Self:
        """What is listed of a document."""
        return cls(document, _document_values(document), _file_values(document))

    @property
    def key(self) -> tuple[str, str]:
        """Its identity at the source."""
        return self.document.resource, self.document.image_no

    @property
    def problem(self) -> SyncError | None:
        """Why it cannot be migrated as it is listed."""
        return self.document.problem

    @property
    def digest(self) -> str:
        """The listing digest."""
        return str(self.values["listing_digest"])

    def values_at(self, now: datetime) -> dict[str, Any]:
        """The columns of a ``Document``, as the source fills them ``now``."""
        return {**self.values, "described_at": now}

    def to_json(self, now: datetime) -> dict[str, Any]:
        """The description as it is kept on an item."""
        values = self.values_at(now)
        for name in ("collected_at", "described_at"):
            values[name] = values[name].isoformat() if values[name] is not None else None
        values["amount"] = None if values["amount"] is None else str(values["amount"])
        return {"document": values, "files": [dict(file) for file in self.files]}


def _document_values(document: SourceDocument) -> dict[str, Any]:
    return {
        "bill_no": document.bill_no[:255],
        "bill_type_code": document.bill_type_code[:255],
        "bill_type_name": document.bill_type_name[:255],
        "org_code": document.org_code[:255],
        "org_name": document.org_name[:255],
        "applicant": document.applicant[:255],
        "collected_at": document.collected_at,
        "amount": document.amount,
        "source_metadata": document.extra,
        "listing_digest": listing_digest(document),
    }


def _file_values(document: SourceDocument) -> list[dict[str, Any]]:
    return [
        {
            "file_id": file.file_id,
            "category": file.category,
            "seq": file.seq,
            "name": file.name,
            "suffix": file.suffix[:32],
            "declared_size": file.size,
            "declared_sha256": file.sha256,
            "declared_md5": file.md5,
            "declared_pages": file.page_count,
            "download_url": file.download_url,
        }
        for file in {file.file_id: file for file in document.files}.values()
    ]


@dataclass(frozen=True, slots=True)
class Description:
    """The columns of a document and its files as a listing gave them."""

    document: Mapping[str, Any]
    files: tuple[Mapping[str, Any], ...]

    @property
    def digest(self) -> str:
        """The listing digest."""
        return str(self.document["listing_digest"])


def from_json(kept: Mapping[str, Any]) -> Description:
    """The reverse of :meth:`Listed.to_json`."""
    values = dict(kept["document"])
    for name in ("collected_at", "described_at"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    values["amount"] = None if values["amount"] is None else Decimal(values["amount"])
    return Description(values, tuple(kept["files"]))


def newer(
    kept: Mapping[str, Any] | None, digest: str, described_at: datetime | None
) -> Description | None:
    """The description kept on an item, if it says something else than the document's row, later.

    :param digest: the row's listing digest
    :param described_at: when the source said what stands in the row; None is long ago
    """
    if kept is None or kept["document"]["listing_digest"] == digest:
        return None
    description = from_json(kept)
    said = description.document["described_at"]
    return description if described_at is None or said >= described_at else None
