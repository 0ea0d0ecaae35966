"""Text as Hessian writes it: counted in UTF-16 units, each unit in UTF-8 for itself.

What follows a text may look like its last byte, so only the count tells where it ends.
So a character beyond U+FFFF has two surrogates of three bytes each, which is no UTF-8.
"""

from __future__ import annotations

import re
import sys
from array import array
from typing import Final

from .values import HessianError

_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")
_LATER_BYTES: Final = bytes(range(0x80, 0xC0))
# What an array of 16 bits holds. Pairs are made and taken apart without a call for each: a body
# can consist of a million of them, and is read before its token.
_UNITS: Final = f"utf-16-{sys.byteorder[0]}e"


def to_units(text: str) -> str:
    """The text with one character for each UTF-16 unit."""
    if not _ASTRAL.search(text):
        return text
    return "".join(map(chr, array("H", text.encode(_UNITS, "surrogatepass"))))


def from_units(units: str) -> str:
    """The text of which these are the units; a lone surrogate stays."""
    return units.encode(_UNITS, "surrogatepass").decode(_UNITS, "surrogatepass")


def encode_units(units: str) -> bytes:
    """Units as bytes."""
    return units.encode("utf-8", "surrogatepass")


def read_units(data: bytes, start: int, count: int) -> tuple[str, int]:
    """So many units from ``start`` on, and where they end.

    :raises HessianError: if they are not there
    """
    end, missing = start, count
    while missing:
        # One byte of each unit is not a later one, and what is taken has at most ``missing`` of
        # them: so the last byte that is taken is the first one of the last unit.
        piece = data[end : end + missing]
        if not piece:
            raise HessianError("a string ends early")
        missing -= len(piece.translate(None, _LATER_BYTES))
        end += len(piece)
    if count:
        end += (data[end - 1] >= 0xC0) + (data[end - 1] >= 0xE0)
    try:
        units = data[start:end].decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise HessianError("a string is not UTF-8") from error
    if len(units) != count or _ASTRAL.search(units):
        raise HessianError("a string does not have the units it is said to have")
    return units, end
