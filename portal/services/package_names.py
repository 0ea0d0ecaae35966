"""Names inside a ZIP that every system can unpack: Windows, macOS and Linux alike."""

from __future__ import annotations

import re
import sqlite3
import unicodedata

from portal.services.visible_text import visible

# In UTF-16 units, as Windows counts; three such names stay below its 260 for a whole path, and in
# UTF-8 one stays below the 255 bytes of other systems.
MOST_UNITS = 80
#: What Windows forbids in a name, or reads as a path.
FORBIDDEN = frozenset('<>:"/\\|?*')
#: Names of devices, whatever follows behind a dot; also with superscript digits.
RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ ]*(\..*)?", re.I | re.S
)
_LONGEST_SUFFIX = 12


def plain_name(text: str, *, most: int = MOST_UNITS) -> str:
    """One part of a path made of ``text``, in normal form C.

    What Windows forbids, what cannot be printed and what turns the direction of writing becomes
    ``_``; so does a dot at either end. Never empty, a path, a device or hidden. Too long a name is
    cut before its suffix.
    """
    normal = unicodedata.normalize("NFC", text)
    kept = "".join("_" if char in FORBIDDEN else char for char in visible(normal))
    name = _cut(_trimmed(kept), most)
    return f"_{_cut(name, most - 1)}" if RESERVED.fullmatch(name) else name


def file_name(name: str, suffix: str) -> str:
    """The original name of a file, with its suffix where the name lost it."""
    plain = plain_name(name)
    if suffix and "." not in plain:
        plain = plain_name(f"{plain}.{suffix}")
    return plain


def folder_name(image_no: str, bill_no: str) -> str:
    """A document's folder: 影像编号 and 单据编号."""
    return plain_name(f"{image_no}_{bill_no}" if bill_no else image_no)


def key_of(name: str) -> str:
    """What two names have in common that are one and the same to Windows or macOS."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


class TakenNames:
    """The names taken so far in one folder, however many; what is many lies on disk.

    Close it in the end.
    """

    def __init__(self) -> None:
        # SQLite keeps a database without a name in a file of its own that vanishes with it.
        self._names = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._names.execute("PRAGMA journal_mode=OFF")
        self._names.execute("CREATE TABLE names (name TEXT PRIMARY KEY) WITHOUT ROWID")

    def take(self, name: str) -> str:
        """The name, or with a number behind it when it is taken."""
        number, free = 1, name
        while not self._is_new(free):
            number += 1
            free = _numbered(name, number)
        return free

    def forget(self) -> None:
        """Begin anew with another folder."""
        self._names.execute("DELETE FROM names")

    def close(self) -> None:
        """Let go of the place they are kept in."""
        self._names.close()

    def _is_new(self, name: str) -> bool:
        row = (key_of(name),)
        return self._names.execute("INSERT OR IGNORE INTO names VALUES (?)", row).rowcount == 1


def _numbered(name: str, number: int) -> str:
    stem, suffix = _parts(name)
    mark = f" ({number})"
    return f"{_head(stem, MOST_UNITS - len(mark) - _units(suffix))}{mark}{suffix}"


def _trimmed(name: str) -> str:
    """Without blanks around it, and with no dot at its ends."""
    bare = name.strip()
    head = len(bare) - len(bare.lstrip(". "))
    tail = len(bare) - len(bare.rstrip(". "))
    if head == len(bare):
        return "_" * max(1, min(head, 8))
    return "_" * head + bare[head : len(bare) - tail] + "_" * tail


def _cut(name: str, most: int) -> str:
    if _units(name) <= most:
        return name
    stem, suffix = _parts(name)
    return _trimmed(f"{_head(stem, most - _units(suffix)).rstrip('. ')}{suffix}")


def _parts(name: str) -> tuple[str, str]:
    """Stem and suffix; one that is too long to be a suffix is none."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or not dot or _units(suffix) > _LONGEST_SUFFIX:
        return name, ""
    return stem, f".{suffix}"


def _head(text: str, most: int) -> str:
    """The first characters of so many UTF-16 units."""
    while _units(text) > most:
        text = text[: max(0, len(text) - max(1, (_units(text) - most) // 2))]
    return text


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
