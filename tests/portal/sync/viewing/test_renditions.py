from __future__ import annotations

import hashlib
import io
import socket
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image

import tests.portal.sync.viewing.view_samples as samples
from portal.errors import SyncError
from portal.sync.archive.local import LocalArchive
from portal.sync.viewing.cache import RenditionCache
from portal.sync.viewing.picture import Rendition
from portal.sync.viewing.refusals import NoPicture, NoSuchPage, TooLargeToShow
from portal.sync.viewing.renditions import rendition

Keep = Callable[[bytes], str]
Look = Callable[..., Rendition]


def opened(drawn: Rendition) -> Image.Image:
    """The picture as a browser would open it, by the media type it is told."""
    kind = {"image/jpeg": "JPEG", "image/png": "PNG"}[drawn.media_type]
    return Image.open(io.BytesIO(drawn.body), formats=[kind])


def grey_at(drawn: Rendition, place: tuple[int, int]) -> int:
    level = opened(drawn).convert("L").getpixel(place)
    assert isinstance(level, int)
    return level


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_small_jpeg_and_png_come_as_they_are(kind: str, look: Look) -> None:
    content = samples.saved(samples.sheet(), kind)
    drawn = look(content, kind)
    assert drawn == Rendition(f"image/{kind}", content, pages=1)


