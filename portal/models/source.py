"""数据源: connections to source systems."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, RowId, UtcDateTime
from portal.models.level import SourceLevel


class DataSource(Base):
    """A connection to a source system; the client secret is encrypted at rest.

    ``rate_cap`` is requests a second, ``bandwidth_cap`` bytes a second, ``windows`` the times at
    which it may be worked (:class:`portal.sync.throttle.windows.TimeWindows`); none means no limit.

    All of the proxy is encrypted too, since it may hold a password; ``proxy_address`` is what may
    be shown of it. ``ca_pem`` are the certificates trusted instead of the public ones.

    ``kind`` names one of :data:`portal.sync.sources.kinds.KINDS`; ``settings`` are that kind's own,
    ``settings_box`` those of them that are secret. One that has no login of its own has an empty
    ``client_id``, and its ``base_url`` is where it is, as it may be shown.

    A disabled one gets no new batches; ``imported_status`` is the value of
    dataSyncTaskPubImgsysStatus for which its import left it disabled.
    """

    __tablename__ = "data_sources"

    id: Mapped[RowId]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(32), default="piaozone", server_default="piaozone")
    settings: Mapped[dict[str, str] | None] = mapped_column(JSON)
    settings_box: Mapped[str | None] = mapped_column(Text)
    base_url: Mapped[str] = mapped_column(Text)
    client_id: Mapped[str] = mapped_column(String(255))
    secret_box: Mapped[str] = mapped_column(Text)
    download_hosts: Mapped[list[str]] = mapped_column(JSON, default=list)
    profile: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    rules: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    proxy_address: Mapped[str | None] = mapped_column(String(300))
    proxy_box: Mapped[str | None] = mapped_column(Text)
    ca_pem: Mapped[str | None] = mapped_column(Text)
    concurrency_cap: Mapped[int | None]
    rate_cap: Mapped[float | None] = mapped_column(Float)
    bandwidth_cap: Mapped[int | None] = mapped_column(BigInteger)
    windows: Mapped[list[str]] = mapped_column(JSON, default=list)
    enabled: Mapped[bool] = mapped_column(default=True)
    imported_status: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    level: Mapped[SourceLevel | None] = relationship(viewonly=True)

    def __repr__(self) -> str:
        return f"DataSource({self.name!r})"
