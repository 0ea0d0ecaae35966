"""任务执行: the runs an xxl-job admin triggered, and their logs."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy.orm import Session

from executor import overview, runs, shown_address
from executor.handlers import handler_names
from executor.statuses import RunStatus
from portal.formatting import run_status
from portal.htmx import STOP_POLLING
from portal.models import utc_now
from portal.runtime import current_portal
from portal.services import audit, run_list
from portal.services.run_list import RunFilter
from portal.views.ids import ID, row_id
from portal.views.lists import Asked, asked
from portal.views.shared_region import shared

bp = Blueprint("jobs", __name__, url_prefix="/jobs")
OURS = "DataSyncTask"
_FILTERS = ("status", "handler", "job_id", "log_id", "first", "last")


@bp.get("/")
def index() -> ResponseReturnValue:
    """How the executor is doing, how to set a job up, and the runs, newest first."""
    wish = _wish()
    names = handler_names()
    return render_template(
        "jobs/index.html",
        asked=wish,
        handlers=names,
        other_handlers=[name for name in names if name != OURS],
        states=[(status.value, run_status(status)) for status in RunStatus],
        **_reporting(),
        **_runs(wish),
    )


@bp.get("/live")
@shared
def live() -> ResponseReturnValue:
    """Registration and results on their way, alone."""
    return render_template("jobs/_live.html", **_reporting())


@bp.get("/rows")
@shared
def rows() -> ResponseReturnValue:
    """The runs alone, at the same place of the list."""
    return render_template("jobs/_rows.html", **_runs(_wish()))


def _wish() -> Asked:
    return asked(*_FILTERS, sorts=("id",), default="-id")


def _runs(wish: Asked) -> dict[str, Any]:
    portal = current_portal()
    wanted = RunFilter(
        status=wish.word("status"),
        handler=wish.word("handler"),
        job_id=wish.word("job_id"),
        log_id=wish.word("log_id"),
        first=wish.day("first"),
        last=wish.day("last"),
    )
    with portal.ledger.read() as session:
        leaf = run_list.page(session, wanted, wish.place, zone=portal.settings.timezone)
        found = [run.info() for run in leaf.rows]
    # The same place of the list again; the address may hold anything, so it is passed on as it is.
    query = request.query_string.decode("ascii", "replace")
    here = f"{url_for('jobs.rows')}?{query}" if query else url_for("jobs.rows")
    return {"leaf": leaf, "runs": found, "is_filtered": bool(wish.filters), "here": here}


def _reporting() -> dict[str, Any]:
    portal = current_portal()
    registrations, backlog = portal.executor.reporting()
    return {
        "settings": portal.settings,
        "admins": [shown_address(one) for one in portal.settings.admin_addresses],
        "registrations": registrations,
        "backlog": backlog,
        "now": utc_now(),
    }


@bp.post("/send-again", defaults={"run_id": None})
@bp.post(f"/<{ID}:run_id>/send-again")
def send_again(run_id: int | None) -> ResponseReturnValue:
    """Report one result again, or all that wait, without waiting for their turn."""
    now = utc_now()
    with current_portal().ledger.write() as session:
        count = overview.send_again(session, run_id, now)
        if count:
            detail = _named(session, run_id) if run_id else {"results": count}
            audit.record(session, "job.again", by=current_user.name, at=now, detail=detail)
    if count:
        flash(_("已安排重新回调 %(count)s 条结果", count=count), "success")
    else:
        flash(_("没有可以重新回调的结果"), "warning")
    if run_id is None:
        return redirect(url_for("jobs.index"), code=303)
    return redirect(url_for("jobs.show", run_id=run_id), code=303)


def _named(session: Session, run_id: int) -> dict[str, Any]:
    run = runs.find(session, run_id)
    return {} if run is None else {"job_id": run.job_id, "log_id": run.log_id}


@bp.get(f"/<{ID}:run_id>")
def show(run_id: int) -> ResponseReturnValue:
    """One run with its log so far; the rest follows by itself."""
    return render_template("jobs/show.html", **_tail(run_id, after=0))


@bp.get(f"/<{ID}:run_id>/tail")
@shared
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
