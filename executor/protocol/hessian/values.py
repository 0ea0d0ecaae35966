"""What Hessian knows and Python has no word for, and the bounds of what is read and written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

DEPTH: Final = 64
"""Containers within containers; an admin's request has three."""
ITEMS: Final = 10_000
"""Values in one body, each member of a container counted; an admin's request has about thirty."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""What dates are counted from."""
CHUNK: Final = 0x8000
"""UTF-16 units or bytes in one piece of what is written; a piece can have twice as many."""


class HessianError(ValueError):
    """The bytes are no Hessian 2, or too much of it, or the value has no Hessian form."""


class Long(int):
    """A number that is written as a long, of 64 bits, however small it is."""


class TypedList(list[Any]):
    """A list with the name of a Java type, such as ``[java.lang.Class``."""

    def __init__(self, type_name: str, items: Any = ()) -> None:
        super().__init__(items)
        self.type_name = type_name

    def __eq__(self, other: object) -> bool:
        """Equal to a list of the same type with the same items."""
        return (
            isinstance(other, TypedList)
            and self.type_name == other.type_name
            and super().__eq__(other)
        )

    __hash__ = None  # as every list


class TypedMap(dict[Any, Any]):
    """A map with the name of a Java type."""

    def __init__(self, type_name: str, items: Any = ()) -> None:
        super().__init__(items)
        self.type_name = type_name

    def __eq__(self, other: object) -> bool:
        """Equal to a map of the same type with the same members."""
        return (
            isinstance(other, TypedMap)
            and self.type_name == other.type_name
            and super().__eq__(other)
        )

    __hash__ = None  # as every map


@dataclass
class Record:
    """An object of some class: its name and its fields, and nothing that could be called."""

    class_name: str
    fields: dict[str, Any] = field(default_factory=dict)
