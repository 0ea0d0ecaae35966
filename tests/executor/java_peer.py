"""Hessian as the Java side has it, written for tests alone and from the specification alone.

It shares nothing with the product's codec, so that a mistake in one is not made good by the other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any


class JavaLong(int):
    """A Java long."""


@dataclass
class JavaObject:
    """An object with its fields in the order in which they are written."""

    name: str
    fields: dict[str, Any]


@dataclass
class JavaArray:
    """``Object[]`` or an array of a class."""

    name: str
    items: list[Any]


def java_string(text: str, tag: bytes = b"S") -> bytes:
    units = struct.unpack(f">{len(text.encode('utf-16-be')) // 2}H", text.encode("utf-16-be"))
    if len(units) <= 31:
        head = bytes([len(units)])
    elif len(units) <= 1023:
        head = bytes([0x30 + len(units) // 256, len(units) % 256])
    else:
        assert len(units) <= 0x8000
        head = tag + struct.pack(">H", len(units))
    return head + b"".join(map(_unit, units))


def _unit(unit: int) -> bytes:
    if unit < 0x80:
        return bytes([unit])
    if unit < 0x800:
        return bytes([0xC0 + unit // 64, 0x80 + unit % 64])
    return bytes([0xE0 + unit // 4096, 0x80 + unit // 64 % 64, 0x80 + unit % 64])


class JavaWriter:
    """Writes as Hessian2Output of Java does."""

    def __init__(self) -> None:
        self._classes: list[tuple[str, ...]] = []
        self._types: list[str] = []

    def write(self, value: Any) -> bytes:  # noqa: PLR0911 - one for each kind
        match value:
            case None:
                return b"N"
            case True:
                return b"T"
            case False:
                return b"F"
            case JavaLong():
                if -8 <= value <= 15:
                    return bytes([0xE0 + value])
                return b"L" + struct.pack(">q", value)
            case int():
                if -16 <= value <= 47:
                    return bytes([0x90 + value])
                return b"I" + struct.pack(">i", value)
            case str():
                return java_string(value)
            case list():
                return bytes([0x78 + len(value)]) + b"".join(map(self.write, value))
            case JavaArray():
                return self._array(value)
            case JavaObject():
                return self._object(value)
        raise TypeError(value)

    def _array(self, array: JavaArray) -> bytes:
        if array.name in self._types:
            name = self.write(self._types.index(array.name))
        else:
            self._types.append(array.name)
            name = java_string(array.name)
        return bytes([0x70 + len(array.items)]) + name + b"".join(map(self.write, array.items))

    def _object(self, java_object: JavaObject) -> bytes:
        shape = (java_object.name, *java_object.fields)
        definition = b""
        if shape not in self._classes:
            self._classes.append(shape)
            definition = b"C" + java_string(shape[0]) + self.write(len(shape) - 1)
            definition += b"".join(map(java_string, shape[1:]))
        tag = bytes([0x60 + self._classes.index(shape)])
        return definition + tag + b"".join(map(self.write, java_object.fields.values()))


class JavaReader:
    """Reads what Java reads, and fails on everything else."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._classes: list[tuple[str, list[str]]] = []
        self._types: list[str] = []
        self._seen: list[Any] = []

    def read_all(self) -> Any:
        value = self.read()
        assert self._at == len(self._data)
        return value

    def read(self) -> Any:  # noqa: PLR0911 - one for each kind
        tag = self._take(1)[0]
        if tag == ord("C"):
            name, count = self.read(), self.read()
            self._classes.append((name, [self.read() for _field in range(count)]))
            return self.read()
        if tag in b"NTF":
            return {ord("N"): None, ord("T"): True, ord("F"): False}[tag]
        if 0x60 <= tag <= 0x6F:
            return self._object(tag - 0x60)
        if 0x70 <= tag <= 0x77 or tag == ord("V"):
            name = self._type()
            count = self.read() if tag == ord("V") else tag - 0x70
            return self._items(JavaArray(name, []), count)
        if 0x78 <= tag <= 0x7F or tag == 0x58:
            return self._items(JavaArray("", []), self.read() if tag == 0x58 else tag - 0x78)
        if tag == ord("Q"):
            return self._seen[self.read()]
        if tag <= 0x1F or 0x30 <= tag <= 0x33 or tag in b"RS":
            return self._text(tag)
        return self._number(tag)

    def _number(self, tag: int) -> int:
        for low, high, middle, more in (
            (0x80, 0xBF, 0x90, 0),
            (0xC0, 0xCF, 0xC8, 1),
            (0xD0, 0xD7, 0xD4, 2),
        ):
            if low <= tag <= high:
                return (tag - middle) * (1 << 8 * more) + int.from_bytes(self._take(more))
        if tag == ord("I"):
            return int.from_bytes(self._take(4), signed=True)
        for low, high, middle, more in (
            (0xD8, 0xEF, 0xE0, 0),
            (0xF0, 0xFF, 0xF8, 1),
            (0x38, 0x3F, 0x3C, 2),
        ):
            if low <= tag <= high:
                return JavaLong((tag - middle) * (1 << 8 * more) + int.from_bytes(self._take(more)))
        sizes = {0x59: 4, ord("L"): 8}
        return JavaLong(int.from_bytes(self._take(sizes[tag]), signed=True))

    def _text(self, tag: int) -> str:
        if tag <= 0x1F:
            return self._units(tag)
        if tag <= 0x33:
            return self._units((tag - 0x30) * 256 + self._take(1)[0])
        text = self._units(int.from_bytes(self._take(2)))
        if tag == ord("R"):
            return text + self._text(self._take(1)[0])
        return text

    def _units(self, count: int) -> str:
        units = []
        for _unit in range(count):
            first = self._take(1)[0]
            assert first < 0x80 or 0xC0 <= first < 0xF0
            if first >= 0xE0:
                second, third = self._take(2)
                units.append((first - 0xE0) * 4096 + (second - 0x80) * 64 + third - 0x80)
            elif first >= 0xC0:
                units.append((first - 0xC0) * 64 + self._take(1)[0] - 0x80)
            else:
                units.append(first)
        # Each piece for itself: Java makes characters of it at once.
        return struct.pack(f">{count}H", *units).decode("utf-16-be")

    def _type(self) -> str:
        value = self.read()
        if isinstance(value, int):
            return self._types[value]
        assert isinstance(value, str)
        self._types.append(value)
        return value

    def _items(self, array: JavaArray, count: int) -> JavaArray:
        self._seen.append(array)
        array.items = [self.read() for _item in range(count)]
        return array

    def _object(self, index: int) -> JavaObject:
        name, fields = self._classes[index]
        found = JavaObject(name, {})
        self._seen.append(found)
        for field in fields:
            found.fields[field] = self.read()
        return found

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        assert len(taken) == count, "the bytes end early"
        self._at += count
        return taken
