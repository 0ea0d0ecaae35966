"""How much memory it takes to draw a picture, judged from its header."""

from __future__ import annotations

from PIL import Image

from portal.sync.checks.frame_memory import frame_bytes

#: Resizing starts with whole-number averaging down to so many times the wanted size.
REDUCING_GAP = 2.0
_DECODED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
_PLAIN = 4
#: What is made of a mode before it is resized, bytes for each pixel beside the decoded one;
#: transparency is multiplied in first, which takes one more copy.
_CONVERTED = {"L": 0, "RGB": 0, "1": 1, "LA": _PLAIN, "RGBA": _PLAIN}


def drawing_bytes(image: Image.Image, kind: str, wanted: tuple[int, int]) -> int:
    """An upper estimate for the current frame, resized to ``wanted``; a JPEG is drafted here."""
    decoding = frame_bytes(image, kind)
    if kind == "jpeg":
        image.draft(None, wanted)  # the decoder itself can make it 2, 4 or 8 times smaller
    pixels = image.width * image.height
    if kind in {"jpeg", "png"}:
        decoding += pixels * _DECODED.get(image.mode, 4)
    return decoding + pixels * _conversion(image) + _resizing_bytes(image, wanted)


def _conversion(image: Image.Image) -> int:
    """Bytes for each pixel."""
    one_step = image.mode in {"P", "CMYK", "YCbCr"} and "transparency" not in image.info
    return _CONVERTED.get(image.mode, _PLAIN if one_step else 2 * _PLAIN)


def _resizing_bytes(image: Image.Image, wanted: tuple[int, int]) -> int:
    """The averaged picture, the one with the right width only, the result and what replaces it."""
    factor = int(min(image.width / wanted[0], image.height / wanted[1]) / REDUCING_GAP) or 1
    averaged = image.width * image.height // factor**2 if factor > 1 else 0
    narrowed = wanted[0] * image.height // factor
    return _PLAIN * (averaged + narrowed + 2 * wanted[0] * wanted[1])
