"""How hard a source is worked: the level that all workers share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId


class SourceLevel(Base):
    """The level of a source as :class:`portal.sync.throttle.level.Level` has it, and who uses it.

    ``users`` maps the workers to the second (epoch) they last reported at.
    """

    __tablename__ = "source_levels"

    data_source_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("data_sources.id"), primary_key=True, autoincrement=False
    )
    level: Mapped[dict[str, Any]] = mapped_column(JSON)
    users: Mapped[dict[str, float]] = mapped_column(JSON)
