"""确保前提 of the whole installation, which no host sees better than another."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.services.chores import alive_hosts
from portal.services.leases import alive_workers
from portal.services.preflight_items import failed
from portal.services.source_check import Finding


@dataclass(frozen=True, slots=True)
class Registration:
    """Whether an xxl-job admin counts on the executor, and what it said when not."""

    address: str
    is_alive: bool
    problem: str = ""


def workers(session: Session, *, now: datetime) -> Finding:
    """Whether anybody would do the work."""
    alive, hosts = alive_workers(session, now=now), alive_hosts(session, now=now)
    if not alive:
        return failed("workers", SyncError("NO_WORKER_ALIVE"))
    zh = f"{len(alive)} 个工作进程，主机：{'、'.join(hosts) or '未知'}"
    en = f"{len(alive)} workers, on: {', '.join(hosts) or 'unknown'}"
    return Finding("workers", "ok", zh, en)


def database(seconds: float) -> Finding:
    """The ledger took what was written."""
    zh, en = "已写入并提交", "a row was written and committed"
    return Finding("database", "ok", zh, en, seconds=round(seconds, 2))


def queue(probe: Callable[[], None]) -> Finding:
    """Whether the queue takes and gives back what is written."""
    started = time.monotonic()
    try:
        probe()
    except SyncError as error:
        return failed("queue", error)
    zh, en = "已写入并取回", "a value was written and taken back"
    return Finding("queue", "ok", zh, en, seconds=round(time.monotonic() - started, 2))


def executor(admins: Sequence[Registration]) -> Finding:
    """Whether the xxl-job admins can trigger DataSyncTask; one that knows us is enough for that."""
    if not admins:
        zh = "没有配置调度中心（XXL_JOB_ADMIN_ADDRESSES）；批次只能用“立即运行”"
        en = "no admin is configured (XXL_JOB_ADMIN_ADDRESSES); batches are run by hand"
        return Finding("executor", "skipped", zh, en)
    gone = [one for one in admins if not one.is_alive]
    if not gone:
        addresses = ", ".join(one.address for one in admins)
        return Finding("executor", "ok", f"已注册：{addresses}", f"registered: {addresses}")
    detail = "; ".join(f"{one.address} {one.problem}".strip() for one in gone)
    error = SyncError("EXECUTOR_UNREGISTERED", detail=detail[:300])
    return failed("executor", error, state="failed" if len(gone) == len(admins) else "warning")
