"""Counting what a batch would move, for the confirmation of 新增."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from portal.chores.desk import Desk
from portal.chores.waiting import waiter
from portal.models import DataSource
from portal.services import counting, previews
from portal.services.counting import Counted
from portal.services.opening import open_source
from portal.services.scope_words import scope_of


def count_scope(desk: Desk) -> Mapping[str, Any]:
    """Count month by month; what there is so far is told as the result."""
    portal, scope = desk.portal, scope_of(desk.params)
    zone = portal.settings.timezone
    with portal.ledger.read() as session:
        source = session.get_one(DataSource, scope.source_id)
        archived, unarchived = previews.known_documents(session, scope, zone)
    months = counting.months_of(scope, zone)
    counted = Counted(len(months), archived=archived, unarchived=unarchived)

    def look() -> None:
        desk.progress(len(counted.months), len(months), counted.as_json())

    look()
    wait = waiter(look)
    opened = open_source(source, portal.box, portal.settings.home)
    try:
        for month in counting.count_months(opened.source, scope, months, wait):
            counted = replace(counted, months=(*counted.months, month))
            look()
        counted = counting.with_sample(opened.source, scope, months, counted, wait)
    finally:
        opened.close()
    return counted.as_json()
