"""随机抽查: a month's sealed manifest, the sample drawn from it, and what an auditor found."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, RowId, StatusType, UtcDateTime


class SampleState(StrEnum):
    """How far a sample is; it only goes forward."""

    MAKING = "making"
    SEALED = "sealed"
    DRAWN = "drawn"
    CLOSED = "closed"


class Verdict(StrEnum):
    """What an auditor says of a document: 相符, 不符, 无法判断."""

    MATCH = "match"
    DIFFER = "differ"
    UNDECIDED = "undecided"


class Sample(Base):
    """One 抽查 of a source's month; ``org_code`` and ``bill_type_code`` narrow it, empty for all.

    Sealed, the manifest's digest, size, ``documents`` (N) and ``strata`` (documents by type) never
    change; drawn, neither do ``nonce`` and ``size`` (n). ``most_wrong`` is the limit that n was
    computed from, if it was. ``found`` counts the verdicts other than 相符, ``undecided`` those of
    them that are 无法判断; ``bound`` is how many wrong documents N, n and ``found`` allow.
    """

    __tablename__ = "samples"
    __table_args__ = (Index(None, "data_source_id"),)

    id: Mapped[RowId]
    data_source_id: Mapped[int] = mapped_column(BigId, ForeignKey("data_sources.id"))
    month: Mapped[str] = mapped_column(String(7))
    org_code: Mapped[str] = mapped_column(String(255), default="")
    bill_type_code: Mapped[str] = mapped_column(String(255), default="")
    state: Mapped[SampleState] = mapped_column(StatusType(SampleState))
    chore_id: Mapped[int | None] = mapped_column(BigId)
    asked_by: Mapped[str] = mapped_column(String(80))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sealed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    manifest_sha256: Mapped[str | None] = mapped_column(String(64))
    manifest_bytes: Mapped[int | None] = mapped_column(BigInteger)
    documents: Mapped[int | None] = mapped_column(BigInteger)
    strata: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    nonce: Mapped[str | None] = mapped_column(String(200))
    size: Mapped[int | None]
    most_wrong: Mapped[int | None] = mapped_column(BigInteger)
    drawn_by: Mapped[str | None] = mapped_column(String(80))
    drawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by: Mapped[str | None] = mapped_column(String(80))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    found: Mapped[int | None]
    undecided: Mapped[int | None]
    bound: Mapped[int | None] = mapped_column(BigInteger)


class SampleDocument(Base):
    """One document of a sample: its line of the manifest without LF, its key, and its verdict.

    ``position`` counts from 1 in the order of the keys. ``compared`` is what the last comparison
    with the source gave, ``copies`` under which name its copies are kept, as long as they are.
    """

    __tablename__ = "sample_documents"
    __table_args__ = (UniqueConstraint("sample_id", "position"),)

    id: Mapped[RowId]
    sample_id: Mapped[int] = mapped_column(BigId, ForeignKey("samples.id"))
    position: Mapped[int]
    key: Mapped[str] = mapped_column(String(64))
    line: Mapped[str] = mapped_column(Text)
    resource: Mapped[str] = mapped_column(String(64))
    image_no: Mapped[str] = mapped_column(String(128))
    bill_type_code: Mapped[str] = mapped_column(String(255))
    document_id: Mapped[int | None] = mapped_column(BigId)
    compared: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    compared_by: Mapped[str | None] = mapped_column(String(80))
    compared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    copies: Mapped[str | None] = mapped_column(String(80))
    verdict: Mapped[Verdict | None] = mapped_column(StatusType(Verdict))
    remark: Mapped[str] = mapped_column(String(2000), default="")
    judged_by: Mapped[str | None] = mapped_column(String(80))
    judged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
