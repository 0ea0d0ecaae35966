"""One document: its data, its files by category, their pictures, facts and downloads."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from werkzeug.wsgi import FileWrapper

from portal.browser import FOREIGN_POLICY
from portal.errors import NotAllowed, SyncError, action, reason
from portal.htmx import is_htmx
from portal.language import language
from portal.models import File, VersionFile, utc_now
from portal.runtime import current_portal
from portal.services import batches, document_pages, downloads, retrying
from portal.sync.viewing.cache import RenditionCache
from portal.sync.viewing.facts import TOLD_KINDS
from portal.sync.viewing.refusals import ViewRefused
from portal.sync.viewing.renditions import SHOWN_KINDS, WIDTHS, rendition
from portal.sync.viewing.telling import facts_of
from portal.views.ids import ID, row_id
from portal.views.saved_names import attachment
from portal.views.walking import walk

bp = Blueprint("documents", __name__)
_CHUNK = 256 * 1024
#: Widths that pictures are drawn in, few as all are kept; the wide one is for zooming.
USUAL_WIDTH, WIDE = 1400, WIDTHS[-1]


@bp.get(f"/documents/<{ID}:document_id>")
def show(document_id: int) -> ResponseReturnValue:
    """The document; ``file`` chooses the file to look at, ``page`` its page."""
    with current_portal().ledger.read() as session:
        view = document_pages.document_view(session, document_id)
        way = walk(session, view.document)
    files = [file for group in view.files.values() for file in group]
    shown = _chosen(files, request.args.get("file", type=row_id))
    pictured = shown is not None and shown.storage_key is not None and shown.kind in SHOWN_KINDS
    pages = max(1, shown.pages or 1) if shown is not None and pictured else 1
    page = min(max(1, request.args.get("page", 1, type=int)), pages)
    position = files.index(shown) if shown is not None else 0
    return render_template(
        "documents/show.html",
        view=view,
        walk=way,
        carried=way.carried if way is not None else {},
        names={file.file_id: file.name for file in files},
        failures=_failures(view),
        shown=shown,
        before=files[position - 1] if position > 0 else None,
        after=files[position + 1] if position + 1 < len(files) else None,
        page=page,
        pages=pages,
        pictured=pictured,
        told=shown is not None and shown.kind in TOLD_KINDS,
        wide=WIDE,
    )


@bp.post(f"/documents/<{ID}:document_id>/retry/<batch_no>")
def retry(document_id: int, batch_no: str) -> ResponseReturnValue:
    """Send this one document again."""
    portal = current_portal()
    try:
        with portal.ledger.write() as session:
            batch = batches.find(session, batch_no)
            count = retrying.retry(
                session, batch, by=current_user.name, now=utc_now(), document_ids=[document_id]
            )
    except NotAllowed as error:
        flash(error.text(language()), "danger")
    else:
        portal.offer()
        flash(ngettext("%(num)d 份单据重新同步", "%(num)d 份单据重新同步", count), "success")
    return redirect(url_for("documents.show", document_id=document_id), code=303)


@bp.get(f"/files/<{ID}:file_id>/picture")
def picture(file_id: int) -> ResponseReturnValue:
    """A page of the file as a picture; what has none comes as a picture of the reason."""
    portal = current_portal()
    with portal.ledger.read() as session:
        file = document_pages.archived_file(session, file_id)
    try:
        shown = rendition(
            portal.archive,
            str(file.storage_key),
            str(file.kind),
            page=request.args.get("page", 1, type=int),
            width=WIDE if request.args.get("width") == str(WIDE) else USUAL_WIDTH,
            cache=RenditionCache(portal.settings.home / "cache" / "renditions"),
            sha256=file.sha256,
        )
    except SyncError as error:
        return reason_picture(reason(error.code, error.params, language()))
    except ViewRefused as error:
        return reason_picture(error.reason(language()))
    response = Response(shown.body, mimetype=shown.media_type)
    response.headers["Content-Security-Policy"] = FOREIGN_POLICY
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


@bp.get(f"/files/<{ID}:file_id>/facts")
def facts(file_id: int) -> ResponseReturnValue:
    """What can be read from a file that has no picture; alone for its document's page."""
    portal = current_portal()
    with portal.ledger.read() as session:
        file = document_pages.archived_file(session, file_id)
    context: dict[str, Any] = {"file": file, "facts": None, "problem": None}
    try:
        context["facts"] = facts_of(
            portal.archive, str(file.storage_key), str(file.kind), sha256=file.sha256
        )
    except SyncError as error:
        context["problem"] = (
            reason(error.code, error.params, language()),
            action(error.code, error.params, language()),
        )
    except ViewRefused as error:
        context["problem"] = (error.reason(language()), error.action(language()))
    part = "documents/_facts.html"
    return render_template(part if is_htmx() else "documents/facts.html", **context)


