"""Waiting in the middle of a chore."""

from __future__ import annotations

import time
from collections.abc import Callable

from portal.services.patience import Wait

_LOOK_SECONDS = 0.2


def waiter(look: Callable[[], None]) -> Wait:
    """A wait that calls ``look`` again and again, which ends it by what it raises."""

    def wait(seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            look()
            time.sleep(_LOOK_SECONDS)

    return wait
