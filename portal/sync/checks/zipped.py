"""Files wrapped in ZIP, opened with care: nothing is unpacked to disk, bombs end at once."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from portal.errors import SyncError
from portal.sync.checks.inspection import FileFacts
from portal.sync.checks.rules import CompatibilityRules

#: An office file or OFD unpacks to a few times its size; drawings and empty tables to more.
_UNPACKED_AT_MOST = 512 * 1024 * 1024
_RATIO_AT_MOST = 200
_RATIO_MATTERS_FROM = 32 * 1024 * 1024
_MEMBERS_AT_MOST = 20_000

_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1
_PIECE = 1024 * 1024
_UNSAFE_NAME = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|\x00")

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,  # also names that are no text, and seeks before the start
    NotImplementedError,
    RuntimeError,
)


def zip_kind(path: str) -> str:
    """What a ZIP carries: ``ofd``, ``ooxml`` or just ``zip``.

    :raises SyncError: FILE_CORRUPT or FILE_HOSTILE if it cannot be opened safely
    """
    with open_zip(path) as archive:
        names = set(archive.namelist())
    if "OFD.xml" in names:
        return "ofd"
    return "ooxml" if "[Content_Types].xml" in names else "zip"


@contextmanager
def open_zip(path: str) -> Iterator[zipfile.ZipFile]:
    """Open a ZIP whose members are safe to read.

    :raises SyncError: FILE_HOSTILE for bombs and names that leave the package, FILE_CORRUPT for
        whatever else is wrong, also inside the ``with`` block
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist())
            yield archive
    except FileNotFoundError:
        raise
    except _BROKEN as error:
        raise SyncError("FILE_CORRUPT", detail="zip: broken or cut off") from error


def check_contents(archive: zipfile.ZipFile) -> None:
    """Unpack every member to nowhere; :func:`open_zip` turns a wrong checksum into its error."""
    for member in archive.infolist():
        with archive.open(member) as content:
            while content.read(_PIECE):
                pass


def read(path: str, kind: str, rules: CompatibilityRules) -> FileFacts:
    """Check a plain ZIP; :raises SyncError: FILE_CORRUPT or FILE_HOSTILE."""
    with open_zip(path) as archive:
        if rules.deep:
            check_contents(archive)
    return FileFacts(kind)


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    """Judge the directory alone; unpacking never yields more than the sizes it declares."""
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    steep = unpacked > _RATIO_MATTERS_FROM and unpacked > packed * _RATIO_AT_MOST
    if steep or unpacked > _UNPACKED_AT_MOST or len(members) > _MEMBERS_AT_MOST:
        raise SyncError("FILE_HOSTILE", detail="zip bomb")
    for member in members:
        if _UNSAFE_NAME.search(member.orig_filename):
            raise SyncError("FILE_HOSTILE", detail="unsafe member name")
        if member.flag_bits & _ENCRYPTED:
            raise SyncError("FILE_CORRUPT", detail="zip: a password is needed")
        if member.compress_type not in _METHODS:
            raise SyncError("FILE_CORRUPT", detail="zip: unusual compression")
