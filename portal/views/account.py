"""我的账号: one's own password, language and logins."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.errors import NotAllowed
from portal.forms.user import OwnPasswordForm
from portal.language import choose, is_known, language
from portal.models import utc_now
from portal.origin import origin
from portal.runtime import current_portal
from portal.services import accounts, logins, users
from portal.views.entering import enter, leave, refused_for_now

bp = Blueprint("account", __name__, url_prefix="/account")


@bp.get("/")
def show() -> ResponseReturnValue:
    """Who one is, and the forms."""
    return _page(OwnPasswordForm())


@bp.post("/password")
def change_password() -> ResponseReturnValue:
    """Another password; all sessions but this one are over."""
    form = OwnPasswordForm()
    if form.validate():
        try:
            admitted = accounts.change_password(
                current_portal().ledger,
                current_user.user_id,
                old=form.old.data,
                new=form.new.data,
                origin=origin(),
                now=utc_now(),
            )
        except accounts.TooManyTries as error:
            form.old.errors = [error.text(language())]
            return refused_for_now(_page(form), error)
        except accounts.WrongPassword as error:
            form.old.errors = [error.text(language())]
        except NotAllowed as error:
            form.new.errors = [error.text(language())]
        else:
            enter(admitted)
            flash(_("密码已更改，其他地方的登录已失效"), "success")
            return redirect(url_for("account.show"), code=303)
    return _page(form), 422


@bp.post("/language")
def change_language() -> ResponseReturnValue:
    """Another language, here and wherever one logs in next."""
    locale = request.form.get("locale", "")
    choose(locale)
    keep_language(locale)
    return redirect(url_for("account.show"), code=303)


@bp.post("/end-logins")
def end_logins() -> ResponseReturnValue:
    """End all of one's logins, this one too."""
    with current_portal().ledger.write() as session:
        user = users.get(session, current_user.user_id, lock=True)
        users.end_logins(session, user, by=user.name, now=utc_now())
    leave()
    flash(_("已在所有地方退出登录"), "success")
    return redirect(url_for("auth.login"), code=303)


def keep_language(locale: str) -> None:
    """Keep the language with whoever is logged in; one we do not have is passed over."""
    if not is_known(locale):
        return
    with current_portal().ledger.write() as session:
        user = users.get(session, current_user.user_id, lock=True)
        users.set_locale(session, user, locale, now=utc_now())


def _page(form: OwnPasswordForm) -> str:
    portal = current_portal()
    lifetime = portal.settings.session_lifetime
    with portal.ledger.read() as session:
        mine, count = logins.of_user(
            session, current_user.user_id, now=utc_now(), lifetime=lifetime
        )
    return render_template("account/show.html", form=form, logins=mine, login_count=count)
