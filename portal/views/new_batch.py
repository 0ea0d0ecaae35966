"""新增: the form of a new batch, the confirmation that tells what it would do, and its creation.

Form and confirmation are one form at one address; the button says which step comes next, and what
was filled in goes along. Its routes stand on the blueprint of the batches.
"""

from __future__ import annotations

from datetime import date

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound
from portal.forms.batch import BatchForm
from portal.htmx import STOP_POLLING
from portal.language import language
from portal.models import Chore, Overlap, Priority, PushTarget, Role, utc_now
from portal.runtime import current_portal
from portal.services import (
    batches,
    browsing,
    catalogue,
    chores,
    preflight_gate,
    push_targets,
    sources,
)
from portal.services.day_ranges import month_named, ranges_at
from portal.services.scope_words import scope_of
from portal.statuses import ChoreStatus
from portal.views.batches import bp
from portal.views.confirmation import confirmation, counting, counts
from portal.views.ids import ID, row_id

RANGES = {
    "this-month": _l("本月"),
    "last-month": _l("上月"),
    "this-quarter": _l("本季"),
    "last-quarter": _l("上季"),
    "half-year": _l("本半年"),
    "this-year": _l("今年"),
    "last-year": _l("去年"),
}


@bp.get("/new")
def new() -> ResponseReturnValue:
    """The form, filled in as the address says.

    ``source`` (name or id), ``month`` or ``from`` and ``to``, ``org``, ``type``, ``overlap``,
    ``priority``; ``copy`` names a batch to begin from. What makes no sense is passed over.
    """
    form = _form(bound=False)
    with current_portal().ledger.read() as session:
        _prefill(form, session)
    return _form_page(form)


@bp.post("/new")
def create() -> ResponseReturnValue:
    """The next step, as the button ``do`` says: the form again, the confirmation, the batch.

    422 with the form and the reason at the field when something is wrong; nothing is lost.
    """
    form = _form(bound=True)
    match request.form.get("do", "preview"):
        case "create" | "run" as wish:
            form.run_now.data = form.run_now.data or wish == "run"
            return _create(form)
        case "preview":
            return _preview(form)
        case "recount":
            return _preview(form, anew=True)
        case "read":
            _ask_catalogue(form)
        case wish:
            _fill_days(form, wish)
    return _form_page(form)


@bp.get(f"/new/<{ID}:chore_id>")
def preview_live(chore_id: int) -> ResponseReturnValue:
    """The live part of the confirmation: the counts so far and what follows from them."""
    word = request.args.get("overlap", "")
    overlap = Overlap(word) if word in set(Overlap) else Overlap.MISSING
    with current_portal().ledger.read() as session:
        chore = chores.find(session, chore_id)
        if chore.kind != "preview":
            raise NotFound("没有这个预览", "there is no such preview")
        context = counts(session, chore, scope_of(chore.params, overlap))
    page = render_template("batches/_preview.html", **context)
    return page, STOP_POLLING if chore.is_finished else 200


@bp.get("/new/catalogue")
def catalogue_read() -> ResponseReturnValue:
    """What takes the place of the chore that read a catalogue: it has the form show it."""
    return render_template("batches/_catalogue_read.html")


@bp.post("/<batch_no>/priority")
def prioritise(batch_no: str) -> ResponseReturnValue:
    """Change a batch's priority."""
    portal = current_portal()
    word = request.form.get("priority", "")
    try:
        if word not in set(Priority):
            raise NotAllowed(f"没有优先级 {word}", f"there is no priority {word}")
        with portal.ledger.write() as session:
            batch = batches.find(session, batch_no)
            batches.set_priority(
                session, batch, Priority(word), by=current_user.name, now=utc_now()
            )
        flash(_("优先级已修改"), "success")
    except NotAllowed as error:
        flash(error.text(language()), "danger")
    return redirect(url_for("batches.show", batch_no=batch_no), code=303)


def _form(*, bound: bool) -> BatchForm:
    form = BatchForm() if bound else BatchForm(formdata=None)
    with current_portal().ledger.read() as session:
        form.offer(
            [source for source in sources.all_sources(session) if source.enabled],
            push_targets.all_targets(session, enabled_only=True),
        )
    return form


def _prefill(form: BatchForm, session: Session) -> None:
    args = request.args
    copied = args.get("copy", "").strip()
    if copied:
        try:
            batch = browsing.batch_page(session, copied)
        except NotFound as error:
            flash(error.text(language()), "warning")
        else:
            form.source.data = str(batch.data_source_id)
            form.fill_days(batch.date_from, batch.date_to)
            form.fill_codes(batch.org_codes, batch.bill_type_codes)
            form.overlap.data, form.priority.data = batch.overlap.value, batch.priority.value
            chosen = str(batch.push_target_id or "")
            if chosen in dict(form.push_to.choices):
                form.push_to.data = chosen
    wanted = args.get("source", "").strip()
    for value, name in form.source.choices or ():
        if wanted in (value, name):
            form.source.data = value
    days = month_named(args.get("month", "").strip())
    first, last = (_day(args.get(name, "")) for name in ("from", "to"))
    if days is not None:
        form.fill_days(*days)
    elif first is not None and last is not None:
        form.fill_days(first, last)
    if "org" in args or "type" in args:
        form.fill_codes(args.getlist("org"), args.getlist("type"))
    for field, words in ((form.overlap, Overlap), (form.priority, Priority)):
        if args.get(field.name) in set(words):
            field.data = args[field.name]


