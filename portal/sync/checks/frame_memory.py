"""How much memory it takes to decode a picture, judged from its header."""

from __future__ import annotations

from PIL import Image

from portal.sync.checks.tiff_bands import Bands

#: Bytes for each dot: two canvases, the copy handed over, and the picture.
WEBP_DOT = 16
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "LA": 4}
_BITS, _COMPRESSION, _SAMPLES, _ROWS_PER_STRIP = 258, 259, 277, 278
_NO_COMPRESSION = 1


def checking_bytes(image: Image.Image, kind: str) -> int:
    """An upper estimate for a check of the current frame, which need not be whole at any time."""
    if kind == "tiff" and (bands := Bands(image)).can_check:
        return bands.memory
    return 0 if is_plain_bitmap(image, kind) else frame_bytes(image, kind)


def is_plain_bitmap(image: Image.Image, kind: str) -> bool:
    """Whether any bytes are a picture, so that there is nothing to decode."""
    return kind == "bmp" and all(tile[0] == "raw" for tile in getattr(image, "tile", ()))


def frame_bytes(image: Image.Image, kind: str) -> int:
    """An upper estimate for the frame that is current, in bytes."""
    pixels = image.width * image.height
    if kind == "png":
        return 0  # inflated piece by piece
    if kind == "jpeg":
        # Decoded at an eighth of the size; but a progressive one keeps all its coefficients.
        kept = _coefficients(image) * 2 if "progressive" in image.info else 0
        return pixels // 16 + kept
    if kind == "webp":
        return pixels * WEBP_DOT
    if kind == "gif":
        return pixels * 16  # frame, canvas, their copies, and what is to be put back
    picture = pixels * _MODE_BYTES.get(image.mode, 4)
    return picture + _strip_bytes(image) if kind == "tiff" else picture


def _coefficients(image: Image.Image) -> int:
    """One for each sample; colours are often sampled more coarsely than light."""
    factors: list[tuple[int, int]] = [
        (across, down) for _, across, down, _ in getattr(image, "layer", [])
    ]
    finest = max((across for across, _ in factors), default=1) * max(
        (down for _, down in factors), default=1
    )
    return image.width * image.height * sum(across * down for across, down in factors) // finest


def _strip_bytes(image: Image.Image) -> int:
    """The largest strip of a packed TIFF, unpacked: libtiff holds one beside the picture."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(_COMPRESSION, _NO_COMPRESSION) == _NO_COMPRESSION:
        return 0
    rows = min(tags.get(_ROWS_PER_STRIP) or image.height, image.height)
    bits = sum(tags.get(_BITS, (1,))) if _BITS in tags else tags.get(_SAMPLES, 1)
    return int(image.width * rows * bits // 8)
