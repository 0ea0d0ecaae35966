"""The program of an inspector child: ``python -m portal.sync.checks.inspector PARENT_PID``.

It says ``{"ready": true}`` when it can work, then reads lines of a few files each on standard input
(:func:`.inspection.jobs_line`) and answers each line with one of JSON until its input ends: the
results of these files (:class:`Inspection`), in their order. There may be fewer than files, though
never none: the others took too long together, and are to be given again. An answer marked
``"last": true`` is its last one: a file has exhausted the memory, or left too much of it behind,
and the child ends, to leave its place to a clean one.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any, BinaryIO

from portal.errors import SyncError
from portal.sync.answers import one_line
from portal.sync.checks.examine import examine, load_readers
from portal.sync.checks.inspection import OUT_OF_MEMORY, Inspection, InspectionJob, jobs_in
from portal.sync.checks.limits import is_worn, limit_self

#: Longest text of a reason, in characters; some of it comes from the file.
_TEXT_AT_MOST = 120
#: No file is begun later than this after the first one of its line: it would lack the time.
_TOGETHER_SECONDS = 0.5


def inspect(job: InspectionJob) -> Inspection:
    """Examine a file; whatever goes wrong becomes the result's error."""
    try:
        return Inspection(job.id, examine(job), None)
    except SyncError as error:
        return Inspection(job.id, None, _printable(error))
    except MemoryError:
        return Inspection(job.id, None, SyncError("FILE_HOSTILE", detail=OUT_OF_MEMORY))
    except Exception as error:
        # Not the file's fault as far as is known (a vanished file, a missing library, a bug of
        # ours): the catalogue's INTERNAL is tried again.
        internal = SyncError("INTERNAL", detail=type(error).__name__)
        internal.__cause__ = error
        return Inspection(job.id, None, internal)


def _printable(error: SyncError) -> SyncError:
    """The error without what a file may have put into its texts: control characters, length."""
    params: dict[str, Any] = {
        name: one_line(value, _TEXT_AT_MOST) if isinstance(value, str) else value
        for name, value in error.params.items()
    }
    return SyncError(error.code, **params)


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Answer jobs until there are no more, or the memory is used up."""
    load_readers()
    _send(answers, {"ready": True})
    for line in jobs:
        results = _inspect_some(jobs_in(line))
        last = results[-1].is_out_of_memory or is_worn()
        traces = [trace for result in results if (trace := _trace(result))]
        found = [result.to_mapping() for result in results]
        _send(answers, {"results": found, "traces": traces, "last": last})
        if last:
            return


def _inspect_some(jobs: Sequence[InspectionJob]) -> list[Inspection]:
    """The results of the first ones: as many as fit into the time, up to one without memory."""
    until = time.monotonic() + _TOGETHER_SECONDS
    results: list[Inspection] = []
    for job in jobs:
        results.append(inspect(job))
        if results[-1].is_out_of_memory or time.monotonic() > until:
            break
    return results


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
    answers = os.fdopen(os.dup(1), "wb")
    # What libraries chat about a file must not get between the answers, nor into a log.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    with answers:
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
