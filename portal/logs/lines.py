"""A record as one line: redacted, and with nothing in it that could pass for another record."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from portal.logs import context
from portal.logs.redaction import Redactor

_LONGEST_MESSAGE: Final = 16_000
_LONGEST_TRACE: Final = 64_000
# Control characters, line ends that some reader knows, marks that turn the direction of text, and
# halves of characters, which no file can hold.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Lines(logging.Formatter):
    """What both forms share.

    :param process: which kind of process this is
    """

    def __init__(self, redactor: Redactor, *, process: str, host: str) -> None:
        super().__init__()
        self._redactor = redactor
        self._process = process
        self._host = host

    def message(self, record: logging.LogRecord) -> str:
        """Its text, also when its arguments do not fit it."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            text = f"{record.msg} {record.args!r}"
        return self._redactor.redact(_cut(text, _LONGEST_MESSAGE))

    def trace(self, record: logging.LogRecord) -> str:
        """The exception with its trace, where there is one; not kept with the record."""
        parts = []
        if record.exc_info and record.exc_info[0] is not None:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return self._redactor.redact(_cut("\n".join(parts), _LONGEST_TRACE))

    def fields(self, record: logging.LogRecord) -> Mapping[str, Any]:
        """What the record and its thread say besides."""
        own: Mapping[str, Any] = getattr(record, "fields", {})
        return {
            name: self._redactor.redact(value) if isinstance(value, str) else value
            for name, value in {**context.current(), **own}.items()
        }


class JsonLines(Lines):
    """One JSON object; times in UTC with milliseconds."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        at = datetime.fromtimestamp(record.created, UTC)
        said: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message(record),
            "process": self._process,
            "host": self._host,
            "pid": os.getpid(),
            "thread": record.threadName,
            **self.fields(record),
        }
        if trace := self.trace(record):
            said["exception"] = trace
        return _UNSAFE.sub(_escaped, json.dumps(said, ensure_ascii=False, default=str))


class TextLines(Lines):
    """For a terminal: a line, and below it an exception's trace, set in by a bar."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines, without the last one's end."""
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        place = f"{at},{int(record.msecs):03d} {record.levelname} {record.name}"
        known = " ".join(f"{name}={value}" for name, value in self.fields(record).items())
        line = _UNSAFE.sub(_escaped, self.message(record) + (f" [{known}]" if known else ""))
        trace = self.trace(record).splitlines()
        return "\n".join([f"{place}: {line}", *(f"  | {_UNSAFE.sub(_escaped, x)}" for x in trace)])


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text) - longest} more)"


def _escaped(match: re.Match[str]) -> str:
    return {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(match[0], f"\\u{ord(match[0]):04x}")
