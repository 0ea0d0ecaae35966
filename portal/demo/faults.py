"""How the demo source misbehaves when told to, and how it picks whom to hit.

Faults given as a share hit single file downloads. Whether and how a file is hit depends only on
the seed and the file, so a run can be repeated; and a file is hit on its first ``fault_tries``
tries only, so that a client which tries again gets through.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any


class FileFault(Enum):
    """What can happen to one download; the value names its share in :class:`Faults`."""

    SERVER_ERROR = "error_share"
    HTML_PAGE = "html_share"
    SHORT_BODY = "short_share"
    STALL = "stall_share"
    NOT_FOUND = "missing_share"
    REDIRECT = "redirect_share"


@dataclass(frozen=True)
class Faults:
    """The switches; everything is off by default.

    :param latency: seconds every call of the contract takes longer
    :param expire_after: a token is good for so many calls, then HTTP 401; 0 = for ever
    :param rate: calls per second that are let through, the others get HTTP 429; 0 = all
    :param retry_after: seconds named in the Retry-After header of a 429; None = no header
    :param error_share: share of files (0–1) answered with HTTP 503
    :param html_share: share of files answered with a web page and HTTP 200
    :param short_share: share of files cut before their Content-Length is reached
    :param stall_share: share of files that send a part and then nothing for a while
    :param stall_seconds: how long that is; afterwards the rest follows
    :param missing_share: share of files answered with HTTP 404
    :param redirect_share: share of files redirected to a host that is on nobody's list
    :param down: every call of the contract is answered with HTTP 503 while it is 1
    :param fault_tries: on how many tries of one file its fault shows
    :param fault_seed: picks the files that are hit
    :raises ValueError: when a value makes no sense; the text names it and what is allowed
    """

    latency: float = 0.0
    expire_after: int = 0
    rate: float = 0.0
    retry_after: int | None = None
    error_share: float = 0.0
    html_share: float = 0.0
    short_share: float = 0.0
    stall_share: float = 0.0
    stall_seconds: float = 60.0
    missing_share: float = 0.0
    redirect_share: float = 0.0
    down: int = 0
    fault_tries: int = 1
    fault_seed: int = 1

    def __post_init__(self) -> None:
        for name in ("latency", "rate", "stall_seconds", "expire_after", "fault_tries"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is 0 or more, not {getattr(self, name)}")
        if self.down not in (0, 1):
            raise ValueError(f"down is 0 or 1, not {self.down}")
        if self.retry_after is not None and self.retry_after < 0:
            raise ValueError(f"retry_after is 0 or more, or null, not {self.retry_after}")
        shares = [getattr(self, fault.value) for fault in FileFault]
        if min(shares) < 0 or sum(shares) > 1:
            raise ValueError("the shares are 0 or more each and at most 1 together")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Faults:
        """Faults from JSON; what is not named is off.

        :raises ValueError: for an unknown name or a value of the wrong type
        """
        allowed = {field.name: field for field in fields(cls)}
        for name, value in values.items():
            if name not in allowed:
                raise ValueError(f"unknown fault {name!r}; there are: {', '.join(allowed)}")
            if not _fits(value, str(allowed[name].type)):
                raise ValueError(f"{name} is a {allowed[name].type}, not {value!r}")
        return cls(**values)


def _fits(value: object, type_name: str) -> bool:
    """Whether a JSON value may stand for a field of that type; an int may stand for a float."""
    if value is None:
        return "None" in type_name
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or "float" in type_name


class FaultGate:
    """Decides call by call; safe to share between threads.

    :param clock: monotonic seconds, for the rate
    """

    def __init__(self, faults: Faults, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.switch(faults)

    def switch(self, faults: Faults) -> None:
        """Replace the faults; tries and the rate's allowance start anew."""
        with self._lock:
            self.faults = faults
            self._tries: Counter[str] = Counter()
            self._burst = max(1.0, faults.rate)
            self._allowance = self._burst
            self._refilled_at = self._clock()

    def lets_through(self) -> bool:
        """Whether the rate allows one more call now; bursts of one second's worth are fine."""
        with self._lock:
            if not self.faults.rate:
                return True
            now = self._clock()
            gained = (now - self._refilled_at) * self.faults.rate
            self._allowance = min(self._burst, self._allowance + gained)
            self._refilled_at = now
            if self._allowance < 1.0:
                return False
            self._allowance -= 1.0
            return True

    def file_fault(self, file_id: str) -> FileFault | None:
        """The fault of this try of a download, if any; counts the try."""
        fault = _chosen(self.faults, file_id)
        if fault is None:
            return None
        with self._lock:
            self._tries[file_id] += 1
            return fault if self._tries[file_id] <= self.faults.fault_tries else None


def _chosen(faults: Faults, file_id: str) -> FileFault | None:
    digest = hashlib.sha256(f"{faults.fault_seed} {file_id}".encode()).digest()
    draw = int.from_bytes(digest[:8], "big") / 2**64
    for fault in FileFault:
        draw -= getattr(faults, fault.value)
        if draw < 0:
            return fault
    return None
