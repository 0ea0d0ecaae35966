"""单据: the documents of one batch as a list, and sending failed ones of them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.errors import NotAllowed
from portal.formatting import status as status_word
from portal.language import language
from portal.models import Batch, Push, utc_now
from portal.runtime import current_portal
from portal.services import batches, browsing, item_list, push_reports, retrying
from portal.services.item_filter import ItemFilter
from portal.services.paging import SIZES
from portal.statuses import ItemStatus
from portal.views.batch_context import live_context
from portal.views.ids import row_ids
from portal.views.lists import Asked, asked

_FILTERS = (
    *("status", "month", "code", "org", "type"),
    *("image_no", "bill_no", "applicant", "first", "last"),
)


def init_blueprint(bp: Blueprint) -> None:
    """Put the pages under the batches' own address."""
    bp.add_url_rule("/<batch_no>/documents", view_func=documents)
    bp.add_url_rule("/<batch_no>/documents/total", view_func=documents_total)
    bp.add_url_rule("/<batch_no>/documents/retry", view_func=retry_documents, methods=["POST"])


def documents(batch_no: str) -> ResponseReturnValue:
    """The list; how many there are comes with it where that is known, else by itself."""
    portal = current_portal()
    zone = portal.settings.timezone
    wish = wished()
    wanted = wanted_of(wish)
    with portal.ledger.read() as session:
        batch = browsing.batch_page(session, batch_no)
        leaf = item_list.items_page(session, batch, wanted, wish.place, zone=zone)
        at_once = wanted.given.keys() <= {"status", "month"} or "count" in request.args
        totals = item_list.totals(session, batch, wanted, zone=zone) if at_once else None
        causes = item_list.causes_of(session, batch)
        orgs = item_list.codes_of(session, batch, "org")
        types = item_list.codes_of(session, batch, "type")
        pushes = _pushes(session, batch, [document.id for _item, document in leaf.rows])
    return render_template(
        "batches/documents.html",
        asked=wish,
        leaf=leaf,
        pushes=pushes,
        totals=totals,
        orgs=orgs,
        types=types,
        statuses=[(one, status_word(one)) for one in ItemStatus],
        months=[(part.month, part.month) for part in batch.slices],
        causes=_causes(causes, wanted.code),
        **live_context(batch, "documents"),
    )


def documents_total(batch_no: str) -> ResponseReturnValue:
    """How many documents the filter leaves, alone: to count them may take longer than the page."""
    portal = current_portal()
    wish = wished()
    with portal.ledger.read() as session:
        batch = browsing.batch_page(session, batch_no)
        totals = item_list.totals(session, batch, wanted_of(wish), zone=portal.settings.timezone)
    return render_template("batches/_total.html", batch=batch, asked=wish, totals=totals)


def retry_documents(batch_no: str) -> ResponseReturnValue:
    """重新同步: the ticked documents, or with ``all`` every failed one under the filter."""
    wish = wished()
    ids = row_ids(",".join(request.form.getlist("item_id")[: max(SIZES)]))
    everything = request.form.get("which") == "all"
    if not ids and not everything:
        flash(_("请先勾选单据"), "warning")
    else:
        _retry(batch_no, wanted_of(wish) if everything else None, None if everything else ids)
    filters: dict[str, Any] = dict(wish.filters)
    return redirect(url_for("batches.documents", batch_no=batch_no, **filters), code=303)


def _retry(batch_no: str, matching: ItemFilter | None, item_ids: list[int] | None) -> None:
    """Do it and say what came of it; what does not qualify is named."""
    portal = current_portal()
    try:
        with portal.ledger.write() as session:
            batch = batches.find(session, batch_no)
            passed = retrying.not_failed(session, batch, item_ids or [])
            count = retrying.retry(
                session,
                batch,
                by=current_user.name,
                now=utc_now(),
                item_ids=item_ids,
                matching=matching,
                zone=portal.settings.timezone,
            )
    except NotAllowed as error:
        flash(error.text(language()), "danger")
        return
    portal.offer()
    flash(ngettext("%(num)d 份单据重新同步", "%(num)d 份单据重新同步", count), "success")
    if passed:
        named = "，".join(f"{image_no} {status_word(status)}" for image_no, status in passed)
        flash(_("不是失败状态，未重新同步：%(names)s", names=named), "warning")


def wished() -> Asked:
    """What the address asks for; who looks at days has them in the order of days."""
    days = request.args.get("first") or request.args.get("last")
    return asked(*_FILTERS, sorts=item_list.SORTS, default="collected" if days else "listed")


def wanted_of(wish: Asked) -> ItemFilter:
    """The filter of the list as the address has it."""
    word = wish.word("status")
    return ItemFilter(
        status=ItemStatus(word) if word in set(ItemStatus) else None,
        first=wish.day("first"),
        last=wish.day("last"),
        **{name: wish.word(name) for name in _FILTERS if name not in ("status", "first", "last")},
    )


def _pushes(
    session: Session, batch: Batch, document_ids: Sequence[int]
) -> Mapping[int, Sequence[tuple[Push, str]]]:
    """How far each document is at the batch's target; nothing is asked when it has none."""
    target_id = batch.push_target_id
    if target_id is None:
        return {}
    return push_reports.of_documents(session, document_ids, target_id=target_id)


def _causes(codes: Sequence[str], chosen: str) -> list[tuple[str, str]]:
    """The causes to choose from, and the one chosen, which may have none left."""
    missing = [chosen] if chosen and chosen not in codes else []
    return [(code, code) for code in [*codes, *missing]]
