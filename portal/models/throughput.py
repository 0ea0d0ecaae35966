"""How fast a batch has moved of late."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, UtcDateTime


class Throughput(Base):
    """The newest samples of a batch's counts, one row for each batch that ever ran.

    ``samples`` is a JSON list of ``[second (epoch), documents decided, bytes stored]``, the oldest
    first and never longer than :data:`portal.services.throughput.KEPT`; as text, because it is
    read beside every month of the batch and decoded once.
    """

    __tablename__ = "batch_throughput"

    batch_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("batches.id"), primary_key=True, autoincrement=False
    )
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    samples: Mapped[str] = mapped_column(Text)
