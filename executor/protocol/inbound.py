"""What an admin sends, parsed to frozen dataclasses; unknown fields are ignored.

Numbers may come as numeric strings and missing ones are 0, as Java's own parser has it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Never

from .dialects import Dialect
from .texts import storable

_INTEGER = re.compile(r"-?[0-9]{1,20}(\.0{1,20})?")


class RequestError(Exception):
    """A body cannot be read; the text says why and carries nothing of the body itself."""


@dataclass(frozen=True)
class Trigger:
    """One ``/run`` or ``/trigger``: the request to execute a job once."""

    job_id: int
    log_id: int
    log_date_time: int
    """When the admin triggered, epoch milliseconds; part of what makes a trigger unique."""
    handler: str | None
    params: str
    block_strategy: str
    timeout_seconds: int
    """0 is no limit."""
    glue_type: str | None
    shard_index: int
    shard_total: int
    dialect: Dialect = Dialect.RUN


@dataclass(frozen=True)
class LogQuery:
    """One ``/log``: lines of a run from ``from_line`` (counted from 1) on."""

    log_id: int
    from_line: int


def parse_trigger(body: bytes, dialect: Dialect = Dialect.RUN) -> Trigger:
    """Read the body of ``/run`` or ``/trigger``.

    :raises RequestError: if it is no JSON object or a field has the wrong type
    """
    fields = _Fields(body)
    return Trigger(
        job_id=fields.integer("jobId"),
        log_id=fields.integer("logId", bits=64),
        log_date_time=fields.integer("logDateTime", bits=64),
        handler=fields.text("executorHandler"),
        params=fields.text("executorParams") or "",
        block_strategy=fields.text("executorBlockStrategy") or "",
        timeout_seconds=max(0, fields.integer("executorTimeout")),
        glue_type=fields.text("glueType"),
        shard_index=fields.integer("broadcastIndex"),
        shard_total=max(1, fields.integer("broadcastTotal")),
        dialect=dialect,
    )


def parse_job_id(body: bytes) -> int:
    """Read the body of ``/idleBeat`` and ``/kill``, which name a job.

    :raises RequestError: as :func:`parse_trigger`
    """
    return _Fields(body).integer("jobId")


def parse_log_query(body: bytes) -> LogQuery:
    """Read the body of ``/log``; its date is not looked at, admins round it differently.

    :raises RequestError: as :func:`parse_trigger`
    """
    fields = _Fields(body)
    return LogQuery(fields.integer("logId", bits=64), fields.integer("fromLineNum"))


class _Fields:
    """The members of a JSON object, taken out one by one with their types checked."""

    def __init__(self, body: bytes) -> None:
        self._members = _json_object(body)

    def integer(self, name: str, *, bits: int = 32) -> int:
        value = self._members.get(name)
        number = 0 if value is None else _integer(value)
        if number is None or not -(1 << bits - 1) <= number < 1 << bits - 1:
            raise RequestError(f"{name} is not an integer of {bits} bits")
        return number

    def text(self, name: str) -> str | None:
        value = self._members.get(name)
        match value:
            case None:
                return None
            case str():
                return storable(value)
            case bool() | int() | float():
                return json.dumps(value)
        raise RequestError(f"{name} is not a string")


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value) if isinstance(value, float | str) else ""
    return int(text.partition(".")[0]) if _INTEGER.fullmatch(text) else None


def _json_object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise RequestError("the body is empty")
    try:
        # Broken bytes are replaced, as Java does when it makes a string of them.
        members = json.loads(body.decode("utf-8", "replace"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError("the body is not JSON") from error
    if not isinstance(members, dict):
        raise RequestError("the body is not a JSON object")
    return members


def _no_constant(_name: str) -> Never:
    raise ValueError("NaN and Infinity are not JSON")
