"""Plain text: decodes to its end in the encoding its beginning is in."""

from __future__ import annotations

import codecs

from portal.errors import SyncError
from portal.sync.checks.inspection import FileFacts
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.checks.sniff import HEAD_BYTES, text_encodings

_PIECE = 64 * 1024


def read(path: str, kind: str, rules: CompatibilityRules, *, decode: bool) -> FileFacts:
    """Check a text; :raises SyncError: FILE_CORRUPT."""
    with open(path, "rb") as file:
        encodings = text_encodings(file.read(HEAD_BYTES))
    if not any(_decodes(path, encoding) for encoding in encodings):
        raise SyncError("FILE_CORRUPT", detail="txt: not text to its end")
    return FileFacts(kind)


def _decodes(path: str, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with open(path, "rb") as file:
            while piece := file.read(_PIECE):
                if "\x00" in decoder.decode(piece):
                    return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
