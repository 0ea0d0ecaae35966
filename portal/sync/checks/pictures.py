"""Pictures: JPEG, PNG, TIFF, BMP, GIF and WebP, read with Pillow.

Sizes are judged from the headers before anything is decoded. Pillow's ``verify()`` misses most
damage, so with ``rules.deep`` every frame is decoded. Where the structure of the file tells that
its end is missing, that is looked at in any case.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from portal.errors import SyncError
from portal.sync.checks import declared_end, jpeg, png, tiff
from portal.sync.checks.frame_memory import frame_bytes
from portal.sync.checks.inspection import FileFacts
from portal.sync.checks.limits import FRAME_BYTES
from portal.sync.checks.rules import CompatibilityRules


def read(path: str, kind: str, rules: CompatibilityRules) -> FileFacts:
    """Check a picture; a TIFF has pages, anything else is one page however many frames it has.

    :raises SyncError: FILE_CORRUPT, FILE_HOSTILE, FILE_RESOLUTION_LOW, FILE_PIXELS_HIGH or
        FILE_PAGES_HIGH
    """
    with _pillow(kind), Image.open(path, formats=[kind]) as image:
        pages = tiff.count_pages(path) if kind == "tiff" else 1
        facts = FileFacts(kind, pages, image.width, image.height, _dpi(image))
        frames = pages if kind == "tiff" else _frame_count(image, kind)
        if frames > rules.max_pages:
            raise SyncError("FILE_PAGES_HIGH", actual=frames, limit=rules.max_pages)
        _check_size(image, kind, rules)
        _check_structure(path, kind, rules)
        # The first header was judged; from here Pillow watches what the frames add to it.
        Image.MAX_IMAGE_PIXELS = rules.max_pixels
        for frame in range(frames):
            image.seek(frame)
            _check_frame(image, path, kind, rules)
    return facts


def _check_structure(path: str, kind: str, rules: CompatibilityRules) -> None:
    if kind == "jpeg":
        jpeg.check_structure(path)
    elif kind == "png":
        png.check_structure(path, decode=rules.deep)
    elif kind != "tiff":
        declared_end.check(path, kind)


def _check_frame(image: Image.Image, path: str, kind: str, rules: CompatibilityRules) -> None:
    _check_size(image, kind, rules)
    if kind == "tiff":
        tiff.check_data_present(image, path)
    if not rules.deep or kind == "png":  # a PNG's structure is its decoding
        return
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
    limit = rules.max_pixels
    needed = frame_bytes(image, kind)
    if needed > FRAME_BYTES:  # what fits the child's memory is the limit then
        limit = min(limit, width * height * FRAME_BYTES // needed)
    if width * height > limit:
        raise SyncError("FILE_PIXELS_HIGH", width=width, height=height, limit=limit)


def _frame_count(image: Image.Image, kind: str) -> int:
    """How many frames an animation has; a JPEG's further pictures are not looked at."""
    frames: int = getattr(image, "n_frames", 1) if kind in {"gif", "webp"} else 1
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
