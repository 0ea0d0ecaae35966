"""Entering and leaving: what logging in and out does to the browser's session."""

from __future__ import annotations

from flask.typing import ResponseReturnValue
from flask_login import login_user, logout_user

from portal import browser_session
from portal.access import Account
from portal.language import choose
from portal.models import utc_now
from portal.services.accounts import LoggedIn, TooManyTries


def enter(admitted: LoggedIn) -> None:
    """Have the browser be logged in; nothing of its session before stays valid."""
    browser_session.renew(seen=utc_now())
    choose(admitted.user.locale or "")
    login_user(Account(admitted.user, admitted.ticket))


def leave() -> None:
    """Have the browser forget who was logged in."""
    logout_user()
    browser_session.renew()


def refused_for_now(page: str, error: TooManyTries) -> ResponseReturnValue:
    """429 with the page that says why, and when to come again."""
    return page, 429, {"Retry-After": str(error.seconds)}
