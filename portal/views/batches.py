"""迁移批次: one batch with its tabs, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.errors import NotAllowed
from portal.htmx import STOP_POLLING
from portal.language import language
from portal.models import Batch, utc_now
from portal.runtime import current_portal
from portal.services import batches, browsing, failure_groups, retrying, runs
from portal.views import batch_documents, batch_push
from portal.views.batch_context import live_context
from portal.views.lists import asked
from portal.views.shared_region import shared

bp = Blueprint("batches", __name__, url_prefix="/batches")
batch_documents.init_blueprint(bp)
batch_push.init_blueprint(bp)

Act = Callable[[Session, Batch, str, datetime], object]
ACTIONS: dict[str, Act] = {
    "run": lambda session, batch, by, now: batches.start(session, batch, by=by, now=now),
    "pause": lambda session, batch, by, now: batches.pause(session, batch, by=by, now=now),
    "resume": lambda session, batch, by, now: batches.resume(session, batch, by=by, now=now),
    "cancel": lambda session, batch, by, now: batches.cancel(session, batch, by=by, now=now),
    "delete": lambda session, batch, by, now: batches.delete(session, batch, by=by, now=now),
    "retry": lambda session, batch, by, now: retrying.retry(session, batch, by=by, now=now),
}
_DONE = {
    "run": _l("批次已开始运行"),
    "pause": _l("批次已暂停"),
    "resume": _l("批次已继续"),
    "cancel": _l("批次已取消"),
    "delete": _l("批次已删除，已归档的单据保留"),
    "retry": _l("失败的单据已重新排队"),
}
_HELD = {
    "probe": _l("马上再试一次"),
    "lift": _l("批次继续运行；同一原因在本次运行中不再暂缓"),
}
TABS = ("months", "documents", "failures", "push", "scan", "log", "runs")


@bp.post("/<batch_no>/<any(run, pause, resume, cancel, delete, retry):name>")
def act(batch_no: str, name: str) -> ResponseReturnValue:
    """One thing done with one batch."""
    if act_on(name, batch_no):
        flash(_DONE[name], "success")
    if name == "delete":
        return redirect(url_for("batches.index"), code=303)
    return redirect(url_for("batches.show", batch_no=batch_no), code=303)


@bp.post("/<batch_no>/retry-some")
def retry_some(batch_no: str) -> ResponseReturnValue:
    """The failed documents of one cause or month again."""
    month, code = request.form.get("month"), request.form.get("code")
    if not (month or code):
        abort(400)
    portal = current_portal()
    try:
        with portal.ledger.write() as session:
            batch = batches.find(session, batch_no)
            count = retrying.retry(
                session, batch, by=current_user.name, now=utc_now(), month=month, code=code
            )
    except NotAllowed as error:
        flash(error.text(language()), "danger")
    else:
        portal.offer()
        if count:
            flash(ngettext("%(num)d 份单据重新同步", "%(num)d 份单据重新同步", count), "success")
        else:
            flash(_("该月重新清点"), "success")
    endpoint = "batches.failures" if code else "batches.show"
    return redirect(url_for(endpoint, batch_no=batch_no), code=303)


@bp.post("/<batch_no>/holds/<any(probe, lift):wish>")
def act_on_holds(batch_no: str, wish: str) -> ResponseReturnValue:
    """What holds the batch: look again at once, or go on all the same."""
    portal = current_portal()
    with portal.ledger.write() as session:
        batch = batches.find(session, batch_no)
        if wish == "lift":
            batches.go_on(session, batch, by=current_user.name, now=utc_now())
        else:
            batches.probe_now(session, batch, now=utc_now())
    portal.offer()
    flash(_HELD[wish], "success")
    return redirect(url_for("batches.show", batch_no=batch_no), code=303)


@bp.get("/<batch_no>")
def show(batch_no: str) -> ResponseReturnValue:
    """A batch: its state, live, and its months."""
    return render_template("batches/show.html", **_progress(batch_no, "months"))


@bp.get("/<batch_no>/failures")
def failures(batch_no: str) -> ResponseReturnValue:
    """错误归类: its failures by cause."""
    return render_template("batches/show.html", **_progress(batch_no, "failures"))


@bp.get("/<batch_no>/progress")
@shared
def progress(batch_no: str) -> ResponseReturnValue:
    """The live region of the pages above, alone."""
    tab = request.args.get("tab", "months")
    context = _progress(batch_no, tab if tab in TABS else "months")
    page = render_template("batches/_progress.html", **context)
    return page, STOP_POLLING if context["batch"].is_finished else 200


@bp.get("/<batch_no>/log")
def log(batch_no: str) -> ResponseReturnValue:
    """日志: what was done with the batch and by whom."""
    wish = asked(sorts=("id",), default="-id")
    with current_portal().ledger.read() as session:
        batch = browsing.batch_page(session, batch_no)
        leaf = browsing.batch_events(session, batch.id, wish.place)
    return render_template("batches/log.html", asked=wish, leaf=leaf, **live_context(batch, "log"))


@bp.get("/<batch_no>/runs")
def history(batch_no: str) -> ResponseReturnValue:
    """运行历史: every run, who or what started it, and how it ended."""
    wish = asked(sorts=("run",), default="-run")
    with current_portal().ledger.read() as session:
        batch = browsing.batch_page(session, batch_no)
        leaf = runs.history(session, batch.id, wish.place)
    return render_template(
        "batches/runs.html", asked=wish, leaf=leaf, **live_context(batch, "runs")
    )


def _progress(batch_no: str, tab: str) -> dict[str, Any]:
    """All that the live region shows: three queries at most, whoever asks."""
    with current_portal().ledger.read() as session:
        batch = browsing.batch_page(session, batch_no)
        groups = failure_groups.by_cause(session, batch.id) if tab == "failures" else ()
    return {"groups": groups, **live_context(batch, tab)}


def act_on(name: str, batch_no: str) -> bool:
    """Do it, or say why not; the outcome is a message either way."""
    portal = current_portal()
    try:
        with portal.ledger.write() as session:
            batch = batches.find(session, batch_no)
            ACTIONS[name](session, batch, current_user.name, utc_now())
    except NotAllowed as error:
        flash(error.text(language()), "danger")
        return False
    portal.offer()
    return True
