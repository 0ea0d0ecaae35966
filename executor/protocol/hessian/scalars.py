"""The cursor through the bytes, and what is no container.

The one form in which the specification and Java's library differ is read as specified: ``0x5f`` is
a float of 32 bits, where Java writes thousandths. No admin sends a fraction.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from .strings import from_units, read_units
from .values import EPOCH, ITEMS, HessianError, Long


class Scalars:
    """Reads values by their first byte, its tag; None for a tag that is of another kind."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0
        self._items = 0

    def _scalar(self, tag: int) -> Any:
        for read in _FORMS:
            value = read(self, tag)
            if value is not None:
                return value
        return None

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


_FORMS: Final[tuple[Callable[[Scalars, int], Any], ...]] = (
    Scalars._integer,
    Scalars._long,
    Scalars._double,
    Scalars._date,
    Scalars._text,
    Scalars._binary,
)
