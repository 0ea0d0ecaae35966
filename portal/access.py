"""Who may do what: one table, endpoint × role, enforced before every request.

An endpoint that is not in the table is refused to everybody, so a new page cannot be forgotten.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from flask import Flask, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import LoginManager, UserMixin, current_user

from portal import browser_session
from portal.htmx import current_page, is_htmx, redirect_htmx
from portal.logs import context
from portal.models import Role, User, utc_now
from portal.runtime import current_portal
from portal.services import logins
from portal.sub_path import is_ours, this_page

ALL = frozenset(Role)
ADMINS = frozenset({Role.ADMIN})
AUDITORS = frozenset({Role.ADMIN, Role.AUDITOR})
OPERATORS = frozenset({Role.ADMIN, Role.OPERATOR})
NOBODY_LOGGED_IN = None

# endpoint → who may call it; None: no login needed.
ACCESS: dict[str, frozenset[Role] | None] = {
    "static": NOBODY_LOGGED_IN,
    "health.healthz": NOBODY_LOGGED_IN,
    "health.readyz": NOBODY_LOGGED_IN,
    "health.metrics": NOBODY_LOGGED_IN,
    "auth.login": NOBODY_LOGGED_IN,
    "auth.language": NOBODY_LOGGED_IN,
    "auth.logout": ALL,
    "home.overview": ALL,
    "home.live": ALL,
    "batches.index": ALL,
    "batches.live": ALL,
    "batches.new": OPERATORS,
    "batches.create": OPERATORS,
    "batches.preview_live": OPERATORS,
    "batches.catalogue_read": OPERATORS,
    "batches.prioritise": OPERATORS,
    "batches.selected": OPERATORS,
    "batches.act": OPERATORS,
    "batches.act_on_holds": OPERATORS,
    "batches.show": ALL,
    "batches.progress": ALL,
    "batches.documents": ALL,
    "batches.documents_total": ALL,
    "batches.retry_documents": OPERATORS,
    "batches.retry_some": OPERATORS,
    "batches.failures": ALL,
    "batches.log": ALL,
    "batches.push": ALL,
    "batches.push_live": ALL,
    "batches.push_retry": OPERATORS,
    "batches.push_check": OPERATORS,
    "batches.history": ALL,
    "months.index": ALL,
    "months.live": ALL,
    "months.retry": OPERATORS,
    "archive.index": ALL,
    "archive.totals": ALL,
    "archive.at_source": ALL,
    "find.index": ALL,
    "documents.show": ALL,
    "documents.picture": ALL,
    "documents.facts": ALL,
    "documents.download": ALL,
    "documents.download_version": ALL,
    "documents.retry": OPERATORS,
    "chores.live": ALL,
    "chores.cancel": ALL,  # auditors what they asked for themselves
    "scans.show": ALL,
    "scans.start": OPERATORS,
    "scans.live": ALL,
    "sources.index": ALL,
    "sources.new": ADMINS,
    "sources.create": ADMINS,
    "sources.read_settings": ADMINS,
    "sources.preview": ADMINS,
    "sources.take_over": ADMINS,
    "sources.ask_zookeeper": ADMINS,
    "sources.read_zookeeper": ADMINS,
    "sources.zookeeper_answer": ADMINS,
    "sources.zookeeper_found": ADMINS,
    "sources.show": ALL,
    "sources.edit": ADMINS,
    "sources.change": ADMINS,
    "sources.switch": ADMINS,
    "sources.delete": ADMINS,
    "sources.check": OPERATORS,
    "sources.live": ALL,
    "targets.index": ALL,
    "targets.new": ADMINS,
    "targets.create": ADMINS,
    "targets.show": ALL,
    "targets.edit": ADMINS,
    "targets.change": ADMINS,
    "targets.switch": ADMINS,
    "targets.delete": ADMINS,
    "targets.check": OPERATORS,
    "targets.reconcile": OPERATORS,
    "targets.live": ALL,
    "preflight.index": ALL,
    "preflight.live": ALL,
    "preflight.show": ALL,
    "preflight.run": OPERATORS,
    "preflight.tick": OPERATORS,
    "preflight.withdraw": OPERATORS,
    "users.index": ADMINS,
    "users.new": ADMINS,
    "users.create": ADMINS,
    "users.show": ADMINS,
    "users.change_role": ADMINS,
    "users.switch": ADMINS,
    "users.reset": ADMINS,
    "users.end_logins": ADMINS,
    "account.show": ALL,
    "account.change_password": ALL,
    "account.change_language": ALL,
    "account.end_logins": ALL,
    "notices.index": ALL,
    "notices.new": ADMINS,
    "notices.create": ADMINS,
    "notices.edit": ADMINS,
    "notices.change": ADMINS,
    "notices.test": ADMINS,
    "notices.remove": ADMINS,
    "notices.again": OPERATORS,
    "packages.batches": ALL,
    "packages.documents": ALL,
    "packages.fetch": OPERATORS,
    "packages.fetch_batches": OPERATORS,
    "packages.index": ALL,
    "packages.show": ALL,
    "packages.outcome": ALL,
    "exports.index": ALL,
    "exports.new": ALL,
    "exports.create": ALL,
    "exports.show": ALL,
    "exports.outcome": ALL,
    "exports.download": ALL,
    "exports.companion": ALL,
    "exports.remove": ADMINS,
    "jobs.index": ALL,
    "jobs.live": ALL,
    "jobs.rows": ALL,
    "jobs.send_again": OPERATORS,
    "jobs.show": ALL,
    "jobs.tail": ALL,
    "reconcile.index": ALL,
    "reconcile.start": ALL,  # it changes nothing but its own record: auditors' work
    "reconcile.show": ALL,
    "reconcile.live": ALL,
    "reconcile.cells": ALL,
    "reconcile.documents": ALL,
    "samples.index": ALL,
    "samples.start": ALL,  # drawing and judging a sample is the auditors' work
    "samples.show": ALL,
    "samples.live": ALL,
    "samples.manifest": ALL,
    "samples.draw": ALL,
    "samples.close": ALL,
    "samples.document": ALL,
    "samples.compared": ALL,
    "samples.fetch": ALL,
    "samples.judge": ALL,
    "samples.source_picture": ALL,
    "status.index": AUDITORS,
    "audit.index": AUDITORS,
    "audit.live": AUDITORS,
    "audit.verify": AUDITORS,
}


class Account(UserMixin):  # type: ignore[misc] # flask-login has no types
    """The logged-in user as Flask-Login wants it."""

    def __init__(self, user: User, ticket: str) -> None:
        self.id = ticket
        self.user_id = user.id
        self.name = user.name
        self.role = user.role
        self.enabled = user.enabled

    @property
    def login_id(self) -> int | None:
        """The number of the login by which the user is here."""
        return logins.number_of(self.id)

    @property
    def is_active(self) -> bool:
        """A disabled account is logged out with its next request."""
        return self.enabled

    def may(self, endpoint: str) -> bool:
        """Whether this user may call an endpoint; templates show a button only then."""
        allowed = ACCESS.get(endpoint, frozenset())
        return allowed is None or self.role in allowed


def init_app(app: Flask) -> None:
    """Load users by their session and enforce the table."""
    manager = LoginManager(app)
    manager.user_loader(_load)
    app.before_request(_enforce)


def safe_next(target: str | None) -> str:
    """Where to go after login: a path of ours, or the overview."""
    target = target or ""
    parts = _parts_of(target)
    elsewhere = parts.scheme or parts.netloc or not is_ours(parts.path)
    if elsewhere or "\\" in target or target.startswith("//") or not target.isprintable():
        return url_for("home.overview")
    return target


def _parts_of(url: str) -> SplitResult:
    """The parts of an address; none when it is not one."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _load(ticket: str) -> Account | None:
    portal, now = current_portal(), utc_now()
    if browser_session.is_idle(portal.settings.session_idle, now=now):
        return None
    lifetime = portal.settings.session_lifetime
    with portal.ledger.read() as session:
        user = logins.holder(session, ticket, now=now, lifetime=lifetime)
    return Account(user, ticket) if user is not None else None


def _enforce() -> ResponseReturnValue | None:
    endpoint = request.endpoint
    if endpoint is None:
        return None  # no such page: the 404 tells nothing
    allowed = ACCESS.get(endpoint, frozenset())
    if allowed is None:
        return None
    if not current_user.is_authenticated:
        return _to_login()
    context.note(user=current_user.name)
    browser_session.note_activity(now=utc_now())
    if current_user.role not in allowed:
        abort(403)
    return None


def _to_login() -> ResponseReturnValue:
    """To the login page and back; for a live region the whole page goes there."""
    if browser_session.has_login():
        browser_session.renew()
        flash(_("登录已结束，请重新登录"), "warning")
    if is_htmx():
        return redirect_htmx(url_for("auth.login", next=current_page() or None))
    wanted = this_page() if request.method in ("GET", "HEAD") else None
    return redirect(url_for("auth.login", next=wanted))