@bp.get(f"/files/<{ID}:file_id>/download")
def download(file_id: int) -> ResponseReturnValue:
    """The archived bytes under the file's original name, to be saved and never run."""
    with current_portal().ledger.read() as session:
        file = document_pages.archived_file(session, file_id)
    return _saved(file, file.document_id)


@bp.get(f"/versions/files/<{ID}:file_id>/download")
def download_version(file_id: int) -> ResponseReturnValue:
    """The same of a file that was archived before its document was replaced."""
    with current_portal().ledger.read() as session:
        file, document_id = document_pages.version_file(session, file_id)
    return _saved(file, document_id)


def _chosen(files: Sequence[File], wanted: int | None) -> File | None:
    """The file asked for, else the first that is archived, else the first."""
    stored = [file for file in files if file.storage_key is not None]
    named = [file for file in files if file.id == wanted]
    return next(iter([*named, *stored, *files]), None)


def _failures(view: document_pages.DocumentView) -> dict[str, tuple[str, dict[str, Any] | None]]:
    """By file id, what its newest passage failed with."""
    for item, _batch in view.items:
        if item.error_code is not None and item.failed_file_id is not None:
            return {item.failed_file_id: (item.error_code, item.error_params)}
        return {}
    return {}


def _saved(file: File | VersionFile, document_id: int) -> ResponseReturnValue:
    try:
        stream = current_portal().archive.open(str(file.storage_key))
    except SyncError as error:
        flash(_("文件无法读取：%(code)s", code=error.code), "danger")
        return redirect(url_for("documents.show", document_id=document_id), code=303)
    response = Response(
        FileWrapper(stream, _CHUNK), mimetype="application/octet-stream", direct_passthrough=True
    )
    response.call_on_close(stream.close)
    response.content_length = file.size or 0
    response.headers["Content-Disposition"] = attachment(file.name or file.file_id)
    response.headers["Content-Security-Policy"] = FOREIGN_POLICY
    response.headers["Cache-Control"] = "private, no-cache"
    if file.sha256:
        response.set_etag(file.sha256)
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=file.size or 0)
        if response.status_code != HTTPStatus.NOT_MODIFIED:
            is_part = response.status_code == HTTPStatus.PARTIAL_CONTENT
            _record(file, document_id, is_part=is_part)
    except BaseException:
        response.close()
        raise
    return response


def _record(file: File | VersionFile, document_id: int, *, is_part: bool) -> None:
    """Have the trail say so; the parts that a download manager asks for are one download."""
    if request.method == "HEAD":
        return
    portal, by, now = current_portal(), current_user.name, utc_now()
    if is_part:
        with portal.ledger.read() as session:
            if downloads.is_recorded(session, file, document_id, by=by, now=now):
                return
    with portal.ledger.write() as session:
        downloads.record(session, file, document_id, by=by, now=now)


def reason_picture(text: str) -> ResponseReturnValue:
    """Why there is no picture, in its place; a browser shows it in spite of the 404."""
    page = render_template("documents/reason.svg", text=text)
    response = Response(page, status=404, mimetype="image/svg+xml")
    response.headers["Content-Security-Policy"] = FOREIGN_POLICY  # the text may name the file
    return response
