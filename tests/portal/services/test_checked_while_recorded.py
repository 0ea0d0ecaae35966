"""A month is not ticked beside a worker that is just recording a document of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from portal.services import checked_months, outcomes
from portal.services.verification_scope import month_range
from tests.portal.blocking import wait_until_blocked
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import SHANGHAI, Scene, stored


def test_what_is_just_being_recorded_is_waited_for(scene: Scene) -> None:
    batch_id = scene.listed_batch([make_document(1), make_document(2)])
    first, _ = scene.claim(batch_id)
    month = month_range("2024-01", SHANGHAI)
    scene.advance(1)
    began = scene.now

    def changed() -> bool:
        with scene.ledger.write() as session:
            return checked_months.changed_since(session, scene.source_id, month, began)

    with ThreadPoolExecutor(1) as other, scene.ledger.write() as session:
        outcomes.settle(session, batch_id, [stored(first)], by="w1", now=scene.now)
        reconciling = other.submit(changed)
        wait_until_blocked(session, reconciling.done)
    assert reconciling.result()
