"""``imgmig source catalogue``: the organisations and document types a source has."""

from __future__ import annotations

import time
from typing import Any

import click

from portal.cli.opening import as_json, opened, say, say_json
from portal.models import DataSource, utc_now
from portal.runtime import Portal
from portal.services import catalogue, sources
from portal.services.catalogue import Catalogue, Offer
from portal.services.opening import open_source


@click.command("catalogue")
@click.argument("name")
@click.option("--refresh", is_flag=True, help="重新读取 Read it anew, however young it is.")
@as_json
def show_catalogue(name: str, refresh: bool, as_json: bool) -> None:
    """组织与单据类型 Its organisations and document types; read when older than a day."""
    with opened() as portal:
        with portal.ledger.read() as session:
            source = sources.find(session, name)
            found = catalogue.of(session, source.id)
        if refresh or catalogue.is_due(found, None, now=utc_now()):
            found = _read(portal, source)
    if as_json:
        say_json({"source": name, **_told(found)})
        return
    say(f"读取于 read at {found.read_at:%Y-%m-%d %H:%M:%S %Z}")
    for title, offer in (("组织 organisations", found.orgs), ("单据类型 types", found.types)):
        say(title if offer.listed else f"{title}（有单据的 of those with documents）")
        for entry in offer.entries:
            count = "" if entry.documents is None else str(entry.documents)
            say(f"  {entry.code}\t{entry.name}\t{count}")


def _read(portal: Portal, source: DataSource) -> Catalogue:
    """
    :raises SyncError: when the source cannot be asked
    """
    now = utc_now()
    with portal.ledger.read() as session:
        names = catalogue.known_names(session, source.id)
    opened_source = open_source(source, portal.box, portal.settings.home)
    try:
        found = catalogue.read(
            opened_source.source,
            names,
            now=now,
            zone=portal.settings.timezone,
            told=lambda _done, _of: None,
            wait=time.sleep,
        )
    finally:
        opened_source.close()
    with portal.ledger.write() as session:
        catalogue.keep(session, source.id, found, now=now)
    return found


def _told(found: Catalogue) -> dict[str, Any]:
    return {
        "read_at": found.read_at.isoformat() if found.read_at else None,
        "organisations": _entries(found.orgs),
        "types": _entries(found.types),
        "listed": {"organisations": found.orgs.listed, "types": found.types.listed},
    }


def _entries(offer: Offer) -> list[dict[str, Any]]:
    return [
        {"code": entry.code, "name": entry.name, "documents": entry.documents}
        for entry in offer.entries
    ]
