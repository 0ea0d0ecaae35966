"""任务执行: the runs an xxl-job admin triggered, and their logs."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from executor.handlers import handler_names
from portal.htmx import STOP_POLLING
from portal.models import utc_now
from portal.runtime import current_portal
from portal.views.ids import ID, row_id

bp = Blueprint("jobs", __name__, url_prefix="/jobs")
PAGE = 50
OURS = "DataSyncTask"


@bp.get("/")
def index() -> ResponseReturnValue:
    """How the executor is doing, how to set a job up, and the runs, newest first."""
    before = request.args.get("before", type=row_id)
    names = [name for name in handler_names() if name != OURS]
    return render_template("jobs/index.html", other_handlers=names, **_runs(before))


@bp.get("/live")
def live() -> ResponseReturnValue:
    """What changes on the first page, alone."""
    return render_template("jobs/_live.html", **_runs(None))


def _runs(before: int | None) -> dict[str, Any]:
    portal = current_portal()
    executor = portal.executor
    runs = executor.newest_runs(before=before, limit=PAGE)
    registrations, backlog = executor.reporting()
    return {
        "runs": runs,
        "last": runs[-1].run_id if len(runs) == PAGE else None,
        "before": before,
        "settings": portal.settings,
        "registrations": registrations,
        "backlog": backlog,
        "now": utc_now(),
    }


@bp.post("/send-again", defaults={"run_id": None})
@bp.post(f"/<{ID}:run_id>/send-again")
def send_again(run_id: int | None) -> ResponseReturnValue:
    """Report one result again, or all that wait, without waiting for their turn."""
    count = current_portal().executor.send_again(run_id)
    if count:
        flash(_("已安排重新回调 %(count)s 条结果", count=count), "success")
    else:
        flash(_("没有可以重新回调的结果"), "warning")
    if run_id is None:
        return redirect(url_for("jobs.index"), code=303)
    return redirect(url_for("jobs.show", run_id=run_id), code=303)


@bp.get(f"/<{ID}:run_id>")
def show(run_id: int) -> ResponseReturnValue:
    """One run with its log so far; the rest follows by itself."""
    return render_template("jobs/show.html", **_tail(run_id, after=0))


@bp.get(f"/<{ID}:run_id>/tail")
def tail(run_id: int) -> ResponseReturnValue:
    """The log's lines behind line ``after``, and where to go on from."""
    context = _tail(run_id, after=request.args.get("after", 0, type=row_id))
    page = render_template("jobs/_tail.html", **context)
    return page, STOP_POLLING if context["run"].status.is_ended else 200


def _tail(run_id: int, *, after: int) -> dict[str, Any]:
    executor = current_portal().executor
    run = executor.find_run(run_id)  # before the lines: an ended run's log is complete
    if run is None:
        abort(404)
    lines = executor.log_lines(run_id, after=after)
    return {"run": run, "lines": lines, "after": lines[-1].number if lines else after}
