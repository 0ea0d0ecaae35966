"""Job handlers and the names an admin knows them by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .context import JobContext

HandlerFunction = Callable[["JobContext"], str | None]


@dataclass(frozen=True)
class JobHandler:
    """A function that executes runs."""

    name: str
    function: HandlerFunction
    resumable: bool
    """Whether a run may be executed again from the start after its process died."""


_handlers: dict[str, JobHandler] = {}


def job_handler(
    name: str, *, resumable: bool = False, isolated: bool = False
) -> Callable[[HandlerFunction], HandlerFunction]:
    """Register the decorated function as the handler called ``name``.

    The string it returns becomes the result's message (code 200); an exception ends the run with
    code 500. A run of a ``resumable`` handler is executed again when its process dies; any other
    ends with 500 "executor restarted".

    :raises ValueError: if another function has the name
    :raises NotImplementedError: for ``isolated``, which this version cannot do and so refuses
    """
    if isolated:
        raise NotImplementedError(f"handler {name}: isolated handlers are not supported yet")

    def register(function: HandlerFunction) -> HandlerFunction:
        known = _handlers.get(name)
        if known is not None and _origin(known.function) != _origin(function):
            raise ValueError(f"two handlers are called {name}")
        _handlers[name] = JobHandler(name, function, resumable)
        return function

    return register


def find_handler(name: str | None) -> JobHandler | None:
    """The handler of that name, or None."""
    return _handlers.get(name) if name is not None else None


def _origin(function: HandlerFunction) -> tuple[str, str]:
    # A module imported a second time registers new function objects of the same origin.
    return function.__module__, function.__qualname__
