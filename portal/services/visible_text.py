"""Which characters of a name can be seen; the others may hide or reorder what it says."""

from __future__ import annotations

# Printable to Unicode's categories, and yet nothing is drawn: fillers and the empty Braille cell.
_EMPTY = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def visible(text: str) -> str:
    """The text with ``_`` for each character that is not seen.

    These are control characters, marks that turn the direction of writing, characters without a
    width, blanks other than the usual one, and halves of surrogate pairs.
    """
    return "".join(char if _is_seen(char) else "_" for char in text)


def escaped(text: str) -> str:
    """The text with an escape for each of these, so that it still says which name is meant."""
    return "".join(char if _is_seen(char) else _escape(char) for char in text)


def _is_seen(char: str) -> bool:
    return char.isprintable() and char not in _EMPTY


def _escape(char: str) -> str:
    # What a file system's name has in place of a byte that is no UTF-8.
    is_byte = "\udc80" <= char <= "\udcff"
    return f"\\x{ord(char) & 0xFF:02x}" if is_byte else char.encode("unicode_escape").decode()
