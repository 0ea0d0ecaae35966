"""What the executor raises on purpose."""

from __future__ import annotations


class ExecutorError(Exception):
    """Base of all errors of the executor; the text may be shown."""


class JobFailed(ExecutorError):
    """Raised by a handler to end its run with code 500; the text becomes the result's message."""


class TriggerRefused(ExecutorError):
    """A trigger is not accepted; the text is the answer's message."""


class IllegalTransition(ExecutorError):
    """A run was asked to change in a way the table of statuses does not know."""


class UnknownRun(ExecutorError):
    """No run has the log id."""


class NoExecutor(ExecutorError):
    """The process has no executor yet; one becomes current by ``Executor.init_app``."""
