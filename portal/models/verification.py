"""核对: a verification of the archive against the ledger, and what it found."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, StatusType, UtcDateTime


class VerificationKind(StrEnum):
    """What is looked at."""

    ALL = "all"
    BATCH = "batch"
    MONTH = "month"
    SAMPLE = "sample"
    COUNTERS = "counters"


class VerificationState(StrEnum):
    """Where a verification is; an interrupted one can be resumed."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    ENDED = "ended"


class VerificationStep(StrEnum):
    """The order in which it goes: documents, their earlier versions, what nobody knows."""

    DOCUMENTS = "documents"
    VERSIONS = "versions"
    EXTRA = "extra"
    COUNTERS = "counters"


class Verification(Base):
    """One verification: its scope, who runs it, how far it is and what it saw.

    ``cursor`` is the last id of the step that is done with; it, the counts and the findings are
    committed together, so that a resumed one goes on where the last commit was. ``passed`` counts
    what a sample has gone by, chosen or not. ``runner`` names the process, to notice its death.
    ``documents``, ``files`` and ``bytes`` are those that matched.
    """

    __tablename__ = "verifications"
    __table_args__ = (Index(None, "state"),)

    id: Mapped[RowId]
    kind: Mapped[VerificationKind] = mapped_column(StatusType(VerificationKind))
    batch_id: Mapped[int | None] = mapped_column(BigId)
    month: Mapped[str | None] = mapped_column(String(7))
    data_source_id: Mapped[int | None] = mapped_column(BigId)
    percent: Mapped[float | None]
    seed: Mapped[int | None] = mapped_column(BigInteger)
    part_no: Mapped[int | None]
    part_total: Mapped[int | None]
    state: Mapped[VerificationState] = mapped_column(StatusType(VerificationState))
    step: Mapped[VerificationStep] = mapped_column(StatusType(VerificationStep))
    cursor: Mapped[int] = mapped_column(BigId, default=0)
    passed: Mapped[int] = mapped_column(BigInteger, default=0)
    population: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    looked_at: Mapped[int] = mapped_column(BigInteger, default=0)
    documents: Mapped[int] = mapped_column(BigInteger, default=0)
    files: Mapped[int] = mapped_column(BigInteger, default=0)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    findings: Mapped[int] = mapped_column(BigInteger, default=0)
    runner: Mapped[str] = mapped_column(String(160))
    started_by: Mapped[str] = mapped_column(String(80))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def is_clean(self) -> bool:
        """Whether ledger and archive agree in everything that was looked at."""
        return not self.findings


class VerificationFinding(Base):
    """One thing that is not as the ledger says: a code of the catalogue, and where.

    Where the ledger itself names no file, ``storage_key`` is the document's folder; of a count it
    names the batch, the month and the count.
    """

    __tablename__ = "verification_findings"
    __table_args__ = (Index(None, "verification_id"),)

    id: Mapped[RowId]
    verification_id: Mapped[int] = mapped_column(BigId, ForeignKey("verifications.id"))
    code: Mapped[str] = mapped_column(String(40))
    params: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    storage_key: Mapped[str] = mapped_column(String(700))
    document_id: Mapped[int | None] = mapped_column(BigId)
    image_no: Mapped[str | None] = mapped_column(String(128))
    found_at: Mapped[datetime] = mapped_column(UtcDateTime)
