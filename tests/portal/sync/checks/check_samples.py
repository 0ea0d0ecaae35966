"""Small files of every kind, good and hostile, made by hand where no library writes them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from portal.sync.checks.inspection import InspectionJob
from portal.sync.checks.rules import CompatibilityRules

RULES = CompatibilityRules()


def job(path: Path, **changes: Any) -> InspectionJob:
    """A job for a file whose declaration agrees with its name."""
    values = {
        "id": path.name,
        "path": str(path),
        "suffix": path.suffix,
        "category": "attachment",
        "page_count": None,
        "rules": RULES,
        **changes,
    }
    return InspectionJob(**values)


def picture(kind: str, size: tuple[int, int] = (400, 320), mode: str = "RGB", **how: Any) -> bytes:
    """A noisy picture, so that its data has some length."""
    out = io.BytesIO()
    noise(size).convert(mode).save(out, kind, **how)
    return out.getvalue()


def noise(size: tuple[int, int] = (400, 320)) -> Image.Image:
    return Image.effect_noise(size, 60)


def tiff(pages: int, size: tuple[int, int] = (400, 320)) -> bytes:
    frames = [noise(size) for _ in range(pages)]
    out = io.BytesIO()
    frames[0].save(out, "TIFF", save_all=True, append_images=frames[1:], compression="tiff_lzw")
    return out.getvalue()


def tiff_of_empty_pages(pages: int) -> bytes:
    """Directories of one 400×400 white strip each, all pages sharing the same data."""
    strip = bytes(400 * 50)
    first = 8 + len(strip)
    directory = 2 + 9 * 12 + 4
    out = [struct.pack("<2sHI", b"II", 42, first), strip]
    for page in range(pages):
        follow = first + (page + 1) * directory if page + 1 < pages else 0
        tags = (
            (256, 400),
            (257, 400),
            (258, 1),
            (259, 1),
            (262, 1),
            (273, 8),
            (277, 1),
            (278, 400),
        )
        entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags]
        entries.append(struct.pack("<HHII", 279, 4, 1, len(strip)))
        out.append(struct.pack("<H", 9) + b"".join(entries) + struct.pack("<I", follow))
    return b"".join(out)


def tiff_header(width: int, height: int) -> bytes:
    """A header that promises a picture of this size, and hardly any data."""
    tags = (
        (256, width),
        (257, height),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, height),
    )
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags]
    entries.append(struct.pack("<HHII", 279, 4, 1, 16))
    directory = struct.pack("<H", 9) + b"".join(entries) + struct.pack("<I", 0)
    return struct.pack("<2sHI", b"II", 42, 24) + bytes(16) + directory


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int, data: bytes = b"") -> bytes:
    """A grey PNG of the declared size with the given image data, checksums right."""
    return png_stream(width, height, zlib.compress(data))


def png_stream(width: int, height: int, packed: bytes) -> bytes:
    """A grey PNG of the declared size whose rows are packed already."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, body) for name, body in chunks)


def tiff_strip(
    width: int,
    height: int,
    packed: bytes,
    *,
    compression: int,
    samples: int = 1,
    pages: int = 1,
    rows: int | None = None,
    counts: list[int] | None = None,
) -> bytes:
    """Pages that share the same packed strips, which lie one behind the other in ``packed``.

    :param rows: of each strip; all by default
    :param counts: bytes of each strip, if there are several
    """
    counts = counts or [len(packed)]
    offsets = [8 + sum(counts[:number]) for number in range(len(counts))]
    data = packed + b"\0" * (len(packed) % 2)
    tables = struct.pack(f"<{2 * len(counts)}I", *offsets, *counts) if len(counts) > 1 else b""
    bits = struct.pack(f"<{samples}H", *[8] * samples) if samples > 2 else b""
    tables_at = 8 + len(data)
    first = tables_at + len(tables) + len(bits)
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, samples, tables_at + len(tables) if bits else 8),
        (259, 4, 1, compression),
        (262, 4, 1, 2 if samples > 2 else 1),
        (273, 4, len(counts), tables_at if tables else offsets[0]),
        (277, 4, 1, samples),
        (278, 4, 1, rows or height),
        (279, 4, len(counts), tables_at + 4 * len(counts) if tables else counts[0]),
    ]
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    size = 2 + len(body) + 4
    out = [struct.pack("<2sHI", b"II", 42, first), data, tables, bits]
    for page in range(pages):
        follow = first + (page + 1) * size if page + 1 < pages else 0
        out.append(struct.pack("<H", len(entries)) + body + struct.pack("<I", follow))
    return b"".join(out)


