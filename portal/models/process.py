"""Our processes, as each of them says of itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, UtcDateTime


class ProcessBeat(Base):
    """One process: what it does, where it runs, when it was last seen, and what it uses.

    ``kind`` is ``web``, ``worker``, ``clerk``, ``agent`` or ``pusher``. A process that ends in
    order takes its row with it; that of one that was killed is forgotten later.
    """

    __tablename__ = "process_beats"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    host: Mapped[str] = mapped_column(String(80))
    pid: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    memory_bytes: Mapped[int] = mapped_column(BigId)
    threads: Mapped[int]
    open_files: Mapped[int]
