"""系统状态: what /readyz says, with everything that those who run the installation may know."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from portal.models import utc_now
from portal.runtime import current_portal
from portal.services import beats

bp = Blueprint("status", __name__, url_prefix="/status")


@bp.get("/")
def index() -> ResponseReturnValue:
    """The checks and the living processes of all hosts."""
    portal = current_portal()
    checks = portal.readiness.look()
    with portal.ledger.read() as session:
        processes = beats.alive(session, now=utc_now())
    return render_template(
        "status/index.html",
        checks=checks,
        processes=processes,
    )
