"""PDF, read with PDFium (which is not thread-safe: one file at a time in a process)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pypdfium2.raw as pdfium

from portal.errors import SyncError
from portal.sync.checks.budget import Budget
from portal.sync.checks.inspection import FileFacts
from portal.sync.checks.pdf_objects import PdfObjects
from portal.sync.checks.rules import CompatibilityRules

#: ISO 32000-1, annex H: readers accept the end marker within the last kilobyte; some writers pad.
_END_WITHIN = 2048
_RENDERED_SIDE = 64


def read(path: str, kind: str, rules: CompatibilityRules, *, decode: bool) -> FileFacts:
    """Open, count and load the pages; with ``decode`` draw the first one very small.

    In a very long document pages are loaded as long as there is time for it.

    :raises SyncError: FILE_CORRUPT, FILE_HOSTILE, FILE_PAGES_HIGH or FILE_PIXELS_HIGH
    """
    budget = Budget()
    _check_end(path)
    objects = PdfObjects(path, rules)
    with _opened(path) as document:
        pages = int(pdfium.FPDF_GetPageCount(document))
        if pages > rules.max_pages:
            raise SyncError("FILE_PAGES_HIGH", actual=pages, limit=rules.max_pages)
        if pages < 1:
            raise SyncError("FILE_CORRUPT", detail="pdf: no pages")
        objects.check_pages(pages)
        _load_pages(document, pages, budget, draw=decode)
    return FileFacts(kind, pages)


def _check_end(path: str) -> None:
    """PDFium repairs a file that was cut off; so the end marker is looked for first."""
    with open(path, "rb") as file:
        file.seek(max(os.fstat(file.fileno()).st_size - _END_WITHIN, 0))
        if b"%%EOF" not in file.read():
            raise SyncError("FILE_CORRUPT", detail="pdf: the end is missing")


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    document = pdfium.FPDF_LoadDocument(os.fsencode(path), None)
    if not document:
        locked = pdfium.FPDF_GetLastError() == pdfium.FPDF_ERR_PASSWORD
        detail = "pdf: a password is needed" if locked else "pdf: does not open"
        raise SyncError("FILE_CORRUPT", detail=detail)
    try:
        yield document
    finally:
        pdfium.FPDF_CloseDocument(document)


def _load_pages(document: Any, pages: int, budget: Budget, *, draw: bool) -> None:
    for number in range(pages):
        if budget.spent:
            return
        page = pdfium.FPDF_LoadPage(document, number)
        if not page:
            raise SyncError("FILE_CORRUPT", detail=f"pdf: page {number + 1} does not load")
        if draw and number == 0:
            _draw(page)
        pdfium.FPDF_ClosePage(page)


def _draw(page: Any) -> None:
    """Draw a page at most :data:`_RENDERED_SIDE` pixels wide and high."""
    width, height = pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page)
    if max(width, height) <= 0:
        return
    scale = _RENDERED_SIDE / max(width, height)
    across, down = max(round(width * scale), 1), max(round(height * scale), 1)
    picture = pdfium.FPDFBitmap_Create(across, down, 0)
    pdfium.FPDF_RenderPageBitmap(picture, page, 0, 0, across, down, 0, pdfium.FPDF_ANNOT)
    pdfium.FPDFBitmap_Destroy(picture)
