"""PDF, read with PDFium (which is not thread-safe: one file at a time in a process)."""

from __future__ import annotations

import os

import pypdfium2 as pdfium

from portal.errors import SyncError
from portal.sync.checks.budget import Budget
from portal.sync.checks.inspection import FileFacts
from portal.sync.checks.pdf_objects import PdfObjects
from portal.sync.checks.rules import CompatibilityRules

#: ISO 32000-1, annex H: readers accept the end marker within the last kilobyte; some writers pad.
_END_WITHIN = 2048
_RENDERED_SIDE = 64
_PASSWORD_ERROR = 4


def read(path: str, kind: str, rules: CompatibilityRules, *, decode: bool) -> FileFacts:
    """Open, count and load the pages; with ``decode`` draw the first one very small.

    In a very long document pages are loaded as long as there is time for it.

    :raises SyncError: FILE_CORRUPT, FILE_HOSTILE, FILE_PAGES_HIGH or FILE_PIXELS_HIGH
    """
    budget = Budget()
    _check_end(path)
    objects = PdfObjects(path, rules)
    # The binding follows links to a name, which a file on trial, open and unlinked, has not.
    is_named = os.path.exists(os.path.realpath(path))
    try:
        with open(path, "rb") as file, pdfium.PdfDocument(path if is_named else file) as document:
            pages = len(document)
            if pages > rules.max_pages:
                raise SyncError("FILE_PAGES_HIGH", actual=pages, limit=rules.max_pages)
            if pages < 1:
                raise SyncError("FILE_CORRUPT", detail="pdf: no pages")
            objects.check_pages(pages)
            _load_pages(document, pages, budget, draw=decode)
    except pdfium.PdfiumError as error:
        locked = getattr(error, "err_code", None) == _PASSWORD_ERROR
        detail = "pdf: a password is needed" if locked else "pdf: does not open"
        raise SyncError("FILE_CORRUPT", detail=detail) from error
    return FileFacts(kind, pages)


def _check_end(path: str) -> None:
    """PDFium repairs a file that was cut off; so the end marker is looked for first."""
    with open(path, "rb") as file:
        file.seek(max(os.fstat(file.fileno()).st_size - _END_WITHIN, 0))
        if b"%%EOF" not in file.read():
            raise SyncError("FILE_CORRUPT", detail="pdf: the end is missing")


def _load_pages(document: pdfium.PdfDocument, pages: int, budget: Budget, *, draw: bool) -> None:
    for number in range(pages):
        if budget.spent:
            return
        try:
            page = document[number]
        except pdfium.PdfiumError as error:
            detail = f"pdf: page {number + 1} does not load"
            raise SyncError("FILE_CORRUPT", detail=detail) from error
        if draw and number == 0:
            _draw(page)
        page.close()


def _draw(page: pdfium.PdfPage) -> None:
    """Draw a page at most :data:`_RENDERED_SIDE` pixels wide and high."""
    side = max(page.get_size())
    if side > 0:
        page.render(scale=_RENDERED_SIDE / side).close()
