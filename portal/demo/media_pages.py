"""Pictures of filled-in forms, encoded to a wanted size.

The text on them is Latin because the only font that surely exists is Pillow's own.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageChops, ImageDraw, ImageFont

_PAPER = (252, 252, 250)
_INK = (30, 30, 40)
_RULE = (150, 150, 160)
_STAMP = (200, 30, 30)
_BLACK_BELOW = 200
# The form, in thousandths of the width: where its lines begin and how far they are apart.
# The last two steps fill the rest of the page.
_TOP = 50
_LINE = 52
_STEPS = 26


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way to make a file of a page.

    :param width: pixels; the height follows from A4
    :param grain: how dark the paper's grain gets (0–255); more grain, more bytes
    :param quality: of JPEG
    :param frames: pages of a TIFF
    """

    format: str
    width: int = 1000
    grain: int = 0
    quality: int = 75
    compression: str | None = None
    frames: int = 1

    def encode(self, page: Image.Image) -> bytes:
        """The file."""
        buffer = io.BytesIO()
        if self.format == "JPEG":
            # Without grain most blocks are empty, which only fitting code tables make small.
            optimize = not self.grain
            page.save(buffer, "JPEG", quality=self.quality, optimize=optimize, dpi=(150, 150))
        elif self.format == "PNG":
            page.convert("L").save(buffer, "PNG", compress_level=1, dpi=(150, 150))
        else:
            first, *others = [self._frame(page, number) for number in range(self.frames)]
            first.save(
                buffer,
                "TIFF",
                save_all=True,
                append_images=others,
                compression=self.compression,
                dpi=(150, 150),
            )
        return buffer.getvalue()

    def _frame(self, page: Image.Image, number: int) -> Image.Image:
        frame = page.convert("L")
        draw = ImageDraw.Draw(frame)
        text = f"Page {number + 1} of {self.frames}"
        draw.text((self.width * 0.42, self.width * 1.36), text, font=_font(self.width), fill=0)
        if self.compression == "group4":
            return frame.point([255 * (value > _BLACK_BELOW) for value in range(256)], "1")
        return frame


def fitted(target: int, encodings: Sequence[Encoding]) -> bytes:
    """A file of about so many bytes: the first encoding that can be as big, filled from the top.

    How many lines of the form are filled decides the size, which grows nearly evenly with them.
    """
    encoding = next((way for way in encodings if _sizes(way)[1] >= target), encodings[-1])
    least, full = _sizes(encoding)
    lines = 1 + round((_STEPS - 1) * (target - least) / (full - least))
    return encoding.encode(_page(encoding.width, encoding.grain, min(_STEPS, max(1, lines))))


@lru_cache(maxsize=64)
def _sizes(encoding: Encoding) -> tuple[int, int]:
    """Bytes of the page with one line and of the full page."""
    least, full = (_page(encoding.width, encoding.grain, lines) for lines in (1, _STEPS))
    return len(encoding.encode(least)), len(encoding.encode(full))


def _page(width: int, grain: int, lines: int) -> Image.Image:
    full = _full_page(width, grain)
    if lines >= _STEPS:
        return full
    page = Image.new("RGB", full.size, _PAPER)
    height = round((_TOP + lines * _LINE) * width / 1000)
    page.paste(full.crop((0, 0, width, height)))
    return page


@lru_cache(maxsize=8)
def _full_page(width: int, grain: int) -> Image.Image:
    page = Image.new("RGB", (width, round(width * 2**0.5)), _PAPER)
    _draw_form(page)
    if not grain:
        return page
    noise = random.Random(width).randbytes(page.width * page.height)  # noqa: S311 - paper grain
    shade = Image.frombytes("L", page.size, noise).point(
        [255 - value * grain // 256 for value in range(256)]
    )
    return ImageChops.multiply(page, shade.convert("RGB"))


def _draw_form(page: Image.Image) -> None:
    draw = ImageDraw.Draw(page)
    unit = page.width / 1000
    font = _font(page.width)
    for row in range(_STEPS - 2):
        top = (_TOP + _LINE * row) * unit
        text = f"{row + 1:02d}  Expense item {row * 37 % 91:03d}, receipt {row * 7919 % 9973:04d}"
        draw.line((60 * unit, top, 940 * unit, top), fill=_RULE, width=2)
        draw.text((70 * unit, top + 10 * unit), text, font=font, fill=_INK)
        draw.text(
            (800 * unit, top + 10 * unit), f"{row * 1234.5 % 9999:9.2f}", font=font, fill=_INK
        )
    draw.ellipse(
        [side * unit for side in (640, 1060, 900, 1260)], outline=_STAMP, width=round(6 * unit)
    )


@lru_cache(maxsize=8)
def _font(width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(width * 0.026)
