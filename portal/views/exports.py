"""导出: asking for one, its progress, its file."""

from __future__ import annotations

import re
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from portal.browser import FOREIGN_POLICY
from portal.errors import NotAllowed, NotFound
from portal.formatting import AUDIT_ACTIONS, audit_action, moment
from portal.language import language
from portal.models import Chore, Export, utc_now
from portal.runtime import current_portal
from portal.services import audit, chores, exports
from portal.services.export_kinds import FORMATS, KINDS
from portal.services.export_making import check, companion_text
from portal.services.export_tables import Kind, Wanted
from portal.statuses import ItemStatus, label
from portal.views.ids import ID
from portal.views.kept_files import sent
from portal.views.lists import asked
from portal.views.saved_names import attachment

bp = Blueprint("exports", __name__, url_prefix="/exports")
_SEPARATORS = re.compile(r"[\s,，;；、]+")
_TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "jsonl": "application/jsonl",
}


@bp.get("/")
def index() -> ResponseReturnValue:
    """What can be exported, and what was."""
    wish = asked(sorts=("id",), default="-id")
    with current_portal().ledger.read() as session:
        leaf = exports.page(session, wish.place, _allowed())
        states = chores.statuses(session, [row.chore_id for row in leaf.rows if row.chore_id])
    kinds = [KINDS[name] for name in _allowed()]
    return render_template("exports/index.html", kinds=kinds, leaf=leaf, states=states, asked=wish)


@bp.get("/new")
def new() -> ResponseReturnValue:
    """The form for one ``kind``, filled with the filters that stand in the address."""
    return _form(request.args)


@bp.post("/new")
def create() -> ResponseReturnValue:
    """Ask for it; 422 with the form and the reason when something is wrong."""
    portal = current_portal()
    form = request.form
    kind = _kind(form)
    filters = _filters(form)
    try:
        with portal.ledger.read() as session:
            known = exports.known_filters(kind, filters)
            check(session, kind, Wanted.of(known, portal.settings.timezone))
        with portal.ledger.write() as session:
            export_id = exports.ask(
                session,
                kind.name,
                format_=form.get("format", ""),
                language=language(),
                filters=filters,
                by=current_user.name,
                now=utc_now(),
            ).id
    except NotAllowed as error:
        flash(error.text(language()), "danger")
        return _form(form), 422
    return redirect(url_for("exports.show", export_id=export_id), code=303)


@bp.get(f"/<{ID}:export_id>")
def show(export_id: int) -> ResponseReturnValue:
    """One export: its progress, then its file."""
    return render_template("exports/show.html", **_export(export_id))


@bp.get(f"/<{ID}:export_id>/outcome")
def outcome(export_id: int) -> ResponseReturnValue:
    """What came of it, to take the place of its progress."""
    return render_template("exports/_outcome.html", **_export(export_id))


@bp.get(f"/<{ID}:export_id>/download")
def download(export_id: int) -> ResponseReturnValue:
    """The file."""
    portal = current_portal()
    with portal.ledger.write() as session:
        export = _find(session, export_id)
        stream = exports.opened(export, portal.archive)
        detail = {"export": export.id, "sha256": export.sha256}
        audit.record(session, "export.download", by=current_user.name, at=utc_now(), detail=detail)
        name, format_ = _file_name(export), export.format
        size, digest = export.bytes or 0, str(export.sha256)
    return sent(stream, size=size, sha256=digest, media_type=_TYPES[format_], name=name)


@bp.get(f"/<{ID}:export_id>/companion")
def companion(export_id: int) -> ResponseReturnValue:
    """What the file is, with its digest and the trail's anchor, as a text to be kept beside it."""
    with current_portal().ledger.read() as session:
        export = _find(session, export_id)
    if export.made_at is None:
        raise NotFound("该导出没有文件", "the export has no file")
    response = Response(
        companion_text(export, _file_name(export), moment(export.as_of)), mimetype="text/plain"
    )
    name = f"export-{export.id}.txt"
    response.headers["Content-Disposition"] = attachment(name)
    response.headers["Content-Security-Policy"] = FOREIGN_POLICY
    return response


@bp.post(f"/<{ID}:export_id>/remove")
def remove(export_id: int) -> ResponseReturnValue:
    """Delete the file; the row stays."""
    portal = current_portal()
    try:
        with portal.ledger.write() as session:
            exports.remove(
                session,
                exports.find(session, export_id),
                portal.archive,
                by=current_user.name,
                now=utc_now(),
            )
    except NotAllowed as error:
        flash(error.text(language()), "danger")
    else:
        flash(_("导出文件已删除"), "success")
    return redirect(url_for("exports.index"), code=303)


def _form(values: MultiDict[str, str]) -> str:
    """The form with these values in it."""
    kind = _kind(values)
    filters = _filters(values)
    return render_template(
        "exports/new.html",
        kind=kind,
        filters={name: " ".join(filters.get(name, ())) for name in kind.filters},
        formats=FORMATS,
        chosen=values.get("format", FORMATS[0]),
        statuses=[(one.value, label(one, language())) for one in ItemStatus],
        actions=[(one, audit_action(one)) for one in AUDIT_ACTIONS],
    )


def _allowed() -> list[str]:
    """The kinds of exports the user may have: whoever may not see the trail may not export it."""
    return [name for name in KINDS if name != "audit" or current_user.may("audit.index")]


def _kind(values: MultiDict[str, str]) -> Kind:
    """The kind that is asked for.

    :raises NotFound: when there is no such kind
    """
    kind = exports.kind_of(values.get("kind", "batches"))
    if kind.name not in _allowed():
        abort(403)
    return kind


def _find(session: Session, export_id: int) -> Export:
    """An export that the user may have.

    :raises NotFound: when there is none
    """
    export = exports.find(session, export_id)
    if export.kind not in _allowed():
        abort(403)
    return export


def _filters(values: MultiDict[str, str]) -> dict[str, list[str]]:
    """Every filter in an address or a form; several batches may stand in one field."""
    found = {
        name: [text for value in values.getlist(name) if (text := value.strip())] for name in values
    }
    numbers = [one for text in found.get("batch_no", ()) for one in _SEPARATORS.split(text) if one]
    return {**found, "batch_no": numbers}


def _export(export_id: int) -> dict[str, Any]:
    with current_portal().ledger.read() as session:
        export = _find(session, export_id)
        # An export outlives the chore that made it.
        chore = session.get(Chore, export.chore_id) if export.chore_id else None
    return {
        "export": export,
        "chore": chore,
        "kind": KINDS.get(export.kind),
        "then": url_for("exports.outcome", export_id=export_id),
    }


def _file_name(export: Export) -> str:
    """The name it is saved under."""
    kind = KINDS.get(export.kind)
    title = kind.title(export.language) if kind is not None else export.kind
    return f"{title}_{export.id}.{export.format}"
