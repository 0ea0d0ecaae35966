"""Setting the logs of a process up."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal

from portal import __version__
from portal.logs.lines import JsonLines, TextLines
from portal.logs.redaction import redactor

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

logger = logging.getLogger(__name__)

Format = Literal["text", "json"]
FORMATS: Final[tuple[Format, ...]] = ("text", "json")
LEVELS: Final = ("info", "debug", "warning", "error")
#: One record for each request; only in JSON, where a machine reads it.
REQUESTS: Final = "portal.requests"
# What tells of itself more than anybody wants to know; of addresses and headers, too.
_CHATTY = ("huey", "alembic", "urllib3", "kazoo", "PIL", "asyncio")


def start(
    process: str, *, host: str, form: str = "text", level: str = "info", path: Path | None = None
) -> None:
    """Have all that this process logs written, from now on, to standard error or a file.

    Uncaught exceptions, also of threads, and warnings become records, too.

    :param process: which kind of process this is, as every record says
    """
    redactor.learn_environment(os.environ)
    kind = JsonLines if form == "json" else TextLines
    handler = LineHandler(_opened(path))
    handler.setFormatter(kind(redactor, process=process, host=host))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(REQUESTS).setLevel(logging.NOTSET if form == "json" else logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable
    logger.info("%s started, version %s", process, __version__)


def is_json() -> bool:
    """Whether this process logs JSON."""
    return any(isinstance(one.formatter, JsonLines) for one in logging.getLogger().handlers)


class LineHandler(logging.Handler):
    """Writes each record by one call, so that lines of several processes do not mix.

    Nothing is buffered: what was logged is out when a process is killed, or forks.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; where that cannot be done there is nobody to tell."""
        try:
            data = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            return


def _opened(path: Path | None) -> int:
    if path is None:
        return sys.__stderr__.fileno() if sys.__stderr__ is not None else 2
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logger.critical("ended by %s", kind.__name__, exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    name = args.thread.name if args.thread is not None else "?"
    info = (args.exc_type, args.exc_value, args.exc_traceback)
    logger.critical("thread %s ended by %s", name, args.exc_type.__name__, exc_info=info)


def _unraisable(args: UnraisableHookArgs) -> None:
    if args.exc_value is not None:
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        logger.error("%s: %r", args.err_msg or "ignored", args.object, exc_info=info)
