"""目标: systems that archived documents are pushed on to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, RowId, UtcDateTime


class PushTarget(Base):
    """A connection to a target system; its secret is encrypted at rest.

    ``bill_id_field`` says where the target's ``fbillId`` comes from: ``bill_no``, ``image_no``, or
    a field of the source's metadata; ``default_resource`` is the 来源系统 of documents without one,
    which a target does not take. ``confirmed_statuses`` are the image statuses that count as
    confirmed; none means any. ``concurrency_cap`` is documents at once, ``rate_cap`` calls a
    second, both for each host that pushes. A disabled one gets no new batches and is not pushed to.

    While the target cannot be worked with, ``hold_code`` says why, and from ``probe_at`` on one
    document is tried; ``probes`` counts those that failed.
    """

    __tablename__ = "push_targets"

    id: Mapped[RowId]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16), default="flagship")
    base_url: Mapped[str] = mapped_column(Text)
    app_id: Mapped[str] = mapped_column(String(255))
    app_secret_box: Mapped[str] = mapped_column(Text)
    account_id: Mapped[str] = mapped_column(String(64))
    tenant_id: Mapped[str] = mapped_column(String(64), default="")
    language: Mapped[str] = mapped_column(String(16), default="zh_CN")
    user: Mapped[str] = mapped_column("user_name", String(128))
    user_type: Mapped[str] = mapped_column(String(16))
    ca_pem: Mapped[str | None] = mapped_column(Text)
    bill_id_field: Mapped[str] = mapped_column(String(128), default="bill_no")
    default_resource: Mapped[str] = mapped_column(String(64), default="imgmig")
    confirmed_statuses: Mapped[list[str]] = mapped_column(JSON, default=list)
    max_file_bytes: Mapped[int] = mapped_column(BigInteger)
    concurrency_cap: Mapped[int] = mapped_column(default=4)
    rate_cap: Mapped[float | None] = mapped_column(Float)
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    hold_code: Mapped[str | None] = mapped_column(String(40))
    hold_params: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    held_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    probes: Mapped[int] = mapped_column(default=0)

    def resource_of(self, resource: str) -> str:
        """The 来源系统 under which the target knows a document."""
        return resource or self.default_resource

    def __repr__(self) -> str:
        return f"PushTarget({self.name!r})"
