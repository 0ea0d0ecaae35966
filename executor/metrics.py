"""The executor's figures as Prometheus reads them (text format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from . import overview
from .statuses import RunStatus

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float]


def exposition(session: Session, now: datetime) -> str:
    """All figures; what is counted is what the ledger keeps, so it sinks as old runs go."""
    runs = overview.counts(session)
    admins, backlog = overview.reporting(session)
    queued_at = overview.oldest_queued_at(session)
    queued = sum(count for status, _cause, count in runs if status == RunStatus.QUEUED)
    families = [
        _family(
            "xxl_job_runs",
            "Runs in the ledger by state and by what ended them.",
            [({"state": state, "cause": cause or ""}, count) for state, cause, count in runs],
        ),
        _family("xxl_job_queue_length", "Runs that wait for their start.", [({}, queued)]),
        _family(
            "xxl_job_queue_age_seconds",
            "How long the oldest of them waits.",
            [({}, _age(queued_at, now) if queued_at else 0.0)],
        ),
        _family(
            "xxl_job_callback_backlog", "Results no admin has taken yet.", [({}, backlog.count)]
        ),
        _family(
            "xxl_job_callback_backlog_age_seconds",
            "How long the oldest of them waits.",
            [({}, _age(backlog.oldest_at, now) if backlog.oldest_at else 0.0)],
        ),
        _family(
            "xxl_job_registered",
            "Whether the admin counts on the executor at an address.",
            [(_pair(one), one.is_alive(now)) for one in admins],
        ),
        _family(
            "xxl_job_registry_age_seconds",
            "Since the admin last took the registration; +Inf when it never did.",
            [(_pair(one), _age(one.succeeded_at, now)) for one in admins],
        ),
        _family(
            "xxl_job_agents",
            "Processes that register and deliver.",
            [({}, overview.agents(session, now))],
        ),
    ]
    return "".join(families)


def _pair(one: overview.RegistrationInfo) -> Mapping[str, str]:
    return {"admin": one.admin_address, "executor": one.executor_address}


def _age(since: datetime | None, now: datetime) -> float:
    return float("inf") if since is None else max(0.0, (now - since).total_seconds())


def _family(name: str, help_text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
    lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return f"{value:.3f}".rstrip("0").rstrip(".")
