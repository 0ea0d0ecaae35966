"""From an archived file to what a browser may show: the face of this package."""

from __future__ import annotations

import threading

from portal.sync.archive.base import Archive
from portal.sync.checks.sniff import PICTURE_KINDS
from portal.sync.viewing.as_it_is import body_as_it_is
from portal.sync.viewing.cache import RenditionCache
from portal.sync.viewing.held_file import HeldFile, hold
from portal.sync.viewing.painter_child import PaintOrder, paint
from portal.sync.viewing.picture import MEDIA_TYPES, Rendition
from portal.sync.viewing.refusals import Busy, NoPicture, NoSuchPage

#: The kinds (``File.kind``) of which there are pictures.
SHOWN_KINDS = PICTURE_KINDS | {"pdf"}
#: Widths that may be asked for, in pixels.
WIDTHS = range(50, 2001)
#: Painters that one process keeps at work; each may take the memory that the limits allow.
PAINTERS = 2

painters = threading.BoundedSemaphore(PAINTERS)


def rendition(
    archive: Archive,
    storage_key: str,
    kind: str,
    *,
    page: int = 1,
    width: int = 1400,
    cache: RenditionCache,
    sha256: str | None = None,
    patience: float = 5.0,
    seconds: float = 4.5,
) -> Rendition:
    """The picture of a page of an archived file; safe to call from many threads.

    A small JPEG or PNG comes as it is, so it is to be sent with ``nosniff`` and a sandbox CSP.
    Anything else is drawn by a child process, at most ``width`` pixels wide, and kept in the
    cache. The archive is read in any case: what is missing or damaged is never shown from memory.

    :param kind: what the file is (``File.kind``), a key of the checks' table
    :param page: from 1; only TIFF and PDF have more than one
    :param width: in pixels, one of :data:`WIDTHS`
    :param sha256: the digest the ledger holds; if given, other bytes are not shown
    :param patience: seconds to wait for a painter
    :param seconds: time limit of the painter
    :raises SyncError: ARCHIVE_MISSING, ARCHIVE_DAMAGED, FILE_CORRUPT, FILE_HOSTILE or INTERNAL
    :raises NoPicture: if there are no pictures of this kind
    :raises NoSuchPage: if the file has fewer pages; what comes as it is has one
    :raises TooLargeToShow: if a picture takes more memory than a painter has
    :raises Busy: if no painter was free in time
    :raises ValueError: if the width cannot be asked for
    """
    if width not in WIDTHS:
        raise ValueError(f"width: {WIDTHS[0]} to {WIDTHS[-1]} pixels are possible, not {width}")
    if kind not in SHOWN_KINDS:
        raise NoPicture(kind=kind)
    with hold(archive, storage_key, sha256) as held:
        body = body_as_it_is(held.file, held.size, kind)
        if body is not None:
            if page != 1:
                raise NoSuchPage(page=page, pages=1)
            return Rendition(MEDIA_TYPES[kind], body, pages=1)
        found = cache.get(held.sha256, page, width)
        order = PaintOrder(kind, page, width)
        return found or _drawn(held, order, cache, patience=patience, seconds=seconds)


def _drawn(
    held: HeldFile, order: PaintOrder, cache: RenditionCache, *, patience: float, seconds: float
) -> Rendition:
    """Draw it when a painter is free, unless somebody else has drawn it meanwhile."""
    if not painters.acquire(timeout=patience):
        raise Busy(seconds=patience)
    try:
        found = cache.get(held.sha256, order.page, order.width)
        if found is None:
            found = paint(held.file, order, seconds)
            cache.put(held.sha256, order.page, order.width, found)
        return found
    finally:
        painters.release()
