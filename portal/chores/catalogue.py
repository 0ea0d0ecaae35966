"""Reading what a source offers to choose from, for 新增."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.chores.desk import Desk
from portal.chores.waiting import waiter
from portal.models import DataSource, utc_now
from portal.services import catalogue
from portal.services.opening import open_source


def read_catalogue(desk: Desk) -> Mapping[str, Any]:
    """Ask the source and put what it says in the place of what stood there."""
    portal = desk.portal
    source_id = int(desk.params["source_id"])
    with portal.ledger.read() as session:
        source = session.get_one(DataSource, source_id)
        names = catalogue.known_names(session, source_id)
    opened = open_source(source, portal.box, portal.settings.home)
    try:
        found = catalogue.read(
            opened.source,
            names,
            now=utc_now(),
            zone=portal.settings.timezone,
            told=desk.progress,
            wait=waiter(lambda: desk.progress(0)),
        )
    finally:
        opened.close()
    with portal.ledger.write() as session:
        catalogue.keep(session, source_id, found, now=utc_now())
    return {"orgs": len(found.orgs.entries), "types": len(found.types.entries)}
