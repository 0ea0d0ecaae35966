"""Hostile files, small and made by hand: each with the code that a check of it must end with."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from PIL import Image

import tests.portal.sync.checks.check_samples as samples

SIDE = 50_000
MEGA = 1024 * 1024


@dataclass(frozen=True)
class Hostile:
    """A hostile file: how it is made, and what its check must say."""

    name: str
    make: Callable[[], bytes]
    code: str
    detail: str | None = None

    @property
    def suffix(self) -> str:
        return self.name.rpartition(".")[2]


# Packages.


def bomb_ofd() -> bytes:
    return samples.ofd(more={"zeros": bytes(100 * MEGA)})


def nested_bomb_ofd(levels: int = 1) -> bytes:
    """Each package packs ten of the next; what all of them hold in the end is zeros."""
    inner = samples.zipped({"zeros": bytes(60 * MEGA)})
    for _ in range(levels):
        inner = _stored({f"{number}.zip": inner for number in range(10)})
    return samples.ofd(more={"Doc_0/Attachs/a.zip": inner})


def endlessly_nested_ofd() -> bytes:
    inner = samples.zipped({"a.txt": b"a"})
    for _ in range(12):
        inner = samples.zipped({"a.zip": inner})
    return samples.ofd(more={"Doc_0/Attachs/a.zip": inner})


def lying_ofd() -> bytes:
    """A bomb whose headers, both of them, say that it unpacks to ten bytes."""
    content = bytearray(bomb_ofd())
    size = struct.pack("<I", 100 * MEGA)
    while (position := content.find(size)) >= 0:
        content[position : position + 4] = struct.pack("<I", 10)
    return bytes(content)


def overlapping_ofd(members: int = 2_000) -> bytes:
    """Many members that all unpack the same bytes (Fifield's bomb): none of them is steep."""
    whole = samples.ofd(more={"noise": b"".join(struct.pack("<I", n * n) for n in range(60_000))})
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        noise = archive.getinfo("noise")
        start = archive.start_dir
        end = whole.rindex(b"PK\5\6")
    entries = [whole[start:end]]
    for number in range(members):
        name = b"n%04d" % number
        entries.append(
            struct.pack(
                "<4s6H3L5H2L",
                *(b"PK\1\2", 20, 20, 0, 8, 0, 0, noise.CRC, noise.compress_size),
                *(noise.file_size, len(name), 0, 0, 0, 0, 0, noise.header_offset),
            )
            + name
        )
    directory = b"".join(entries)
    count = members + whole[start:end].count(b"PK\1\2")
    finish = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), start, 0)
    return whole[:start] + directory + finish


