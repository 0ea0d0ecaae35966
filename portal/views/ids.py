"""Ids as they come in addresses: numbers that a database can hold, or none at all."""

from __future__ import annotations

import re

# No table has so many rows, and every database can count a little further.
LARGEST_ID = 10**18 - 1
_ID = re.compile(r"[0-9]{1,18}")
#: The converter for addresses; what is larger leads nowhere.
ID = f"int(max={LARGEST_ID})"


def row_id(text: str) -> int:
    """The number of a row.

    :raises ValueError: when no row can have it
    """
    if not _ID.fullmatch(text):
        raise ValueError("no row has this id")
    return int(text)


def row_ids(text: str) -> list[int]:
    """The ids of a comma list; what is none is passed over."""
    return [int(word) for word in text.split(",") if _ID.fullmatch(word)]
