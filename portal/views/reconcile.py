"""对账: asked for, its months, its cells, and the documents behind every number."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound
from portal.language import language
from portal.models import Balance, DataSource, Part, Reconciliation, utc_now
from portal.models.reconciliation import DEFECTS
from portal.runtime import current_portal
from portal.services import (
    checked_months,
    chores,
    reconciled_documents,
    reconciliations,
    sources,
)
from portal.services.reconciliation_words import describe, label
from portal.views.ids import ID
from portal.views.lists import Asked, asked

bp = Blueprint("reconcile", __name__, url_prefix="/reconcile")
#: How an address says that a document has no organisation or no type.
NONE = "-"
_SCOPE = ("month", "org", "type", "part")


@bp.app_template_filter("reconcile_word")
def _word(word: str) -> str:
    return label(word, language())


@bp.app_template_filter("reconcile_finding")
def _finding(finding: Any) -> str:
    return describe(finding, language())


@bp.app_template_filter("why_unchecked")
def _why(why: str) -> str:
    return checked_months.words(why, language())


@bp.get("/")
def index() -> ResponseReturnValue:
    """The form, and all reconciliations, newest first."""
    wish = asked("source", sorts={"id"}, default="-id")
    with current_portal().ledger.read() as session:
        known = {source.name: source.id for source in sources.all_sources(session)}
        leaf = reconciliations.runs(session, wish.place, source_id=known.get(wish.word("source")))
    names = [(name, name) for name in known]
    return render_template(
        "reconcile/index.html", asked=wish, leaf=leaf, sources=known, names=names
    )


@bp.post("/start")
def start() -> ResponseReturnValue:
    """Have a clerk reconcile; it changes nothing but its own record."""
    now = utc_now()
    try:
        with current_portal().ledger.write() as session:
            run = reconciliations.ask(
                session,
                sources.find(session, request.form.get("source", "")).id,
                request.form.get("first", ""),
                request.form.get("last") or request.form.get("first", ""),
                reread=bool(request.form.get("reread")),
                by=current_user.name,
                now=now,
            )
            reconciliations.give_to_clerk(session, run, now=now)
            target = url_for("reconcile.show", run_id=run.id)
    except (NotAllowed, NotFound) as error:
        flash(error.text(language()), "danger")
        target = url_for("reconcile.index")
    return redirect(target, code=303)


@bp.get(f"/<{ID}:run_id>")
def show(run_id: int) -> ResponseReturnValue:
    """One reconciliation: how far it is, or its months."""
    with current_portal().ledger.read() as session:
        context = _run_context(session, run_id)
    return render_template("reconcile/show.html", **context)


@bp.get(f"/<{ID}:run_id>/live")
def live(run_id: int) -> ResponseReturnValue:
    """The months alone, which take the place of the progress."""
    with current_portal().ledger.read() as session:
        context = _run_context(session, run_id)
    return render_template("reconcile/_months.html", **context)


@bp.get(f"/<{ID}:run_id>/cells")
def cells(run_id: int) -> ResponseReturnValue:
    """Month × organisation × type."""
    wish = asked(
        "month", "org", "type", "balance", sorts=reconciliations.CELL_SORTS, default="month"
    )
    with current_portal().ledger.read() as session:
        run, source = _run(session, run_id)
        leaf = reconciliations.cells(
            session,
            run_id,
            wish.place,
            month=wish.word("month"),
            org=wish.word("org"),
            kind=wish.word("type"),
            balance=wish.word("balance"),
        )
    balances = [(balance.value, label(balance, language())) for balance in Balance]
    return render_template(
        "reconcile/cells.html",
        run=run,
        source=source,
        asked=wish,
        leaf=leaf,
        balances=balances,
        none_word=NONE,
    )


@bp.get(f"/<{ID}:run_id>/documents")
def documents(run_id: int) -> ResponseReturnValue:
    """The documents or files that a number of a cell is made of."""
    part = request.args.get("part", "")
    if part in reconciled_documents.SIDES:
        return _archived(run_id, part)
    return _findings(run_id)


def _findings(run_id: int) -> ResponseReturnValue:
    wish = asked(*_SCOPE, sorts=reconciliations.FINDING_SORTS, default="id")
    part = Part(wish.word("part")) if wish.word("part") in set(Part) else None
    with current_portal().ledger.read() as session:
        run, source = _run(session, run_id)
        leaf = reconciliations.findings(
            session,
            run_id,
            wish.place,
            part=part,
            month=wish.word("month"),
            org=_given(wish, "org"),
            kind=_given(wish, "type"),
        )
    return render_template(
        "reconcile/findings.html",
        run=run,
        source=source,
        asked=wish,
        leaf=leaf,
        part=part,
        parts=_parts(),
        cell=None,
    )


def _archived(run_id: int, side: str) -> ResponseReturnValue:
    wish = asked(*_SCOPE, sorts=reconciled_documents.SORTS, default="collected")
    with current_portal().ledger.read() as session:
        run, source = _run(session, run_id)
        leaf = reconciled_documents.documents(
            session,
            run,
            wish.place,
            side=side,
            month=wish.word("month"),
            org=_given(wish, "org"),
            kind=_given(wish, "type"),
            zone=current_portal().settings.timezone,
        )
        row = reconciliations.one_row(
            session, run, wish.word("month"), _given(wish, "org"), _given(wish, "type")
        )
    return render_template(
        "reconcile/documents.html",
        run=run,
        source=source,
        asked=wish,
        leaf=leaf,
        side=side,
        row=row,
        defects=DEFECTS,
    )


def _given(wish: Asked, name: str) -> str | None:
    """A code in the address: None when it is not asked for, empty for documents without one."""
    word = wish.word(name)
    return None if not word else "" if word == NONE else word


def _parts() -> list[tuple[str, str]]:
    return [(part.value, label(part, language())) for part in Part]


def _run(session: Session, run_id: int) -> tuple[Reconciliation, DataSource]:
    run = reconciliations.find(session, run_id)
    return run, session.get_one(DataSource, run.data_source_id)


def _run_context(session: Session, run_id: int) -> dict[str, Any]:
    run, source = _run(session, run_id)
    rows = reconciliations.months(session, run_id)
    chore = chores.find(session, run.chore_id) if run.chore_id is not None else None
    return {
        "run": run,
        "source": source,
        "rows": rows,
        "chore": chore,
        "classes": reconciliations.defects_by_part(session, run_id),
        "ticks": checked_months.newest(session, run.data_source_id, [row.month for row in rows]),
    }
