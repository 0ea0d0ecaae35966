"""用户: who may log in, and as what; for admins only."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from portal.errors import NotAllowed
from portal.formatting import role_name
from portal.forms.user import NewUserForm, ResetForm, RoleForm
from portal.language import language
from portal.models import Role, utc_now
from portal.runtime import current_portal
from portal.services import logins, user_browsing, users
from portal.services.passwords import WeakPassword
from portal.views.entering import leave
from portal.views.ids import ID
from portal.views.lists import asked

bp = Blueprint("users", __name__, url_prefix="/users")

_STATES = {"enabled": True, "disabled": False}
_SWITCHED = {"enable": _l("用户已启用"), "disable": _l("用户已停用，其登录已失效")}


@bp.get("/")
def index() -> ResponseReturnValue:
    """Everybody."""
    wish = asked("text", "role", "state", sorts=tuple(user_browsing.SORTS), default="name")
    word = wish.word("role")
    with current_portal().ledger.read() as session:
        leaf = user_browsing.users_page(
            session,
            wish.place,
            text=wish.word("text"),
            role=Role(word) if word in set(Role) else None,
            enabled=_STATES.get(wish.word("state")),
        )
    roles = [(role.value, role_name(role)) for role in Role]
    return render_template("users/index.html", asked=wish, leaf=leaf, roles=roles)


@bp.get("/new")
def new() -> ResponseReturnValue:
    """The empty form."""
    form = NewUserForm()
    form.offer()
    return render_template("users/new.html", form=form)


@bp.post("/new")
def create() -> ResponseReturnValue:
    """Add somebody; a password that was made up is shown on the page that answers, only there."""
    form = NewUserForm()
    form.offer()
    if form.validate():
        name = form.name.data.strip()
        password = form.password.data or users.random_password()
        try:
            with current_portal().ledger.write() as session:
                role = Role(form.role.data)
                by, now = current_user.name, utc_now()
                users.add(session, name, role=role, password=password, by=by, now=now)
        except WeakPassword as error:
            form.password.errors = [error.text(language())]
        except NotAllowed as error:
            form.name.errors = [error.text(language())]
        else:
            flash(_("已新增用户 %(name)s", name=name), "success")
            if form.password.data:
                return redirect(url_for("users.index"), code=303)
            return render_template("users/password.html", name=name, password=password)
    return render_template("users/new.html", form=form), 422


@bp.get(f"/<{ID}:user_id>")
def show(user_id: int) -> ResponseReturnValue:
    """One account, and what can be done with it."""
    return _page(user_id, ResetForm())


@bp.post(f"/<{ID}:user_id>/role")
def change_role(user_id: int) -> ResponseReturnValue:
    """Another role."""
    form = RoleForm()
    form.offer()
    if not form.validate():
        return _page(user_id, ResetForm(formdata=None)), 422
    role = Role(form.role.data)
    try:
        with current_portal().ledger.write() as session:
            user = users.get(session, user_id, lock=True)
            users.set_role(session, user, role, by=current_user.name, now=utc_now())
        flash(_("角色已更改"), "success")
    except NotAllowed as error:
        flash(error.text(language()), "danger")
        return redirect(url_for("users.show", user_id=user_id), code=303)
    if user_id == current_user.user_id and role is not Role.ADMIN:
        return redirect(url_for("home.overview"), code=303)  # these pages are no longer theirs
    return redirect(url_for("users.show", user_id=user_id), code=303)


@bp.post(f"/<{ID}:user_id>/<any(enable, disable):change>")
def switch(user_id: int, change: str) -> ResponseReturnValue:
    """Let somebody log in, or no longer."""
    try:
        with current_portal().ledger.write() as session:
            user = users.get(session, user_id, lock=True)
            enabled = change == "enable"
            users.set_enabled(session, user, enabled=enabled, by=current_user.name, now=utc_now())
        flash(_SWITCHED[change], "success")
    except NotAllowed as error:
        flash(error.text(language()), "danger")
    return redirect(url_for("users.show", user_id=user_id), code=303)


@bp.post(f"/<{ID}:user_id>/password")
def reset(user_id: int) -> ResponseReturnValue:
    """A new password for somebody; made up, it is shown on the page that answers, only there."""
    form = ResetForm()
    if not form.validate():
        return _page(user_id, form), 422
    password = form.password.data or users.random_password()
    try:
        with current_portal().ledger.write() as session:
            name = users.get(session, user_id).name
            by = current_user.name
            users.set_password(session, name, password=password, by=by, now=utc_now())
    except NotAllowed as error:
        form.password.errors = [error.text(language())]
        return _page(user_id, form), 422
    flash(_("已重设 %(name)s 的密码，其登录已失效", name=name), "success")
    if form.password.data:
        return redirect(url_for("users.show", user_id=user_id), code=303)
    return render_template("users/password.html", name=name, password=password)


@bp.post(f"/<{ID}:user_id>/end-logins")
def end_logins(user_id: int) -> ResponseReturnValue:
    """End all of somebody's logins; of one's own also this one."""
    with current_portal().ledger.write() as session:
        user = users.get(session, user_id, lock=True)
        name = user.name
        users.end_logins(session, user, by=current_user.name, now=utc_now())
    if user_id == current_user.user_id:
        leave()
        flash(_("已在所有地方退出登录"), "success")
        return redirect(url_for("auth.login"), code=303)
    flash(_("已结束 %(name)s 的全部登录", name=name), "success")
    return redirect(url_for("users.show", user_id=user_id), code=303)


def _page(user_id: int, reset: ResetForm) -> str:
    portal = current_portal()
    lifetime = portal.settings.session_lifetime
    with portal.ledger.read() as session:
        user = users.get(session, user_id)
        found, count = logins.of_user(session, user_id, now=utc_now(), lifetime=lifetime)
    roles = RoleForm(formdata=None, role=user.role.value)
    roles.offer()
    return render_template(
        "users/show.html", user=user, roles=roles, reset=reset, logins=found, login_count=count
    )