SHEETS = {
    "tiff": samples.saved(samples.sheet(), "TIFF", compression="tiff_lzw"),
    "fax tiff": samples.saved(samples.sheet(mode="1"), "TIFF", compression="group4"),
    "grey tiff": samples.saved(samples.sheet(mode="L"), "TIFF"),
    "16 bit tiff": samples.saved(
        samples.sheet(mode="L").convert("I").point(lambda v: v * 257).convert("I;16"), "TIFF"
    ),
    "cmyk tiff": samples.saved(samples.sheet(mode="CMYK"), "TIFF"),
    "bmp": samples.saved(samples.sheet(), "BMP"),
    "gif": samples.saved(samples.sheet(mode="P"), "GIF"),
    "webp": samples.saved(samples.sheet(), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", SHEETS)
def test_other_pictures_are_drawn_in_their_size(name: str, look: Look) -> None:
    drawn = look(SHEETS[name], name.rsplit(maxsplit=1)[-1])
    assert opened(drawn).size == (400, 320)
    assert drawn.pages == 1
    assert grey_at(drawn, (100, 80)) < 10
    assert grey_at(drawn, (300, 240)) > 245


def test_transparent_picture_lies_on_white_paper(look: Look) -> None:
    clear = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    drawn = look(samples.saved(clear, "WEBP", lossless=True), "webp")
    assert grey_at(drawn, (30, 20)) == 255


@pytest.mark.parametrize(
    ("kind", "how"), [("jpeg", {"quality": 100, "subsampling": 0}), ("png", {"compress_level": 1})]
)
def test_large_jpeg_and_png_are_drawn_smaller(look: Look, kind: str, how: dict[str, int]) -> None:
    content = samples.large_noise(kind, **how)
    assert len(content) > 4 * 1024 * 1024
    drawn = look(content, kind, width=650)
    assert opened(drawn).size == (650, 600)
    assert len(drawn.body) < len(content) // 3


def test_camera_held_sideways_and_nothing_of_its_metadata(look: Look) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    exif[0x010E] = "somebody's address"
    content = samples.saved(samples.sheet(), "WEBP", lossless=True, exif=exif)
    drawn = look(content, "webp", width=160)
    assert opened(drawn).size == (160, 200)
    assert grey_at(drawn, (120, 50)) < 10
    assert grey_at(drawn, (40, 50)) > 245
    assert b"address" not in drawn.body


def test_pages_of_a_tiff(archive: LocalArchive, keep: Keep, cache: RenditionCache) -> None:
    key = keep(samples.grey_pages(10, 120, 230))
    for page, level in enumerate((10, 120, 230), start=1):
        drawn = rendition(archive, key, "tiff", page=page, cache=cache)
        assert (drawn.pages, grey_at(drawn, (30, 20))) == (3, level)


def test_pages_of_a_pdf(archive: LocalArchive, keep: Keep, cache: RenditionCache) -> None:
    black = b"0 0 50 200 re f"
    key = keep(samples.pdf((b"", (100, 200)), (black, (100, 200)), (b"", (14_000, 100))))
    blank, half_black, wide = (
        rendition(archive, key, "pdf", page=page, width=700, cache=cache) for page in (1, 2, 3)
    )
    assert {drawn.media_type for drawn in (blank, half_black, wide)} == {"image/png"}
    assert [opened(drawn).size for drawn in (blank, half_black, wide)] == [
        (700, 1400),
        (700, 1400),
        (700, 5),
    ]
    assert [grey_at(half_black, place) for place in ((100, 700), (600, 700))] == [0, 255]
    assert grey_at(blank, (100, 700)) == 255
    assert blank.pages == 3


def test_very_long_page_is_bounded(
    archive: LocalArchive, keep: Keep, cache: RenditionCache
) -> None:
    drawn = rendition(archive, keep(samples.pdf((b"", (5, 14_000)))), "pdf", width=100, cache=cache)
    assert opened(drawn).height == 500


@pytest.mark.parametrize("kind", ["jpeg", "tiff", "pdf"])
@pytest.mark.parametrize("page", [0, 3])
def test_page_that_is_not_there(kind: str, page: int, look: Look) -> None:
    content, pages = {
        "jpeg": (samples.saved(samples.sheet(), "JPEG"), 1),
        "tiff": (samples.grey_pages(1, 2), 2),
        "pdf": (samples.pdf((b"", (9, 9)), (b"", (9, 9))), 2),
    }[kind]
    with pytest.raises(NoSuchPage) as caught:
        look(content, kind, page=page)
    assert caught.value.params == {"page": page, "pages": pages}


@pytest.mark.parametrize("kind", ["ofd", "xml", "ole", "ooxml", "txt", "zip", "html", ""])
def test_kinds_without_a_picture(kind: str, look: Look) -> None:
    with pytest.raises(NoPicture) as caught:
        look(b"<html>", kind)
    assert kind in caught.value.reason("zh_Hans_CN")
    assert "Download" in caught.value.action("en")


def test_picture_is_not_too_wide_to_ask_for(look: Look) -> None:
    with pytest.raises(ValueError, match="width: 50 to 2000"):
        look(SHEETS["bmp"], "bmp", width=30_000)


def test_missing_file_is_missing_even_if_its_picture_was_kept(
    tmp_path: Path, archive: LocalArchive, keep: Keep, cache: RenditionCache
) -> None:
    key = keep(SHEETS["bmp"])
    rendition(archive, key, "bmp", cache=cache)
    (tmp_path / "archive" / key).unlink()
    with pytest.raises(SyncError) as caught:
        rendition(archive, key, "bmp", cache=cache)
    assert caught.value.code == "ARCHIVE_MISSING"


def test_other_bytes_than_the_ledger_knows_are_not_shown(
    archive: LocalArchive, keep: Keep, cache: RenditionCache
) -> None:
    content = samples.saved(samples.sheet(), "PNG")
    key, known = keep(content), hashlib.sha256(content).hexdigest()
    assert rendition(archive, key, "png", cache=cache, sha256=known).body == content
    with pytest.raises(SyncError) as caught:
        rendition(archive, key, "png", cache=cache, sha256="0" * 64)
    assert caught.value.code == "ARCHIVE_DAMAGED"


class RemoteArchive(LocalArchive):
    """Its files come through a socket, which has a descriptor too, but can only be read on."""

    def open(self, key: str) -> BinaryIO:
        far, near = socket.socketpair()
        with super().open(key) as file, far, near:
            far.sendall(file.read())
            far.shutdown(socket.SHUT_WR)
            return near.makefile("rb")


@pytest.mark.parametrize("kind", ["jpeg", "tiff", "pdf"])
def test_archive_that_is_not_local(
    tmp_path: Path, keep: Keep, cache: RenditionCache, kind: str
) -> None:
    content = {
        "jpeg": samples.saved(samples.sheet(), "JPEG"),
        "tiff": samples.grey_pages(1, 2),
        "pdf": samples.pdf((b"", (90, 90))),
    }[kind]
    drawn = rendition(RemoteArchive(tmp_path / "archive"), keep(content), kind, cache=cache)
    assert opened(drawn).width > 0


class FailingArchive(LocalArchive):
    """Its storage fails while a file is read."""

    def open(self, key: str) -> BinaryIO:
        return (Path("/proc/self/mem")).open("rb")  # reading its beginning is an I/O error


def test_storage_that_fails_is_named_and_logged(
    tmp_path: Path, cache: RenditionCache, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SyncError) as caught:
        rendition(FailingArchive(tmp_path), "erp/x", "png", cache=cache)
    assert caught.value.code == "INTERNAL"
    assert caught.value.params == {"detail": "archive: Input/output error"}
    assert "erp/x" in caplog.text


def test_picture_too_large_to_show(look: Look) -> None:
    with pytest.raises(TooLargeToShow) as caught:
        look(samples.bomb_tiff(50_000), "tiff")
    assert caught.value.params == {"width": 50_000, "height": 50_000}
