"""The queue and the archive: whether both take what is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from portal.errors import SyncError
from portal.logs.redaction import redactor
from portal.services.readiness.checks import Check, failed, fine
from portal.sync.archive.base import Archive

QUEUE: Final = ("queue",)
ARCHIVE: Final = ("archive",)


def queue_checks(probe: Callable[[], None]) -> Sequence[Check]:
    """Whether the queue takes and gives back what is written.

    :param probe: does both, and raises what its store raises
    """
    try:
        probe()
    except Exception as error:  # every kind of queue has its own errors
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return [
            failed("queue", SyncError("QUEUE_UNWRITABLE", detail=redactor.redact(lines[0])[:160]))
        ]
    return [fine("queue")]


def archive_checks(archive: Archive) -> Sequence[Check]:
    """Whether the archive takes a file."""
    try:
        archive.probe(0)
    except SyncError as error:
        return [failed("archive", error)]
    return [fine("archive")]
