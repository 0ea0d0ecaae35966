"""What all drawn pictures have in common: their size, and how they are packed."""

from __future__ import annotations

import io

from PIL import Image

#: How many times as high as the width that was asked for a picture may become: long receipts stay
#: readable, and the widest picture still fits a painter's memory.
_HEIGHT_FACTOR = 5
#: Up to so many colours it may be writing or line art, which PNG keeps sharp and small;
#: a grey photograph has few colours too, but becomes larger than so many bytes.
_COLOURS_OF_LINE_ART = 8192
_BYTES_OF_LINE_ART = 1024 * 1024
_JPEG_QUALITY = 85


def scale_to_fit(size: tuple[float, float], width: int) -> float:
    """By what to multiply a page so that it is ``width`` wide, or less if it is very long."""
    return min(width / size[0], width * _HEIGHT_FACTOR / size[1])


def packed(image: Image.Image) -> tuple[str, bytes]:
    """The media type and the bytes of a picture in mode L or RGB, without the source's metadata."""
    image.info.clear()  # PNG would carry on what stands there
    if image.getcolors(_COLOURS_OF_LINE_ART) is not None:
        png = _saved(image, "PNG")
        if len(png) <= _BYTES_OF_LINE_ART:
            return "image/png", png
    return "image/jpeg", _saved(image, "JPEG", quality=_JPEG_QUALITY)


def _saved(image: Image.Image, kind: str, **how: int) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()
