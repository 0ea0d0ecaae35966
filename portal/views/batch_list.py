"""迁移批次: the list, its live rows, and what is done with the ticked ones."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from portal.errors import NotFound
from portal.htmx import STOP_POLLING
from portal.language import language
from portal.runtime import current_portal
from portal.services import browsing
from portal.views.batches import act_on, bp
from portal.views.ids import row_id, row_ids


@bp.get("/")
def index() -> ResponseReturnValue:
    """The list, newest first."""
    before = request.args.get("before", type=row_id)
    with current_portal().ledger.read() as session:
        rows = browsing.batch_list(session, before=before)
    last = rows[-1].id if len(rows) == browsing.PAGE else None
    return render_template("batches/index.html", batches=rows, before=before, last=last)


@bp.get("/live")
def live() -> ResponseReturnValue:
    """The rows among ``ids`` again, out of band, and the poller for those still moving."""
    ids = row_ids(request.args.get("ids", ""))
    with current_portal().ledger.read() as session:
        rows = browsing.batches_by_id(session, ids[: browsing.PAGE])
    page = render_template("batches/_live.html", batches=rows)
    return page, 200 if any(not batch.is_finished for batch in rows) else STOP_POLLING


@bp.post("/selected")
def selected() -> ResponseReturnValue:
    """Retry or delete the ticked batches; what does not qualify is named with its reason."""
    name = request.form.get("action", "")
    if name not in ("retry", "delete"):
        abort(400)
    numbers = request.form.getlist("batch_no")
    if not numbers:
        flash(_("请先勾选批次"), "warning")
    done = [number for number in numbers if _act_if_there(name, number)]
    if done:
        flash(ngettext("已处理 %(num)d 个批次", "已处理 %(num)d 个批次", len(done)), "success")
    return redirect(url_for("batches.index"), code=303)


def _act_if_there(name: str, batch_no: str) -> bool:
    """The same for one of many: what somebody has deleted meanwhile stops nothing."""
    try:
        return act_on(name, batch_no)
    except NotFound as error:
        flash(error.text(language()), "danger")
        return False
