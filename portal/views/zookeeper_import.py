"""Importing the older settings from ZooKeeper: name it, have it read, look, confirm.

What is confirmed goes the way of the settings that are pasted, see :mod:`source_import` beside.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.errors import NotAllowed
from portal.forms.zookeeper import ZooKeeperForm
from portal.language import language
from portal.models import utc_now
from portal.runtime import current_portal
from portal.services import chores, zookeeper_import
from portal.statuses import ChoreStatus
from portal.sync.sources import old_settings
from portal.views import source_import
from portal.views.ids import ID


def add_to(bp: Blueprint) -> None:
    """Serve these pages with those of the data sources."""
    bp.add_url_rule("/import-zookeeper", view_func=ask_zookeeper, methods=["GET"])
    bp.add_url_rule("/import-zookeeper", view_func=read_zookeeper, methods=["POST"])
    answer = f"/import-zookeeper/<{ID}:chore_id>"
    bp.add_url_rule(answer, view_func=zookeeper_answer, methods=["GET"])
    bp.add_url_rule(f"{answer}/found", view_func=zookeeper_found, methods=["GET"])


def ask_zookeeper() -> ResponseReturnValue:
    """Which ZooKeeper, and where in it."""
    return _form_page(ZooKeeperForm())


def read_zookeeper() -> ResponseReturnValue:
    """Have a worker host read there; 422 with the form when it makes no sense."""
    portal, now = current_portal(), utc_now()
    form = ZooKeeperForm()
    place = form.place()
    if place is None:
        return _form_page(form), 422
    with portal.ledger.write() as session:
        if not chores.alive_hosts(session, now=now):
            form.address.errors = [_("没有工作进程在运行（imgmig worker），无法读取")]
            return _form_page(form), 422
        by = current_user.name
        chore_id = zookeeper_import.ask(session, place, box=portal.box, by=by, now=now).id
    return redirect(url_for("sources.zookeeper_answer", chore_id=chore_id), code=303)


def zookeeper_answer(chore_id: int) -> ResponseReturnValue:
    """How far the reading is, then what was found."""
    return _answer("sources/zookeeper_answer.html", chore_id)


def zookeeper_found(chore_id: int) -> ResponseReturnValue:
    """What was found, to take the place of the progress; the whole page without it."""
    return _answer("sources/_found.html", chore_id)


def _answer(template: str, chore_id: int) -> ResponseReturnValue:
    with current_portal().ledger.read() as session:
        chore = chores.find_of(session, zookeeper_import.CHORE, chore_id)
    found: dict[str, Any] = {"preview": None}
    if chore.status is ChoreStatus.DONE:
        try:
            settings = zookeeper_import.found(chore, current_portal().box)
        except NotAllowed as error:
            flash(error.text(language()), "danger")
            return redirect(url_for("sources.ask_zookeeper"), code=303)
        found = source_import.shown(settings, source_import.take_over_form(settings))
    elif template == "sources/_found.html":
        return redirect(url_for("sources.zookeeper_answer", chore_id=chore_id), code=303)
    return render_template(template, chore=chore, **found)


def _form_page(form: ZooKeeperForm) -> str:
    return render_template("sources/import_zookeeper.html", form=form, keys=old_settings.KEYS)
