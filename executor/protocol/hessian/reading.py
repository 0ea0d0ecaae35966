"""Hessian 2 read within bounds, and to nothing but plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .scalars import Scalars
from .values import DEPTH, HessianError, Record, TypedList, TypedMap


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


class _Reader(Scalars):
    def __init__(self, data: bytes) -> None:
        super().__init__(data)
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
        value = self._scalar(tag)
        if value is not None:
            return value
        if depth >= DEPTH:
            raise HessianError(f"more than {DEPTH} containers within each other")
        return self._container(tag, depth + 1)

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


_CONSTANTS: Final = {0x4E: None, 0x54: True, 0x46: False}
