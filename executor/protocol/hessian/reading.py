"""Hessian 2 read within bounds, and to nothing but plain values.

The one form in which the specification and Java's library differ is read as specified: ``0x5f`` is
a float of 32 bits, where Java writes thousandths. No admin sends a fraction.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from .strings import from_units, read_units
from .values import DEPTH, EPOCH, ITEMS, HessianError, Long, Record, TypedList, TypedMap


def decode(data: bytes) -> Any:
    """The one value that these bytes are.

    :raises HessianError: if they are anything else
    """
    reader = _Reader(data)
    value = reader.value(0)
    if reader.position != len(data):
        raise HessianError("bytes follow the value")
    return value


@dataclass(frozen=True)
class _Class:
    name: str
    fields: list[str]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0
        self._items = 0
        self._containers: list[Any] = []
        self._types: list[str] = []
        self._classes: list[_Class] = []

    def value(self, depth: int) -> Any:
        self._count(1)
        tag = self._byte()
        while tag == 0x43:  # C: definitions come before the object they are for
            self._define()
            tag = self._byte()
        return self._tagged(tag, depth)

    def _tagged(self, tag: int, depth: int) -> Any:
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag == 0x51:
            return self._known(self._containers, self._index())
        for read in _SCALARS:
            value = read(self, tag)
            if value is not None:
                return value
        if depth >= DEPTH:
            raise HessianError(f"more than {DEPTH} containers within each other")
        return self._container(tag, depth + 1)

    def _integer(self, tag: int) -> int | None:
        if 0x80 <= tag <= 0xBF:
            return tag - 0x90
        if 0xC0 <= tag <= 0xCF:
            return tag - 0xC8 << 8 | self._byte()
        if 0xD0 <= tag <= 0xD7:
            return tag - 0xD4 << 16 | self._number(">H")
        return self._number(">i") if tag == 0x49 else None

    def _long(self, tag: int) -> Long | None:
        if 0xD8 <= tag <= 0xEF:
            return Long(tag - 0xE0)
        if 0xF0 <= tag <= 0xFF:
            return Long(tag - 0xF8 << 8 | self._byte())
        if 0x38 <= tag <= 0x3F:
            return Long(tag - 0x3C << 16 | self._number(">H"))
        if tag == 0x59:
            return Long(self._number(">i"))
        return Long(self._number(">q")) if tag == 0x4C else None

    def _date(self, tag: int) -> datetime | None:
        if tag not in (0x4A, 0x4B):
            return None
        try:
            if tag == 0x4A:
                return EPOCH + self._number(">q") * timedelta(milliseconds=1)
            return EPOCH + self._number(">i") * timedelta(minutes=1)
        except OverflowError as error:
            raise HessianError("a date that no calendar has") from error

    def _double(self, tag: int) -> float | None:
        match tag:
            case 0x5B | 0x5C:
                return float(tag - 0x5B)
            case 0x5D:
                return float(self._number(">b"))
            case 0x5E:
                return float(self._number(">h"))
            case 0x5F:
                return float(self._unpacked(">f"))
            case 0x44:
                return float(self._unpacked(">d"))
        return None

    def _text(self, tag: int) -> str | None:
        """A string of any form; None when the tag is of something else."""
        pieces = []
        while tag == 0x52:
            pieces.append(self._units(self._number(">H")))
            self._count(1)
            tag = self._byte()
        if tag <= 0x1F:
            pieces.append(self._units(tag))
        elif 0x30 <= tag <= 0x33:
            pieces.append(self._units(tag - 0x30 << 8 | self._byte()))
        elif tag == 0x53:
            pieces.append(self._units(self._number(">H")))
        elif pieces:
            raise HessianError("a string does not go on as a string")
        else:
            return None
        return from_units("".join(pieces))

    def _binary(self, tag: int) -> bytes | None:
        pieces = []
        while tag == 0x41:
            pieces.append(self._bytes(self._number(">H")))
            self._count(1)
            tag = self._byte()
        if 0x20 <= tag <= 0x2F:
            pieces.append(self._bytes(tag - 0x20))
        elif 0x34 <= tag <= 0x37:
            pieces.append(self._bytes(tag - 0x34 << 8 | self._byte()))
        elif tag == 0x42:
            pieces.append(self._bytes(self._number(">H")))
        elif pieces:
            raise HessianError("binary data do not go on as binary data")
        else:
            return None
        return b"".join(pieces)

    def _container(self, tag: int, depth: int) -> Any:
        if tag == 0x4F or 0x60 <= tag <= 0x6F:
            return self._record(self._index() if tag == 0x4F else tag - 0x60, depth)
        if tag in (0x48, 0x4D):
            return self._map(TypedMap(self._type()) if tag == 0x4D else {}, depth)
        if 0x55 <= tag <= 0x58 or 0x70 <= tag <= 0x7F:
            return self._list(tag, depth)
        raise HessianError(f"no value begins with the byte {tag:#04x}")

    def _list(self, tag: int, depth: int) -> list[Any]:
        is_typed = tag in (0x55, 0x56) or 0x70 <= tag <= 0x77
        items = TypedList(self._type()) if is_typed else []
        length = None if tag in (0x55, 0x57) else tag & 7
        if tag in (0x56, 0x58):
            length = self._index()
        self._containers.append(items)
        if length is None:
            items.extend(self.value(depth) for _more in self._until_end())
        else:
            self._expect(length)
            items.extend(self.value(depth) for _item in range(length))
        return items

    def _map(self, members: dict[Any, Any], depth: int) -> dict[Any, Any]:
        self._containers.append(members)
        for _more in self._until_end():
            key = self.value(depth)
            try:
                hash(key)
            except TypeError as error:
                raise HessianError("a key of a map is a container") from error
            members[key] = self.value(depth)
        return members

    def _record(self, index: int, depth: int) -> Record:
        found: _Class = self._known(self._classes, index)
        record = Record(found.name)
        self._containers.append(record)
        for name in found.fields:
            record.fields[name] = self.value(depth)
        return record

    def _define(self) -> None:
        name, count = self._string(), self._index()
        self._expect(count)
        self._count(count + 1)
        self._classes.append(_Class(name, [self._string() for _field in range(count)]))

    def _type(self) -> str:
        tag = self._byte()
        index = self._integer(tag)
        if index is not None:
            name: str = self._known(self._types, index)
            return name
        name = self._string(tag)
        self._types.append(name)
        return name

    def _string(self, tag: int | None = None) -> str:
        text = self._text(self._byte() if tag is None else tag)
        if text is None:
            raise HessianError("a name is not a string")
        return text

    def _index(self) -> int:
        """A length, or a place among what came before."""
        number = self._integer(self._byte())
        if number is None or number < 0:
            raise HessianError("a length or a reference is not a whole number")
        return number

    @staticmethod
    def _known(found: list[Any], index: int) -> Any:
        if not 0 <= index < len(found):
            raise HessianError("a reference to nothing")
        return found[index]

    def _until_end(self) -> Iterator[None]:
        while self._data[self.position : self.position + 1] != b"Z":
            yield
        self.position += 1

    def _count(self, items: int) -> None:
        self._items += items
        if self._items > ITEMS:
            raise HessianError(f"more than {ITEMS} values")

    def _expect(self, length: int) -> None:
        """Refuse at once a length for which the bytes cannot do."""
        if length > len(self._data) - self.position:
            raise HessianError("the bytes end early")

    def _units(self, count: int) -> str:
        units, self.position = read_units(self._data, self.position, count)
        return units

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _number(self, form: str) -> int:
        return int(self._unpacked(form))

    def _unpacked(self, form: str) -> Any:
        return struct.unpack(form, self._bytes(struct.calcsize(form)))[0]

    def _bytes(self, count: int) -> bytes:
        self._expect(count)
        self.position += count
        return self._data[self.position - count : self.position]


_CONSTANTS: Final = {0x4E: None, 0x54: True, 0x46: False}
# Each gives None when the tag is of another kind; none of them has None as a value.
_SCALARS: Final[tuple[Callable[[_Reader, int], Any], ...]] = (
    _Reader._integer,
    _Reader._long,
    _Reader._double,
    _Reader._date,
    _Reader._text,
    _Reader._binary,
)
