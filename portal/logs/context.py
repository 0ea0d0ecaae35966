"""What this thread works for just now; every record it logs says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

#: The names there are: the same thing is never logged under two of them.
FIELDS: Final = ("request_id", "user", "batch_no", "document", "job_log_id", "chore")

Value = str | int
_current: ContextVar[Mapping[str, Value] | None] = ContextVar("log_context", default=None)


def current() -> Mapping[str, Value]:
    """What is known, by name."""
    return _current.get() or {}


def begin(**fields: Value) -> None:
    """Something new begins in this thread: forget what was known, and note this."""
    _current.set(_known(fields))


def note(**fields: Value) -> None:
    """Note more of it, until the next :func:`begin`."""
    _current.set({**current(), **_known(fields)})


@contextmanager
def working_on(**fields: Value) -> Iterator[None]:
    """Note more of it for the time of a ``with`` block."""
    before = _current.set({**current(), **_known(fields)})
    try:
        yield
    finally:
        _current.reset(before)


def _known(fields: Mapping[str, Value]) -> Mapping[str, Value]:
    for name in fields:
        if name not in FIELDS:
            raise ValueError(f"no field of the log: {name}")
    return fields
