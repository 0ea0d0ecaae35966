"""One sampled document: source and archive side by side, its verdict."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.browser import FOREIGN_POLICY
from portal.errors import NotAllowed, NotFound, SyncError, reason
from portal.language import language
from portal.models import Document, SampleState, Verdict, utc_now
from portal.runtime import current_portal
from portal.services import chores, samples, source_copies
from portal.services.manifest_lines import read_line
from portal.sync.viewing.cache import RenditionCache
from portal.sync.viewing.refusals import ViewRefused
from portal.sync.viewing.renditions import SHOWN_KINDS, rendition
from portal.views.documents import USUAL_WIDTH, reason_picture
from portal.views.ids import ID
from portal.views.samples import bp

_PLACE = f"/<{ID}:sample_id>/documents/<{ID}:position>"
_DRAWN_BYTES = 64 * 1024 * 1024


@bp.get(_PLACE)
def document(sample_id: int, position: int) -> ResponseReturnValue:
    """What was sealed, what the source has, what the archive has."""
    with current_portal().ledger.read() as session:
        context = _context(session, sample_id, position)
    return render_template("samples/document.html", **context)


@bp.get(f"{_PLACE}/compared")
def compared(sample_id: int, position: int) -> ResponseReturnValue:
    """The files in pairs, which take the place of the progress."""
    with current_portal().ledger.read() as session:
        context = _context(session, sample_id, position)
    return render_template("samples/_pairs.html", **context)


@bp.post(f"{_PLACE}/fetch")
def fetch(sample_id: int, position: int) -> ResponseReturnValue:
    """Have a clerk fetch the source's copy."""
    try:
        with current_portal().ledger.write() as session:
            row = samples.document(session, sample_id, position)
            samples.ask_comparison(session, row, by=current_user.name, now=utc_now())
    except NotAllowed as error:
        flash(error.text(language()), "danger")
    return _back(sample_id, position)


@bp.post(f"{_PLACE}/judge")
def judge(sample_id: int, position: int) -> ResponseReturnValue:
    """Keep the verdict and the remark."""
    wanted = request.form.get("verdict", "")
    try:
        if wanted not in set(Verdict):
            raise NotAllowed("请选择结论", "choose a verdict")
        with current_portal().ledger.write() as session:
            row = samples.judge(
                session,
                sample_id,
                position,
                Verdict(wanted),
                request.form.get("remark", ""),
                by=current_user.name,
                now=utc_now(),
            )
            flash(_("已记录 %(image_no)s 的结论", image_no=row.image_no), "success")
    except NotAllowed as error:
        flash(error.text(language()), "danger")
    return _back(sample_id, position)


@bp.get(f"{_PLACE}/source/<{ID}:number>")
def source_picture(sample_id: int, position: int, number: int) -> ResponseReturnValue:
    """A page of the source's copy as a picture, as long as the copy is kept."""
    home = current_portal().settings.home
    with current_portal().ledger.read() as session:
        row = samples.document(session, sample_id, position)
    files = row.compared["files"] if row.compared else []
    copy = files[number]["source"] if number < len(files) else None
    if row.compared is None or copy is None or copy.get("kind") not in SHOWN_KINDS:
        raise NotFound("没有这个文件", "there is no such file")
    pictures = source_copies.root(home) / row.compared["copies"] / "pictures"
    try:
        shown = rendition(
            current_portal().archive,
            source_copies.key_of(row.compared["copies"], number),
            copy["kind"],
            page=request.args.get("page", 1, type=int),
            width=USUAL_WIDTH,
            cache=RenditionCache(pictures, _DRAWN_BYTES),
            sha256=copy["sha256"],
        )
    except SyncError as error:
        if error.code == "ARCHIVE_MISSING":
            return reason_picture(_("源端文件的副本已清理，请重新取回"))
        return reason_picture(reason(error.code, error.params, language()))
    except ViewRefused as refusal:
        return reason_picture(refusal.reason(language()))
    response = Response(shown.body, mimetype=shown.media_type)
    response.headers["Content-Security-Policy"] = FOREIGN_POLICY
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _back(sample_id: int, position: int) -> ResponseReturnValue:
    target = url_for("samples.document", sample_id=sample_id, position=position)
    return redirect(target, code=303)


def _context(session: Session, sample_id: int, position: int) -> dict[str, Any]:
    row = samples.document(session, sample_id, position)
    sample = samples.find(session, sample_id)
    newest = chores.newest(session, samples.COMPARE, samples.subject_of(row))
    under_way = newest[0] if newest and newest[0].status != "done" else None
    archived = session.get(Document, row.document_id) if row.document_id is not None else None
    files = row.compared["files"] if row.compared else []
    return {
        "sample": sample,
        "row": row,
        "sealed": read_line(row.line.encode()).files,
        "archived": archived,
        "files": files,
        "pages": max((_pages(file) for file in files), default=1),
        "page": max(1, request.args.get("page", 1, type=int)),
        "shown_kinds": SHOWN_KINDS,
        "chore": under_way,
        "verdicts": list(Verdict),
        "is_open": sample.state is SampleState.DRAWN,
        "before": position - 1 if position > 1 else None,
        "after": position + 1 if position < (sample.size or 0) else None,
    }


def _pages(file: dict[str, Any]) -> int:
    return max((file[side] or {}).get("pages") or 1 for side in ("source", "archive"))
