"""Files to look at, good and hostile."""

from __future__ import annotations

import io
import random
import struct

from PIL import Image, ImageDraw


def saved(image: Image.Image, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def sheet(size: tuple[int, int] = (400, 320), mode: str = "RGB") -> Image.Image:
    """White paper with a black upper left quarter."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1] // 2 - 1), fill="black")
    return image.convert(mode)


def grey_pages(*levels: int) -> bytes:
    """A TIFF whose pages are told apart by their grey."""
    frames = [Image.new("L", (60, 40), level) for level in levels]
    return saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])


def large_noise(kind: str, **how: object) -> bytes:
    """A picture of more than 4 MiB."""
    size = (1300, 1200)
    dots = random.Random(7).randbytes(size[0] * size[1] * 3)
    return saved(Image.frombytes("RGB", size, dots), kind, **how)


def pdf(*pages: tuple[bytes, tuple[int, int]], forms: tuple[bytes, ...] = ()) -> bytes:
    """A PDF of pages (content, size in points); ``forms`` are drawings F0, F1 … to be reused."""
    first_form = 3 + 2 * len(pages)
    names = " ".join(f"/F{n} {first_form + n} 0 R" for n in range(len(forms))).encode()
    resources = b"/Resources<</XObject<<%s>>>>" % names
    kids = b" ".join(b"%d 0 R" % (3 + 2 * n) for n in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)),
    ]
    for number, (content, (width, height)) in enumerate(pages):
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents %d 0 R%s>>"
            % (width, height, 4 + 2 * number, resources)
        )
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
    for content in forms:
        kind = b"/Type/XObject/Subtype/Form/BBox[0 0 999 999]" + resources
        objects.append(b"<<%s/Length %d>>stream\n%s\nendstream" % (kind, len(content), content))
    return _assembled(objects)


def _assembled(objects: list[bytes]) -> bytes:
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


def endless_pdf() -> bytes:
    """A page that is painted over fifty thousand times."""
    return pdf((b"0 0 595 842 re f\n" * 50_000, (595, 842)))


def pdf_bomb() -> bytes:
    """Each of nine drawings shows the next one twenty times: 512 thousand million strokes."""
    forms = [b"/F%d Do " % (n + 1) * 20 for n in range(8)]
    return pdf((b"/F0 Do", (595, 842)), forms=(*forms, b"0 0 m 99 99 l S"))


def bomb_tiff(side: int) -> bytes:
    """A small file that promises ``side`` × ``side`` grey pixels."""
    values = {
        256: side,
        257: side,
        258: 8,
        259: 1,
        262: 1,
        273: 8,
        277: 1,
        278: side,
        279: 16,
    }
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items()]
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    return struct.pack("<2sHI", b"II", 42, 24) + bytes(16) + directory


def tiff_loop() -> bytes:
    """A TIFF whose only page is followed by itself."""
    content = bytearray(bomb_tiff(4))
    content[-4:] = content[4:8]
    return bytes(content)
