"""Pictures: JPEG, PNG, TIFF, BMP, GIF and WebP, read with Pillow.

Sizes are judged from the headers before anything is decoded. Pillow's ``verify()`` misses most
damage, so with ``decode`` every frame is decoded, as far as there is time for it. Where the
structure of the file tells that its end is missing, that is looked at in any case.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import (
    BmpImagePlugin,  # noqa: F401 - for a kind it does not know yet Pillow imports all there are
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from portal.errors import SyncError
from portal.sync.checks import declared_end, frame_memory, gif, jpeg, png, tiff, webp
from portal.sync.checks.budget import RATIO_AT_MOST, Budget
from portal.sync.checks.inspection import FileFacts
from portal.sync.checks.limits import FRAME_BYTES
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.checks.tiff_bands import Bands


def read(path: str, kind: str, rules: CompatibilityRules, *, decode: bool) -> FileFacts:
    """Check a picture; a TIFF has pages, anything else is one page however many frames it has.

    :raises SyncError: FILE_CORRUPT, FILE_HOSTILE, FILE_RESOLUTION_LOW, FILE_DPI_LOW,
        FILE_PIXELS_HIGH or FILE_PAGES_HIGH
    """
    with _pillow(kind):
        if kind == "jpeg":
            jpeg.check_structure(path)  # Pillow and libjpeg go through whatever there is
        elif kind == "webp":
            _check_pixels(*webp.size(path), FRAME_BYTES // frame_memory.WEBP_DOT, rules)
        with Image.open(path, formats=[kind]) as image:
            return _read(image, path, kind, rules, decode=decode)


def _read(
    image: Image.Image, path: str, kind: str, rules: CompatibilityRules, *, decode: bool
) -> FileFacts:
    pages = tiff.count_pages(path) if kind == "tiff" else 1
    facts = FileFacts(kind, pages, image.width, image.height, _dpi(image))
    _check_size(image, kind, rules)
    if facts.dpi is not None and facts.dpi < rules.min_dpi:
        raise SyncError("FILE_DPI_LOW", actual=facts.dpi, minimum=rules.min_dpi)
    frames = pages if kind == "tiff" else _frame_count(image, path, kind, rules.max_pages)
    if frames > rules.max_pages:
        raise SyncError("FILE_PAGES_HIGH", actual=frames, limit=rules.max_pages)
    if kind == "png":
        png.check_structure(path, decode=decode)
    elif kind in {"bmp", "webp"}:
        declared_end.check(path, kind)
    if kind == "tiff":
        _check_tiff(image, path, pages, rules, decode=decode)
    elif kind != "png":  # a PNG's structure is its decoding
        _check_frames(image, path, kind, frames, rules, decode=decode)
    return facts


def _check_tiff(
    image: Image.Image, path: str, pages: int, rules: CompatibilityRules, *, decode: bool
) -> None:
    budget = Budget()
    unpacked, left, size = 0, False, os.path.getsize(path)
    for page in range(pages):
        image.seek(page)
        _check_size(image, "tiff", rules)
        tiff.check_data_present(image, path)
        bands = Bands(image)
        unpacked += bands.unpacked
        # What a bomb would look like is unpacked, whoever vouches for its bytes.
        suspect = bands.unpacked > size * RATIO_AT_MOST
        if left or not (decode or suspect):
            continue
        if bands.can_check:
            left = not bands.check(path, budget)
        elif budget.spent:
            left = True
        else:
            image.load()
    if left:
        budget.leave(unpacked, size)


def _check_frames(
    image: Image.Image,
    path: str,
    kind: str,
    frames: int,
    rules: CompatibilityRules,
    *,
    decode: bool,
) -> None:
    # The first header was judged; from here Pillow watches what the frames add to it.
    Image.MAX_IMAGE_PIXELS = rules.max_pixels
    budget = Budget()
    for frame in range(frames):
        if budget.spent:
            budget.leave(image.width * image.height * frames, os.path.getsize(path))
            return
        image.seek(frame)
        _check_size(image, kind, rules)
        if not decode or frame_memory.is_plain_bitmap(image, kind):
            continue
        if kind == "jpeg":
            # One eighth of the size: the whole stream is read, but hardly anything computed.
            image.draft("L", (max(image.width // 8, 1), max(image.height // 8, 1)))
        image.load()


def _check_size(image: Image.Image, kind: str, rules: CompatibilityRules) -> None:
    width, height = image.size
    if min(width, height) < rules.min_short_side:
        raise SyncError(
            "FILE_RESOLUTION_LOW", width=width, height=height, minimum=rules.min_short_side
        )
    needed = frame_memory.checking_bytes(image, kind)
    fits = width * height * FRAME_BYTES // needed if needed > FRAME_BYTES else rules.max_pixels
    _check_pixels(width, height, fits, rules)


def _check_pixels(width: int, height: int, fits: int, rules: CompatibilityRules) -> None:
    """``fits`` is how many the child's memory has room for."""
    limit = min(fits, rules.max_pixels)
    if width * height > limit:
        raise SyncError("FILE_PIXELS_HIGH", width=width, height=height, limit=limit)


def _frame_count(image: Image.Image, path: str, kind: str, most: int) -> int:
    """How many frames an animation has; a JPEG's further pictures are not looked at."""
    if kind == "gif":
        return gif.count_frames(path, most)
    frames: int = getattr(image, "n_frames", 1) if kind == "webp" else 1
    return frames


def _dpi(image: Image.Image) -> int | None:
    """Dots per inch along the worse axis, if the metadata says it."""
    try:
        dots = min(round(float(axis)) for axis in image.info["dpi"])
    except (KeyError, TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None  # absent or nonsense: it is only information
    return dots if dots > 1 else None  # Pillow says 1 where a TIFF does not say


@contextmanager
def _pillow(kind: str) -> Iterator[None]:
    """Turn whatever Pillow raises on bad content (nearly anything) into the catalogue's errors."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except (SyncError, MemoryError, ImportError, FileNotFoundError):
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise SyncError("FILE_HOSTILE", detail="decompression bomb") from error
        except UnidentifiedImageError as error:
            raise SyncError("FILE_CORRUPT", detail=f"no readable {kind} header") from error
        except Exception as error:
            detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise SyncError("FILE_CORRUPT", detail=f"{kind}: {detail[:80]}") from error
        finally:
            Image.MAX_IMAGE_PIXELS = before