def crowded_ofd(members: int = 1_000_000) -> bytes:
    """A directory of a million empty members."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, *([0] * 7), 1, *([0] * 6)) + b"x"
    directory = entry * members
    big = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, members, members, len(directory), 4
    )
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 4 + len(directory), 1)
    finish = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return b"PK\3\4" + directory + big + locator + finish


def member_named(name: str) -> bytes:
    return samples.zipped({**samples.ofd_members(), name: b"x"})


def ofd_with_link() -> bytes:
    out = io.BytesIO(samples.ofd())
    with zipfile.ZipFile(out, "a") as archive:
        link = zipfile.ZipInfo("Doc_0/link.xml")
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return out.getvalue()


def pointing_ofd() -> bytes:
    members = samples.ofd_members()
    members["OFD.xml"] = members["OFD.xml"].replace(b"Doc_0/", b"../../Doc_0/")
    return samples.zipped(members)


def ofd_of_many_roots() -> bytes:
    """A hundred thousand times the same document."""
    members = samples.ofd_members()
    root = b"<ofd:DocBody><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody>"
    members["OFD.xml"] = members["OFD.xml"].replace(root, root * 100_000)
    return samples.zipped(members)


def _stored(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


# XML.


def quadratic_xml() -> bytes:
    """One long entity, called very often."""
    return (
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "'
        + b"x" * 100_000
        + b'">]><a>'
        + b"&b;" * 100_000
        + b"</a>"
    )


def external_xml() -> bytes:
    return b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


def xml_in_ofd(member: str, content: bytes) -> bytes:
    return samples.zipped({**samples.ofd_members(), member: content})


def long_token_xml() -> bytes:
    return b'<?xml version="1.0"?><a b="' + b"x" * 60 * MEGA + b'"/>'


# Pictures.


def bmp_header() -> bytes:
    head = struct.pack("<2sIHHI", b"BM", 54 + 16, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(16)


def rle_bmp() -> bytes:
    """A packed bitmap of the same size, true to its header: nothing but an end mark."""
    head = struct.pack("<2sIHHI", b"BM", 54 + 1024 + 2, 0, 0, 54 + 1024)
    info = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, 2, 0, 0, 256, 0)
    return head + info + bytes(1024) + b"\0\1"


def gif_header() -> bytes:
    return (
        struct.pack("<6sHHBBB", b"GIF89a", SIDE, SIDE, 0x80, 0, 0)
        + bytes(6)
        + struct.pack("<cHHHHB", b",", 0, 0, SIDE, SIDE, 0)
        + b"\x02\x02\x4c\x01\x00;"
    )


def webp_header() -> bytes:
    """As large as the format allows: 16,384 pixels either way, the canvas of an animation."""
    still = bytearray(samples.picture("WEBP"))[12:]
    side = (16_382).to_bytes(3, "little")
    extended = b"VP8X\x0a\0\0\0\0\0\0\0" + side + side
    body = b"WEBP" + extended + still
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def lossless_webp_header() -> bytes:
    """A still picture as large as the format allows."""
    size = (16_383 | 16_383 << 14).to_bytes(4, "little")
    body = b"WEBPVP8L" + struct.pack("<I", 26) + b"\x2f" + size + bytes(21)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_header() -> bytes:
    content = bytearray(samples.picture("JPEG", mode="L"))
    frame = content.index(b"\xff\xc0") + 5
    content[frame : frame + 4] = struct.pack(">HH", SIDE, SIDE)
    return bytes(content)


def true_png() -> bytes:
    """50,000 × 50,000 dots, all of them there: two and a half gigabytes in 2.5 MB."""
    return samples.png_stream(SIDE, SIDE, deflated(b"\0" * (SIDE + 1), SIDE))


def true_tiff() -> bytes:
    """50,000 × 50,000 dots in one packed strip."""
    return samples.tiff_strip(SIDE, SIDE, deflated(b"\0" * SIDE, SIDE), compression=8)


def bomb_tiff(pages: int = 1_500) -> bytes:
    """Each page keeps to every rule, and all share one strip of 100 million dots."""
    data = deflated(b"\0" * 10_000, 10_000)
    return samples.tiff_strip(10_000, 10_000, data, compression=8, pages=pages)


@cache
def deflated(piece: bytes, times: int) -> bytes:
    """A zlib stream of the same piece again and again, packed once."""
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 1
    for _ in range(times):
        checksum = zlib.adler32(piece, checksum)
    return b"\x78\x01" + packed * times + b"\x03\x00" + checksum.to_bytes(4)


def tiff_loop() -> bytes:
    content = bytearray(samples.tiff_of_empty_pages(2))
    content[-4:] = content[4:8]
    return bytes(content)


def wide_tiff() -> bytes:
    """A directory that claims a value of four billion entries."""
    content = bytearray(samples.tiff_header(400, 400))
    entry = content.index(struct.pack("<HHI", 273, 4, 1))
    content[entry : entry + 8] = struct.pack("<HHI", 273, 4, 0x7FFFFFFF)
    return bytes(content)


def endless_gif(frames: int = 200_000) -> bytes:
    return _gif(400, 320, frames) + b";"


def cut_gif() -> bytes:
    return _gif(400, 320, 1_000)


def gif_of_large_frames() -> bytes:
    """2,000 frames of 9 million dots, nearly nothing of which is drawn."""
    return _gif(3_000, 3_000, 2_000) + b";"


def _gif(width: int, height: int, frames: int) -> bytes:
    first = struct.pack("<6sHHBBB", b"GIF89a", width, height, 0x80, 0, 0) + bytes(6)
    control = b"!\xf9\x04\x08\x01\0\0\0"
    frame = control + struct.pack("<cHHHHB", b",", 0, 0, width, height, 0)
    return first + (frame + _lzw_zeros(width, height) + b"\0") * frames


@cache
def _lzw_zeros(width: int, height: int) -> bytes:
    """The packed dots of a black frame, with the width of their codes before them."""
    out = io.BytesIO()
    Image.new("P", (width, height)).save(out, "GIF")
    body = out.getvalue()
    return body[body.index(b",") + 10 : -2]


def endless_webp(frames: int = 2_500) -> bytes:
    """An animation of more frames than pages are allowed, each one dot large."""
    out = io.BytesIO()
    Image.new("RGB", (400, 320)).save(
        out, "WEBP", save_all=True, append_images=[Image.new("RGB", (400, 320), "red")]
    )
    content = out.getvalue()
    start = content.index(b"ANMF")
    size = int.from_bytes(content[start + 4 : start + 8], "little")
    frame = content[start : start + 8 + size + size % 2]
    body = content[8:start] + frame * frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_of_scans(scans: int = 1_000_000) -> bytes:
    """A progressive picture that is refined again and again."""
    content = samples.picture("JPEG", (1000, 1000), "L", progressive=True)
    last = content.rindex(b"\xff\xda")
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x10"
    return content[:last] + scan * scans + content[last:]


def jpeg_of_segments() -> bytes:
    content = samples.picture("JPEG")
    return content[:2] + b"\xff\xfe\x00\x02" * 3_000_000 + content[2:]


# PDF.


def pdf_of(objects: dict[int, bytes]) -> bytes:
    """A PDF of numbered objects, 1 the catalogue."""
    out = bytearray(b"%PDF-1.5\n")
    offsets = {}
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table, size = len(out), max(objects) + 1
    out += b"xref\n0 %d\n" % size
    for number in range(size):
        out += b"%010d %05d %c \n" % (
            offsets.get(number, 0),
            0 if number in offsets else 65535,
            b"n" if number in offsets else b"f",
        )
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, table)
    return bytes(out)


def pdf_stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries, len(data), data)


_CATALOGUE = b"<</Type/Catalog/Pages 2 0 R>>"
_ONE_PAGE = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"


def page_pdf(content: bytes, *, page: bytes = b"", more: dict[int, bytes] | None = None) -> bytes:
    """One page whose content stream is object 4."""
    described = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R%s>>" % page
    return pdf_of({1: _CATALOGUE, 2: _ONE_PAGE, 3: described, 4: content, **(more or {})})


def deep_page_tree() -> bytes:
    """A thousand levels, each twice the next: 2^1000 pages."""
    objects = {1: _CATALOGUE}
    for level in range(2, 1_002):
        child = level + 1
        objects[level] = b"<</Type/Pages/Kids[%d 0 R %d 0 R]/Count 2000>>" % (child, child)
    objects[1_002] = b"<</Type/Page/Parent 1001 0 R/MediaBox[0 0 595 842]>>"
    return pdf_of(objects)


def object_stream_loop() -> bytes:
    """The page tree lies in a stream of objects that is said to lie in itself."""
    inside = b"2 0 5 40 ".ljust(16) + _ONE_PAGE.ljust(40) + b"<<>>"
    stream = pdf_stream(inside, b"/Type/ObjStm/N 2/First 16/Extends 5 0 R")
    out = bytearray(b"%PDF-1.5\n")
    catalogue = len(out)
    out += b"1 0 obj\n%s\nendobj\n" % _CATALOGUE
    out += b"5 0 obj\n%s\nendobj\n" % stream
    table = len(out)
    rows = [(0, 0, 65535), (1, catalogue, 0), (2, 5, 0), (2, 5, 0), (2, 5, 0), (2, 5, 1)]
    data = b"".join(struct.pack(">BIH", *row) for row in rows)
    entries = b"/Type/XRef/W[1 4 2]/Size 6/Root 1 0 R"
    out += b"6 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (pdf_stream(data, entries), table)
    return bytes(out)


def xref_loop() -> bytes:
    content = samples.pdf(1)
    table = content.rindex(b"xref\n0")
    return content.replace(b"/Root 1 0 R>>", b"/Root 9 0 R/Prev %d>>" % table)


def recursive_forms() -> bytes:
    """Thirty drawings that each use the next one ten times."""
    forms = {}
    for level in range(5, 35):
        entries = (
            b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]"
            b"/Resources<</XObject<</F %d 0 R>>>>" % (level + 1)
        )
        forms[level] = pdf_stream(b"/F Do " * 10, entries)
    forms[35] = pdf_stream(b"0 0 m 99 99 l S " * 100, b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]")
    return page_pdf(
        pdf_stream(b"/F Do " * 10), page=b"/Resources<</XObject<</F 5 0 R>>>>", more=forms
    )


def flate_bomb_pdf() -> bytes:
    """A content stream packed twice: 400 MB of blanks in some kilobytes."""
    data = zlib.compress(deflated(b" " * MEGA, 400), 9)
    return page_pdf(pdf_stream(data, b"/Filter[/FlateDecode/FlateDecode]"))


def endless_content() -> bytes:
    """Forty megabytes of drawing, packed well."""
    data = deflated(b"0 0 m 595 842 l S\n" * 1_000, 3_000)
    return page_pdf(pdf_stream(data, b"/Filter/FlateDecode"))


def image_bomb_pdf() -> bytes:
    """A page with a picture of 50,000 × 50,000 dots."""
    picture = pdf_stream(
        true_tiff()[8 : 8 + len(deflated(b"\0" * SIDE, SIDE))],
        b"/Type/XObject/Subtype/Image/Width 50000/Height 50000/BitsPerComponent 8"
        b"/ColorSpace/DeviceGray/Filter/FlateDecode",
    )
    return page_pdf(
        pdf_stream(b"595 0 0 842 0 0 cm /I Do"),
        page=b"/Resources<</XObject<</I 5 0 R>>>>",
        more={5: picture},
    )


HOSTILE = (
    Hostile("bomb.ofd", bomb_ofd, "FILE_HOSTILE", "zip bomb"),
    Hostile("nested.ofd", nested_bomb_ofd, "FILE_HOSTILE", "zip bomb"),
    Hostile("dolls.ofd", endlessly_nested_ofd, "FILE_HOSTILE", "zip: packages nested too deep"),
    Hostile("lying.ofd", lying_ofd, "FILE_CORRUPT"),
    Hostile("overlapping.ofd", overlapping_ofd, "FILE_HOSTILE", "zip: members overlap"),
    Hostile("crowded.ofd", crowded_ofd, "FILE_HOSTILE", "zip: too many members"),
    Hostile(
        "parent.ofd",
        lambda: member_named("../../etc/cron.d/x"),
        "FILE_HOSTILE",
        "unsafe member name",
    ),
    Hostile("root.ofd", lambda: member_named("/etc/x"), "FILE_HOSTILE", "unsafe member name"),
    Hostile("drive.ofd", lambda: member_named("C:\\x"), "FILE_HOSTILE", "unsafe member name"),
    Hostile("unc.ofd", lambda: member_named("\\\\server\\x"), "FILE_HOSTILE", "unsafe member name"),
    Hostile(
        "control.ofd", lambda: member_named("a\u202egpj.x"), "FILE_HOSTILE", "unsafe member name"
    ),
    Hostile("link.ofd", ofd_with_link, "FILE_HOSTILE", "zip: a symbolic link"),
    Hostile("pointing.ofd", pointing_ofd, "FILE_HOSTILE", "ofd: a location outside the package"),
    Hostile("roots.ofd", ofd_of_many_roots, "FILE_PAGES_HIGH"),
    Hostile("laughs.xml", lambda: samples.XML_BOMB, "FILE_HOSTILE", "xml: document type"),
    Hostile("quadratic.xml", quadratic_xml, "FILE_HOSTILE", "xml: document type"),
    Hostile("external.xml", external_xml, "FILE_HOSTILE", "xml: document type"),
    Hostile(
        "laughs.ofd",
        lambda: xml_in_ofd("Doc_0/Pages/Page_0/Content.xml", samples.XML_BOMB),
        "FILE_HOSTILE",
        "xml: document type",
    ),
    Hostile(
        "quadratic.ofd",
        lambda: xml_in_ofd("Doc_0/DocumentRes.xml", quadratic_xml()),
        "FILE_HOSTILE",
        "xml: document type",
    ),
    Hostile(
        "laughs.docx",
        lambda: samples.zipped(
            {"[Content_Types].xml": b"<Types/>", "word/document.xml": samples.XML_BOMB}
        ),
        "FILE_HOSTILE",
        "xml: document type",
    ),
    Hostile(
        "deep.xml",
        lambda: b"<?xml version='1.0'?>" + b"<a>" * 1_000_000,
        "FILE_HOSTILE",
        "xml: nested too deep",
    ),
    Hostile("token.xml", long_token_xml, "FILE_HOSTILE", "xml: endless token"),
    Hostile("huge.tif", lambda: samples.tiff_header(SIDE, SIDE), "FILE_PIXELS_HIGH"),
    Hostile("true.tif", true_tiff, "FILE_PIXELS_HIGH"),
    Hostile("huge.png", lambda: samples.png_header(SIDE, SIDE), "FILE_PIXELS_HIGH"),
    Hostile("true.png", true_png, "FILE_PIXELS_HIGH"),
    Hostile("huge.jpg", jpeg_header, "FILE_PIXELS_HIGH"),
    Hostile("huge.bmp", bmp_header, "FILE_PIXELS_HIGH"),
    Hostile("true.bmp", rle_bmp, "FILE_PIXELS_HIGH"),
    Hostile("huge.gif", gif_header, "FILE_PIXELS_HIGH"),
    Hostile("canvas.webp", webp_header, "FILE_PIXELS_HIGH"),
    Hostile("huge.webp", lossless_webp_header, "FILE_PIXELS_HIGH"),
    Hostile("pages.tif", lambda: samples.tiff_of_empty_pages(10_000), "FILE_PAGES_HIGH"),
    Hostile("loop.tif", tiff_loop, "FILE_HOSTILE", "tiff: pages in a loop"),
    Hostile("wide.tif", wide_tiff, "FILE_CORRUPT"),
    Hostile("bomb.tif", bomb_tiff, "FILE_HOSTILE", "decompression bomb"),
    Hostile("endless.gif", endless_gif, "FILE_PAGES_HIGH"),
    Hostile("cut.gif", cut_gif, "FILE_CORRUPT"),
    Hostile("frames.gif", gif_of_large_frames, "FILE_HOSTILE", "decompression bomb"),
    Hostile("endless.webp", endless_webp, "FILE_PAGES_HIGH"),
    Hostile("scans.jpg", jpeg_of_scans, "FILE_HOSTILE", "jpeg: too many scans"),
    Hostile("segments.jpg", jpeg_of_segments, "FILE_HOSTILE", "jpeg: too many segments"),
    Hostile("loop.pdf", lambda: samples.pdf(0, kids="2 0 R", count=5), "FILE_CORRUPT"),
    Hostile("tree.pdf", deep_page_tree, "FILE_HOSTILE", "pdf: the same page again and again"),
    Hostile("objects.pdf", object_stream_loop, "FILE_CORRUPT"),
    Hostile("ring.pdf", lambda: samples.pdf(1, kids="3 0 R 2 0 R", count=1_000), "FILE_HOSTILE"),
    Hostile("xref.pdf", xref_loop, "FILE_CORRUPT"),
    Hostile(
        "count.pdf", lambda: samples.pdf(1, kids="3 0 R", count=2_000_000_000), "FILE_PAGES_HIGH"
    ),
    Hostile(
        "kids.pdf",
        lambda: samples.pdf(1, kids="3 0 R " * 3_000, count=3_000),
        "FILE_PAGES_HIGH",
    ),
    Hostile("forms.pdf", recursive_forms, "FILE_HOSTILE"),
    Hostile("flate.pdf", flate_bomb_pdf, "FILE_HOSTILE"),
    Hostile("content.pdf", endless_content, "FILE_HOSTILE"),
    Hostile("image.pdf", image_bomb_pdf, "FILE_PIXELS_HIGH"),
)
