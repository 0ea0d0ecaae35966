"""迁移批次: the list, its live rows, and what is done with the chosen ones."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user

from portal.formatting import status
from portal.language import language
from portal.models import utc_now
from portal.runtime import current_portal
from portal.services import batch_lists, sources
from portal.services.batch_lists import BatchFilter, Overview
from portal.services.chosen_batches import Outcome, act_on_each
from portal.services.paging import SIZES
from portal.statuses import RunStatus, SyncStatus
from portal.views.batches import ACTIONS, bp
from portal.views.ids import row_id, row_ids
from portal.views.lists import Asked, asked
from portal.views.shared_region import shared

OVERVIEWS = {
    Overview.WAITING: _l("待运行"),
    Overview.RUNNING: _l("进行中"),
    Overview.SUCCEEDED: _l("成功"),
    Overview.FAILED: _l("失败"),
}
# Kept in the session's cookie until they are shown: as many as can be ticked on one page.
_MOST_NAMED = SIZES[-1]
_FILTERS = (
    *("number", "sync", "run", "overview", "source", "org", "type"),
    *("first", "last", "created_first", "created_last", "creator"),
)


@bp.get("/")
def index() -> ResponseReturnValue:
    """The list, newest first unless asked otherwise."""
    portal = current_portal()
    wish = _asked()
    wanted = _wanted(wish)
    zone = portal.settings.timezone
    with portal.ledger.read() as session:
        leaf = batch_lists.batch_page(session, wanted, wish.place, zone=zone)
        tally = batch_lists.tally(session, wanted, zone=zone)
        places = sources.all_sources(session)
    return render_template(
        "batches/index.html",
        asked=wish,
        leaf=leaf,
        batches=leaf.rows,
        tally=tally,
        newest=tally.newest,
        overviews=OVERVIEWS,
        sources=[(source.id, source.name) for source in places],
        sync_options=[(one, status(one)) for one in SyncStatus],
        run_options=[(one, status(one)) for one in RunStatus],
        more=any(wish.word(name) for name in _FILTERS[5:7] + _FILTERS[9:]),
    )


@bp.get("/live")
@shared
def live() -> ResponseReturnValue:
    """The rows among ``ids`` again and the counts, out of band, and the next poller."""
    portal = current_portal()
    wish = _asked()
    wanted = _wanted(wish)
    ids = row_ids(request.args.get("ids", ""))[: SIZES[-1]]
    newest = request.args.get("newest", 0, type=row_id)
    with portal.ledger.read() as session:
        rows = batch_lists.batches_by_id(session, ids)
        tally = batch_lists.tally(session, wanted, zone=portal.settings.timezone, newer_than=newest)
    return render_template(
        "batches/_live.html",
        asked=wish,
        batches=rows,
        tally=tally,
        newest=newest,
        overviews=OVERVIEWS,
    )


@bp.post("/selected")
def selected() -> ResponseReturnValue:
    """Retry or delete the chosen batches; what does not qualify is named with its reason.

    Chosen are the ticked ones, or all that the address's filters let through.
    """
    name = request.form.get("action", "")
    if name not in ("retry", "delete"):
        abort(400)
    portal = current_portal()
    numbers = chosen_numbers()
    if not numbers:
        flash(_("请先勾选批次"), "warning")
    outcome = act_on_each(
        portal.ledger,
        numbers,
        lambda session, batch: ACTIONS[name](session, batch, current_user.name, utc_now()),
    )
    portal.offer()
    _tell(name, outcome)
    place: dict[str, Any] = request.args.to_dict(flat=False)
    return redirect(url_for("batches.index", **place), code=303)


def chosen_numbers() -> list[str]:
    """The batches a form of the list is about: the ticked ones, or all its address lets through."""
    if not request.form.get("all"):
        return request.form.getlist("batch_no")
    portal = current_portal()
    up_to = request.form.get("up_to", 0, type=row_id)
    with portal.ledger.read() as session:
        return list(
            batch_lists.matching_numbers(
                session, _wanted(_asked()), zone=portal.settings.timezone, up_to=up_to
            )
        )


def _tell(name: str, outcome: Outcome) -> None:
    """One message for each reason, and one for what was done."""
    left = _MOST_NAMED
    for why, numbers in outcome.by_reason(language()).items():
        named, left = numbers[:left], max(0, left - len(numbers))
        text = _("未处理 %(count)s 个批次：%(why)s。", count=len(numbers), why=why)
        rest = "…" if len(named) < len(numbers) else ""
        flash(f"{text} {' '.join(named)}{rest}", "danger")
    if outcome.done:
        done = len(outcome.done)
        flash(
            ngettext("已删除 %(num)d 个批次", "已删除 %(num)d 个批次", done)
            if name == "delete"
            else ngettext("已开始重新同步 %(num)d 个批次", "已开始重新同步 %(num)d 个批次", done),
            "success",
        )


def _asked() -> Asked:
    return asked(*_FILTERS, sorts=batch_lists.SORTS, default="-id", endpoint="batches.index")


def _wanted(wish: Asked) -> BatchFilter:
    sync, run, overview = wish.word("sync"), wish.word("run"), wish.word("overview")
    source = wish.word("source")
    return BatchFilter(
        number=wish.word("number"),
        creator=wish.word("creator"),
        sync=SyncStatus(sync) if sync in set(SyncStatus) else None,
        run=RunStatus(run) if run in set(RunStatus) else None,
        overview=Overview(overview) if overview in set(Overview) else None,
        source_id=next(iter(row_ids(source)), None),
        org=wish.word("org"),
        bill_type=wish.word("type"),
        first=wish.day("first"),
        last=wish.day("last"),
        created_first=wish.day("created_first"),
        created_last=wish.day("created_last"),
    )
