"""源端目录: the organisations and document types of a data source, as last read from it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, UtcDateTime


class SourceCatalogue(Base):
    """What a source offers to choose from; replaced as a whole whenever it is read anew.

    ``orgs`` and ``types`` hold ``{"listed": bool, "entries": [[code, name, documents], …]}``:
    whether the source listed them itself (they are else those that it counts documents of), and
    how many documents it counted, null when it was not asked.
    """

    __tablename__ = "source_catalogues"

    data_source_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("data_sources.id"), primary_key=True, autoincrement=False
    )
    read_at: Mapped[datetime] = mapped_column(UtcDateTime)
    orgs: Mapped[dict[str, Any]] = mapped_column(JSON)
    types: Mapped[dict[str, Any]] = mapped_column(JSON)
