"""The executor's figures for a monitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from . import overview
from .exposition import Family
from .statuses import RunStatus


def families(session: Session, now: datetime) -> Sequence[Family]:
    """All figures; what is counted is what the ledger keeps, so it sinks as old runs go."""
    runs = overview.counts(session)
    admins, backlog = overview.reporting(session)
    queued_at = overview.oldest_queued_at(session)
    queued = sum(count for status, _cause, count in runs if status == RunStatus.QUEUED)
    return [
        Family(
            "xxl_job_runs",
            "Runs in the ledger by state and by what ended them.",
            [({"state": state, "cause": cause or ""}, count) for state, cause, count in runs],
        ),
        Family("xxl_job_queue_length", "Runs that wait for their start.", [({}, queued)]),
        Family(
            "xxl_job_queue_age_seconds",
            "How long the oldest of them waits.",
            [({}, _age(queued_at, now) if queued_at else 0.0)],
        ),
        Family(
            "xxl_job_callback_backlog", "Results no admin has taken yet.", [({}, backlog.count)]
        ),
        Family(
            "xxl_job_callback_backlog_age_seconds",
            "How long the oldest of them waits.",
            [({}, _age(backlog.oldest_at, now) if backlog.oldest_at else 0.0)],
        ),
        Family(
            "xxl_job_registered",
            "Whether the admin counts on the executor at an address.",
            [(_pair(one), one.is_alive(now)) for one in admins],
        ),
        Family(
            "xxl_job_registry_age_seconds",
            "Since the admin last took the registration; +Inf when it never did.",
            [(_pair(one), _age(one.succeeded_at, now)) for one in admins],
        ),
        Family(
            "xxl_job_agents",
            "Processes that register and deliver.",
            [({}, overview.agents(session, now))],
        ),
    ]


def _pair(one: overview.RegistrationInfo) -> Mapping[str, str]:
    return {"admin": one.admin_address, "executor": one.executor_address}


def _age(since: datetime | None, now: datetime) -> float:
    return float("inf") if since is None else max(0.0, (now - since).total_seconds())
