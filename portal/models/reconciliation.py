"""对账: what a source says it has beside what the archive has, month × organisation × type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Numeric, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, StatusType, UtcDateTime


class ReconciliationState(StrEnum):
    """How far a reconciliation is."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Balance(StrEnum):
    """How the two sides of a cell or a month compare."""

    EQUAL = "equal"
    EXPLAINED = "explained"
    UNBALANCED = "unbalanced"


class Part(StrEnum):
    """What explains a difference, and after it the defects, which explain nothing."""

    FAILED = "failed"
    PENDING = "pending"
    UNLISTED = "unlisted"
    NEW = "new"
    EXCLUDED = "excluded"
    GONE = "gone"
    MISPLACED = "misplaced"
    LISTED_TWICE = "listed_twice"
    MISSING = "missing"
    EXTRA = "extra"
    TWICE = "twice"
    SIZE = "size"
    DIGEST = "digest"
    WRONG_DOCUMENT = "wrong_document"
    WRONG_MONTH = "wrong_month"
    METADATA = "metadata"


#: Documents the source lists and the archive lacks, and nobody has decided about yet.
OPEN_PARTS = frozenset({Part.PENDING, Part.UNLISTED, Part.NEW})
#: Each of these makes a month unbalanced, whatever the sums are.
DEFECTS = frozenset(
    {
        Part.MISSING,
        Part.EXTRA,
        Part.TWICE,
        Part.SIZE,
        Part.DIGEST,
        Part.WRONG_DOCUMENT,
        Part.WRONG_MONTH,
        Part.METADATA,
    }
)


@dataclass(frozen=True)
class Sums:
    """Documents, files, bytes and amount; None where a side does not tell."""

    documents: int | None = None
    files: int | None = None
    bytes: int | None = None
    amount: Decimal | None = None


class Reconciliation(Base):
    """One reconciliation of a source over whole months (Asia/Shanghai), kept for ever.

    ``runner`` is who performs it now: what an earlier one still brings is refused. ``defects``
    are single things that are wrong, ``unbalanced`` the months that do not balance.
    """

    __tablename__ = "reconciliations"
    __table_args__ = (Index(None, "data_source_id"),)

    id: Mapped[RowId]
    data_source_id: Mapped[int] = mapped_column(BigId, ForeignKey("data_sources.id"))
    first_month: Mapped[str] = mapped_column(String(7))
    last_month: Mapped[str] = mapped_column(String(7))
    reread: Mapped[bool]
    state: Mapped[ReconciliationState] = mapped_column(StatusType(ReconciliationState))
    runner: Mapped[str | None] = mapped_column(String(160))
    asked_by: Mapped[str] = mapped_column(String(80))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    chore_id: Mapped[int | None] = mapped_column(BigId)
    months: Mapped[int] = mapped_column(default=0)
    unbalanced: Mapped[int] = mapped_column(default=0)
    defects: Mapped[int] = mapped_column(BigInteger, default=0)
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_params: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class _Sides:
    """Both sides, what the parts explain of their difference, and what is left of it.

    ``source`` is the source's own count, ``listed`` what its listing gave, ``archived`` what is
    here. ``parts`` holds sums by :class:`Part`, amounts as text. ``left`` is the difference that
    nothing explains; None where a measure cannot be told.
    """

    source_documents: Mapped[int | None]
    source_files: Mapped[int | None]
    source_bytes: Mapped[int | None] = mapped_column(BigInteger)
    source_amount: Mapped[Decimal | None] = mapped_column(Numeric(24, 2))
    listed_documents: Mapped[int] = mapped_column(default=0)
    listed_files: Mapped[int] = mapped_column(default=0)
    listed_bytes: Mapped[int | None] = mapped_column(BigInteger)
    listed_amount: Mapped[Decimal | None] = mapped_column(Numeric(24, 2))
    archived_documents: Mapped[int] = mapped_column(default=0)
    archived_files: Mapped[int] = mapped_column(default=0)
    archived_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    archived_amount: Mapped[Decimal] = mapped_column(Numeric(24, 2), default=Decimal(0))
    left_documents: Mapped[int | None]
    left_files: Mapped[int | None]
    left_bytes: Mapped[int | None] = mapped_column(BigInteger)
    left_amount: Mapped[Decimal | None] = mapped_column(Numeric(24, 2))
    parts: Mapped[dict[str, dict[str, Any]]] = mapped_column(JSON, default=dict)
    skipped: Mapped[int] = mapped_column(default=0)
    defects: Mapped[int] = mapped_column(BigInteger, default=0)
    balance: Mapped[Balance] = mapped_column(StatusType(Balance), default=Balance.UNBALANCED)

    @property
    def source(self) -> Sums:
        """What the source counts itself."""
        return Sums(self.source_documents, self.source_files, self.source_bytes, self.source_amount)

    @property
    def listed(self) -> Sums:
        """What its listing adds up to."""
        return Sums(self.listed_documents, self.listed_files, self.listed_bytes, self.listed_amount)

    @property
    def archived(self) -> Sums:
        """What the archive has, as the ledger says."""
        return Sums(
            self.archived_documents,
            self.archived_files,
            self.archived_bytes,
            self.archived_amount,
        )

    @property
    def left(self) -> Sums:
        """What nothing explains."""
        return Sums(self.left_documents, self.left_files, self.left_bytes, self.left_amount)

    @property
    def open_documents(self) -> int:
        """Listed at the source, not here, and nothing decided yet."""
        return sum(int(self.parts[part]["documents"]) for part in OPEN_PARTS if part in self.parts)


