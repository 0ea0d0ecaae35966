"""XML, read with expat piece by piece; document type declarations are refused.

Without a document type there are no entities to expand and nothing outside to fetch.
"""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO
from xml.parsers import expat

from portal.errors import SyncError
from portal.sync.checks.inspection import FileFacts
from portal.sync.checks.rules import CompatibilityRules

_PIECE = 64 * 1024
#: The parser keeps what is open; to run out of memory to the last byte can hang an interpreter.
_DEPTH_AT_MOST = 500
#: It keeps what has begun and not ended, and reads that again with every piece.
_TOKEN_AT_MOST = 8 * 1024 * 1024
_WANTED_AT_MOST = 200_000
_TEXT_AT_MOST = 4096
_DECLARED_ENCODING = re.compile(rb"""<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z0-9._-]+)""")
#: expat knows no encoding of several bytes except Unicode; these are common in Chinese XML.
_CHINESE = {"gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5"}


@dataclass
class Element:
    """An element somebody asked for, its name without prefix."""

    name: str
    attributes: dict[str, str]
    text: str = ""


def read(path: str, kind: str, rules: CompatibilityRules, *, decode: bool) -> FileFacts:
    """Check that the file is well formed; :raises SyncError: FILE_CORRUPT or FILE_HOSTILE."""
    with open(path, "rb") as file:
        elements(file)
    return FileFacts(kind)


def elements(stream: IO[bytes], *wanted: str) -> list[Element]:
    """Parse a document to its end and return the elements with the wanted local names.

    :raises SyncError: FILE_CORRUPT if it is not well formed, FILE_HOSTILE if it declares a
        document type
    """
    gatherer = _Gatherer(frozenset(wanted))
    try:
        _parse(stream, gatherer.listen_to)
    except expat.ExpatError as error:
        if error.code == expat.errors.codes[expat.errors.XML_ERROR_NO_MEMORY]:
            raise MemoryError from error
        raise SyncError("FILE_CORRUPT", detail=f"xml: {error}") from error
    except (ValueError, LookupError) as error:
        raise SyncError("FILE_CORRUPT", detail="xml: unreadable encoding") from error
    return gatherer.found


def check_prolog(stream: IO[bytes]) -> None:
    """Read up to the first element; what is not well formed there is not judged.

    :raises SyncError: FILE_HOSTILE if there is a document type
    """
    with contextlib.suppress(_Enough, expat.ExpatError, ValueError, LookupError):
        _parse(stream, _stop_at_first_element)


class _Enough(Exception):
    """The first element was reached."""


def _stop_at_first_element(parser: expat.XMLParserType) -> None:
    def stop(*_: object) -> None:
        raise _Enough

    parser.StartElementHandler = stop


def _parse(stream: IO[bytes], listen: Callable[[expat.XMLParserType], None]) -> None:
    head = stream.read(_PIECE)
    declared = _DECLARED_ENCODING.search(head[:256])
    codec = _CHINESE.get(declared[1].decode("ascii").lower()) if declared else None
    parser = expat.ParserCreate("utf-8" if codec else None)
    parser.StartDoctypeDeclHandler = _refuse
    listen(parser)
    read = 0
    for piece in _pieces(head, stream, codec):
        parser.Parse(piece, False)
        read += len(piece)
        if read - max(parser.CurrentByteIndex, 0) > _TOKEN_AT_MOST:
            raise SyncError("FILE_HOSTILE", detail="xml: endless token")
    parser.Parse(b"", True)


def _refuse(*_: object) -> None:
    raise SyncError("FILE_HOSTILE", detail="xml: document type")


def _pieces(head: bytes, stream: IO[bytes], codec: str | None) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(codec)() if codec else None
    piece = head
    while piece:
        yield decoder.decode(piece).encode() if decoder else piece
        piece = stream.read(_PIECE)
    if decoder:
        decoder.decode(b"", final=True)  # half a character at the end is an error


def _watch_depth(parser: expat.XMLParserType) -> None:
    """Refuse what is nested too deep; of a large document this is most of the time it takes."""
    depth = 0

    def start(_name: str, _attributes: list[str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH_AT_MOST:
            raise _too_deep()

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.ordered_attributes = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end


def _too_deep() -> SyncError:
    return SyncError("FILE_HOSTILE", detail="xml: nested too deep")


class _Gatherer:
    """Gathers the wanted elements, with the text directly or deeper in them."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self.found: list[Element] = []
        self._wanted = wanted
        self._inside: list[Element] = []
        self._depth = 0

    def listen_to(self, parser: expat.XMLParserType) -> None:
        """Have the parser tell what it meets."""
        if not self._wanted:
            _watch_depth(parser)
            return
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH_AT_MOST:
            raise _too_deep()
        local = name.rpartition(":")[2]
        if local in self._wanted:
            self.found.append(Element(local, attributes))
            self._inside.append(self.found[-1])
            if len(self.found) > _WANTED_AT_MOST:
                raise SyncError("FILE_HOSTILE", detail="xml: too many elements")

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._inside and name.rpartition(":")[2] == self._inside[-1].name:
            self._inside.pop()

    def _text(self, data: str) -> None:
        if self._inside:
            self._inside[-1].text += data
            if len(self._inside[-1].text) > _TEXT_AT_MOST:
                raise SyncError("FILE_HOSTILE", detail="xml: endless text")
