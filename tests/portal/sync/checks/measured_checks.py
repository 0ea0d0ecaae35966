"""Checks files through a real pool and measures its child from outside.

A program of its own, ``python measured_checks.py``: one JSON job on each line of its input, one
line of JSON for each on its output. It is small, which the memory of a child must be measured in:
until it becomes an inspector, a child counts as large as the process that it was forked from.
"""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from portal.sync.checks.inspection import Inspection, InspectionJob, jobs_in, jobs_line
from portal.sync.checks.pool import InspectorPool


@dataclass(frozen=True)
class Measured:
    """How a check came out.

    :ivar seconds: from handing the file over to the answer, the child being ready
    :ivar peak: largest resident set of the children, in bytes
    """

    result: Inspection
    seconds: float
    peak: int

    @property
    def code(self) -> str | None:
        """The error's code, None for a good file."""
        return self.result.error.code if self.result.error else None


def measured(jobs: Iterable[InspectionJob]) -> dict[str, Measured]:
    """Check each file with a pool of its own, whose child has served a small file before."""
    by_id = {job.id: job for job in jobs}
    lines = b"".join(jobs_line([job]) for job in by_id.values())
    program = [sys.executable, __file__]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(program, input=lines, capture_output=True, check=True, env=environment)
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    return {
        answer["id"]: Measured(
            Inspection.of(by_id[answer["id"]], answer["result"]), answer["seconds"], answer["peak"]
        )
        for answer in answers
    }


def _check(pool: InspectorPool, job: InspectionJob) -> Inspection:
    pool.submit(job)
    while True:
        deadline = pool.next_deadline() or 0.0
        select.select([pool], [], [], max(deadline - time.monotonic(), 0))
        for result in pool.collect():
            return result


def _measure(job: InspectionJob) -> None:
    with InspectorPool(1) as pool:
        # This very text, a good file; so the child is ready and not fresh.
        _check(pool, InspectionJob(0, __file__, "py", "attachment", None, job.rules))
        began = time.monotonic()
        result = _check(pool, job)
        seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    found = result.to_mapping()
    answer = {"id": job.id, "result": found, "seconds": seconds, "peak": peak}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure each job in a fork, so that its children are counted alone."""
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            _measure(*jobs_in(line))
            os._exit(0)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
