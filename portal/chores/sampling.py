"""抽查: making the manifest, and fetching the source's copy of a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from portal.chores.desk import Desk
from portal.errors import NotAllowed
from portal.models import SampleDocument, utc_now
from portal.services import comparing, manifests, samples, source_copies
from portal.services.chores import ChoreLost
from portal.services.opening import open_source
from portal.services.source_reading import PatientSource
from portal.sync.archive.keeping import forget


def make_manifest(desk: Desk) -> Mapping[str, Any]:
    """Make and seal the manifest; one that was sealed before stays."""
    portal = desk.portal
    sample_id = int(desk.params["sample"])
    with portal.ledger.read() as session:
        sample = samples.find(session, sample_id)
    made = manifests.make(
        portal.ledger,
        sample,
        portal.settings.home,
        zone=portal.settings.timezone,
        told=desk.progress,
    )
    manifests.keep_made(portal.archive, sample_id, made, owner=desk.clerk)

    def seal(session: Session) -> tuple[bool, str | None]:
        sealed = samples.seal(session, sample_id, made, by=desk.asked_by, now=utc_now())
        return sealed, samples.find(session, sample_id).manifest_sha256

    sealed, in_force = portal.ledger.transact(seal)
    if not sealed and made.sha256 != in_force:
        forget(portal.archive, manifests.folder_of(sample_id, made.sha256))
    return {"documents": made.documents}


def compare(desk: Desk) -> Mapping[str, Any]:
    """Fetch the source's copy of a sampled document and compare it file by file."""
    portal, home = desk.portal, desk.portal.settings.home
    source_copies.sweep(home, now=utc_now())
    with portal.ledger.read() as session:
        row = session.get_one(SampleDocument, int(desk.params["document"]))
        known = comparing.subject(session, row)
    for attempt in range(1, desk.attempt):
        source_copies.remove(portal.archive, f"{row.id}-{desk.chore_id}-{attempt}")
    folder = source_copies.new_folder(home, f"{row.id}-{desk.chore_id}-{desk.attempt}")
    opened = open_source(known.source, portal.box, home)
    reading = PatientSource(
        portal.ledger,
        opened.source,
        known.source.id,
        owner=f"{desk.clerk}.{desk.chore_id}",
        breathe=lambda: desk.progress(0),
    )
    try:
        compared = comparing.compare(
            known, portal.archive, opened, reading.page, folder, told=desk.progress
        )
    finally:
        opened.close()
    source_copies.keep_fetched(portal.archive, folder, owner=desk.clerk)

    def keep(session: Session) -> None:
        desk.expect_held(session)
        samples.keep_comparison(session, row.id, compared, by=desk.asked_by, now=utc_now())

    try:
        portal.ledger.transact(keep)
    except (ChoreLost, NotAllowed):
        source_copies.remove(portal.archive, folder.name)
        raise
    if row.copies is not None:
        source_copies.remove(portal.archive, row.copies)
    return {"equal": compared["equal"]}
