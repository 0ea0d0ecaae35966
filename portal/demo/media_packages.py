"""PDF and OFD base files around scanned pages."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence

from PIL import Image

from portal.demo.media import IDENTITY_LENGTH, BaseFile
from portal.demo.media_pages import fitted
from portal.demo.media_pictures import JPEG

_A4_POINTS = (595, 842)
_OFD = 'xmlns:ofd="http://www.ofdspec.org/2016"'
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ZIP_TIME = (2024, 1, 1, 0, 0, 0)


def pdf_file(target: int, pages: int) -> BaseFile:
    """A PDF of about so many bytes; the identity is a comment before ``startxref``."""
    scans = [fitted(target // pages - 700, JPEG) for _ in range(pages)]
    body, table_at = _pdf_body(scans)
    end = b"\nstartxref\n%d\n%%%%EOF\n" % table_at
    return BaseFile("pdf", body, lambda identity: b"%% %b" % identity + end, pages=pages)


def _pdf_body(scans: Sequence[bytes]) -> tuple[bytes, int]:
    """Everything up to the trailer, and where the cross-reference table begins."""
    kids = b" ".join(b"%d 0 R" % (3 + 3 * page) for page in range(len(scans)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(scans)),
    ]
    for page, scan in enumerate(scans):
        objects += _pdf_page(3 + 3 * page, scan)
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, text in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, text)
    table_at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return bytes(out), table_at


def _pdf_page(number: int, scan: bytes) -> list[bytes]:
    """The three objects of a page: itself, its drawing, its picture."""
    content = b"q %d 0 0 %d 0 0 cm /Scan Do Q" % _A4_POINTS
    with Image.open(io.BytesIO(scan)) as picture:
        width, height = picture.size
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R "
        b"/Resources << /XObject << /Scan %d 0 R >> >> >>"
    ) % (*_A4_POINTS, number + 1, number + 2)
    drawing = b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content)
    image = (
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB "
        b"/BitsPerComponent 8 /Filter /DCTDecode /Length %d >>\nstream\n%b\nendstream"
    ) % (width, height, len(scan), scan)
    return [page, drawing, image]


def ofd_file(target: int) -> BaseFile:
    """An OFD package of about so many bytes; the identity is the comment of the zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package:
        for name, data in _ofd_members(fitted(target - 3000, JPEG)).items():
            package.writestr(zipfile.ZipInfo(name, _ZIP_TIME), data)
    # The archive ends with the length of its comment, which is 0 so far.
    head = buffer.getvalue()[:-2] + struct.pack("<H", IDENTITY_LENGTH)
    return BaseFile("ofd", head, bytes)


def _ofd_members(scan: bytes) -> dict[str, str | bytes]:
    return {
        "OFD.xml": f"""{_XML}<ofd:OFD {_OFD} Version="1.0" DocType="OFD"><ofd:DocBody>
<ofd:DocInfo><ofd:DocID>8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c</ofd:DocID>
<ofd:Title>电子发票（普通发票）</ofd:Title><ofd:CreationDate>2024-01-01</ofd:CreationDate>
</ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>
""",
        "Doc_0/Document.xml": f"""{_XML}<ofd:Document {_OFD}><ofd:CommonData>
<ofd:MaxUnitID>6</ofd:MaxUnitID><ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox>
</ofd:PageArea><ofd:PublicRes>PublicRes.xml</ofd:PublicRes>
<ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes></ofd:CommonData><ofd:Pages>
<ofd:Page ID="1" BaseLoc="Pages/Page_0/Content.xml"/></ofd:Pages></ofd:Document>
""",
        "Doc_0/PublicRes.xml": f"""{_XML}<ofd:Res {_OFD} BaseLoc="Res"><ofd:Fonts>
<ofd:Font ID="5" FontName="宋体" FamilyName="宋体"/></ofd:Fonts></ofd:Res>
""",
        "Doc_0/DocumentRes.xml": f"""{_XML}<ofd:Res {_OFD} BaseLoc="Res"><ofd:MultiMedias>
<ofd:MultiMedia ID="4" Type="Image" Format="JPG"><ofd:MediaFile>scan.jpg</ofd:MediaFile>
</ofd:MultiMedia></ofd:MultiMedias></ofd:Res>
""",
        "Doc_0/Pages/Page_0/Content.xml": f"""{_XML}<ofd:Page {_OFD}><ofd:Area>
<ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:Area><ofd:Content><ofd:Layer ID="2">
<ofd:ImageObject ID="3" Boundary="0 0 210 297" CTM="210 0 0 297 0 0" ResourceID="4"/>
<ofd:TextObject ID="6" Boundary="60 8 100 10" Font="5" Size="6">
<ofd:TextCode X="0" Y="6" DeltaX="6 6 6 6 6 6 6 6 6">电子发票（普通发票）</ofd:TextCode>
</ofd:TextObject></ofd:Layer></ofd:Content></ofd:Page>
""",
        "Doc_0/Res/scan.jpg": scan,
    }
