"""兼容性扫描 of a batch: what it will fail for, before anything is moved, and what came true."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.models import utc_now
from portal.runtime import current_portal
from portal.services import batches, browsing, scans
from portal.services.scanning import MOST_SAMPLED
from portal.views.batch_context import live_context

bp = Blueprint("scans", __name__, url_prefix="/batches")


@bp.get("/<batch_no>/scan")
def show(batch_no: str) -> ResponseReturnValue:
    """The last scan, beside what has come of the batch since."""
    return render_template("scans/show.html", **_context(batch_no))


@bp.post("/<batch_no>/scan")
def start(batch_no: str) -> ResponseReturnValue:
    """Have a clerk scan the batch; the page shows how far it is."""
    sample = request.form.get("sample", scans.USUAL_SAMPLE, type=int)
    with current_portal().ledger.write() as session:
        batch = batches.find(session, batch_no)
        scans.ask(
            session,
            batch,
            sample=min(max(sample, 0), MOST_SAMPLED),
            seed=secrets.randbelow(1 << 31),
            by=current_user.name,
            now=utc_now(),
        )
    flash(_("已开始兼容性扫描"), "success")
    return redirect(url_for("scans.show", batch_no=batch_no), code=303)


@bp.get("/<batch_no>/scan/result")
def live(batch_no: str) -> ResponseReturnValue:
    """The result alone, when the page sees that the scan has ended."""
    return render_template("scans/_result.html", **_context(batch_no))


def _context(batch_no: str) -> dict[str, Any]:
    portal = current_portal()
    with portal.ledger.read() as session:
        batch = browsing.batch_page(session, batch_no)
        scan = scans.newest(session, batch.id)
        return {
            **live_context(batch, "scan"),
            "scan": scan,
            "predictions": scans.predictions(session, scan) if scan else (),
            "chore": scans.unfinished(session, batch),
            "usual_sample": scans.USUAL_SAMPLE,
            "most_sampled": MOST_SAMPLED,
        }
