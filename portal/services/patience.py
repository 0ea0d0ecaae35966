"""Calls that somebody waits for, to a source that may limit their rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from portal.errors import SyncError

_TRIES = 4
_LONGEST_WAIT = 5.0
_USUAL_WAIT = 1.0

Wait = Callable[[float], None]
T = TypeVar("T")


def patiently(call: Callable[[], T], wait: Wait) -> T:
    """Make a call, a few times when the source limits the rate; other failures are told at once.

    :param wait: waits so many seconds; what it raises ends it
    :raises SyncError: what the last try failed with
    """
    for _ in range(_TRIES - 1):
        try:
            return call()
        except SyncError as error:
            if error.code != "SRC_THROTTLED":
                raise
            wait(min(error.retry_after or _USUAL_WAIT, _LONGEST_WAIT))
    return call()
