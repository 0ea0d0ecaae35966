"""A page of a PDF, drawn with PDFium (which is not thread-safe: in a painter only)."""

from __future__ import annotations

import pypdfium2 as pdfium
from PIL import Image

from portal.errors import SyncError
from portal.sync.viewing.drawing import packed, scale_to_fit
from portal.sync.viewing.painter_child import PaintOrder
from portal.sync.viewing.picture import Rendition
from portal.sync.viewing.refusals import NoSuchPage

_PASSWORD_ERROR = 4


def draw(path: str, order: PaintOrder) -> Rendition:
    """Draw a page with its annotations and form fields, stamps and signatures among them.

    :raises SyncError: FILE_CORRUPT
    :raises NoSuchPage: if the document has fewer pages
    """
    with open(path, "rb") as file:
        try:
            with pdfium.PdfDocument(file) as document:
                pages = len(document)
                if not 1 <= order.page <= pages:
                    raise NoSuchPage(page=order.page, pages=pages)
                document.init_forms()
                image = _drawn(document[order.page - 1], order.width)
        except pdfium.PdfiumError as error:
            locked = getattr(error, "err_code", None) == _PASSWORD_ERROR
            detail = "a password is needed" if locked else f"page {order.page} does not open"
            raise SyncError("FILE_CORRUPT", detail=f"pdf: {detail}") from error
    media_type, body = packed(image)
    return Rendition(media_type, body, pages)


def _drawn(page: pdfium.PdfPage, width: int) -> Image.Image:
    scale = scale_to_fit(page.get_size(), width)  # PDFium gives a page without size a usual one
    image: Image.Image = page.render(scale=scale).to_pil()
    return image.convert("RGB")
