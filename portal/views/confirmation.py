"""The confirmation of a new batch: what the source counts, what follows, what speaks against.

Everything it shows comes from :func:`confirmation`, for the page, and :func:`counts`, for its live
part.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from portal.forms.batch import BatchForm
from portal.language import language
from portal.models import Chore, utc_now
from portal.runtime import current_portal
from portal.services import catalogue, chores, preflight_gate, previews
from portal.services.batches import BatchScope
from portal.services.counting import Counted
from portal.services.rough_times import time_range
from portal.services.scope_words import words_of

_NO_MONTHS = Counted(0)


def counting(session: Session, scope: BatchScope, *, by: str, shown: int = 0) -> Chore:
    """The chore that counts the scope: the one ``shown`` already if it does, else a new one."""
    words = words_of(scope)
    if shown:
        chore = session.get(Chore, shown)
        if chore is not None and chore.kind == "preview" and chore.params == words:
            return chore
    subject = catalogue.subject(scope.source_id)
    return chores.ask(session, "preview", by=by, now=utc_now(), subject=subject, params=words)


def confirmation(form: BatchForm, scope: BatchScope, chore_id: int) -> dict[str, Any]:
    """All that the confirmation shows; what is to keep somebody from 确定 belongs here."""
    portal, now = current_portal(), utc_now()
    with portal.ledger.read() as session:
        known = catalogue.of(session, scope.source_id)
        context = counts(session, chores.find(session, chore_id), scope)
        return {
            **context,
            "form": form,
            "scope": scope,
            "source_name": dict(form.source.choices)[form.source.data],
            "orgs": _named(scope.org_codes, known.orgs),
            "types": _named(scope.bill_type_codes, known.types),
            "unknown": _unknown(scope, known),
            "today": previews.future_days(scope, now=now, zone=portal.settings.timezone),
            "twin": previews.twin(session, scope),
            "earlier": previews.earlier_batches(session, scope),
            "gate": preflight_gate.standing(session, scope.source_id, now),
        }


def counts(session: Session, chore: Chore, scope: BatchScope) -> dict[str, Any]:
    """What the live part shows: three queries besides the chore's own."""
    portal = current_portal()
    counted = Counted.from_json(chore.result) if chore.result else _NO_MONTHS
    estimate = previews.estimate(session, scope, counted, free_bytes=portal.archive.free_bytes())
    took = estimate.seconds
    return {
        "chore": chore,
        "counted": counted,
        "estimate": estimate,
        "pace_text": _pace(*estimate.pace.documents) if estimate.pace else "",
        "time": time_range(*took, language()) if took else None,
        "overlap": scope.overlap,
    }


def _pace(slowest: float, fastest: float) -> str:
    """Documents a second; one figure when both come out the same."""
    texts = dict.fromkeys(f"{rate:.3g}" for rate in (slowest, fastest))
    return " – ".join(texts)


def _named(codes: tuple[str, ...], offer: catalogue.Offer) -> list[str]:
    """The codes with the names that are known."""
    names = {entry.code: entry.name for entry in offer.entries}
    return [f"{code} {names.get(code, '')}".strip() for code in codes]


def _unknown(scope: BatchScope, known: catalogue.Catalogue) -> list[str]:
    """Codes the source does not offer; none when it was never asked."""
    if known.read_at is None:
        return []
    return [code for code in scope.org_codes if code not in known.orgs.codes] + [
        code for code in scope.bill_type_codes if code not in known.types.codes
    ]
