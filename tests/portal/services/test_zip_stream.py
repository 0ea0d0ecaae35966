"""The ZIP's own form, as other programs read it: also beyond four gigabytes and 65,535 files."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from datetime import datetime
from pathlib import Path

import pytest

from portal.services.zip_stream import ZipStream

AT = datetime(2026, 11, 22, 18, 3, 12)  # noqa: DTZ001 - a ZIP knows no time zones
LARGE = (1 << 32) + 5


def written(files: dict[str, bytes]) -> bytes:
    stream = ZipStream()
    parts = []
    for name, body in files.items():
        parts += [stream.header(name, size=len(body), crc=zlib.crc32(body), at=AT), body]
    parts += stream.end()
    stream.close()
    return b"".join(parts)


def test_names_times_and_bytes_are_read_back_as_they_were() -> None:
    files = {"单据_1/发票/发票（一）.pdf": b"%PDF", "空.txt": b"", "a.txt": b"x" * 70_000}
    with zipfile.ZipFile(io.BytesIO(written(files))) as book:
        assert book.testzip() is None
        assert {name: book.read(name) for name in book.namelist()} == files
        for info in book.infolist():
            assert info.flag_bits == 0x800, "UTF-8 names, and no checksum behind the file"
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (2026, 11, 22, 18, 3, 12)


def test_more_files_than_an_old_zip_can_count() -> None:
    files = {f"{number}": b"" for number in range(65_540)}
    with zipfile.ZipFile(io.BytesIO(written(files))) as book:
        assert len(book.namelist()) == 65_540


@pytest.mark.parametrize("size", [LARGE, (1 << 32) - 1])
def test_more_than_four_gigabytes(tmp_path: Path, size: int) -> None:
    """A file too large for an old ZIP, and another one behind it; the disk keeps a hole."""
    stream = ZipStream()
    path = tmp_path / "large.zip"
    with path.open("wb") as out:
        out.write(stream.header("large", size=size, crc=0, at=AT))
        out.seek(size, 1)
        out.write(stream.header("small", size=5, crc=zlib.crc32(b"small"), at=AT) + b"small")
        out.writelines(stream.end())
    stream.close()
    with zipfile.ZipFile(path) as book:
        assert [info.file_size for info in book.infolist()] == [size, 5]
        assert book.read("small") == b"small"
        with book.open("large") as large:
            assert large.read(3) == b"\0\0\0"


def test_each_header_says_all_so_that_it_can_be_unpacked_while_it_arrives() -> None:
    body = b"content"
    raw = written({"a": body})
    signature, flags, crc, size = struct.unpack("<4s2xH6xLL", raw[:22])
    assert (signature, flags, crc, size) == (b"PK\x03\x04", 0x800, zlib.crc32(body), len(body))


def test_without_its_end_nobody_takes_it_for_whole() -> None:
    stream = ZipStream()
    begun = stream.header("a", size=1, crc=zlib.crc32(b"a"), at=AT) + b"a"
    stream.close()
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(begun))
