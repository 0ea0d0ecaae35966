"""Failures by their code, counted when they happen."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId


class FailureCount(Base):
    """How many documents of a batch were recorded as failed with a code; never falls.

    A document that fails, is retried and fails again was recorded twice. For a monitor, which
    cannot go through a million documents every fifteen seconds.
    """

    __tablename__ = "failure_counts"

    batch_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("batches.id"), primary_key=True, autoincrement=False
    )
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    failures: Mapped[int] = mapped_column(BigInteger)
