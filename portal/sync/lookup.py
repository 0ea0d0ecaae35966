"""Values in nested JSON objects by dotted path, such as ``result.list``; pure.

A name that stands in the object as it is written comes first, dots and all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def at(fields: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """What stands at ``path``, or ``default``."""
    if path in fields:
        return fields[path]
    head, dot, rest = path.partition(".")
    inner = fields.get(head) if dot else None
    return at(inner, rest, default) if isinstance(inner, Mapping) else default


def put(fields: dict[str, Any], path: str, value: object) -> None:
    """Set what stands at ``path``; objects on the way are made."""
    head, dot, rest = path.partition(".")
    if path in fields or not dot:
        fields[path] = value
        return
    inner = fields.setdefault(head, {})
    put(inner, rest, value)


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """An object with each of the values at the path it is given by."""
    made: dict[str, Any] = {}
    for path, value in fields.items():
        put(made, path, value)
    return made


def without(fields: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """A copy that lacks what stands at the paths; an object left empty by that is gone too."""
    left = dict(fields)
    for path in paths:
        if path in left:
            del left[path]
            continue
        head, dot, rest = path.partition(".")
        inner = left.get(head)
        if dot and isinstance(inner, Mapping) and (remaining := without(inner, [rest])) != inner:
            left[head] = remaining
            if not remaining:
                del left[head]
    return left
