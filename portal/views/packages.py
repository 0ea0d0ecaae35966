"""打包下载 and 文件下载: archived files as one ZIP, and fetching at once what is not archived."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from flask import (
    Blueprint,
    Response,
    flash,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError

from portal.access import safe_next
from portal.browser import FOREIGN_POLICY
from portal.errors import NotAllowed
from portal.language import language
from portal.models import utc_now
from portal.runtime import Portal, current_portal
from portal.services import audit, chores, fetches, selected_documents, selection_filters
from portal.services.packing import Package, PackageBroken, package_name
from portal.services.selection import MOST_DOCUMENTS, Selection, documents_of_items
from portal.services.stream_places import PLACES, take_place
from portal.services.wanting import KIND
from portal.views.batch_list import chosen_numbers
from portal.views.ids import ID, row_ids
from portal.views.lists import asked
from portal.views.saved_names import attachment

bp = Blueprint("packages", __name__, url_prefix="/packages")
logger = logging.getLogger(__name__)
_SENT_BYTES = 128 * 1024
_NEWEST = 50


@bp.post("/batches")
def batches() -> ResponseReturnValue:
    """What is archived of the batches chosen in the list, as a ZIP."""
    return _packed(Selection(batch_nos=tuple(chosen_numbers())))


@bp.post("/fetch-batches")
def fetch_batches() -> ResponseReturnValue:
    """Fetch what is not archived yet of the batches chosen in the list."""
    return _fetched(Selection(batch_nos=tuple(chosen_numbers())))


@bp.post("/chosen")
def documents() -> ResponseReturnValue:
    """The same of documents: ``document_id`` or ``item_id``, or with ``all`` what a filter says."""
    return _packed(_documents(), _all())


@bp.post("/fetch")
def fetch() -> ResponseReturnValue:
    """Fetch what is not archived yet of a batch or of ticked documents, or of what a filter says.

    With ``permanent_too`` also what failed for good.
    """
    wish = _documents()
    if request.form.getlist("batch_no") and not wish.batch_nos:
        wish = Selection(tuple(request.form.getlist("batch_no")), wish.document_ids)
    return _fetched(wish)


def _fetched(wish: Selection) -> ResponseReturnValue:
    portal = current_portal()
    try:
        _check(wish)
        with portal.ledger.read() as session:
            unlisted = fetches.unlisted(session, wish)
        with portal.ledger.write() as session:
            chore_id = fetches.ask(
                session,
                wish,
                permanent_too=request.form.get("permanent_too") == "1",
                by=current_user.name,
                now=utc_now(),
            ).id
    except NotAllowed as error:
        return _back(error.text(language()))
    for number in unlisted:
        flash(_("批次 %(number)s 还没有清点单据，请先运行该批次", number=number), "warning")
    return redirect(url_for("packages.show", chore_id=chore_id), code=303)


@bp.get("/")
def index() -> ResponseReturnValue:
    """文件下载: the last ones."""
    with current_portal().ledger.read() as session:
        rows = chores.newest(session, KIND, limit=_NEWEST)
    return render_template("packages/index.html", rows=rows)


@bp.get(f"/<{ID}:chore_id>")
def show(chore_id: int) -> ResponseReturnValue:
    """One 文件下载: how far it is, and what could not be fetched."""
    return render_template("packages/show.html", **_fetch(chore_id))


@bp.get(f"/<{ID}:chore_id>/outcome")
def outcome(chore_id: int) -> ResponseReturnValue:
    """What came of it, to take the place of its progress."""
    return render_template("packages/_outcome.html", **_fetch(chore_id))


def _fetch(chore_id: int) -> dict[str, Any]:
    wish = asked(sorts=("id",), default="id")
    with current_portal().ledger.read() as session:
        chore = chores.find_of(session, KIND, chore_id)
        counts = fetches.counts(session, chore_id)
        leaf = fetches.failures(session, chore_id, wish.place)
    selection, permanent_too = fetches.of_chore(chore.params)
    return {
        "chore": chore,
        "counts": counts,
        "leaf": leaf,
        "asked": wish,
        "selection": selection,
        "permanent_too": permanent_too,
        "then": url_for("packages.outcome", chore_id=chore_id),
    }


def _documents() -> Selection:
    """The documents a form is about."""
    form = request.form
    if _all():
        return Selection(
            tuple(form.getlist("batch_no")), filters=selection_filters.given(request.values)
        )
    ids = row_ids(",".join(form.getlist("document_id")))
    items = row_ids(",".join(form.getlist("item_id")))
    if items:
        with current_portal().ledger.read() as session:
            ids += documents_of_items(session, items)
    return Selection(document_ids=tuple(dict.fromkeys(ids)))


def _all() -> bool:
    return request.form.get("all") == "1"


def _check(selection: Selection, all_too: bool = False) -> None:
    """
    :raises NotAllowed: when nothing is chosen, or too much one by one
    """
    if not (selection.batch_nos or selection.document_ids or all_too):
        raise NotAllowed("请先勾选批次或单据", "tick batches or documents first")
    if len(selection.document_ids) > MOST_DOCUMENTS:
        raise NotAllowed(
            f"一次最多勾选 {MOST_DOCUMENTS} 份单据", f"tick {MOST_DOCUMENTS} documents at most"
        )


def _packed(selection: Selection, all_too: bool = False) -> ResponseReturnValue:
    """The ZIP, or back with the reason why there is none."""
    portal = current_portal()
    zone = portal.settings.timezone
    try:
        _check(selection, all_too)
        with portal.ledger.read() as session:
            count = selected_documents.count(session, selection, zone=zone)
    except NotAllowed as error:
        return _back(error.text(language()))
    if not count:
        return _back(_("所选范围内没有已归档的单据"))
    leave = take_place(portal.settings.home)
    if leave is None:
        return _back(_("已有 %(count)s 个打包下载在进行，请等其中一个结束后再试", count=PLACES))
    now = utc_now()
    try:
        with portal.ledger.write() as session:
            told = {**selection.told(), "documents": count}
            audit.record(session, "package.begin", by=current_user.name, at=now, detail=told)
    except BaseException:
        leave()
        raise
    package = Package(portal.ledger.read, portal.archive, selection, zone=zone)
    sent = _sent(portal, package, by=current_user.name)
    name = package_name(selection, now.astimezone(zone))
    return _as_download(sent, name, leave)


def _as_download(
    parts: Iterator[bytes], name: str, on_close: Callable[[], None]
) -> ResponseReturnValue:
    response = Response(stream_with_context(parts), mimetype="application/zip")
    response.call_on_close(on_close)
    response.headers["Content-Disposition"] = attachment(name)
    response.headers["Content-Security-Policy"] = FOREIGN_POLICY
    response.headers["Cache-Control"] = "no-store"
    # A proxy that first collects what is sent would need room for all of it.
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _sent(portal: Portal, package: Package, *, by: str) -> Iterator[bytes]:
    """The package in pieces worth sending; the trail tells how it ended."""
    end, reason = "aborted", None
    try:
        yield from _gathered(package.parts())
        end = "complete"
    except PackageBroken as error:
        end, reason = "broken", "ARCHIVE_DAMAGED"
        logger.error("a package broke off: %s", error)
        raise
    finally:
        tally = {name: value for name, value in asdict(package.tally).items() if value}
        try:
            with portal.ledger.write() as session:
                audit.record(
                    session,
                    "package.end",
                    by=by,
                    at=utc_now(),
                    new=end,
                    reason=reason,
                    detail=tally,
                )
        except SQLAlchemyError:
            logger.exception("the end of a package could not be recorded")


def _gathered(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces."""
    waiting: list[bytes] = []
    size = 0
    try:
        for part in parts:
            waiting.append(part)
            size += len(part)
            if size >= _SENT_BYTES:
                yield b"".join(waiting)
                waiting, size = [], 0
    except PackageBroken:
        yield b"".join(waiting)  # the manifest says why
        raise
    yield b"".join(waiting)


def _back(why: str) -> ResponseReturnValue:
    """To where it was asked for, with the reason."""
    flash(why, "danger")
    return redirect(safe_next(request.form.get("next") or url_for("batches.index")), code=303)
