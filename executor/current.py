"""The executor of this process, for handlers and whoever ends deferred runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import NoExecutor

if TYPE_CHECKING:
    from .service import Executor

_current: Executor | None = None


def set_current(executor: Executor) -> None:
    """Make the executor the one of this process; the last one wins."""
    global _current  # noqa: PLW0603 (one per process is the point)
    _current = executor


def current_executor() -> Executor:
    """The executor of this process.

    :raises NoExecutor: before ``Executor.init_app``
    """
    if _current is None:
        raise NoExecutor("no executor in this process: call Executor.init_app first")
    return _current


def finish(log_id: int, code: int, message: str) -> bool:
    """End a deferred run of the current executor, see :meth:`Executor.finish`."""
    return current_executor().finish(log_id, code, message)
