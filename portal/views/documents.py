"""One document: its data, its files by category, their pictures and downloads."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

from portal.browser import FOREIGN_POLICY
from portal.errors import NotAllowed, SyncError, reason
from portal.language import language
from portal.models import File, VersionFile, utc_now
from portal.runtime import current_portal
from portal.services import batches, browsing, retrying
from portal.sync.viewing.cache import RenditionCache
from portal.sync.viewing.refusals import ViewRefused
from portal.sync.viewing.renditions import SHOWN_KINDS, rendition
from portal.views.ids import ID, row_id

bp = Blueprint("documents", __name__)
_CHUNK = 256 * 1024


@bp.get(f"/documents/<{ID}:document_id>")
def show(document_id: int) -> ResponseReturnValue:
    """The document; ``file`` chooses the picture to look at, ``page`` its page."""
    with current_portal().ledger.read() as session:
        view = browsing.document_view(session, document_id)
    chosen = request.args.get("file", type=row_id)
    files = [file for group in view.files.values() for file in group]
    stored = [file for file in files if file.storage_key is not None]
    shown = next((file for file in stored if file.id == chosen), None) or next(iter(stored), None)
    pages = max(1, shown.pages or 1) if shown is not None else 1
    page = min(max(1, request.args.get("page", 1, type=int)), pages)
    return render_template(
        "documents/show.html",
        view=view,
        names={file.file_id: file.name for file in files},
        shown=shown,
        page=page,
        pages=pages,
        pictured=shown is not None and shown.kind in SHOWN_KINDS,
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
        file = browsing.archived_file(session, file_id)
    try:
        shown = rendition(
            portal.archive,
            str(file.storage_key),
            str(file.kind),
            page=request.args.get("page", 1, type=int),
            cache=RenditionCache(portal.settings.home / "cache" / "renditions"),
            sha256=file.sha256,
        )
    except SyncError as error:
        return _reason_picture(reason(error.code, error.params, language()))
    except ViewRefused as error:
        return _reason_picture(error.reason(language()))
    response = Response(shown.body, mimetype=shown.media_type)
    response.headers["Content-Security-Policy"] = FOREIGN_POLICY
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


@bp.get(f"/files/<{ID}:file_id>/download")
def download(file_id: int) -> ResponseReturnValue:
    """The archived bytes under the file's original name, to be saved and never run."""
    with current_portal().ledger.read() as session:
        file = browsing.archived_file(session, file_id)
    return _saved(file, file.document_id)


@bp.get(f"/versions/files/<{ID}:file_id>/download")
def download_version(file_id: int) -> ResponseReturnValue:
    """The same of a file that was archived before its document was replaced."""
    with current_portal().ledger.read() as session:
        file, document_id = browsing.version_file(session, file_id)
    return _saved(file, document_id)


def _saved(file: File | VersionFile, document_id: int) -> ResponseReturnValue:
    try:
        stream = current_portal().archive.open(str(file.storage_key))
    except SyncError as error:
        flash(_("文件无法读取：%(code)s", code=error.code), "danger")
        return redirect(url_for("documents.show", document_id=document_id), code=303)
    response = Response(iter(lambda: stream.read(_CHUNK), b""), mimetype="application/octet-stream")
    response.call_on_close(stream.close)
    response.content_length = file.size or 0
    response.headers["Content-Disposition"] = _saved_as(file.name or file.file_id)
    response.headers["Content-Security-Policy"] = FOREIGN_POLICY
    return response


def _reason_picture(text: str) -> ResponseReturnValue:
    """Why there is no picture, in its place; a browser shows it in spite of the 404."""
    page = render_template("documents/reason.svg", text=text)
    return Response(page, status=404, mimetype="image/svg+xml")


def _saved_as(name: str) -> str:
    """The header that has a browser save it under this name, twice as RFC 6266 (4.3) says.

    Characters that would break the header or hide the name's ending are replaced.
    """
    shown = "".join(char if char.isprintable() else "_" for char in name)
    plain = "".join(char if char.isascii() and char not in '"\\' else "_" for char in shown)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"
