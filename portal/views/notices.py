"""通知: the channels by which people are told, and what each was told lately."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.errors import NotAllowed, SyncError
from portal.forms.notice import MAIL_FIELDS, NoticeForm
from portal.language import language
from portal.models import NoticeChannel, utc_now
from portal.notify.kinds import NEWS, ChannelKind
from portal.runtime import current_portal
from portal.secret_box import SecretUnreadable
from portal.services import notice_channels, notice_lists, notices
from portal.views.ids import ID
from portal.views.lists import asked
from portal.views.problems import flash_problem

bp = Blueprint("notices", __name__, url_prefix="/notices")


@bp.get("/")
def index() -> ResponseReturnValue:
    """The channels, and the newest notices."""
    wish = asked("channel", "status", sorts=("id",), default="-id")
    with current_portal().ledger.read() as session:
        channels = notice_channels.all_channels(session)
        leaf = notice_lists.page(
            session, wish.place, channel=wish.word("channel"), status=wish.word("status")
        )
    return render_template("notices/index.html", channels=channels, leaf=leaf, asked=wish)


@bp.get("/new")
def new() -> ResponseReturnValue:
    """The empty form: all news, links to this very address."""
    form = NoticeForm(events=list(NEWS), language=language(), portal_url=_own_address())
    return _form(form, None)


@bp.post("/new")
def create() -> ResponseReturnValue:
    """Add the channel; 422 with the form and the reason when something is wrong."""
    return _save(NoticeForm(), None)


@bp.get(f"/<{ID}:channel_id>")
def edit(channel_id: int) -> ResponseReturnValue:
    """A channel's settings, but for its secrets."""
    portal = current_portal()
    with portal.ledger.read() as session:
        channel = notice_channels.find(session, channel_id)
    values: dict[str, Any] = {"events": list(channel.events), "kind": channel.kind}
    if channel.kind is ChannelKind.MAIL:
        try:
            config = notice_channels.config_of(channel, portal.box)
        except SecretUnreadable as error:
            flash(error.text(language()), "danger")
        else:
            values |= {name: config.get(name) for name in MAIL_FIELDS if name != "password"}
    return _form(NoticeForm(obj=channel, data=values), channel)


@bp.post(f"/<{ID}:channel_id>")
def change(channel_id: int) -> ResponseReturnValue:
    """Change the channel; a secret that is left empty stays."""
    return _save(NoticeForm(), channel_id)


@bp.post(f"/<{ID}:channel_id>/test")
def test(channel_id: int) -> ResponseReturnValue:
    """Have it told that it works; the list of notices shows what came of it."""
    now = utc_now()
    with current_portal().ledger.write() as session:
        channel = notice_channels.find(session, channel_id)
        notice_channels.test(session, channel, by=current_user.name, now=now)
        notices.ask_delivery(session, now=now)
    flash(_("测试通知正在发送，结果见下方列表"), "success")
    return redirect(url_for("notices.index"), code=303)


@bp.post(f"/<{ID}:channel_id>/remove")
def remove(channel_id: int) -> ResponseReturnValue:
    """Remove it."""
    with current_portal().ledger.write() as session:
        channel = notice_channels.find(session, channel_id)
        notice_channels.remove(session, channel, by=current_user.name, now=utc_now())
    flash(_("通知渠道已删除"), "success")
    return redirect(url_for("notices.index"), code=303)


@bp.post(f"/sent/<{ID}:notice_id>/again")
def again(notice_id: int) -> ResponseReturnValue:
    """Send a notice again."""
    now = utc_now()
    with current_portal().ledger.write() as session:
        notice = notices.find(session, notice_id)
        notices.send_again(session, notice, by=current_user.name, now=now)
        notices.ask_delivery(session, now=now)
    flash(_("正在重新发送"), "success")
    return redirect(url_for("notices.index"), code=303)


def _save(form: NoticeForm, channel_id: int | None) -> ResponseReturnValue:
    portal = current_portal()
    now = utc_now()
    with portal.ledger.write() as session:
        channel = None if channel_id is None else notice_channels.find(session, channel_id)
        if form.validate():
            try:
                notice_channels.save(
                    session,
                    form.channel(),
                    channel=channel,
                    box=portal.box,
                    by=current_user.name,
                    now=now,
                )
            except NotAllowed as error:
                flash(error.text(language()), "danger")
            except SyncError as error:
                flash_problem(error)
            else:
                flash(_("通知渠道已保存"), "success")
                return redirect(url_for("notices.index"), code=303)
        if channel is not None:
            session.expunge(channel)
    return _form(form, channel), 422


def _form(form: NoticeForm, channel: NoticeChannel | None) -> str:
    return render_template("notices/edit.html", form=form, channel=channel)


def _own_address() -> str:
    return request.url_root.rstrip("/")
