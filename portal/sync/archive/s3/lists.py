"""A server's lists held against what a list can be: junk is an error of the archive, and ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from portal.errors import SyncError

#: Of a key in UTF-8: the bound of S3 itself.
LONGEST_KEY: Final = 1024
#: Marks and ids are opaque and a few hundred characters long; they go into an address again.
LONGEST_MARK: Final = 4096
# Some servers answer with pages that hold nothing of ours; none does so for ever.
_MOST_EMPTY = 100
_SIZE = re.compile(r"[0-9]{1,18}")


def junk(doing: str, what: str) -> SyncError:
    """The error for an answer that makes no sense."""
    return SyncError("ARCHIVE_REFUSED", detail=f"{doing}: {what}")


def size(text: str | None, doing: str) -> int:
    """The size of an object.

    :raises SyncError: ARCHIVE_REFUSED when it is none
    """
    if text is None or not _SIZE.fullmatch(text):
        raise junk(doing, "a size that is no number")
    return int(text)


def mark(text: str | None, doing: str) -> str:
    """A mark or an id, to be sent back.

    :raises SyncError: ARCHIVE_REFUSED when it is longer than any
    """
    if len(text or "") > LONGEST_MARK:
        raise junk(doing, "a mark without end")
    return text or ""


def key_reader(root: ElementTree.Element, doing: str) -> Callable[[str | None], str]:
    """What reads the keys of a list.

    :raises SyncError: the reader, ARCHIVE_REFUSED for one that is longer than a key can be
    """
    is_encoded = root.findtext("{*}EncodingType") == "url"

    def read(text: str | None) -> str:
        text = text or ""
        if len(text) > LONGEST_KEY * 3:
            raise junk(doing, "a key without end")
        key = unquote_plus(text) if is_encoded else text
        if len(key.encode("utf-8", "replace")) > LONGEST_KEY:
            raise junk(doing, "a key without end")
        return key

    return read


class Course:
    """The way through a list's pages, which must lead on."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._last: object = None
        self._empty = 0

    def turn(self, to: object, *, found: bool) -> None:
        """Go on to the page of this mark.

        :param found: whether anything was on the page before
        :raises SyncError: ARCHIVE_REFUSED when the list goes round in circles, or nowhere
        """
        self._empty = 0 if found else self._empty + 1
        if to == self._last or self._empty > _MOST_EMPTY:
            raise junk(self._doing, "a list without end")
        self._last = to
