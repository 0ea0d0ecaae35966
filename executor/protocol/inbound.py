"""What an admin sends, parsed to frozen dataclasses; unknown fields are ignored.

Numbers may come as numeric strings and missing ones are 0, as Java's own parser has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
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
    max_chars: int | None = None
    """Of log text in the answer; None: as many as any answer has."""
    shown_as_html: bool = False
    """Whether the asking admin is known to put log text into its page as it is."""


def parse_trigger(body: bytes, dialect: Dialect = Dialect.RUN) -> Trigger:
    """Read the body of ``/run`` or ``/trigger``.

    :raises RequestError: if it is no JSON object or a field has the wrong type
    """
    return read_trigger(_json_object(body), dialect)


def read_trigger(fields: Mapping[str, Any], dialect: Dialect) -> Trigger:
    """Make a trigger of the fields an admin gave, whatever form they came in.

    :raises RequestError: if a field has the wrong type
    """
    return Trigger(
        job_id=read_integer(fields, "jobId"),
        log_id=read_integer(fields, "logId", bits=64),
        log_date_time=read_integer(fields, "logDateTime", bits=64),
        handler=_text(fields, "executorHandler"),
        params=_text(fields, "executorParams") or "",
        block_strategy=_text(fields, "executorBlockStrategy") or "",
        timeout_seconds=max(0, read_integer(fields, "executorTimeout")),
        glue_type=_text(fields, "glueType"),
        shard_index=read_integer(fields, "broadcastIndex"),
        shard_total=max(1, read_integer(fields, "broadcastTotal")),
        dialect=dialect,
    )


def parse_job_id(body: bytes) -> int:
    """Read the body of ``/idleBeat`` and ``/kill``, which name a job.

    :raises RequestError: as :func:`parse_trigger`
    """
    return read_integer(_json_object(body), "jobId")


def parse_log_query(body: bytes) -> LogQuery:
    """Read the body of ``/log``; its date is not looked at, admins round it differently.

    :raises RequestError: as :func:`parse_trigger`
    """
    fields = _json_object(body)
    return LogQuery(read_integer(fields, "logId", bits=64), read_integer(fields, "fromLineNum"))


def read_integer(fields: Mapping[str, Any], name: str, *, bits: int = 32) -> int:
    """A number among the fields; 0 when it is missing.

    :raises RequestError: if it is something else or too large
    """
    value = fields.get(name)
    number = 0 if value is None else _integer(value)
    if number is None or not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise RequestError(f"{name} is not an integer of {bits} bits")
    return number


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
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
