"""Values as Hessian 2, each in its shortest form, as Java's own library writes them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from .strings import encode_units, to_units
from .values import CHUNK, DEPTH, EPOCH, HessianError, Long, Record, TypedList, TypedMap


def encode(value: Any) -> bytes:
    """The bytes of a value.

    :raises HessianError: if it, or something in it, has no Hessian form
    """
    writer = _Writer()
    writer.value(value, 0)
    return bytes(writer.out)


class _Writer:
    def __init__(self) -> None:
        self.out = bytearray()
        self._containers: dict[int, int] = {}
        self._types: dict[str, int] = {}
        self._classes: dict[tuple[str, ...], int] = {}

    def value(self, value: Any, depth: int) -> None:
        match value:
            case None:
                self.out += b"N"
            case bool():
                self.out += b"T" if value else b"F"
            case Long():
                self._long(value)
            case int():
                self._int(value)
            case float():
                self._double(value)
            case datetime():
                self._date(value)
            case bytes():
                self._binary(value)
            case str():
                self._string(value)
            case list() | tuple() | dict() | Record():
                self._container(value, depth)
            case _:
                raise HessianError(f"a {type(value).__name__} has no Hessian form")

    def _int(self, number: int) -> None:
        if -0x10 <= number <= 0x2F:
            self.out.append(0x90 + number)
        elif -0x800 <= number <= 0x7FF:
            self.out += bytes((0xC8 + (number >> 8), number & 0xFF))
        elif -0x40000 <= number <= 0x3FFFF:
            self.out += bytes((0xD4 + (number >> 16),)) + struct.pack(">H", number & 0xFFFF)
        elif -0x80000000 <= number <= 0x7FFFFFFF:
            self.out += b"I" + struct.pack(">i", number)
        else:
            self._long(number)

    def _long(self, number: int) -> None:
        if -0x08 <= number <= 0x0F:
            self.out.append(0xE0 + number)
        elif -0x800 <= number <= 0x7FF:
            self.out += bytes((0xF8 + (number >> 8), number & 0xFF))
        elif -0x40000 <= number <= 0x3FFFF:
            self.out += bytes((0x3C + (number >> 16),)) + struct.pack(">H", number & 0xFFFF)
        elif -0x80000000 <= number <= 0x7FFFFFFF:
            self.out += b"\x59" + struct.pack(">i", number)
        elif -(1 << 63) <= number < 1 << 63:
            self.out += b"L" + struct.pack(">q", number)
        else:
            raise HessianError("a number has more than 64 bits")

    def _double(self, number: float) -> None:
        whole = struct.pack(">d", number)
        short = int(number) if abs(number) <= 0x8000 else 0x10000
        # Compared as bytes: minus zero is equal to zero, and no short form has it.
        if struct.pack(">d", short) != whole or not -0x8000 <= short <= 0x7FFF:
            self.out += b"D" + whole
        elif short in (0, 1):
            self.out.append(0x5B + short)
        elif -0x80 <= short <= 0x7F:
            self.out += b"\x5d" + struct.pack(">b", short)
        else:
            self.out += b"\x5e" + struct.pack(">h", short)

    def _date(self, moment: datetime) -> None:
        if moment.tzinfo is None:
            raise HessianError("a date has no time zone")
        millis = (moment - EPOCH) // timedelta(milliseconds=1)
        minutes, rest = divmod(millis, 60_000)
        if not rest and -0x80000000 <= minutes <= 0x7FFFFFFF:
            self.out += b"\x4b" + struct.pack(">i", minutes)
        else:
            self.out += b"\x4a" + struct.pack(">q", millis)

    def _binary(self, data: bytes) -> None:
        while len(data) > CHUNK:
            self.out += b"A" + struct.pack(">H", CHUNK) + data[:CHUNK]
            data = data[CHUNK:]
        self._length(len(data), 0x20, 0x0F, 0x34, b"B")
        self.out += data

    def _string(self, text: str) -> None:
        units = to_units(text)
        start = 0
        while len(units) - start > CHUNK:
            # Java's own reader may make a string of each piece: a pair stays together.
            end = start + CHUNK - ("\ud800" <= units[start + CHUNK - 1] <= "\udbff")
            self.out += b"R" + struct.pack(">H", end - start) + encode_units(units[start:end])
            start = end
        self._length(len(units) - start, 0x00, 0x1F, 0x30, b"S")
        self.out += encode_units(units[start:])

    def _length(self, length: int, short: int, most: int, medium: int, final: bytes) -> None:
        if length <= most:
            self.out.append(short + length)
        elif length <= 0x3FF:
            self.out += bytes((medium + (length >> 8), length & 0xFF))
        else:
            self.out += final + struct.pack(">H", length)

    def _container(self, value: Any, depth: int) -> None:
        known = self._containers.get(id(value))
        if known is not None:
            self.out += b"Q"
            self._int(known)
            return
        if depth >= DEPTH:
            raise HessianError(f"more than {DEPTH} containers within each other")
        self._containers[id(value)] = len(self._containers)
        match value:
            case Record():
                self._record(value, depth + 1)
            case dict():
                self._map(value, depth + 1)
            case _:
                self._list(value, depth + 1)

    def _list(self, items: Sequence[Any], depth: int) -> None:
        short, fixed = (0x70, b"V") if isinstance(items, TypedList) else (0x78, b"\x58")
        if len(items) <= 7:
            self.out.append(short + len(items))
        else:
            self.out += fixed
        if isinstance(items, TypedList):
            self._type(items.type_name)
        if len(items) > 7:
            self._int(len(items))
        for item in items:
            self.value(item, depth)

    def _map(self, members: Mapping[Any, Any], depth: int) -> None:
        if isinstance(members, TypedMap):
            self.out += b"M"
            self._type(members.type_name)
        else:
            self.out += b"H"
        for key, value in members.items():
            self.value(key, depth)
            self.value(value, depth)
        self.out += b"Z"

    def _record(self, record: Record, depth: int) -> None:
        shape = (record.class_name, *record.fields)
        known = self._classes.get(shape)
        if known is None:
            known = self._classes[shape] = len(self._classes)
            self.out += b"C"
            self._string(record.class_name)
            self._int(len(record.fields))
            for name in record.fields:
                self._string(name)
        if known <= 0x0F:
            self.out.append(0x60 + known)
        else:
            self.out += b"O"
            self._int(known)
        for value in record.fields.values():
            self.value(value, depth)

    def _type(self, name: str) -> None:
        known = self._types.get(name)
        if known is None:
            self._types[name] = len(self._types)
            self._string(name)
        else:
            self._int(known)
