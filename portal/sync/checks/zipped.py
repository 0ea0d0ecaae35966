"""Files wrapped in ZIP, opened with care: nothing is unpacked to disk, bombs end at once."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from portal.errors import SyncError
from portal.sync.answers import CONTROLS
from portal.sync.checks.budget import RATIO_AT_MOST, Budget
from portal.sync.checks.inspection import FileFacts
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.checks.sniff import HEAD_BYTES, sniff
from portal.sync.checks.xml_text import check_prolog

#: An office file or OFD unpacks to a few times its size; drawings and empty tables to more.
_UNPACKED_AT_MOST = 512 * 1024 * 1024
_RATIO_MATTERS_FROM = 32 * 1024 * 1024
_MEMBERS_AT_MOST = 20_000
#: Bytes of the directory; every member takes ten times its entry there in our memory.
_DIRECTORY_AT_MOST = 8 * 1024 * 1024
#: An attachment in an OFD, or a table in a letter, is a package in a package.
_NESTED_AT_MOST = 3
_NESTED_BYTES_AT_MOST = 48 * 1024 * 1024

_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1
_LOCAL_HEADER_BYTES = 30
_PIECE = 1024 * 1024
_UNSAFE_NAME = re.compile(rf"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|[{CONTROLS}]")

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


class _Careful(io.BufferedReader):
    """A file of which no large part is read at once: the whole directory is, by ``zipfile``."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file does; :raises SyncError: FILE_HOSTILE for a directory too large."""
        if size is None or size < 0:
            size = max(os.fstat(self.fileno()).st_size - self.tell(), 0)
        if size > _DIRECTORY_AT_MOST:
            raise SyncError("FILE_HOSTILE", detail="zip: too many members")
        return super().read(size)


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
        with _Careful(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
            _check_safe(archive)
            _check_readable(archive.infolist())
            yield archive
    except FileNotFoundError:
        raise
    except _BROKEN as error:
        raise SyncError("FILE_CORRUPT", detail="zip: broken or cut off") from error


def check_contents(archive: zipfile.ZipFile) -> None:
    """Look at how every member begins, and unpack them to nowhere, as many as there is time for:
    first the small ones, which are read only once.

    :func:`open_zip` turns a wrong checksum into its error.

    :raises SyncError: FILE_HOSTILE for a bomb in a package inside, or XML with a document type
    """
    budget = Budget()
    unpacked = _unpacked(archive)
    large: list[zipfile.ZipInfo] = []
    for member in archive.infolist():
        if member.file_size <= _PIECE and not budget.spent:
            whole = io.BytesIO(archive.read(member))
            unpacked = _check_beginning(whole, member.file_size, unpacked, level=1)
            continue
        large.append(member)
        with archive.open(member) as content:
            unpacked = _check_beginning(content, member.file_size, unpacked, level=1)
    for member in large:
        with archive.open(member) as content:
            while not budget.spent and content.read(_PIECE):
                pass


def read(path: str, kind: str, rules: CompatibilityRules, *, decode: bool) -> FileFacts:
    """Check a plain ZIP; :raises SyncError: FILE_CORRUPT or FILE_HOSTILE."""
    with open_zip(path) as archive:
        check_contents(archive)
    return FileFacts(kind)


def _unpacked(archive: zipfile.ZipFile) -> int:
    return sum(member.file_size for member in archive.infolist())


def _check_safe(archive: zipfile.ZipFile) -> None:
    """Judge the directory alone; unpacking never yields more than the sizes it declares."""
    members = archive.infolist()
    unpacked = _unpacked(archive)
    packed = sum(member.compress_size for member in members)
    steep = unpacked > _RATIO_MATTERS_FROM and unpacked > packed * RATIO_AT_MOST
    if steep or unpacked > _UNPACKED_AT_MOST:
        raise SyncError("FILE_HOSTILE", detail="zip bomb")
    if len(members) > _MEMBERS_AT_MOST:
        raise SyncError("FILE_HOSTILE", detail="zip: too many members")
    for member in members:
        if _UNSAFE_NAME.search(member.orig_filename):
            raise SyncError("FILE_HOSTILE", detail="unsafe member name")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise SyncError("FILE_HOSTILE", detail="zip: a symbolic link")
    _check_apart(archive)


def _check_apart(archive: zipfile.ZipFile) -> None:
    """Members that share bytes unpack to far more than the sizes of all of them tell."""
    end = 0
    for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise SyncError("FILE_HOSTILE", detail="zip: members overlap")
        end = member.header_offset + _LOCAL_HEADER_BYTES + member.compress_size
    if end > archive.start_dir:
        raise zipfile.BadZipFile("a member reaches into the directory")


def _check_readable(members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        if member.flag_bits & _ENCRYPTED:
            raise SyncError("FILE_CORRUPT", detail="zip: a password is needed")
        if member.compress_type not in _METHODS:
            raise SyncError("FILE_CORRUPT", detail="zip: unusual compression")


def _check_beginning(content: IO[bytes], size: int, unpacked: int, *, level: int) -> int:
    """Judge a member that is XML or a package; what all seen so far unpack to, in bytes."""
    kind = sniff(content.read(HEAD_BYTES))
    if kind == "xml":
        content.seek(0)
        check_prolog(content)
    elif kind == "zip":
        content.seek(0)
        return _check_nested(content, size, unpacked, level=level + 1)
    return unpacked


def _check_nested(content: IO[bytes], size: int, unpacked: int, *, level: int) -> int:
    if level > _NESTED_AT_MOST:
        raise SyncError("FILE_HOSTILE", detail="zip: packages nested too deep")
    if size > _NESTED_BYTES_AT_MOST:
        raise SyncError("FILE_HOSTILE", detail="zip: a package inside is too large")
    data = io.BytesIO(content.read())
    with suppress(*_BROKEN), zipfile.ZipFile(data) as inner:  # a broken one unpacks to nothing
        _check_safe(inner)
        unpacked += _unpacked(inner)
        if unpacked > _UNPACKED_AT_MOST:
            raise SyncError("FILE_HOSTILE", detail="zip bomb")
        for member in inner.infolist():
            with inner.open(member) as nested:
                unpacked = _check_beginning(nested, member.file_size, unpacked, level=level)
    return unpacked
