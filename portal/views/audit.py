"""操作日志: what was done, when, by whom and from where; its seals, and their verification."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.formatting import AUDIT_ACTIONS, audit_action
from portal.htmx import STOP_POLLING
from portal.models import utc_now
from portal.runtime import current_portal
from portal.services import audit_browsing, audit_checks
from portal.services.audit_browsing import TrailFilter
from portal.services.sealing import seal_state
from portal.views.lists import Asked, asked

bp = Blueprint("audit", __name__, url_prefix="/audit")

# Ten seconds are promised; after so long somebody has to look at the agent.
_SEALED_WITHIN = timedelta(seconds=30)


@bp.get("/")
def index() -> ResponseReturnValue:
    """The trail, newest first, with the state of its sealing."""
    portal = current_portal()
    wish = asked(*_FILTERS, sorts=("id",), default="-id")
    state = _state()
    with portal.ledger.read() as session:
        leaf = audit_browsing.trail_page(
            session, _wanted(wish), wish.place, zone=portal.settings.timezone
        )
        numbers = audit_browsing.batch_numbers(session, leaf.rows)
    return render_template(
        "audit/index.html",
        asked=wish,
        leaf=leaf,
        numbers=numbers,
        actions=[(one, audit_action(one)) for one in AUDIT_ACTIONS],
        **state,
    )


@bp.get("/live")
def live() -> ResponseReturnValue:
    """The state of sealing and verification, for the page's own refresh."""
    context = _state()
    return render_template("audit/_live.html", **context), 200 if context["moves"] else STOP_POLLING


@bp.post("/verify")
def verify() -> ResponseReturnValue:
    """Have a worker verify the trail; the page shows how far it is and what came of it."""
    portal = current_portal()
    with portal.ledger.write() as session:
        check_id = audit_checks.ask(session, by=current_user.name, now=utc_now()).id
    portal.queue.look_at_audit(check_id)
    flash(_("已开始核对操作日志"), "success")
    return redirect(url_for("audit.index"), code=303)


_FILTERS = ("actor", "action", "batch_no", "first", "last", "documents")


def _wanted(wish: Asked) -> TrailFilter:
    return TrailFilter(
        actor=wish.word("actor"),
        action=wish.word("action"),
        batch_no=wish.word("batch_no"),
        first=wish.day("first"),
        last=wish.day("last"),
        documents=wish.word("documents") == "1",
    )


def _state() -> dict[str, Any]:
    now = utc_now()
    with current_portal().ledger.read() as session:
        seals = seal_state(session)
        asked = audit_checks.newest(session)
        ended = audit_checks.newest_ended(session)
    running = asked if asked is not None and asked.ended_at is None else None
    oldest = seals.oldest_unsealed_at
    return {
        "seals": seals,
        "running": running,
        "ended": ended,
        "late": oldest is not None and oldest < now - _SEALED_WITHIN,
        "moves": running is not None or seals.unsealed > 0,
    }
