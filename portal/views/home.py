"""总览."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from portal.models import utc_now
from portal.runtime import current_portal
from portal.services import batch_lists, browsing
from portal.views.shared_region import shared

bp = Blueprint("home", __name__)
NEWEST = 8


@bp.get("/")
def overview() -> ResponseReturnValue:
    """The numbers of everything, and the newest batches."""
    return render_template("home/overview.html", **_live())


@bp.get("/live")
@shared
def live() -> ResponseReturnValue:
    """The same numbers, for the page's own refresh."""
    return render_template("home/_live.html", **_live())


def _live() -> dict[str, Any]:
    portal = current_portal()
    with portal.ledger.read() as session:
        return {
            "totals": browsing.totals(session, now=utc_now()),
            "batches": batch_lists.newest(session, limit=NEWEST),
            "free_bytes": portal.archive.free_bytes(),
        }
