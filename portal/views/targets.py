"""目标: the list, a new one, one target, what it is set to, its test and 推送核对."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.errors import NotAllowed
from portal.forms.target import PushTargetForm
from portal.htmx import STOP_POLLING
from portal.language import language
from portal.models import Chore, PushTarget, utc_now
from portal.runtime import current_portal
from portal.secret_box import SecretUnreadable
from portal.services import audit, chores, push_checking, push_reports, push_targets
from portal.services.source_tells import authorities
from portal.services.target_form import TargetRefused
from portal.views.ids import ID

bp = Blueprint("targets", __name__, url_prefix="/targets")
_SWITCHED = {"enable": _l("目标已启用"), "disable": _l("目标已停用，不再推送；已推送的不变")}
_HOSTS = 20


@bp.get("/")
def index() -> ResponseReturnValue:
    """All targets, with what is how far at each."""
    with current_portal().ledger.read() as session:
        targets = push_targets.all_targets(session)
        counts = push_reports.counts_of_targets(session)
    return render_template("targets/index.html", targets=targets, counts=counts)


@bp.get("/new")
def new() -> ResponseReturnValue:
    """The form, with our defaults."""
    return _form_page(PushTargetForm(), None)


@bp.post("/new")
def create() -> ResponseReturnValue:
    """Add it; 422 with the form and the reason at the field when something is wrong."""
    return _save(PushTargetForm(), None)


@bp.get(f"/<{ID}:target_id>")
def show(target_id: int) -> ResponseReturnValue:
    """What it is set to, what holds it, how much is there, its tests and reconciliation."""
    with current_portal().ledger.read() as session:
        target = push_targets.get(session, target_id)
        used = push_targets.is_used(session, target_id)
        counts = push_reports.counts_of_targets(session).get(target_id, {})
        work = _work(session, target)
    return render_template(
        "targets/show.html",
        target=target,
        used=used,
        counts=counts,
        authorities=authorities(target.ca_pem or ""),
        **work,
    )


@bp.get(f"/<{ID}:target_id>/live")
def live(target_id: int) -> ResponseReturnValue:
    """The tests and the reconciliation, for the page's own refresh."""
    with current_portal().ledger.read() as session:
        target = push_targets.get(session, target_id)
        work = _work(session, target)
    page = render_template("targets/_work.html", target=target, **work)
    return page, 200 if work["is_running"] else STOP_POLLING


@bp.get(f"/<{ID}:target_id>/edit")
def edit(target_id: int) -> ResponseReturnValue:
    """The form as it is set; its secret is not in it."""
    with current_portal().ledger.read() as session:
        target = push_targets.get(session, target_id)
    form = PushTargetForm(formdata=None)
    form.fill(target)
    return _form_page(form, target)


@bp.post(f"/<{ID}:target_id>/edit")
def change(target_id: int) -> ResponseReturnValue:
    """Change it; an empty secret stays the one it was."""
    return _save(PushTargetForm(), target_id)


@bp.post(f"/<{ID}:target_id>/<any(enable, disable):change>")
def switch(target_id: int, change: str) -> ResponseReturnValue:
    """Enable or disable it."""
    with current_portal().ledger.write() as session:
        target = push_targets.get(session, target_id, lock=True)
        push_targets.set_enabled(
            session, target, enabled=change == "enable", by=current_user.name, now=utc_now()
        )
    flash(_SWITCHED[change], "success")
    return redirect(url_for("targets.show", target_id=target_id), code=303)


@bp.post(f"/<{ID}:target_id>/delete")
def delete(target_id: int) -> ResponseReturnValue:
    """Delete it if it was never used."""
    try:
        with current_portal().ledger.write() as session:
            target = push_targets.get(session, target_id, lock=True)
            name = target.name
            push_targets.remove(session, target, by=current_user.name, now=utc_now())
    except NotAllowed as error:
        flash(error.text(language()), "danger")
        return redirect(url_for("targets.show", target_id=target_id), code=303)
    flash(_("已删除目标 %(name)s", name=name), "success")
    return redirect(url_for("targets.index"), code=303)


@bp.post(f"/<{ID}:target_id>/check")
def check(target_id: int) -> ResponseReturnValue:
    """Have every worker host test it."""
    now, by = utc_now(), current_user.name
    with current_portal().ledger.write() as session:
        target = push_targets.get(session, target_id)
        hosts = chores.ask_every_host(
            session,
            push_checking.TEST,
            by=by,
            now=now,
            subject=push_checking.subject_of(target_id),
            params={"target_id": target_id},
        )
        if hosts:
            detail = {"hosts": len(hosts)}
            audit.record(
                session, "target.check", by=by, at=now, new=target.name[:40], detail=detail
            )
    if not hosts:
        flash(_("没有工作进程在运行（imgmig worker），无法测试"), "danger")
    return redirect(url_for("targets.show", target_id=target_id) + "#work", code=303)


@bp.post(f"/<{ID}:target_id>/reconcile")
def reconcile(target_id: int) -> ResponseReturnValue:
    """Have a clerk ask the target for everything that was pushed to it."""
    with current_portal().ledger.write() as session:
        push_targets.get(session, target_id)
        chores.ask(
            session,
            push_checking.CHORE,
            by=current_user.name,
            now=utc_now(),
            subject=push_checking.subject_of(target_id),
            params={"target_id": target_id},
        )
    return redirect(url_for("targets.show", target_id=target_id) + "#work", code=303)


def _work(session: Session, target: PushTarget) -> dict[str, Any]:
    """The newest test of each host, and the newest reconciliation."""
    subject = push_checking.subject_of(target.id)
    tests: dict[str | None, Chore] = {}
    for chore in chores.newest(session, push_checking.TEST, subject, limit=_HOSTS):
        tests.setdefault(chore.host, chore)
    newest = next(iter(chores.newest(session, push_checking.CHORE, subject)), None)
    running = [*tests.values(), *([newest] if newest else [])]
    return {
        "tests": sorted(tests.values(), key=lambda chore: chore.host or ""),
        "checking": newest,
        "is_running": any(not chore.is_finished for chore in running),
        "stale": target.changed_at,
    }


def _save(form: PushTargetForm, target_id: int | None) -> ResponseReturnValue:
    portal, is_valid = current_portal(), form.validate()
    with portal.ledger.read() as session:
        target = push_targets.get(session, target_id) if target_id is not None else None
    if is_valid:
        try:
            with portal.ledger.write() as session:
                stored = None
                if target_id is not None:
                    stored = push_targets.get(session, target_id, lock=True)
                named = form.named()
                saved = push_targets.save(
                    session,
                    form.settings()
                    if stored is None
                    else push_targets.form_of(stored, portal.box, **named),
                    box=portal.box,
                    by=current_user.name,
                    now=utc_now(),
                    target=stored,
                    secret_given="app_secret" in named,
                ).id
        except TargetRefused as error:
            form.show(error)
        except SecretUnreadable as error:
            form.show(TargetRefused("app_secret", error.text("zh"), error.text("en")))
        else:
            flash(_("目标已保存，请测试连接"), "success")
            return redirect(url_for("targets.show", target_id=saved), code=303)
    return _form_page(form, target), 422


def _form_page(form: PushTargetForm, target: PushTarget | None) -> str:
    form.forget_secrets()
    return render_template("targets/form.html", form=form, target=target)
