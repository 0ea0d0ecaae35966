"""影像单据列表: archived documents with filters, their total, and the source's count beside it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, current_app, render_template
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.errors import PortalError, SyncError, action, reason
from portal.formatting import CATEGORIES, category_name
from portal.htmx import is_htmx
from portal.language import language
from portal.runtime import current_portal
from portal.services import archive_list, sources
from portal.services.archive_filters import SORTS, ArchiveFilter
from portal.services.archive_totals import KeptTotals, unarchived
from portal.services.months import months_between
from portal.services.source_totals import count_at_source
from portal.sync.sources.rows import Scope
from portal.views.ids import row_id
from portal.views.lists import Asked, asked

bp = Blueprint("archive", __name__, url_prefix="/archive")

DEFAULT_SORT = "-collected_at"
FILTERS = (
    *("month", "first", "last", "source", "org", "type", "image_no", "bill_no"),
    *("applicant", "resource", "least", "most", "category"),
)
#: What a source can count too; with any other filter there is nothing to compare.
_COUNTABLE = frozenset({"month", "first", "last", "source", "org", "type"})
#: After so long the total says how far it got.
TOTALS_SECONDS = 10.0
_TOTALS = "archive_totals"


@bp.record_once
def _keep_totals(state: BlueprintSetupState) -> None:
    state.app.extensions[_TOTALS] = KeptTotals()


@bp.get("/")
def index() -> ResponseReturnValue:
    """A page of the list; its total comes by itself."""
    wish = wished()
    with current_portal().ledger.read() as session:
        leaf = archive_list.archive_page(session, wanted(wish), wish.place)
        offered = archive_list.choices(session)
        lacking = wish.place.sort == "amount" and archive_list.lack_amount(session)
        names = {source.id: source.name for source in sources.all_sources(session)}
    return render_template(
        "archive/index.html",
        asked=wish,
        leaf=leaf,
        offered=offered,
        lacking=lacking,
        sources=names,
        categories=[(one, category_name(one)) for one in CATEGORIES],
        document_query=document_query(wish),
    )


@bp.get("/totals")
def totals() -> ResponseReturnValue:
    """How many documents the same filter finds; alone for the list, else as a page."""
    wish = wished()
    portal = current_portal()
    kept: KeptTotals = current_app.extensions[_TOTALS]
    with portal.ledger.read() as session:
        found = kept.totals(session, wanted(wish), seconds=TOTALS_SECONDS)
        all_sources = sources.all_sources(session)
    context = {
        "asked": wish,
        "totals": found,
        "limit": TOTALS_SECONDS,
        "incomparable": _why_not(wish, len(all_sources)),
    }
    return _part_or_page("archive/_totals.html", _("合计"), context)


@bp.get("/source")
def at_source() -> ResponseReturnValue:
    """与源端核对: what the source counts under the same filter, beside what is archived."""
    wish = wished()
    portal = current_portal()
    wanted_here = wanted(wish)
    with portal.ledger.read() as session:
        all_sources = sources.all_sources(session)
        why_not = _why_not(wish, len(all_sources))
        source = next((one for one in all_sources if wanted_here.source_id in (None, one.id)), None)
        if source is None:
            why_not = why_not or _("没有这个数据源")
    context: dict[str, Any] = {"asked": wish, "why_not": why_not, "source": source}
    context |= {"problem": None, "theirs": None}
    if why_not is None and source is not None:
        assert wanted_here.starts_at is not None  # noqa: S101 - or there would be a reason
        assert wanted_here.ends_at is not None  # noqa: S101
        scope = Scope(
            wanted_here.starts_at,
            wanted_here.ends_at,
            (wanted_here.org,) if wanted_here.org else (),
            (wanted_here.bill_type,) if wanted_here.bill_type else (),
        )
        try:
            theirs = count_at_source(source, portal.box, portal.settings.home, scope)
        except SyncError as error:
            context["problem"] = (
                reason(error.code, error.params, language()),
                action(error.code, error.params, language()),
            )
        except (PortalError, OSError) as error:
            context["problem"] = (str(error), "")
        else:
            kept: KeptTotals = current_app.extensions[_TOTALS]
            with portal.ledger.read() as session:
                ours = kept.totals(session, wanted_here, seconds=TOTALS_SECONDS)
                missing = unarchived(session, wanted_here)
            context |= {"theirs": theirs, "ours": ours, "missing": missing}
    return _part_or_page("archive/_at_source.html", _("与源端核对"), context)


def wished() -> Asked:
    """The list that the address asks for."""
    return asked(*FILTERS, sorts=SORTS, default=DEFAULT_SORT)


def wanted(wish: Asked) -> ArchiveFilter:
    """The filter behind what was typed; what makes no sense is passed over."""
    starts_at, ends_at = _range(wish)
    return ArchiveFilter(
        source_id=_source_id(wish),
        starts_at=starts_at,
        ends_at=ends_at,
        org=_text(wish, "org"),
        bill_type=_text(wish, "type"),
        image_no=_text(wish, "image_no"),
        bill_no=_text(wish, "bill_no"),
        applicant=_text(wish, "applicant"),
        resource=_text(wish, "resource"),
        least=archive_list.amount_of(wish.word("least")),
        most=archive_list.amount_of(wish.word("most")),
        category=wish.word("category") if wish.word("category") in CATEGORIES else "",
    )


def document_query(wish: Asked) -> dict[str, Any]:
    """What the address of a document carries, so that it knows its neighbours in this list."""
    sort = None if wish.sort == wish.default else wish.sort
    return {**wish.filters, "list": "archive", "sort": sort}


def _text(wish: Asked, name: str) -> str:
    """A filter's text; no number or code holds what cannot be printed."""
    return "".join(filter(str.isprintable, wish.word(name)))


def _source_id(wish: Asked) -> int | None:
    try:
        return row_id(wish.word("source"))
    except ValueError:
        return None


def _range(wish: Asked) -> tuple[datetime | None, datetime | None]:
    """What the month and the days have in common, as half-open instants."""
    zone = current_portal().settings.timezone
    first, last = wish.day("first"), wish.day("last")
    starts = [_midnight(first)] if first is not None else []
    ends = [_midnight(last + timedelta(days=1))] if last is not None else []
    try:
        month = date.fromisoformat(f"{wish.word('month')}-01")
        whole = next(months_between(month, _last_of(month), zone))
    except (ValueError, OverflowError):
        pass
    else:
        starts.append(whole.starts_at.astimezone(UTC))
        ends.append(whole.ends_at.astimezone(UTC))
    return max(starts, default=None), min(ends, default=None)


def _last_of(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _midnight(day: date) -> datetime:
    zone = current_portal().settings.timezone
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _why_not(wish: Asked, number_of_sources: int) -> str | None:
    """Why the source cannot count under this filter; None when it can."""
    starts_at, ends_at = _range(wish)
    if set(wish.filters) - _COUNTABLE:
        return str(_("源端只能按采集日期、组织和单据类型清点；请去掉其他条件"))
    if starts_at is None or ends_at is None:
        return str(_("请先按月份或起止日期筛选"))
    if starts_at >= ends_at:
        return str(_("日期范围为空"))
    if _source_id(wish) is None and number_of_sources != 1:
        return str(_("请先选择一个数据源"))
    return None


def _part_or_page(part: str, title: str, context: dict[str, Any]) -> ResponseReturnValue:
    if is_htmx():
        return render_template(part, **context)
    return render_template("archive/part.html", part=part, heading=title, **context)
