"""Login, logout, language."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_user, logout_user

from portal.access import Account, safe_next
from portal.forms.login import LoginForm
from portal.language import choose
from portal.models import utc_now
from portal.runtime import current_portal
from portal.services import accounts, audit
from portal.views.account import keep_language

bp = Blueprint("auth", __name__)


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """Log in and go on to where one wanted to; 422 with the form when name or password is wrong."""
    form = LoginForm()
    if request.method == "GET":
        return render_template("auth/login.html", form=form)
    if form.validate():
        user = accounts.log_in(
            current_portal().ledger, form.name.data, password=form.password.data, now=utc_now()
        )
        if user is not None:
            chosen = session.get("locale")
            session.clear()  # nothing of the session before the login stays valid
            choose(user.locale or chosen or "")
            login_user(Account(user))
            return redirect(safe_next(request.args.get("next")), code=303)
        form.password.errors = [_("用户名或密码不正确")]
    return render_template("auth/login.html", form=form), 422


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    """Log out."""
    with current_portal().ledger.write() as ledger:
        audit.record(ledger, "user.logout", by=current_user.name, at=utc_now())
    logout_user()
    flash(_("已退出登录"), "success")
    return redirect(url_for("auth.login"), code=303)


@bp.post("/language")
def language() -> ResponseReturnValue:
    """Switch the language and stay on the page; it is kept with whoever is logged in."""
    locale = request.form.get("locale", "")
    choose(locale)
    if current_user.is_authenticated:
        keep_language(locale)
    return redirect(safe_next(request.form.get("next")), code=303)
