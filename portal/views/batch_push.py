"""推送: how far a batch's documents are at its target, retrying, and 推送核对."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.errors import NotFound
from portal.htmx import STOP_POLLING
from portal.models import Batch, utc_now
from portal.runtime import current_portal
from portal.services import batches, browsing, chores, push_checking, push_reports
from portal.views.batch_context import live_context
from portal.views.shared_region import shared


def init_blueprint(bp: Blueprint) -> None:
    """Put the pages under the batches' own address."""
    bp.add_url_rule("/<batch_no>/push", view_func=push)
    bp.add_url_rule("/<batch_no>/push/live", view_func=push_live)
    bp.add_url_rule("/<batch_no>/push/retry", view_func=push_retry, methods=["POST"])
    bp.add_url_rule("/<batch_no>/push/check", view_func=push_check, methods=["POST"])


def push(batch_no: str) -> ResponseReturnValue:
    """The page; a batch that is not pushed on says so."""
    with current_portal().ledger.read() as session:
        batch = browsing.batch_page(session, batch_no)
        context = _context(session, batch)
    return render_template("batches/push.html", **context, **live_context(batch, "push"))


@shared
def push_live(batch_no: str) -> ResponseReturnValue:
    """The live region of the page, alone."""
    with current_portal().ledger.read() as session:
        batch = browsing.batch_page(session, batch_no)
        context = _context(session, batch)
    page = render_template("batches/_push.html", batch=batch, **context)
    return page, 200 if context["is_moving"] else STOP_POLLING


def push_retry(batch_no: str) -> ResponseReturnValue:
    """Push the failed documents again, all or those of one cause."""
    portal = current_portal()
    with portal.ledger.read() as session:
        batch = _pushed_batch(session, batch_no)
    count = push_reports.retry(
        portal.ledger,
        batch,
        by=current_user.name,
        now=utc_now(),
        code=request.form.get("code") or None,
    )
    if count:
        flash(ngettext("%(num)d 份单据重新推送", "%(num)d 份单据重新推送", count), "success")
    else:
        flash(_("没有推送失败的单据"), "warning")
    return redirect(url_for("batches.push", batch_no=batch_no), code=303)


def push_check(batch_no: str) -> ResponseReturnValue:
    """Have a clerk ask the target for every document of the batch."""
    with current_portal().ledger.write() as session:
        batch = _pushed_batch(session, batch_no)
        chores.ask(
            session,
            push_checking.CHORE,
            by=current_user.name,
            now=utc_now(),
            subject=_subject(batch),
            params={"target_id": batch.push_target_id, "batch_id": batch.id},
        )
    return redirect(url_for("batches.push", batch_no=batch_no) + "#push", code=303)


def _context(session: Session, batch: Batch) -> dict[str, Any]:
    progress = push_reports.progress(session, batch)
    checking = next(iter(chores.newest(session, push_checking.CHORE, _subject(batch))), None)
    is_checked = checking is None or checking.is_finished
    is_moving = progress is not None and not (
        progress.is_settled and is_checked and batch.is_finished
    )
    return {
        "progress": progress,
        "causes": push_reports.causes(session, batch) if progress and progress.failed else (),
        "checking": checking,
        "is_moving": is_moving,
    }


def _pushed_batch(session: Session, batch_no: str) -> Batch:
    batch = batches.find(session, batch_no)
    if batch.push_target_id is None:
        raise NotFound(f"批次 {batch_no} 不推送", f"batch {batch_no} is not pushed on")
    return batch


def _subject(batch: Batch) -> str:
    return f"push:{batch.id}"
