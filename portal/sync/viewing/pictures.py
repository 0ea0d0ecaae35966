"""A page of a picture file, drawn with Pillow (in a painter only)."""

from __future__ import annotations

import warnings

from PIL import ExifTags, Image, UnidentifiedImageError

from portal.errors import SyncError
from portal.sync.checks import jpeg, tiff, webp
from portal.sync.checks.frame_memory import WEBP_DOT
from portal.sync.checks.limits import FRAME_BYTES
from portal.sync.viewing.drawing import packed, scale_to_fit
from portal.sync.viewing.painter_child import PaintOrder
from portal.sync.viewing.picture import Rendition
from portal.sync.viewing.picture_memory import REDUCING_GAP, drawing_bytes
from portal.sync.viewing.refusals import NoSuchPage, TooLargeToShow, ViewRefused

#: What the orientation of EXIF 2.3 (tag 0x0112) asks for; 1 is upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FIRST_ON_ITS_SIDE = 5


def draw(path: str, order: PaintOrder) -> Rendition:
    """Draw a page of a TIFF, the first frame of anything else; never larger than it is.

    :raises SyncError: FILE_CORRUPT or FILE_HOSTILE
    :raises NoSuchPage: if there are fewer pages
    :raises TooLargeToShow: if it does not fit the painter's memory
    """
    # The memory is limited, and what it takes is judged here: Pillow need not warn of bombs.
    Image.MAX_IMAGE_PIXELS = None
    warnings.simplefilter("ignore")
    try:
        _check_before_opening(path, order.kind)
        with Image.open(path, formats=[order.kind]) as image:
            pages = tiff.count_pages(path) if order.kind == "tiff" else 1
            if not 1 <= order.page <= pages:
                raise NoSuchPage(page=order.page, pages=pages)
            image.seek(order.page - 1)
            media_type, body = packed(_drawn(image, order))
    except (SyncError, ViewRefused, MemoryError, ImportError):
        raise
    except UnidentifiedImageError as error:
        raise SyncError("FILE_CORRUPT", detail=f"no readable {order.kind} header") from error
    except Exception as error:  # Pillow raises nearly anything on bad content
        detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise SyncError("FILE_CORRUPT", detail=f"{order.kind}: {detail[:80]}") from error
    return Rendition(media_type, body, pages)


def _check_before_opening(path: str, kind: str) -> None:
    """Refuse what costs time or memory before anything can be asked of it."""
    if kind == "jpeg":
        jpeg.check_structure(path)
    elif kind == "webp":
        width, height = webp.size(path)
        if width * height * WEBP_DOT > FRAME_BYTES:
            raise TooLargeToShow(width=width, height=height)


def _drawn(image: Image.Image, order: PaintOrder) -> Image.Image:
    """The current frame in mode L or RGB, upright, at most ``order.width`` wide."""
    orientation = _orientation(image, order.kind)
    width, height = image.size
    upright = (height, width) if orientation >= _FIRST_ON_ITS_SIDE else (width, height)
    scale = min(scale_to_fit(upright, order.width), 1)
    wanted = (max(round(width * scale), 1), max(round(height * scale), 1))
    if drawing_bytes(image, order.kind, wanted) > FRAME_BYTES:
        raise TooLargeToShow(width=width, height=height)
    drawn = _resizable(image)
    if drawn.size != wanted:
        drawn = drawn.resize(wanted, Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)
    drawn = _opaque(drawn)
    return drawn.transpose(_TURNS[orientation]) if orientation in _TURNS else drawn


def _orientation(image: Image.Image, kind: str) -> int:
    """How a camera was held; Pillow turns a TIFF by itself."""
    if kind not in {"jpeg", "webp"}:
        return 1
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Pillow raises nearly anything; a broken hint must not hide the picture
        return 1
    return orientation if orientation in _TURNS else 1


def _resizable(image: Image.Image) -> Image.Image:
    """In a mode that can be averaged: L, LA, RGB or RGBA."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I;16"):  # converting directly would cut off all but black
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in {"I", "F"}:
        return image.convert("L")
    return image if image.mode in {"L", "LA", "RGB", "RGBA"} else image.convert("RGB")


def _opaque(image: Image.Image) -> Image.Image:
    """On white paper, where it is transparent."""
    if image.mode not in {"LA", "RGBA"}:
        return image
    paper = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
