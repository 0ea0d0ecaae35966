"""Login, logout, language."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.access import safe_next
from portal.forms.login import LoginForm
from portal.language import choose, language
from portal.models import utc_now
from portal.origin import origin
from portal.runtime import current_portal
from portal.services import accounts, audit, logins
from portal.services.login_tries import Caller
from portal.views.account import keep_language
from portal.views.entering import enter, leave, refused_for_now

bp = Blueprint("auth", __name__)


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """Log in and go on to where one wanted to; whoever is logged in goes there at once.

    422 with the form when name or password is wrong, 429 when they were wrong too often.
    """
    if current_user.is_authenticated:
        return redirect(safe_next(request.args.get("next")), code=303)
    form = LoginForm()
    if request.method != "POST":
        return _form(form), 200
    if not form.validate():
        return _form(form), 422
    try:
        admitted = accounts.log_in(
            current_portal().ledger,
            Caller(form.name.data, origin()),
            password=form.password.data,
            now=utc_now(),
        )
    except accounts.TooManyTries as error:
        form.password.errors = [error.text(language())]
        return refused_for_now(_form(form), error)
    if admitted is None:
        form.password.errors = [_("用户名或密码不正确")]
        return _form(form), 422
    enter(admitted)
    return redirect(safe_next(request.args.get("next")), code=303)


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    """Log out: the cookie is worth nothing any more, whoever has a copy of it."""
    with current_portal().ledger.write() as ledger:
        audit.record(ledger, "user.logout", by=current_user.name, at=utc_now())
        logins.end(ledger, current_user.get_id())
    leave()
    flash(_("已退出登录"), "success")
    return redirect(url_for("auth.login"), code=303)


@bp.post("/language", endpoint="language")
def switch_language() -> ResponseReturnValue:
    """Switch the language and stay on the page; it is kept with whoever is logged in."""
    locale = request.form.get("locale", "")
    choose(locale)
    if current_user.is_authenticated:
        keep_language(locale)
    return redirect(safe_next(request.form.get("next")), code=303)


def _form(form: LoginForm) -> str:
    return render_template("auth/login.html", form=form)
