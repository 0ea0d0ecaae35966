"""From one document to the next of the list it was opened from, which its address names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from sqlalchemy.orm import Session

from portal.models import Document
from portal.runtime import current_portal
from portal.services import archive_list, batch_walk
from portal.views import archive, batch_documents

ARCHIVE = "archive"
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Walk:
    """A list and a document's place in it.

    ``carried`` is what addresses of its documents say about the list; ``back`` leads to it.
    """

    name: str
    back: str
    carried: dict[str, Any]
    before: int | None
    after: int | None


def walk(session: Session, document: Document) -> Walk | None:
    """The list that the address names; None when it names none that holds the document."""
    name = request.args.get("list", "")
    if name == ARCHIVE:
        return _in_archive(session, document)
    return _in_batch(session, document, name[:_LONGEST]) if name else None


def _in_archive(session: Session, document: Document) -> Walk | None:
    if document.archived_at is None:
        return None
    wish = archive.wished()
    beside = archive_list.neighbours(
        session,
        archive.wanted(wish),
        document,
        sort=wish.place.sort,
        descending=wish.place.descending,
    )
    carried = archive.document_query(wish)
    back = url_for("archive.index", **{key: carried[key] for key in carried if key != "list"})
    return Walk(ARCHIVE, back, carried, beside.before, beside.after)


def _in_batch(session: Session, document: Document, batch_no: str) -> Walk | None:
    wish = batch_documents.wished()
    beside = batch_walk.neighbours(
        session,
        batch_no,
        batch_documents.wanted_of(wish),
        document,
        sort=wish.place.sort,
        descending=wish.place.descending,
        zone=current_portal().settings.timezone,
    )
    if beside is None:
        return None
    given: dict[str, Any] = dict(wish.filters)
    if wish.sort != wish.default:
        given["sort"] = wish.sort
    back = url_for("batches.documents", batch_no=batch_no, **given)
    return Walk(batch_no, back, {"list": batch_no, **given}, beside.before, beside.after)
