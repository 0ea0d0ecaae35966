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
    isolated: bool
    """Whether a run is executed in a child process, which can be stopped whatever it does."""


_handlers: dict[str, JobHandler] = {}


def job_handler(
    name: str, *, resumable: bool = False, isolated: bool = False
) -> Callable[[HandlerFunction], HandlerFunction]:
    """Register the decorated function as the handler called ``name``.

    The string it returns becomes the result's message (code 200); an exception ends the run with
    code 500. A run of a ``resumable`` handler is executed again when its process dies; any other
    ends with 500 "executor restarted".

    An ``isolated`` handler runs in a child process that knows nothing of the application: it
    imports the module the handler is defined in, and has the context's ``log`` and ``cancelled``
    but not ``hold``. When its run is killed, times out or gives way to a later one, it is told
    (``cancelled``), then after a grace killed with all processes it started.

    :raises ValueError: if another function has the name, or a child process could not import it
    """

    def register(function: HandlerFunction) -> HandlerFunction:
        if isolated and ("<locals>" in function.__qualname__ or function.__module__ == "__main__"):
            raise ValueError(f"handler {name}: an isolated handler stands at the top of a module")
        known = _handlers.get(name)
        if known is not None and _origin(known.function) != _origin(function):
            raise ValueError(f"two handlers are called {name}")
        _handlers[name] = JobHandler(name, function, resumable, isolated)
        return function

    return register


def handler_names() -> list[str]:
    """The names an admin may use, sorted."""
    return sorted(_handlers)


def find_handler(name: str | None) -> JobHandler | None:
    """The handler of that name, or None."""
    return _handlers.get(name) if name is not None else None


def _origin(function: HandlerFunction) -> tuple[str, str]:
    # A module imported a second time registers new function objects of the same origin.
    return function.__module__, function.__qualname__
