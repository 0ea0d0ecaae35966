"""Office files: OOXML is a ZIP with a table of contents, OLE a compound file (MS-CFB, 2.2)."""

from __future__ import annotations

import os

from portal.errors import SyncError
from portal.sync.checks.inspection import FileFacts
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.checks.xml_text import elements
from portal.sync.checks.zipped import check_contents, open_zip

_OLE_HEADER_BYTES = 512
_LITTLE_ENDIAN = b"\xfe\xff"
#: Major version and the power of two of its sector size.
_OLE_SECTORS = {3: 9, 4: 12}


def read(path: str, kind: str, rules: CompatibilityRules, *, decode: bool) -> FileFacts:
    """Check the wrapping, not the text; :raises SyncError: FILE_CORRUPT or FILE_HOSTILE."""
    if kind == "ole":
        _check_compound_file(path)
    else:
        _check_package(path)
    return FileFacts(kind)


def _check_package(path: str) -> None:
    with open_zip(path) as archive:
        with archive.open("[Content_Types].xml") as contents:
            elements(contents)
        check_contents(archive)


def _check_compound_file(path: str) -> None:
    """Header and length in whole sectors; more than the header nobody promises to read."""
    with open(path, "rb") as file:
        header = file.read(_OLE_HEADER_BYTES)
        size = os.fstat(file.fileno()).st_size
    shift = _OLE_SECTORS.get(int.from_bytes(header[26:28], "little"))
    if header[28:30] != _LITTLE_ENDIAN or header[30] != shift or size < 2 << shift:
        raise SyncError("FILE_CORRUPT", detail="ole: broken header")
