"""How far behind its own release's schema a program may be and still work on this ledger."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base


class SchemaFloor(Base):
    """The one row: the oldest revision whose release works on the schema as it is (ADR 15).

    Written by the revisions themselves. A program that knows this revision may go on, though the
    schema is newer than it is.
    """

    __tablename__ = "schema_floors"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[str] = mapped_column(String(32))
