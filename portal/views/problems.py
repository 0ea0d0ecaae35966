"""A problem with a code, said on the page that comes next."""

from __future__ import annotations

from flask import flash
from flask_babel import gettext as _

from portal.errors import SyncError, action, reason
from portal.language import language


def flash_problem(error: SyncError) -> None:
    """Say a code's reason and what to do about it."""
    told = (
        reason(error.code, error.params, language()),
        action(error.code, error.params, language()),
    )
    flash(_("%(reason)s 处理措施：%(action)s", reason=told[0], action=told[1]), "danger")
