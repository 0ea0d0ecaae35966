"""Where is it now: the search in every page's head."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from portal.runtime import current_portal
from portal.services import finding

bp = Blueprint("find", __name__)
_LONGEST = 128


@bp.get("/find")
def index() -> ResponseReturnValue:
    """Where the documents and batches of the number ``q`` are."""
    text = "".join(filter(str.isprintable, request.args.get("q", ""))).strip()[:_LONGEST]
    answer = None
    if text:
        with current_portal().ledger.read() as session:
            answer = finding.find(session, text)
    return render_template("find/index.html", text=text, answer=answer, most=finding.MOST)
