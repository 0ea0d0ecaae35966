"""What gunicorn has to say goes where all of ours goes."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger


class PlainLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """No handlers of its own; requests are logged by the application, which knows more of them."""

    def setup(self, cfg: Any) -> None:
        """As the root logger is set up."""
        self.cfg = cfg
        self.error_log.propagate = True
        self.error_log.handlers = []
        self.error_log.setLevel(self.LOG_LEVELS[cfg.loglevel.lower()])
        self.access_log.propagate = False
        self.access_log.handlers = []

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Nothing: see :mod:`portal.request_watch`."""
