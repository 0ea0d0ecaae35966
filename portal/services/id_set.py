"""A set of row ids in one bit each: a million take 125 KB."""

from __future__ import annotations


class IdSet:
    """Ids that were seen; as large as the largest of them."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def __contains__(self, number: int) -> bool:
        place, bit = divmod(number, 8)
        return place < len(self._bits) and bool(self._bits[place] >> bit & 1)

    def add(self, number: int) -> None:
        """Put one in."""
        place, bit = divmod(number, 8)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        self._bits[place] |= 1 << bit

    def update(self, other: IdSet) -> None:
        """Put all of another set in."""
        mine, its = int.from_bytes(self._bits, "little"), int.from_bytes(other._bits, "little")
        size = max(len(self._bits), len(other._bits))
        self._bits = bytearray((mine | its).to_bytes(size, "little"))
