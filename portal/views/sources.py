"""数据源: the list, a new one, one source, what it is set to, its test; and the import."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from portal.errors import NotAllowed
from portal.forms.source import DEMANDED, KINDS, DataSourceForm, form_for
from portal.htmx import STOP_POLLING
from portal.language import language
from portal.models import DataSource, utc_now
from portal.runtime import current_portal
from portal.secret_box import SecretUnreadable
from portal.services import audit, chores, source_browsing, sources
from portal.services.batches import EARLIEST_DAY, LATEST_DAY
from portal.services.source_form import faults, lacks_secret
from portal.services.source_tells import authorities, has_proxy_login
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.sources.kinds import KINDS as KINDS_OF_SOURCE
from portal.sync.sources.kinds import USUAL, kind_of
from portal.sync.sources.profile import ConnectorProfile
from portal.views import source_import, zookeeper_import
from portal.views.ids import ID
from portal.views.lists import asked

bp = Blueprint("sources", __name__, url_prefix="/sources")
source_import.add_to(bp)
zookeeper_import.add_to(bp)

_STATES = {"enabled": True, "disabled": False}
_SWITCHED = {"enable": _l("数据源已启用"), "disable": _l("数据源已停用，不能再新建批次")}


@bp.get("/")
def index() -> ResponseReturnValue:
    """All data sources, with their batches and the last test."""
    wish = asked("text", "state", sorts=tuple(source_browsing.SORTS), default="name")
    with current_portal().ledger.read() as session:
        leaf = source_browsing.sources_page(
            session,
            wish.place,
            text=wish.word("text"),
            enabled=_STATES.get(wish.word("state")),
        )
        ids = [source.id for source in leaf.rows]
        counts = source_browsing.batch_counts(session, ids)
        checks = source_browsing.last_checks(session, ids)
    return render_template(
        "sources/index.html", asked=wish, leaf=leaf, counts=counts, checks=checks
    )


@bp.get("/new")
def new() -> ResponseReturnValue:
    """The form of the kind that is asked for, with our defaults."""
    form = _form_of(_asked_kind())(formdata=None)
    form.begin()
    return _form_page(form, None)


@bp.post("/new")
def create() -> ResponseReturnValue:
    """Add it; 422 with the form and the reasons at the fields when something is wrong."""
    form = _form_of(_asked_kind())()
    form.take_uploads()
    portal = current_portal()
    valid, now = form.validate(), utc_now()
    settings = form.settings()
    found = faults(settings, None, now)
    if valid and not found:
        try:
            with portal.ledger.write() as session:
                by = current_user.name
                source_id = sources.add(session, settings, box=portal.box, by=by, now=now).id
        except sources.SettingRefused as error:
            found = [error]
        else:
            flash(_("已新增数据源 %(name)s，请测试连接", name=settings.name), "success")
            return redirect(url_for("sources.show", source_id=source_id), code=303)
    form.show(found)
    return _form_page(form, None), 422


@bp.get(f"/<{ID}:source_id>")
def show(source_id: int) -> ResponseReturnValue:
    """What it is set to, its test, and what goes on with it."""
    portal = current_portal()
    with portal.ledger.read() as session:
        source = sources.get(session, source_id)
        used = sources.is_used(session, source_id)
        unfinished = sources.unfinished_batches(session, source_id)
        hold = source_browsing.hold_of(session, source_id)
        month = source_browsing.month_to_try(session, source_id)
        check = source_browsing.last_checks(session, [source_id]).get(source_id)
    return render_template(
        "sources/show.html",
        source=source,
        used=used,
        unfinished=unfinished,
        hold=hold,
        month=month or f"{utc_now().astimezone(portal.settings.timezone):%Y-%m}",
        check=check,
        stale=_is_stale(source, check),
        kind=kind_of(source.kind),
        rules=CompatibilityRules.from_mapping(source.rules),
        defaults=CompatibilityRules(),
        demanded=DEMANDED,
        profile=_written(source.profile),
        authorities=authorities(source.ca_pem or ""),
    )


@bp.get(f"/<{ID}:source_id>/edit")
def edit(source_id: int) -> ResponseReturnValue:
    """The form as it is set; secrets are not in it."""
    with current_portal().ledger.read() as session:
        source = sources.get(session, source_id)
    form = form_for(kind_of(source.kind))(formdata=None)
    form.fill(source)
    return _form_page(form, source)


@bp.post(f"/<{ID}:source_id>/edit")
def change(source_id: int) -> ResponseReturnValue:
    """Change it; an empty secret stays the one it was."""
    portal = current_portal()
    with portal.ledger.read() as session:
        source = sources.get(session, source_id)
    form = form_for(kind_of(source.kind))()
    form.take_uploads()
    form.name.data = source.name  # documents lie in folders of that name
    form.name.raw_data = [source.name]
    valid = form.validate()
    found = _change(form, source_id, valid=valid)
    if valid and not found:
        flash(_("数据源已保存；正在运行的批次会在几秒内改用新设置"), "success")
        return redirect(url_for("sources.show", source_id=source_id), code=303)
    form.show(found)
    return _form_page(form, source), 422


@bp.post(f"/<{ID}:source_id>/<any(enable, disable):change>")
def switch(source_id: int, change: str) -> ResponseReturnValue:
    """Enable or disable it."""
    with current_portal().ledger.write() as session:
        source = sources.get(session, source_id, lock=True)
        sources.set_enabled(
            session, source, enabled=change == "enable", by=current_user.name, now=utc_now()
        )
    flash(_SWITCHED[change], "success")
    return redirect(url_for("sources.show", source_id=source_id), code=303)


@bp.post(f"/<{ID}:source_id>/delete")
def delete(source_id: int) -> ResponseReturnValue:
    """Delete it if it was never used."""
    try:
        with current_portal().ledger.write() as session:
            source = sources.get(session, source_id, lock=True)
            name = source.name
            sources.remove(session, source, by=current_user.name, now=utc_now())
    except NotAllowed as error:
        flash(error.text(language()), "danger")
        return redirect(url_for("sources.show", source_id=source_id), code=303)
    flash(_("已删除数据源 %(name)s", name=name), "success")
    return redirect(url_for("sources.index"), code=303)


@bp.post(f"/<{ID}:source_id>/check")
def check(source_id: int) -> ResponseReturnValue:
    """Have every worker host test it."""
    now = utc_now()
    month = _month(request.form.get("month", ""))
    if month is None:
        flash(_("请选择要测试的月份"), "danger")
        return redirect(url_for("sources.show", source_id=source_id), code=303)
    with current_portal().ledger.write() as session:
        source = sources.get(session, source_id)
        asked_for = chores.ask_every_host(
            session,
            source_browsing.CHECK,
            by=current_user.name,
            now=now,
            subject=source_browsing.subject_of(source_id),
            params={"source_id": source_id, "month": month},
        )
        if asked_for:
            detail = {"month": month, "hosts": len(asked_for)}
            name = source.name[:40]
            audit.record(
                session, "source.check", by=current_user.name, at=now, new=name, detail=detail
            )
    if not asked_for:
        flash(_("没有工作进程在运行（imgmig worker），无法测试"), "danger")
    return redirect(url_for("sources.show", source_id=source_id) + "#check", code=303)


@bp.get(f"/<{ID}:source_id>/live")
def live(source_id: int) -> ResponseReturnValue:
    """The last test, for the page's own refresh."""
    with current_portal().ledger.read() as session:
        source = sources.get(session, source_id)
        check = source_browsing.last_checks(session, [source_id]).get(source_id)
    page = render_template(
        "sources/_check.html", source=source, check=check, stale=_is_stale(source, check)
    )
    return page, 200 if check is not None and not check.is_finished else STOP_POLLING


