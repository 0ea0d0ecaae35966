from __future__ import annotations

import pytest

import tests.portal.sync.checks.check_samples as samples
from portal.sync.checks.sniff import expected_kinds, sniff


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"II*\0", "tiff"),
        (b"MM\0*", "tiff"),
        (b"II+\0\x08\0\0\0", "tiff"),
        (b"MM\0+\0\x08\0\0", "tiff"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "bmp"),
        (b"GIF89a", "gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"RIFF\0\0\0\0WAVE", "unknown"),
        (b"\r\n%PDF-1.7", "pdf"),
        (b"PK\x03\x04", "zip"),
        (samples.OLE, "ole"),
        (samples.XML, "xml"),
        (b"\xef\xbb\xbf \n<Invoice/>", "xml"),
        ("<发票/>".encode(), "xml"),
        ('<?xml version="1.0"?><a/>'.encode("utf-16"), "xml"),
        (b'<?xml version="1.0" encoding="iso-8859-1"?>\xff\xff', "xml"),
        (b"<!doctype HTML><p>", "html"),
        (b"<HTML lang=zh>", "html"),
        ("BM 是两个字母".encode(), "txt"),
        ("金额 12.50 元".encode("gb18030"), "txt"),
        (b'{"errcode": "1001"}', "txt"),
        ("发票".encode()[:5], "txt"),
        (b"text\0text", "unknown"),
        (b"\xff\xff", "unknown"),
        (b"MZ\x90\0", "unknown"),
        (b" \r\n", "unknown"),
        (b"", "unknown"),
    ],
)
def test_kind_by_first_bytes(head: bytes, kind: str) -> None:
    assert sniff(head) == kind


@pytest.mark.parametrize(
    ("suffix", "kinds"),
    [
        ("jpg", {"jpeg"}),
        (".JPEG", {"jpeg"}),
        ("jfif", {"jpeg"}),
        ("Tif", {"tiff"}),
        ("xls", {"ole"}),
        ("xlsx", {"ooxml"}),
        ("ofd", {"ofd"}),
        ("wps", {"ole", "ooxml"}),
        ("exe", set()),
        ("", set()),
    ],
)
def test_kinds_by_suffix(suffix: str, kinds: set[str]) -> None:
    assert expected_kinds(suffix) == kinds
