from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import tests.portal.sync.checks.check_samples as samples
from portal.errors import SyncError
from portal.sync.checks.examine import examine
from portal.sync.checks.inspection import FileFacts

GOOD = samples.good_files()


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def failure(path: Path, **changes: object) -> SyncError:
    with pytest.raises(SyncError) as caught:
        examine(samples.job(path, **changes))
    return caught.value


@pytest.mark.parametrize("proved", [True, False])
@pytest.mark.parametrize("name", GOOD)
def test_whole_file_passes(tmp_path: Path, name: str, proved: bool) -> None:
    path = write(tmp_path, name, GOOD[name])
    assert examine(samples.job(path, proved=proved)).kind


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("a.jpg", FileFacts("jpeg", 1, 400, 320, 300)),
        ("a.png", FileFacts("png", 1, 400, 320, 200)),
        ("a.tif", FileFacts("tiff", 3, 400, 320, None)),
        ("big.tiff", FileFacts("tiff", 1, 400, 320, None)),
        ("a.webp", FileFacts("webp", 1, 400, 320, None)),
        ("a.pdf", FileFacts("pdf", 3)),
        ("a.ofd", FileFacts("ofd", 2)),
        ("gbk.xml", FileFacts("xml")),
        ("a.docx", FileFacts("ooxml")),
        ("gbk.txt", FileFacts("txt")),
    ],
)
def test_facts_of_a_file(tmp_path: Path, name: str, facts: FileFacts) -> None:
    assert examine(samples.job(write(tmp_path, name, GOOD[name]))) == facts


@pytest.mark.parametrize("proved", [True, False])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.97, 0.995])
@pytest.mark.parametrize("name", [name for name in GOOD if not name.endswith((".doc", ".txt"))])
def test_truncated_file_is_corrupt(tmp_path: Path, name: str, share: float, proved: bool) -> None:
    whole = GOOD[name]
    path = write(tmp_path, name, whole[: min(int(len(whole) * share), len(whole) - 8)])
    error = failure(path, proved=proved)
    assert error.code == "FILE_CORRUPT"
    assert str(tmp_path) not in str(error)


@pytest.mark.parametrize("name", ["a.jpg", "progressive.jpeg", "a.png"])
@pytest.mark.parametrize("missing", [1, 2, 20])
def test_last_bytes_of_a_picture_matter(tmp_path: Path, name: str, missing: int) -> None:
    assert failure(write(tmp_path, name, GOOD[name][:-missing])).code == "FILE_CORRUPT"


def test_bytes_after_the_end_of_a_jpeg_are_tolerated(tmp_path: Path) -> None:
    examine(samples.job(write(tmp_path, "camera.jpg", GOOD["a.jpg"] + b"appended" * 900)))


def test_thumbnail_does_not_hide_that_a_jpeg_is_cut(tmp_path: Path) -> None:
    thumbnail = samples.picture("JPEG", (40, 40), quality=30)
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail
    whole = GOOD["a.jpg"]
    path = write(tmp_path, "camera.jpg", whole[:2] + segment + whole[2:-200])
    assert failure(path, proved=True).code == "FILE_CORRUPT"


