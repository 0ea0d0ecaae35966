"""Which characters of a name can be seen; the others may hide or reorder what it says."""

from __future__ import annotations

# Printable to Unicode's categories, and yet nothing is drawn: fillers and the empty Braille cell.
_EMPTY = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def visible(text: str) -> str:
    """The text with ``_`` for each character that is not seen.

    These are control characters, marks that turn the direction of writing, characters without a
    width, blanks other than the usual one, and halves of surrogate pairs.
    """
    return "".join(char if char.isprintable() and char not in _EMPTY else "_" for char in text)