def pdf(pages: int = 1, *, kids: str | None = None, count: int | None = None) -> bytes:
    """A PDF of pages with a line of drawing each; ``kids`` and ``count`` can lie."""
    numbers = range(3, 3 + pages)
    listed = " ".join(f"{number} 0 R" for number in numbers) if kids is None else kids
    content = b"0 0 m 100 100 l S"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{listed}]/Count {pages if count is None else count}>>".encode(),
        *(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {3 + pages} 0 R>>".encode()
            for _ in numbers
        ),
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
    ]
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n" % (len(objects) + 1, table)
    return bytes(out + b"%%EOF\n")


def zipped(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def write_talkative_zip(path: Path, members: int) -> None:
    """A sparse file whose directory holds a comment of 64 KiB for every member."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *([0] * 11), 1, 0, 65_535, *([0] * 4))
    size = (len(entry) + 1 + 65_535) * members
    with path.open("wb") as file:
        file.write(b"PK\3\4")
        for _ in range(members):
            file.write(entry + b"x")
            file.seek(65_535, 1)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, members, members, size, 4, 0))


_OFD_SPACE = 'xmlns:ofd="http://www.ofdspec.org/2016"'


def ofd_members(pages: int = 2) -> dict[str, bytes]:
    members = {
        "OFD.xml": _element(
            "OFD", "<ofd:DocBody><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody>"
        ),
        "Doc_0/Document.xml": _element("Document", f"<ofd:Pages>{_page_list(pages)}</ofd:Pages>"),
    }
    for page in range(pages):
        members[f"Doc_0/Pages/Page_{page}/Content.xml"] = _element("Page", "发票")
    return members


def _element(name: str, inside: str) -> bytes:
    declaration = '<?xml version="1.0" encoding="UTF-8"?>'
    return f"{declaration}<ofd:{name} {_OFD_SPACE}>{inside}</ofd:{name}>".encode()


def _page_list(pages: int) -> str:
    return "".join(
        f'<ofd:Page ID="{page + 1}" BaseLoc="Pages/Page_{page}/Content.xml"/>'
        for page in range(pages)
    )


def ofd(pages: int = 2, more: Mapping[str, bytes] | None = None) -> bytes:
    return zipped({**ofd_members(pages), **(more or {})})


XML = '<?xml version="1.0" encoding="UTF-8"?><Invoice><No>发票 1</No></Invoice>'.encode()
XML_BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;">]><a>&e;&e;&e;</a>"""
OLE = (
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    + bytes(16)
    + b"\x3e\x00\x03\x00\xfe\xff\x09\x00"
    + bytes(2000)
)
OOXML = zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<document/>"})


def good_files() -> dict[str, bytes]:
    """A whole file of every kind, by name."""
    return {
        "a.jpg": picture("JPEG", quality=80, dpi=(300, 300)),
        "progressive.jpeg": picture("JPEG", progressive=True),
        "cmyk.jpg": picture("JPEG", mode="CMYK"),
        "a.png": picture("PNG", dpi=(200, 200)),
        "palette.png": picture("PNG", mode="P"),
        "a.tif": tiff(3),
        "big.tiff": picture("TIFF", big_tiff=True),
        "fax.tif": picture("TIFF", mode="1", compression="group4"),
        "jpeg.tif": picture("TIFF", compression="jpeg"),
        "a.bmp": picture("BMP"),
        "a.gif": picture("GIF"),
        "a.webp": picture("WEBP"),
        "a.pdf": pdf(3),
        "a.ofd": ofd(2),
        "a.xml": XML,
        "gbk.xml": '<?xml version="1.0" encoding="GBK"?><发票>张伟</发票>'.encode("gbk"),
        "a.doc": OLE,
        "a.docx": OOXML,
        "a.txt": "报销说明\r\n".encode(),
        "gbk.txt": "报销说明，共两页".encode("gbk"),
    }
