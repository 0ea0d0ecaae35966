"""The live region of a chore, wherever a page shows one."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.access import safe_next
from portal.htmx import STOP_POLLING
from portal.models import Chore, Role, utc_now
from portal.runtime import current_portal
from portal.services import audit, chores
from portal.views.ids import ID

bp = Blueprint("chores", __name__, url_prefix="/chores")


def may_cancel(chore: Chore) -> bool:
    """Whether the user may have a chore stopped: operators any, an auditor one of their own."""
    return current_user.role is not Role.AUDITOR or bool(chore.asked_by == current_user.name)


@bp.app_context_processor
def _for_templates() -> dict[str, object]:
    return {"may_cancel": may_cancel}


@bp.get(f"/<{ID}:chore_id>")
def live(chore_id: int) -> ResponseReturnValue:
    """How far it is; when it has ended, what came of it or, with ``then``, that page's part."""
    with current_portal().ledger.read() as session:
        chore = chores.find(session, chore_id)
    then = request.args.get("then", "")
    page = render_template("chores/_chore.html", chore=chore, then=safe_next(then) if then else "")
    return page, STOP_POLLING if chore.is_finished else 200


@bp.post(f"/<{ID}:chore_id>/cancel")
def cancel(chore_id: int) -> ResponseReturnValue:
    """Have it stopped, and go back to the page it was shown on."""
    now = utc_now()
    with current_portal().ledger.write() as session:
        chore = chores.find(session, chore_id)
        if not may_cancel(chore):
            abort(403)
        if chores.cancel(session, chore, now=now):
            detail = {"kind": chore.kind, "subject": chore.subject}
            audit.record(session, "chore.cancel", by=current_user.name, at=now, detail=detail)
            flash(_("已取消"), "success")
    return redirect(safe_next(request.form.get("next")), code=303)
