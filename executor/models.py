"""The executor's own tables: runs, their logs, and what admins said to the registration.

Times are kept as epoch milliseconds, which every database holds alike, and are aware UTC
datetimes in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.engine.interfaces import Dialect as SqlDialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .protocol.dialects import Dialect
from .statuses import RunStatus

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
# MySQL's TEXT ends at 64 KiB, a parameter may have megabytes.
_TEXT: Final = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
# SQLite numbers rows by itself only in a column declared INTEGER, which has 64 bits there.
_ID: Final = BigInteger().with_variant(Integer, "sqlite")


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as epoch milliseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: SqlDialect) -> Any:
        """To milliseconds; a naive datetime is a mistake and raises TypeError."""
        return None if value is None else (value - _EPOCH) // _MILLISECOND

    def process_result_value(self, value: Any, dialect: SqlDialect) -> datetime | None:
        """Back to an aware datetime in UTC."""
        return None if value is None else _EPOCH + value * _MILLISECOND


class Base(DeclarativeBase):
    """The executor's tables have metadata of their own, to be migrated by whoever uses it."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        }
    )


@dataclass(frozen=True)
class RunInfo:
    """What the rest of a program may know of a run; outlives the session it was read in."""

    run_id: int
    job_id: int
    log_id: int
    log_date_time: int
    """When the admin triggered, epoch milliseconds as it was sent."""
    dialect: Dialect
    handler: str
    params: str
    shard_index: int
    shard_total: int
    status: RunStatus
    claim: int
    """How often the run was claimed; the fencing token of the process that executes it."""
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    cause: str | None
    """What ended it, one of :class:`~executor.statuses.Cause`."""
    code: int | None
    message: str | None
    worker: str | None
    is_held: bool
    """Whether a process is still inside the handler, which for a while outlives a kill."""
    due_at: datetime | None
    """When its result goes to an admin (again); None before the end and once delivered."""
    deliveries: int
    """How often the result's delivery failed."""
    delivered_at: datetime | None


class ExecutorRun(Base):
    """One trigger of an admin, from its acceptance to the delivery of its result."""

    __tablename__ = "executor_runs"
    __table_args__ = (
        # A logId alone repeats when an admin is reinstalled.
        UniqueConstraint("job_id", "log_id", "log_date_time"),
        Index(None, "job_id", "status"),
        Index(None, "status"),
    )

    id: Mapped[int] = mapped_column(_ID, primary_key=True)
    job_id: Mapped[int] = mapped_column(BigInteger)
    log_id: Mapped[int] = mapped_column(BigInteger, index=True)
    log_date_time: Mapped[int] = mapped_column(BigInteger)
    dialect: Mapped[str] = mapped_column(String(16), server_default=Dialect.RUN.value)
    handler: Mapped[str] = mapped_column(String(255))
    params: Mapped[str] = mapped_column(_TEXT)
    timeout_seconds: Mapped[int] = mapped_column(Integer)
    shard_index: Mapped[int] = mapped_column(Integer)
    shard_total: Mapped[int] = mapped_column(Integer)
    resumable: Mapped[bool] = mapped_column(Boolean)

    status: Mapped[str] = mapped_column(String(16), default=RunStatus.QUEUED.value)
    queued_at: Mapped[datetime] = mapped_column(Instant)
    offered_at: Mapped[datetime] = mapped_column(Instant)
    """When the queue was last told to look at the run."""
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    deadline_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    cause: Mapped[str | None] = mapped_column(String(16))

    claims: Mapped[int] = mapped_column(Integer, default=0)
    worker: Mapped[str | None] = mapped_column(String(255))
    lease_expires_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    """Set while a process is inside the handler, even when the run was killed meanwhile."""
    occupies_job_id: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    """The job's place while this run holds it, see :func:`place_of`; unique, so that a place never
    has two runs at once."""

    handle_code: Mapped[int | None] = mapped_column(Integer)
    handle_message: Mapped[str | None] = mapped_column(_TEXT)
    next_delivery_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    """When the result goes to an admin (again); null before the end and once delivered."""
    delivering_until: Mapped[datetime | None] = mapped_column(Instant)
    """Set while a process is sending the result; behind it that process counts as dead."""
    delivery_attempts: Mapped[int] = mapped_column(Integer, default=0)
    delivered_at: Mapped[datetime | None] = mapped_column(Instant)

    log_lines: Mapped[int] = mapped_column(Integer, default=0)
    """How many log lines there are; the next one's number comes from here."""
    log_chars: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    logged_at: Mapped[datetime | None] = mapped_column(Instant)
    """When the last line was written."""

    def info(self) -> RunInfo:
        """A copy that does not hang on the session."""
        return RunInfo(
            run_id=self.id,
            job_id=self.job_id,
            log_id=self.log_id,
            log_date_time=self.log_date_time,
            dialect=Dialect(self.dialect),
            handler=self.handler,
            params=self.params,
            shard_index=self.shard_index,
            shard_total=self.shard_total,
            status=RunStatus(self.status),
            claim=self.claims,
            queued_at=self.queued_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
            cause=self.cause,
            code=self.handle_code,
            message=self.handle_message,
            worker=self.worker,
            is_held=self.lease_expires_at is not None,
            due_at=self.next_delivery_at,
            deliveries=self.delivery_attempts,
            delivered_at=self.delivered_at,
        )


class ExecutorLogLine(Base):
    """One line of a run's log, numbered from 1 without gaps."""

    __tablename__ = "executor_log_lines"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("executor_runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    written_at: Mapped[datetime] = mapped_column(Instant)
    text: Mapped[str] = mapped_column(_TEXT)


class ExecutorRegistration(Base):
    """What one admin last said to the registration of one of our addresses."""

    __tablename__ = "executor_registrations"

    admin_address: Mapped[str] = mapped_column(String(255), primary_key=True)
    executor_address: Mapped[str] = mapped_column(String(255), primary_key=True)
    attempted_at: Mapped[datetime] = mapped_column(Instant)
    succeeded_at: Mapped[datetime | None] = mapped_column(Instant)
    problem: Mapped[str | None] = mapped_column(_TEXT)
    """Why the last attempt failed; null when the executor is registered."""


class ExecutorAgent(Base):
    """A process that registers an address; the last one of it to stop takes that back."""

    __tablename__ = "executor_agents"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    address: Mapped[str] = mapped_column(String(255), server_default="")
    seen_at: Mapped[datetime] = mapped_column(Instant)


class ExecutorLock(Base):
    """A name that one transaction at a time holds, see :mod:`executor.locks`."""

    __tablename__ = "executor_locks"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    taken_at: Mapped[datetime] = mapped_column(Instant)


def place_of(job_id: int, shard_index: int, shard_total: int) -> int:
    """The place a run takes: a job has one, a broadcast of it one for each of its parts.

    The admin sends the parts of a broadcast to as many addresses, which may be hosts that share
    this database; they are meant to run at the same time.
    """
    return job_id if shard_total <= 1 else -(job_id << 20 | shard_index) - 1


def utc_now() -> datetime:
    """The present, as all times here are: aware and in UTC."""
    return datetime.now(UTC)
