"""Large files that people do have: they pass, within the same time and memory as all others."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

import tests.portal.sync.checks.check_samples as samples
from portal.errors import SyncError
from portal.sync.checks import budget
from portal.sync.checks.examine import examine
from portal.sync.checks.inspection import FileFacts
from tests.portal.sync.checks.hostile_samples import bomb_tiff, deflated, page_pdf, pdf_stream
from tests.portal.sync.checks.measured_checks import measured

BYTES = 300_000_000
A3 = (7016, 9921)  # 600 dots per inch
ROWS = 128
GRADIENT = bytes(range(256)) * 28


def rows_of_a3(mode: str, rows: int) -> Image.Image:
    grey = Image.frombytes("L", (A3[0], 1), GRADIENT[: A3[0]]).resize((A3[0], rows))
    return grey.convert(mode)


def a3_tiff(kind: str, packing: int, pages: int, **how: object) -> bytes:
    """Colour pages of strips that are all alike."""
    rows = [ROWS] * (A3[1] // ROWS) + [A3[1] % ROWS]
    strips = {count: _strip(kind, count, **how) for count in set(rows)}
    return samples.tiff_strip(
        *A3,
        b"".join(strips[count] for count in rows),
        compression=packing,
        samples=3,
        pages=pages,
        rows=ROWS,
        counts=[len(strips[count]) for count in rows],
    )


def _strip(kind: str, rows: int, **how: object) -> bytes:
    out = io.BytesIO()
    rows_of_a3("RGB", rows).save(out, kind, **how)
    content = out.getvalue()
    if kind == "JPEG":
        return content
    with Image.open(io.BytesIO(content)) as image:
        tags = image.tag_v2  # type: ignore[attr-defined]
        (start,), (size,) = tags[273], tags[279]
    return content[start : start + size]


def scanned_pdf(pages: int) -> bytes:
    """Pages of A4 at 300 dots per inch, grey."""
    out = io.BytesIO()
    Image.effect_noise((620, 877), 30).resize((2480, 3508)).save(out, "JPEG", quality=40)
    picture = pdf_stream(
        out.getvalue(),
        b"/Type/XObject/Subtype/Image/Width 2480/Height 3508/BitsPerComponent 8"
        b"/ColorSpace/DeviceGray/Filter/DCTDecode",
    )
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
    page += b"/Resources<</XObject<</I 5 0 R>>>>>>"
    kids = b" ".join(b"%d 0 R" % (10 + number) for number in range(pages))
    return page_pdf(
        pdf_stream(b"595 0 0 842 0 0 cm /I Do"),
        more={
            2: b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, pages),
            5: picture,
            **{10 + number: page for number in range(pages)},
        },
    )


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((10_000, 10_000)).save(out, "JPEG", quality=60)
    return out.getvalue()


def progressive_jpeg() -> bytes:
    """A header that says 100 million dots of colour; less of them would fit."""
    content = bytearray(samples.picture("JPEG", progressive=True))
    frame = content.index(b"\xff\xc2") + 5
    content[frame : frame + 4] = struct.pack(">HH", 10_000, 10_000)
    return bytes(content)


def write_bitmap(path: Path) -> None:
    """65 million dots of colour, in a sparse file."""
    width, height = 6600, 9900
    size = 54 + (width * 3 + 3) // 4 * 4 * height
    with path.open("wb") as file:
        file.write(struct.pack("<2sIHHI", b"BM", size, 0, 0, 54))
        file.write(struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0))
        file.truncate(size)


SOUND: dict[str, Callable[[], bytes]] = {
    "lzw.tif": lambda: a3_tiff("TIFF", 5, 3, compression="tiff_lzw", tiffinfo={278: ROWS}),
    "jpeg.tif": lambda: a3_tiff("JPEG", 7, 5, quality=80, subsampling=0),
    "strip.tif": lambda: samples.tiff_strip(
        *A3, deflated(GRADIENT[: A3[0]] * 3, A3[1]), compression=8, samples=3
    ),
    "scanned.pdf": lambda: scanned_pdf(300),
    "large.jpg": jpeg,
    "large.png": lambda: samples.png_stream(
        10_000, 10_000, deflated(b"\1" + bytes(10_000), 10_000)
    ),
}
PAGES = {"lzw.tif": 3, "jpeg.tif": 5, "scanned.pdf": 300}


def test_large_sound_files_pass(tmp_path: Path) -> None:
    for name, make in SOUND.items():
        (tmp_path / name).write_bytes(make())
    write_bitmap(tmp_path / "large.bmp")
    found = measured(samples.job(path) for path in sorted(tmp_path.iterdir()))
    assert len(found) == len(SOUND) + 1
    for name, one in found.items():
        assert one.result.error is None, (name, one.result.error)
        assert one.result.facts is not None
        assert one.result.facts.pages == PAGES.get(name, 1)
        assert one.peak < BYTES, name


def test_what_does_not_fit_has_too_many_pixels_and_is_told_how_many_fit(tmp_path: Path) -> None:
    (tmp_path / "progressive.jpg").write_bytes(progressive_jpeg())
    one_strip = samples.tiff_strip(*A3, b"0" * 99, compression=5, samples=3)
    (tmp_path / "lzw.tif").write_bytes(one_strip)
    for name, least, most in (
        ("progressive.jpg", 60_000_000, 100_000_000),
        ("lzw.tif", 25_000_000, 69_000_000),
    ):
        with pytest.raises(SyncError) as caught:
            examine(samples.job(tmp_path / name))
        assert caught.value.code == "FILE_PIXELS_HIGH"
        assert least < caught.value.params["limit"] < most


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_COMPUTING", -1.0)


@pytest.mark.usefixtures("no_time")
@pytest.mark.parametrize("name", sorted(samples.good_files()))
def test_sound_file_passes_where_there_is_no_time_to_decode_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(samples.good_files()[name])
    assert examine(samples.job(path)).kind


@pytest.mark.usefixtures("no_time")
def test_without_time_the_structure_of_every_page_is_still_judged(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    samples.noise().save(path, save_all=True, append_images=[Image.new("L", (400, 200))])
    with pytest.raises(SyncError) as caught:
        examine(samples.job(path))
    assert caught.value.code == "FILE_RESOLUTION_LOW"
    path.write_bytes(bomb_tiff())
    with pytest.raises(SyncError) as caught:
        examine(samples.job(path))
    assert caught.value.params == {"detail": "decompression bomb"}


TIFF_KINDS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")


def tiffs() -> Iterator[tuple[str, bytes]]:
    for packing in TIFF_KINDS:
        for mode in ("L", "RGB", "CMYK", "RGBA"):
            if packing == "jpeg" and mode == "RGBA":
                continue
            yield f"{packing}-{mode}", samples.picture("TIFF", mode=mode, compression=packing)
    yield "turned", samples.picture("TIFF", compression="tiff_lzw", tiffinfo={274: 6})
    for packing in ("group3", "group4", "tiff_ccitt", "tiff_lzw"):
        yield f"{packing}-1", samples.picture("TIFF", mode="1", compression=packing)
    yield "tiles", tiles()


def tiles() -> bytes:
    """400 × 320 in twelve packed tiles of 128 × 128."""
    packed = deflated(bytes(128), 128)
    offsets = [8] * 12
    table = struct.pack("<24I", *offsets, *[len(packed)] * 12)
    at = 8 + len(packed) + len(packed) % 2
    values = (
        (256, 1, 400),
        (257, 1, 320),
        (258, 1, 8),
        (259, 1, 8),
        (262, 1, 1),
        (277, 1, 1),
        (322, 1, 128),
        (323, 1, 128),
        (324, 12, at),
        (325, 12, at + 48),
    )
    entries = [struct.pack("<HHII", tag, 4, count, value) for tag, count, value in values]
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    head = struct.pack("<2sHI", b"II", 42, at + len(table))
    return head + packed.ljust(at - 8, b"\0") + table + directory


TIFFS = dict(tiffs())


@pytest.mark.parametrize("name", TIFFS)
def test_tiff_of_any_usual_packing_passes(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(TIFFS[name])
    size = (320, 400) if name == "turned" else (400, 320)
    assert examine(samples.job(path)) == FileFacts("tiff", 1, *size)


@pytest.mark.parametrize("name", ["tiff_lzw-RGB", "tiff_adobe_deflate-RGB", "tiles"])
def test_broken_strip_is_found(tmp_path: Path, name: str) -> None:
    content = bytearray(TIFFS[name])
    start = len(content) // 3 if name != "tiles" else 10
    content[start : start + 60] = b"\xff\xd9" * 30
    path = tmp_path / "a.tif"
    path.write_bytes(bytes(content))
    with pytest.raises(SyncError) as caught:
        examine(samples.job(path))
    assert caught.value.code == "FILE_CORRUPT"
