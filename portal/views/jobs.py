"""任务执行: the runs an xxl-job admin triggered, and their logs."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from portal.htmx import STOP_POLLING
from portal.runtime import current_portal
from portal.views.ids import ID, row_id

bp = Blueprint("jobs", __name__, url_prefix="/jobs")
PAGE = 50


@bp.get("/")
def index() -> ResponseReturnValue:
    """Runs, newest first."""
    portal = current_portal()
    before = request.args.get("before", type=row_id)
    runs = portal.executor.newest_runs(before=before, limit=PAGE)
    last = runs[-1].run_id if len(runs) == PAGE else None
    return render_template(
        "jobs/index.html", runs=runs, last=last, settings=portal.settings, before=before
    )


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
