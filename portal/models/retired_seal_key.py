"""Keys that signed seals of the trail before the secret key was replaced."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, RowId, UtcDateTime


class RetiredSealKey(Base):
    """One of them; ``kept`` holds it and what it signed last, see :mod:`portal.seal_key`.

    Only what stands in ``kept`` counts: it is authenticated by the secret key of today.
    """

    __tablename__ = "retired_seal_keys"

    id: Mapped[RowId]
    kept: Mapped[str] = mapped_column(Text)
    retired_at: Mapped[datetime] = mapped_column(UtcDateTime)
