"""Text as Hessian writes it: counted in UTF-16 units, each unit in UTF-8 for itself.

What follows a text may look like its last byte, so only the count tells where it ends.
So a character beyond U+FFFF has two surrogates of three bytes each, which is no UTF-8.
"""

from __future__ import annotations

import re
from typing import Final

from .values import HessianError

_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LATER_BYTES: Final = bytes(range(0x80, 0xC0))


def to_units(text: str) -> str:
    """The text with one character for each UTF-16 unit."""
    return _ASTRAL.sub(lambda match: _split(ord(match[0])), text)


def from_units(units: str) -> str:
    """The text of which these are the units; a lone surrogate stays."""
    return _PAIR.sub(lambda match: _joined(*match[0]), units)


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


def _split(code_point: int) -> str:
    above = code_point - 0x10000
    return chr(0xD800 | above >> 10) + chr(0xDC00 | above & 0x3FF)


def _joined(high: str, low: str) -> str:
    return chr(0x10000 + ((ord(high) & 0x3FF) << 10 | ord(low) & 0x3FF))
