"""The session in the browser's cookie: signed, begun anew with every login, ended by idleness.

What refreshes itself on a page is nobody's activity: a screen that is left open does not keep a
login alive. So the cookie says when somebody last opened a page or sent a form.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import Flask, request, session
from flask.sessions import SecureCookieSessionInterface

from portal.htmx import is_htmx

_USER, _SEEN, _LOCALE = "_user_id", "seen", "locale"
# The cookie is not sent anew for less.
_MINUTE = 60


class CookieSession(SecureCookieSessionInterface):
    """The session's cookie stays below the portal's path, and with TLS where there is TLS."""

    def get_cookie_name(self, app: Flask) -> str:
        """With a prefix by which the browser takes it from us alone, and never without TLS."""
        name = super().get_cookie_name(app)
        if not request.is_secure:
            return name
        return f"__Host-{name}" if self.get_cookie_path(app) == "/" else f"__Secure-{name}"

    def get_cookie_path(self, app: Flask) -> str:
        """Where the portal stands for whoever asks."""
        return request.script_root or "/"

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether the browser speaks TLS, with us or with the outermost trusted proxy."""
        return request.is_secure


def renew(*, seen: datetime | None = None) -> None:
    """Begin the session anew: nothing of before stays but the language.

    :param seen: when somebody logs in, the present
    """
    chosen = session.get(_LOCALE)
    session.clear()
    if chosen is not None:
        session[_LOCALE] = chosen
    if seen is not None:
        session[_SEEN] = int(seen.timestamp())


def has_login() -> bool:
    """Whether the session is one of somebody who was logged in, be it over or not."""
    return _USER in session


def is_idle(limit: timedelta, *, now: datetime) -> bool:
    """Whether nobody did anything for so long; of the future, the clock was put back by as much."""
    seen = session.get(_SEEN)
    return not isinstance(seen, int) or abs(now.timestamp() - seen) > limit.total_seconds()


def note_activity(*, now: datetime) -> None:
    """Note that somebody did something, unless it is a part of a page that asks by itself."""
    if is_htmx() and request.method == "GET":
        return
    if abs(now.timestamp() - session.get(_SEEN, 0)) >= _MINUTE:
        session[_SEEN] = int(now.timestamp())
