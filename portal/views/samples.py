"""随机抽查: the sealed manifest, the draw, and how it closes."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound, SyncError
from portal.language import language
from portal.models import DataSource, Sample, SampleDocument, SampleState, Verdict, utc_now
from portal.runtime import current_portal
from portal.services import chores, drawing, sample_wishes, samples, sources
from portal.services.manifests import open_sealed
from portal.services.paging import read
from portal.services.sample_recipe import recipe
from portal.services.sample_words import label, statement
from portal.views.ids import ID
from portal.views.kept_files import sent
from portal.views.lists import Asked, asked
from portal.views.problems import flash_problem

bp = Blueprint("samples", __name__, url_prefix="/samples")


@bp.app_template_filter("sample_word")
def _word(word: str) -> str:
    return label(word, language())


@bp.get("/")
def index() -> ResponseReturnValue:
    """The form, and all samples, newest first."""
    wish = asked("source", sorts={"id"}, default="-id")
    with current_portal().ledger.read() as session:
        known = {source.name: source.id for source in sources.all_sources(session)}
        leaf = samples.all_samples(session, wish.place, source_id=known.get(wish.word("source")))
    names = [(name, name) for name in known]
    return render_template("samples/index.html", asked=wish, leaf=leaf, names=names)


@bp.post("/start")
def start() -> ResponseReturnValue:
    """Have a clerk make and seal a manifest."""
    try:
        with current_portal().ledger.write() as session:
            sample = samples.ask(
                session,
                sources.find(session, request.form.get("source", "")).id,
                request.form.get("month", ""),
                org_code=request.form.get("org", "").strip(),
                bill_type_code=request.form.get("type", "").strip(),
                by=current_user.name,
                now=utc_now(),
            )
            target = url_for("samples.show", sample_id=sample.id)
    except (NotAllowed, NotFound) as error:
        flash(error.text(language()), "danger")
        target = url_for("samples.index")
    return redirect(target, code=303)


@bp.get(f"/<{ID}:sample_id>")
def show(sample_id: int) -> ResponseReturnValue:
    """One sample: how far it is, what was sealed and drawn, and its documents."""
    wish = asked("verdict", sorts={"position"}, default="position")
    with current_portal().ledger.read() as session:
        context = _context(session, sample_id, wish)
    return render_template("samples/show.html", asked=wish, **context)


@bp.get(f"/<{ID}:sample_id>/live")
def live(sample_id: int) -> ResponseReturnValue:
    """What was sealed, which takes the place of the progress."""
    wish = asked("verdict", sorts={"position"}, default="position", endpoint="samples.show")
    with current_portal().ledger.read() as session:
        context = _context(session, sample_id, wish)
    return render_template("samples/_sealed.html", **context)


@bp.get(f"/<{ID}:sample_id>/manifest")
def manifest(sample_id: int) -> ResponseReturnValue:
    """The sealed manifest, byte by byte."""
    portal = current_portal()
    target = url_for("samples.show", sample_id=sample_id)
    with portal.ledger.read() as session:
        sample = samples.find(session, sample_id)
    if sample.manifest_sha256 is None:
        flash(_("清单还没有封存"), "danger")
        return redirect(target, code=303)
    try:
        stream = open_sealed(portal.archive, sample)
    except SyncError as error:
        flash_problem(error)
        return redirect(target, code=303)
    if request.method != "HEAD":
        with portal.ledger.write() as session:
            samples.record_download(session, sample, by=current_user.name, now=utc_now())
    return sent(
        stream,
        size=sample.manifest_bytes or 0,
        sha256=sample.manifest_sha256,
        media_type="application/octet-stream",
        name=f"sample-{sample.id}-{sample.month}.manifest",
    )


@bp.post(f"/<{ID}:sample_id>/draw")
def draw(sample_id: int) -> ResponseReturnValue:
    """Draw by the nonce given."""
    portal = current_portal()
    try:
        drawing.draw_sample(
            portal.ledger,
            sample_id,
            portal.archive,
            nonce=request.form.get("nonce", ""),
            size=request.form.get("size", ""),
            limit=request.form.get("limit", ""),
            by=current_user.name,
            now=utc_now(),
        )
    except NotAllowed as error:
        flash(error.text(language()), "danger")
    except SyncError as error:
        flash_problem(error)
    return redirect(url_for("samples.show", sample_id=sample_id), code=303)


@bp.post(f"/<{ID}:sample_id>/close")
def close(sample_id: int) -> ResponseReturnValue:
    """Close it and say what it proves."""
    try:
        with current_portal().ledger.write() as session:
            samples.close(session, sample_id, by=current_user.name, now=utc_now())
    except NotAllowed as error:
        flash(error.text(language()), "danger")
    return redirect(url_for("samples.show", sample_id=sample_id), code=303)


def _context(session: Session, sample_id: int, wish: Asked) -> dict[str, Any]:
    sample: Sample = samples.find(session, sample_id)
    query = samples.documents_of(sample_id)
    wanted = wish.word("verdict")
    if wanted in set(Verdict):
        query = query.where(SampleDocument.verdict == Verdict(wanted))
    elif wanted == "none":
        query = query.where(SampleDocument.verdict.is_(None))
    leaf = read(
        session,
        query,
        wish.place,
        columns={"position": SampleDocument.position},
        row_id=SampleDocument.id,
    )
    counts = samples.verdicts(session, sample_id)
    drawn = sample.state in (SampleState.DRAWN, SampleState.CLOSED)
    return {
        "sample": sample,
        "source": session.get_one(DataSource, sample.data_source_id),
        "chore": chores.find(session, sample.chore_id) if sample.chore_id is not None else None,
        "leaf": leaf,
        "counts": counts,
        "left": counts.get(None, 0),
        "verdicts": [(one.value, label(one, language())) for one in Verdict]
        + [("none", _("没有结论"))],
        "recipe": recipe(str(sample.manifest_sha256), str(sample.nonce), sample.size or 0)
        if drawn
        else "",
        "statement": {tongue: statement(sample, tongue) for tongue in ("zh", "en")},
        "largest": sample_wishes.LARGEST,
        "nonce_lengths": (sample_wishes.SHORTEST_NONCE, sample_wishes.LONGEST_NONCE),
    }
