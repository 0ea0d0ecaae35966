"""The states of a run and every legal change between them, in one table."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from .errors import IllegalTransition


class RunStatus(StrEnum):
    """Where a run stands; the last four are ends and stay."""

    QUEUED = "queued"
    RUNNING = "running"
    DEFERRED = "deferred"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    KILLED = "killed"

    @property
    def is_ended(self) -> bool:
        """Whether the run has its result."""
        return self not in UNFINISHED


class Cause(StrEnum):
    """What ended a run."""

    HANDLER = "handler"
    """It returned or failed; or a deferred run was finished."""
    KILL = "kill"
    """An admin's kill."""
    TIMEOUT = "timeout"
    COVER = "cover"
    """A later trigger with COVER_EARLY."""
    CHANGE = "change"
    """A later trigger that names another handler for the job."""
    RESTART = "restart"
    """Its process died, and the handler is not resumable."""


_ENDS: Final = frozenset(
    {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.KILLED}
)
UNFINISHED: Final = frozenset(set(RunStatus) - _ENDS)

TRANSITIONS: Final[dict[RunStatus, frozenset[RunStatus]]] = {
    # A queued run with a deadline is one that had started before its process died.
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.TIMED_OUT, RunStatus.KILLED}),
    # Back to queued: the process died and the handler said it may run again.
    RunStatus.RUNNING: _ENDS | {RunStatus.DEFERRED, RunStatus.QUEUED},
    RunStatus.DEFERRED: _ENDS,
    **{end: frozenset() for end in _ENDS},
}


def check(old: RunStatus, new: RunStatus) -> None:
    """Let a legal change pass.

    :raises IllegalTransition: if the table does not have it
    """
    if new not in TRANSITIONS[old]:
        raise IllegalTransition(f"a run cannot go from {old} to {new}")
