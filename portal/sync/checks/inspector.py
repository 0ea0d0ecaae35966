"""The program of an inspector child: ``python -m portal.sync.checks.inspector PARENT_PID``.

It says ``{"ready": true}`` when it can work, then reads one JSON line per file on standard input
(:class:`InspectionJob`) and answers each with one JSON line (:class:`Inspection`) until its input
ends. A file that exhausts the memory is answered too, but marked ``"last": true``: the child then
ends, to leave its place to a clean one.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any, BinaryIO

from portal.errors import SyncError
from portal.sync.checks.examine import examine
from portal.sync.checks.inspection import Inspection, InspectionJob
from portal.sync.checks.limits import limit_self


def inspect(job: InspectionJob) -> Inspection:
    """Examine a file; whatever goes wrong becomes the result's error."""
    try:
        return Inspection(job.id, examine(job), None)
    except SyncError as error:
        return Inspection(job.id, None, error)
    except MemoryError:
        return Inspection(job.id, None, SyncError("FILE_HOSTILE", detail="memory"))
    except Exception as error:
        # Not the file's fault as far as is known (a vanished file, a missing library, a bug of
        # ours): the catalogue's INTERNAL is tried again.
        internal = SyncError("INTERNAL", detail=type(error).__name__)
        internal.__cause__ = error
        return Inspection(job.id, None, internal)


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Answer jobs until there are no more, or one has exhausted the memory."""
    _send(answers, {"ready": True})
    for line in jobs:
        result = inspect(InspectionJob.from_mapping(json.loads(line)))
        exhausted = result.error is not None and result.error.params.get("detail") == "memory"
        _send(answers, {**result.to_mapping(), "trace": _trace(result), "last": exhausted})
        if exhausted:
            return


def _trace(result: Inspection) -> str | None:
    """Where an unexpected error came from, for the parent's log: a child may not write to files."""
    cause = result.error.__cause__ if result.error else None
    if result.error is None or result.error.code != "INTERNAL" or cause is None:
        return None
    return "".join(traceback.format_exception(cause))


def _send(answers: BinaryIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message).encode() + b"\n")
    answers.flush()


def main() -> None:
    """Run as a child of the process whose id is the only argument."""
    limit_self(int(sys.argv[1]))
    # Libraries that chat on standard output must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with answers:
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
