"""Handlers that run in a process of their own, some of them badly behaved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from executor import JobContext, JobFailed, job_handler

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@job_handler("isolated echo", isolated=True)
def echo(context: JobContext) -> str:
    context.log(f"line one\nof {context.job_id}/{context.log_id} in {os.getpid()}")
    return f"{context.params} {context.shard_index}/{context.shard_total}"


@job_handler("isolated failure", isolated=True)
def failure(context: JobContext) -> str:
    match context.params:
        case "job failed":
            raise JobFailed("no such file")
        case "exception":
            raise ValueError("<b>no</b>")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            sys.exit(3)
        case "hard exit":
            os._exit(3)
    raise AssertionError(context.params)


@job_handler("isolated deferral", isolated=True)
def deferral(context: JobContext) -> str:
    return context.defer()


@job_handler("isolated flood", isolated=True)
def flood(context: JobContext) -> str:
    for number in range(3000):
        context.log(f"line {number}")
    return "x" * 20_000


@job_handler("polite", isolated=True)
def polite(context: JobContext) -> str:
    """Stops when it is told to."""
    context.log("started")
    while not context.cancelled():
        time.sleep(0.01)
    context.log("stopping")
    return "stopped"


@job_handler("stubborn", isolated=True, resumable=True)
def stubborn(context: JobContext) -> str:
    """Listens to nobody, and neither do the processes it starts, one of which it abandons.

    With the parameter "pass" it does nothing of that.
    """
    if context.params == "pass":
        return "passed"
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(SLEEP, start_new_session=True)
    orphan = subprocess.run(
        [
            "sh",
            "-c",
            f'{sys.executable} -c "import time; time.sleep(600)" >/dev/null 2>&1 & echo $!',
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    context.log(f"pids {os.getpid()} {child.pid} {orphan.stdout.strip()}")
    while True:
        time.sleep(60)


@job_handler("leaves children", isolated=True)
def leaves_children(context: JobContext) -> str:
    child = subprocess.Popen(SLEEP, start_new_session=True)
    Path(context.params).write_text(str(child.pid))
    return "left"
