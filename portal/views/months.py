"""下载管理 → 异构影像系统文件同步列表: months across all batches, and 再同步 of one."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.errors import NotAllowed
from portal.htmx import STOP_POLLING
from portal.language import language
from portal.models import utc_now
from portal.runtime import current_portal
from portal.services import batches, month_lists, retrying, sources
from portal.services.month_lists import Equality, Key, MonthFilter
from portal.services.month_state import MonthState, month_label
from portal.services.paging import SIZES
from portal.views.ids import row_ids
from portal.views.lists import Asked, asked
from portal.views.shared_region import shared

bp = Blueprint("months", __name__, url_prefix="/months")

_FILTERS = ("first", "last", "source", "equality")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@bp.get("/")
def index() -> ResponseReturnValue:
    """The months, newest first unless asked otherwise."""
    portal = current_portal()
    wish = asked(*_FILTERS, sorts=month_lists.SORTS, default="-month")
    with portal.ledger.read() as session:
        leaf = month_lists.month_page(session, _wanted(wish), wish.place)
        places = sources.all_sources(session)
    return render_template(
        "months/index.html",
        asked=wish,
        leaf=leaf,
        months=leaf.rows,
        sources=[(source.id, source.name) for source in places],
        equalities=[(Equality.EQUAL, _("相等")), (Equality.UNEQUAL, _("不相等"))],
        **_look(),
    )


@bp.get("/live")
@shared
def live() -> ResponseReturnValue:
    """The months among ``keys`` again, out of band, and the poller for those still moving."""
    keys = _keys(request.args.get("keys", ""))[: SIZES[-1]]
    with current_portal().ledger.read() as session:
        months = list(month_lists.months_of(session, keys).values())
    page = render_template("months/_live.html", months=months, **_look())
    return page, 200 if any(month.is_moving for month in months) else STOP_POLLING


@bp.post("/retry")
def retry() -> ResponseReturnValue:
    """再同步: the failures of one month of one batch; permanent ones too."""
    portal = current_portal()
    number, month = request.form.get("batch_no", ""), request.form.get("month", "")
    try:
        with portal.ledger.write() as session:
            batch = batches.find(session, number)
            retrying.retry(session, batch, by=current_user.name, now=utc_now(), month=month)
    except NotAllowed as error:
        flash(error.text(language()), "danger")
    else:
        portal.offer()
        flash(_("%(number)s 的 %(month)s 已重新排队", number=number, month=month), "success")
    place: dict[str, Any] = request.args.to_dict(flat=False)
    return redirect(url_for("months.index", **place), code=303)


def _look() -> dict[str, Any]:
    states = {state: month_label(state, language()) for state in MonthState}
    return {"states": states, "zone": current_portal().settings.timezone}


def _wanted(wish: Asked) -> MonthFilter:
    equality = wish.word("equality")
    return MonthFilter(
        first=_month(wish.word("first")),
        last=_month(wish.word("last")),
        source_id=next(iter(row_ids(wish.word("source"))), None),
        equality=Equality(equality) if equality in set(Equality) else None,
    )


def _month(text: str) -> str:
    return text if _MONTH.fullmatch(text) else ""


def _keys(text: str) -> list[Key]:
    """Months of sources as ``2024-03.1``; what is none is passed over."""
    found: list[Key] = []
    for word in text.split(","):
        month, _dot, source = word.partition(".")
        found += [(month, source_id) for source_id in row_ids(source) if _month(month)]
    return found