def _change(form: DataSourceForm, source_id: int, *, valid: bool) -> list[sources.SettingRefused]:
    """Set the source to what a valid form says, or tell what makes no sense."""
    portal, now = current_portal(), utc_now()
    with portal.ledger.write() as session:
        source = sources.get(session, source_id, lock=True)
        try:
            settings = sources.form_of(source, portal.box, form.named(source))
        except SecretUnreadable as error:
            texts = (error.text("zh"), error.text("en"))
            secret = next(iter(sorted(form.secret_fields)))
            return [sources.SettingRefused(secret, *texts)]
        refilled = form.refilled
        lacking = lacks_secret(settings, source, refilled)
        found = [*faults(settings, source, now), *([lacking] if lacking else [])]
        if valid and not found:
            by = current_user.name
            sources.save(session, settings, box=portal.box, by=by, now=now, refilled=refilled)
        return found


def _asked_kind() -> str:
    """That of the address; the form that is sent says it too."""
    return request.values.get("kind", USUAL)


def _form_of(kind: str) -> type[DataSourceForm]:
    if kind not in KINDS_OF_SOURCE:
        abort(404)
    return form_for(KINDS_OF_SOURCE[kind])


def _form_page(form: DataSourceForm, source: DataSource | None) -> str:
    form.forget_secrets()
    return render_template(
        "sources/form.html",
        form=form,
        kinds=KINDS,
        kinds_of_source=() if source else [*KINDS_OF_SOURCE.values()],
        demanded=DEMANDED,
        source=source,
        defaults=CompatibilityRules(),
        default_profile=_written(asdict(ConnectorProfile())),
        proxy_login=source is not None and has_proxy_login(source, current_portal().box),
    )


def _written(profile: Mapping[str, Any]) -> str:
    return json.dumps(profile, ensure_ascii=False, indent=2)


def _is_stale(source: DataSource, check: source_browsing.LastCheck | None) -> bool:
    """Whether it was changed since it was tested."""
    changed: Any = source.changed_at
    return check is not None and changed is not None and check.at < changed


def _month(text: str) -> str | None:
    try:
        day = date.fromisoformat(f"{text}-01")
    except ValueError:
        return None
    return f"{day:%Y-%m}" if EARLIEST_DAY <= day <= LATEST_DAY else None
