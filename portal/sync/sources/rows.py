"""What a source tells, in our words: the same for every kind of source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from portal.errors import SyncError

Category = Literal["cover", "invoice", "attachment"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What to ask for: documents collected in ``[starts_at, ends_at)``; empty codes mean all.

    :raises ValueError: if an instant has no zone, or the range is empty
    """

    starts_at: datetime
    ends_at: datetime
    org_codes: tuple[str, ...] = ()
    bill_type_codes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.starts_at.tzinfo is None or self.ends_at.tzinfo is None:
            raise ValueError("a scope's instants need a time zone")
        if self.starts_at >= self.ends_at:
            raise ValueError(f"empty range: {self.starts_at} to {self.ends_at}")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a document as declared; ``size`` in bytes, digests in lower-case hex.

    ``suffix`` is in lower case without its dot, empty when there is none. ``download_url``, when
    present, replaces the source's usual way to the file.
    """

    file_id: str
    category: Category
    seq: int
    name: str
    suffix: str
    size: int | None
    sha256: str | None
    md5: str | None
    page_count: int | None
    download_url: str | None


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """One listed document; its identity at the source is ``resource`` and ``image_no``.

    With a ``problem`` it is to be recorded as failed; the other fields then hold what was readable.
    ``collected_at`` is in UTC. ``extra`` is what the source told beyond the contract, plain JSON.
    """

    image_no: str
    resource: str
    bill_no: str
    bill_type_code: str
    bill_type_name: str
    org_code: str
    org_name: str
    applicant: str
    collected_at: datetime | None
    amount: Decimal | None
    files: tuple[SourceFile, ...]
    extra: dict[str, Any]
    problem: SyncError | None


@dataclass(frozen=True, slots=True)
class CountGroup:
    """The source's own count of one month (``2024-01``), organisation and document type."""

    month: str
    org_code: str
    bill_type_code: str
    documents: int
    files: int | None
    bytes: int | None
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Count:
    """The source's own count of a scope; files and bytes are none where it does not tell them."""

    documents: int
    files: int | None
    bytes: int | None
    groups: tuple[CountGroup, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; ``total`` is the size of the whole listing at that moment.

    ``version`` is equal for pages of one listing, where the source can tell; pages of different
    ones do not belong together.
    """

    total: int
    page_no: int
    documents: tuple[SourceDocument, ...]
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """An organisation or a document type as the source lists it; the name may be empty."""

    code: str
    name: str