class ReconciliationMonth(_Sides, Base):
    """A month of a reconciliation, its cells added up, and how its files were re-read.

    ``settled`` is whether count and listing agreed within the rounds they get. ``not_checked`` is
    why it was not ticked as 已核对, None where it was.
    """

    __tablename__ = "reconciliation_months"
    __table_args__ = (UniqueConstraint("reconciliation_id", "month"),)

    id: Mapped[RowId]
    reconciliation_id: Mapped[int] = mapped_column(BigId, ForeignKey("reconciliations.id"))
    month: Mapped[str] = mapped_column(String(7))
    settled: Mapped[bool] = mapped_column(default=True)
    verification_id: Mapped[int | None] = mapped_column(BigId)
    reread_documents: Mapped[int | None] = mapped_column(BigInteger)
    reread_files: Mapped[int | None] = mapped_column(BigInteger)
    reread_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    not_checked: Mapped[str | None] = mapped_column(String(24))


class ReconciliationCell(_Sides, Base):
    """One organisation and document type of a month.

    ``vague`` is set where single documents do not tell their files' sizes or are listed with
    errors: then what is left of files, bytes and amount cannot be told.
    """

    __tablename__ = "reconciliation_cells"
    __table_args__ = (
        UniqueConstraint(
            "reconciliation_id",
            "month",
            "org_code",
            "bill_type_code",
            name="uq_reconciliation_cells_cell",  # the usual name is too long for PostgreSQL
        ),
    )

    id: Mapped[RowId]
    reconciliation_id: Mapped[int] = mapped_column(BigId, ForeignKey("reconciliations.id"))
    month: Mapped[str] = mapped_column(String(7))
    org_code: Mapped[str] = mapped_column(String(255))
    org_name: Mapped[str] = mapped_column(String(255), default="")
    bill_type_code: Mapped[str] = mapped_column(String(255))
    bill_type_name: Mapped[str] = mapped_column(String(255), default="")
    vague: Mapped[bool] = mapped_column(default=False)


class ReconciliationFinding(Base):
    """One document or file that a part or a defect of a cell is made of.

    ``org_code`` and ``bill_type_code`` are the cell it stands in. Of what is archived elsewhere
    than the source lists it, ``at_month``, ``at_org`` and ``at_type`` are the cell it is in here.
    ``place`` is a storage key, ``sha256`` what should be or is there.
    """

    __tablename__ = "reconciliation_findings"
    __table_args__ = (Index(None, "reconciliation_id", "part", "month"),)

    id: Mapped[RowId]
    reconciliation_id: Mapped[int] = mapped_column(BigId, ForeignKey("reconciliations.id"))
    month: Mapped[str] = mapped_column(String(7))
    org_code: Mapped[str] = mapped_column(String(255), default="")
    bill_type_code: Mapped[str] = mapped_column(String(255), default="")
    part: Mapped[Part] = mapped_column(StatusType(Part))
    document_id: Mapped[int | None] = mapped_column(BigId)
    image_no: Mapped[str] = mapped_column(String(128), default="")
    resource: Mapped[str] = mapped_column(String(64), default="")
    file_id: Mapped[str | None] = mapped_column(String(128))
    place: Mapped[str | None] = mapped_column(String(700))
    sha256: Mapped[str | None] = mapped_column(String(64))
    at_month: Mapped[str | None] = mapped_column(String(7))
    at_org: Mapped[str | None] = mapped_column(String(255))
    at_type: Mapped[str | None] = mapped_column(String(255))
    files: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2), default=Decimal(0))
    params: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class CheckedMonth(Base):
    """已核对: a month that balanced and whose every file was re-read and matched.

    In force until ``withdrawn_at``: ``withdrawn_why`` is then what changed in it.
    """

    __tablename__ = "checked_months"
    __table_args__ = (Index(None, "data_source_id", "month"),)

    id: Mapped[RowId]
    data_source_id: Mapped[int] = mapped_column(BigId, ForeignKey("data_sources.id"))
    month: Mapped[str] = mapped_column(String(7))
    reconciliation_id: Mapped[int] = mapped_column(BigId, ForeignKey("reconciliations.id"))
    checked_by: Mapped[str] = mapped_column(String(80))
    checked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_why: Mapped[str | None] = mapped_column(String(24))