@pytest.mark.parametrize("name", ["a.png", "a.ofd", "a.docx"])
def test_flipped_bit_is_found_by_the_checksums(tmp_path: Path, name: str) -> None:
    content = bytearray(GOOD[name])
    content[len(content) // 2 if name == "a.png" else 60] ^= 0x10
    assert failure(write(tmp_path, name, bytes(content))).code == "FILE_CORRUPT"


def test_interlaced_png_is_counted_in_all_its_passes(tmp_path: Path) -> None:
    rows = b""
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        rows += (b"\0" + bytes(len(range(x, 301, dx)))) * len(range(y, 302, dy))
    header = struct.pack(">IIBBBBB", 301, 302, 8, 0, 0, 0, 1)

    def png(data: bytes) -> bytes:
        chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(samples.png_chunk(*chunk) for chunk in chunks)

    examine(samples.job(write(tmp_path, "whole.png", png(rows))))
    assert (
        failure(write(tmp_path, "short.png", png(rows[:-1]))).params["detail"]
        == "png: rows are missing"
    )


def test_png_with_missing_rows_is_corrupt_although_its_checksums_are_right(tmp_path: Path) -> None:
    path = write(tmp_path, "a.png", samples.png_header(400, 400, bytes(401 * 399)))
    assert failure(path).code == "FILE_CORRUPT"


@pytest.mark.parametrize(
    ("name", "content", "actual"),
    [
        ("a.jpg", "a.png", "png"),
        ("a.pdf", "a.jpg", "jpeg"),
        ("a.ofd", "a.docx", "ooxml"),
        ("a.docx", "a.ofd", "ofd"),
        ("a.jpg", "a.ofd", "ofd"),
        ("a.xml", "a.txt", "txt"),
        ("a.doc", "a.docx", "ooxml"),
    ],
)
def test_suffix_that_lies(tmp_path: Path, name: str, content: str, actual: str) -> None:
    error = failure(write(tmp_path, name, GOOD[content]))
    assert error.code == "FILE_TYPE_MISMATCH"
    assert error.params == {"declared": name[2:], "actual": actual}


@pytest.mark.parametrize("name", ["a.jpg", "a.pdf", "a.zip"])
def test_web_page_is_never_a_file(tmp_path: Path, name: str) -> None:
    error = failure(write(tmp_path, name, b"<!DOCTYPE html><html>login</html>"))
    assert error.code == "FILE_TYPE_MISMATCH"
    assert error.params["actual"] == "html"


@pytest.mark.parametrize(
    ("name", "category"), [("a.xml", "cover"), ("a.docx", "invoice"), ("a.txt", "cover")]
)
def test_category_does_not_accept_everything(tmp_path: Path, name: str, category: str) -> None:
    error = failure(write(tmp_path, name, GOOD[name]), category=category)
    assert error.code == "FILE_TYPE_NOT_ALLOWED"
    assert error.params["category"] == category


def test_unknown_suffix_is_judged_by_content(tmp_path: Path) -> None:
    assert examine(samples.job(write(tmp_path, "a.scan", GOOD["a.jpg"]))).kind == "jpeg"
    assert failure(write(tmp_path, "b.scan", b"\0\1\2")).code == "FILE_TYPE_NOT_ALLOWED"


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.bmp", "a.gif", "a.webp"])
def test_low_resolution(tmp_path: Path, name: str) -> None:
    rules = replace(samples.RULES, min_short_side=321)
    error = failure(write(tmp_path, name, GOOD[name]), rules=rules)
    assert error.code == "FILE_RESOLUTION_LOW"
    assert error.params == {"width": 400, "height": 320, "minimum": 321}


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.bmp", "a.gif", "a.webp"])
def test_too_many_pixels(tmp_path: Path, name: str) -> None:
    rules = replace(samples.RULES, max_pixels=400 * 320 - 1)
    error = failure(write(tmp_path, name, GOOD[name]), rules=rules)
    assert error.code == "FILE_PIXELS_HIGH"
    assert error.params == {"width": 400, "height": 320, "limit": 127999}


def test_every_page_of_a_tiff_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    samples.noise().save(path, save_all=True, append_images=[Image.new("L", (400, 200))])
    assert failure(path).params == {"width": 400, "height": 200, "minimum": 300}


@pytest.mark.parametrize("name", ["a.tif", "a.pdf", "a.ofd"])
def test_pages_are_limited_and_compared(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, GOOD[name])
    pages = examine(samples.job(path)).pages
    assert pages is not None
    assert examine(samples.job(path, page_count=pages)).pages == pages
    error = failure(path, page_count=pages + 1)
    assert error.code == "FILE_PAGE_COUNT_MISMATCH"
    assert error.params == {"expected": pages + 1, "actual": pages}
    error = failure(path, rules=replace(samples.RULES, max_pages=pages - 1))
    assert error.code == "FILE_PAGES_HIGH"
    assert error.params == {"actual": pages, "limit": pages - 1}


def test_declared_pages_of_a_file_without_pages_are_not_compared(tmp_path: Path) -> None:
    examine(samples.job(write(tmp_path, "a.xml", GOOD["a.xml"]), page_count=1))


def test_too_large(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", b"x" * 11)
    error = failure(path, rules=replace(samples.RULES, max_bytes=10))
    assert error.code == "FILE_TOO_LARGE"
    assert error.params == {"actual": 11, "limit": 10}


@pytest.mark.parametrize("missing", ["Doc_0/Document.xml", "Doc_0/Pages/Page_1/Content.xml"])
def test_ofd_without_one_of_its_parts(tmp_path: Path, missing: str) -> None:
    members = samples.ofd_members()
    del members[missing]
    error = failure(write(tmp_path, "a.ofd", samples.zipped(members)))
    assert error.params["detail"] == f"ofd: {missing} is missing"


def test_ofd_page_that_is_not_well_formed(tmp_path: Path) -> None:
    content = samples.ofd(more={"Doc_0/Pages/Page_1/Content.xml": b"<a>"})
    assert failure(write(tmp_path, "a.ofd", content)).code == "FILE_CORRUPT"


def test_xml_that_is_not_well_formed(tmp_path: Path) -> None:
    assert (
        failure(write(tmp_path, "a.xml", b"<?xml version='1.0'?><a><b></a>")).code == "FILE_CORRUPT"
    )


def test_text_that_turns_binary(tmp_path: Path) -> None:
    assert (
        failure(write(tmp_path, "a.txt", b"line\n" * 2000 + b"\0\xff\xff")).code == "FILE_CORRUPT"
    )


def test_vanished_file_is_not_called_corrupt(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        examine(samples.job(tmp_path / "gone.jpg"))


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_animation_is_one_page_but_its_frames_are_limited(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    first, *others = [samples.noise() for _ in range(4)]
    first.save(path, kind, save_all=True, append_images=others)
    assert examine(samples.job(path, page_count=1)).pages == 1
    assert failure(path, rules=replace(samples.RULES, max_pages=2)).code == "FILE_PAGES_HIGH"


def test_pictures_behind_the_first_of_a_camera_are_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "camera.jpg"
    samples.noise().save(path, "MPO", save_all=True, append_images=[samples.noise()])
    assert examine(samples.job(path)) == FileFacts("jpeg", 1, 400, 320)


def test_picture_that_does_not_fit_the_memory_has_too_many_pixels(tmp_path: Path) -> None:
    rules = replace(samples.RULES, max_pixels=10_000_000_000)
    path = write(tmp_path, "a.tif", samples.tiff_strip(20_000, 20_000, b"0" * 99, compression=5))
    error = failure(path, rules=rules)
    assert error.code == "FILE_PIXELS_HIGH"
    assert error.params["limit"] < 400_000_000


@pytest.mark.parametrize("kids", ["", "3 0 R 9 0 R", "5 0 R"])
def test_pdf_without_the_pages_it_lists(tmp_path: Path, kids: str) -> None:
    path = write(tmp_path, "a.pdf", samples.pdf(1, kids=kids, count=2))
    assert failure(path, page_count=2).code in {"FILE_CORRUPT", "FILE_PAGE_COUNT_MISMATCH"}


def test_limits_of_pillow_are_left_as_they_were(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    examine(samples.job(write(tmp_path, "a.jpg", GOOD["a.jpg"])))
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("location", ["/Doc_0/Document.xml", "Doc_0/../Doc_0/Document.xml"])
def test_ofd_locations_inside_the_package(tmp_path: Path, location: str) -> None:
    members = samples.ofd_members()
    members["OFD.xml"] = members["OFD.xml"].replace(b"Doc_0/Document.xml", location.encode())
    assert examine(samples.job(write(tmp_path, "a.ofd", samples.zipped(members)))).pages == 2
