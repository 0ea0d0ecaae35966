"""Importing the older procedure's four settings: paste, look, confirm."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.errors import NotAllowed
from portal.forms.source import ImportForm, TakeOverForm
from portal.language import language
from portal.models import utc_now
from portal.runtime import current_portal
from portal.secret_box import SecretUnreadable
from portal.services import source_import, sources
from portal.sync.sources import old_settings
from portal.sync.sources.old_settings import OldSettings


def add_to(bp: Blueprint) -> None:
    """Serve these pages with those of the data sources."""
    bp.add_url_rule("/import", view_func=read_settings, methods=["GET"])
    bp.add_url_rule("/import", view_func=preview, methods=["POST"])
    bp.add_url_rule("/import/confirm", view_func=take_over, methods=["POST"])


def read_settings() -> ResponseReturnValue:
    """Where to paste."""
    return render_template("sources/import.html", form=ImportForm(), keys=old_settings.KEYS)


def preview() -> ResponseReturnValue:
    """What was found; nothing is saved yet."""
    form = ImportForm()
    text = form.text.data or ""
    if form.file.data:
        content = form.file.data.read(source_import.LARGEST_FILE)
        text = old_settings.decoded(content) or text
    settings = old_settings.read(text[: source_import.LARGEST_FILE])
    form.text.data = ""  # it holds a secret
    if form.validate() and len(settings.missing) < len(old_settings.KEYS):
        return _preview(settings, TakeOverForm(formdata=None, name=form.name.data.strip()))
    if not form.errors:
        form.text.errors = [_("没有找到四项配置中的任何一项")]
    page = render_template("sources/import.html", form=form, keys=old_settings.KEYS)
    return page, 422


def take_over() -> ResponseReturnValue:
    """Save what the preview showed; 422 with the preview again when it cannot be."""
    portal = current_portal()
    form = TakeOverForm()
    try:
        settings = source_import.unsealed(form.sealed.data or "", portal.box)
    except NotAllowed as error:
        flash(error.text(language()), "danger")
        return redirect(url_for("sources.read_settings"), code=303)
    if not form.validate() or _is_another(form):
        return _preview(settings, form), 422
    try:
        with portal.ledger.write() as session:
            source = source_import.take_over(
                session,
                settings,
                form.name.data.strip(),
                box=portal.box,
                by=current_user.name,
                now=utc_now(),
            )
            source_id, enabled = source.id, source.enabled
    except (NotAllowed, SecretUnreadable) as error:
        form.name.errors = [error.text(language())]
        return _preview(settings, form), 422
    flash(_("已导入，请测试连接") if enabled else _("已导入，数据源停用"), "success")
    return redirect(url_for("sources.show", source_id=source_id), code=303)


def take_over_form(settings: OldSettings) -> TakeOverForm:
    """The form to confirm what was found, under the name it has or would have."""
    with current_portal().ledger.read() as session:
        name = source_import.name_for(session, settings)
    return TakeOverForm(formdata=None, name=name)


def shown(settings: OldSettings, form: TakeOverForm) -> dict[str, Any]:
    """What a page shows of what was found, with the form to confirm it."""
    portal = current_portal()
    name = (form.name.data or "").strip()
    with portal.ledger.read() as session:
        seen = source_import.preview(session, settings, name, box=portal.box, now=utc_now())
    form.replaces.data = "1" if seen.replaces else ""
    form.sealed.data = source_import.sealed(settings, portal.box)
    return {"form": form, "settings": settings, "preview": seen}


def _is_another(form: TakeOverForm) -> bool:
    """Whether there is a data source of that name that the preview did not speak of."""
    name = form.name.data.strip()
    with current_portal().ledger.read() as session:
        exists = any(source.name == name for source in sources.all_sources(session))
    if exists and not form.replaces.data:
        form.name.errors = [_("已有同名数据源；确认即更新它，否则请改名")]
        return True
    return False


def _preview(settings: OldSettings, form: TakeOverForm) -> str:
    return render_template("sources/preview.html", **shown(settings, form))
