"""确保前提, as a chore: from the host of the clerk that does it."""

from __future__ import annotations

from portal.chores.desk import Desk
from portal.models import utc_now
from portal.services import preflights
from portal.services.preflight_making import made_here


def perform(desk: Desk) -> None:
    """Make this host's report of the preflight ``preflight``."""
    portal = desk.portal
    findings = made_here(
        portal.ledger,
        desk.params["preflight"],
        box=portal.box,
        archive=portal.archive,
        home=portal.settings.home,
        zone=portal.settings.timezone,
        clock=utc_now,
        on_step=desk.progress,
    )
    with portal.ledger.write() as session:
        preflights.record(
            session,
            desk.params["preflight"],
            desk.host,
            findings,
            by=desk.asked_by,
            now=utc_now(),
        )
