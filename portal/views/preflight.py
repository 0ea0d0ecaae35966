"""确保前提: how a source stands, checking again, ticking by hand, and what was found before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, SyncError, action, reason
from portal.htmx import STOP_POLLING
from portal.language import language
from portal.models import DataSource, utc_now
from portal.runtime import Portal, current_portal
from portal.services import preflight_gate, preflight_ticks, preflights, sources
from portal.services.batches import EARLIEST_DAY, LATEST_DAY
from portal.services.preflight_items import BY_HAND
from portal.tasks import preflighting
from portal.views.ids import ID, row_id
from portal.views.lists import asked

bp = Blueprint("preflight", __name__, url_prefix="/preflight")


@bp.get("/")
def index() -> ResponseReturnValue:
    """A data source: how it stands, and every check there was."""
    wish = asked("source", sorts=tuple(preflights.SORTS), default="-asked")
    now = utc_now()
    with current_portal().ledger.read() as session:
        choices = sources.all_sources(session)
        wanted = request.args.get("source", 0, type=row_id)
        source = next((one for one in choices if one.id == wanted), None)
        if source is None:
            source = next((one for one in choices if one.enabled), next(iter(choices), None))
        if source is None:
            return render_template("preflight/index.html", choices=choices, source=None)
        standing = preflight_gate.standing(session, source.id, now)
        leaf = preflights.history(session, source.id, wish.place, now=now)
        withdrawn = preflight_ticks.withdrawn(session, source.id)
        newest = preflights.rounds(session, source.id, now=now, limit=1)
    days = (preflights.FIRST_DAY, _today())
    if newest:
        days = (newest[0].preflight.date_from, max(newest[0].preflight.date_to, days[1]))
    return render_template(
        "preflight/index.html",
        choices=choices,
        source=source,
        standing=standing,
        leaf=leaf,
        asked=wish,
        withdrawn=withdrawn,
        days=days,
        items=_items(),
    )


@bp.get(f"/<{ID}:source_id>/live")
def live(source_id: int) -> ResponseReturnValue:
    """How it stands, for the page's own refresh."""
    with current_portal().ledger.read() as session:
        source = sources.get(session, source_id)
        standing = preflight_gate.standing(session, source_id, utc_now())
    page = render_template("preflight/_live.html", source=source, standing=standing, items=_items())
    return page, 200 if standing.pending else STOP_POLLING


@bp.get(f"/runs/<{ID}:preflight_id>")
def show(preflight_id: int) -> ResponseReturnValue:
    """What one check found."""
    with current_portal().ledger.read() as session:
        preflight = preflights.find(session, preflight_id)
        source = sources.get(session, preflight.data_source_id)
        (one,) = preflights.told(session, [preflight], now=utc_now())
    return render_template("preflight/show.html", source=source, round=one)


@bp.post(f"/<{ID}:source_id>/run")
def run(source_id: int) -> ResponseReturnValue:
    """Have every worker host check it."""
    portal = current_portal()
    days = tuple(_day(request.form.get(name, "")) for name in ("date_from", "date_to"))
    if days[0] is None or days[1] is None or days[1] < days[0]:
        flash(_("请给出有效的采集日期范围"), "danger")
        return _back(source_id)
    try:
        preflighting.ask(
            portal.ledger,
            _installation(portal),
            source_id,
            days=(days[0], days[1]),
            by=current_user.name,
            clock=utc_now,
        )
    except SyncError as error:
        texts = (text(error.code, error.params, language()) for text in (reason, action))
        flash("。".join(texts), "danger")
    return _back(source_id)


@bp.post(f"/<{ID}:source_id>/tick")
def tick(source_id: int) -> ResponseReturnValue:
    """Say that an item is met."""
    remark = request.form.get("remark", "")
    return _by_hand(
        source_id,
        _("已确认"),
        lambda session, source, item: preflight_ticks.tick(
            session, source, item, remark=remark, by=current_user.name, now=utc_now()
        ),
    )


@bp.post(f"/<{ID}:source_id>/withdraw")
def withdraw(source_id: int) -> ResponseReturnValue:
    """Take a tick back."""
    why = request.form.get("remark", "")
    return _by_hand(
        source_id,
        _("已撤销确认"),
        lambda session, source, item: preflight_ticks.withdraw(
            session, source, item, why=why, by=current_user.name, now=utc_now()
        ),
    )


def _by_hand(
    source_id: int, done: str, act: Callable[[Session, DataSource, str], Any]
) -> ResponseReturnValue:
    try:
        with current_portal().ledger.write() as session:
            act(session, sources.get(session, source_id, lock=True), request.form.get("item", ""))
    except NotAllowed as error:
        flash(error.text(language()), "danger")
    else:
        flash(done, "success")
    return _back(source_id)


def _installation(portal: Portal) -> preflighting.Installation:
    return preflighting.Installation(portal.queue, portal.executor, portal.settings.admin_addresses)


def _items() -> list[tuple[str, str]]:
    """The items by hand, in the language of the page."""
    return [(item, words[language() != "zh"]) for item, words in BY_HAND.items()]


def _back(source_id: int) -> ResponseReturnValue:
    return redirect(url_for("preflight.index", source=source_id), code=303)


def _today() -> date:
    return utc_now().astimezone(current_portal().settings.timezone).date()


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return day if EARLIEST_DAY <= day <= LATEST_DAY else None
