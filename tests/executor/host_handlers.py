"""Handlers of the host program; what they did can be counted from outside."""

from __future__ import annotations

import os
import time
from pathlib import Path

import tests.executor.isolated_handlers  # noqa: F401 - registers more
from executor import JobContext, current_executor, job_handler


@job_handler("counted")
def counted(context: JobContext) -> str:
    _count(context)
    return context.params


def work(context: JobContext) -> str:
    """Busy until a file called like the run appears, or it is cancelled."""
    _count(context)
    context.log("working")
    while not context.cancelled():
        if (_home() / f"finish-{context.log_id}").exists():
            return "worked"
        time.sleep(0.02)
    return "cancelled"


job_handler("work")(work)
job_handler("resumable work", resumable=True)(work)


@job_handler("deaf")
def deaf(context: JobContext) -> str:
    """An ordinary handler that asks nobody whether it should stop, and counts as it goes on."""
    while context.params != "pass":
        _count(context)
        time.sleep(0.05)
    return "passed"


@job_handler("waits", resumable=True)
def waits(context: JobContext) -> str:
    _count(context)
    return context.defer()


@job_handler("ends the deferred")
def ends(context: JobContext) -> str:
    return str(current_executor().finish(int(context.params), 200, "finished from outside"))


def _home() -> Path:
    return Path(os.environ["EXECUTOR_HOST_HOME"])


def _count(context: JobContext) -> None:
    with (_home() / f"starts-{context.log_id}").open("a") as file:
        file.write("x")