def _fill_days(form: BatchForm, wish: str) -> None:
    days = ranges_at(_today()).get(wish)
    if wish == "month":
        days = month_named(request.form.get("month", "").strip())
        if days is None:
            flash(_("请先选择月份，如 2024-03"), "warning")
    if days is not None:
        form.fill_days(*days)


def _push_target(session: Session, form: BatchForm) -> PushTarget | None:
    target_id = form.push_target_id()
    return None if target_id is None else push_targets.get(session, target_id)


def _ask_catalogue(form: BatchForm) -> None:
    source_id = form.source_id
    if source_id is not None:
        with current_portal().ledger.write() as session:
            catalogue.ask(session, source_id, by=current_user.name, now=utc_now())


def _form_page(form: BatchForm, status: int = 200) -> ResponseReturnValue:
    """The first step; a catalogue that is old is asked for anew while one looks."""
    source_id = form.source_id
    known, chore = catalogue.Catalogue(), None
    if source_id is not None:
        if not form.source.errors:
            form.source.data = str(source_id)
        known, chore = _catalogue(source_id)
    form.sort_codes(known)
    page = render_template(
        "batches/new.html",
        form=form,
        known=known,
        chore=chore,
        ranges=[(name, text, ranges_at(_today())[name]) for name, text in RANGES.items()],
        month=request.form.get("month", ""),
    )
    return page, status


def _catalogue(source_id: int) -> tuple[catalogue.Catalogue, Chore | None]:
    """What the source offers, and the chore that reads it anew or has failed to."""
    ledger, now = current_portal().ledger, utc_now()
    with ledger.read() as session:
        known = catalogue.of(session, source_id)
        chore = catalogue.newest_chore(session, source_id)
    if catalogue.is_due(known, chore, now=now):
        with ledger.write() as session:
            chore_id = catalogue.ask(session, source_id, by=current_user.name, now=now).id
        with ledger.read() as session:
            chore = chores.find(session, chore_id)
    return known, None if chore is None or chore.status is ChoreStatus.DONE else chore


def _preview(form: BatchForm, *, anew: bool = False, status: int = 200) -> ResponseReturnValue:
    if not form.validate():
        return _form_page(form, 422)
    portal, scope = current_portal(), form.scope()
    try:
        with portal.ledger.write() as session:
            batches.check_scope(session, scope, portal.settings.timezone)
            shown = 0 if anew else request.form.get("chore", 0, type=row_id)
            chore_id = counting(session, scope, by=current_user.name, shown=shown).id
    except NotAllowed as error:
        form.date_to.errors = [error.text(language())]
        return _form_page(form, 422)
    return render_template("batches/confirm.html", **confirmation(form, scope, chore_id)), status


def _create(form: BatchForm) -> ResponseReturnValue:
    """Create the batch, unless it would be the twin of an unfinished one and nobody said so."""
    if not form.validate():
        return _form_page(form, 422)
    portal, now, scope = current_portal(), utc_now(), form.scope()
    by = current_user.name
    try:
        with portal.ledger.write() as session:
            twin = batches.find_unfinished(session, scope)
            is_wanted = twin is None or request.form.get("twin") == twin.batch_no
            if is_wanted:
                batch = batches.create(
                    session,
                    scope,
                    by=by,
                    now=now,
                    zone=portal.settings.timezone,
                    priority=form.chosen_priority(),
                    push_to=_push_target(session, form),
                )
                preflight_gate.require(
                    session,
                    scope.source_id,
                    by=by,
                    now=now,
                    batch_id=batch.id,
                    override_reason=request.form.get("override_reason"),
                    may_override=current_user.role is Role.ADMIN,
                )
                if form.run_now.data:
                    batches.start(session, batch, by=by, now=now)
                batch_no = batch.batch_no
    except preflight_gate.PreflightFailed:
        return _preview(form, status=422)
    except NotAllowed as error:
        form.date_to.errors = [error.text(language())]
        return _form_page(form, 422)
    if not is_wanted:
        return _preview(form)
    portal.offer()
    flash(_("已创建批次 %(number)s", number=batch_no), "success")
    return redirect(url_for("batches.show", batch_no=batch_no), code=303)


def _today() -> date:
    return utc_now().astimezone(current_portal().settings.timezone).date()


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None
