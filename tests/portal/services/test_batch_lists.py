"""The list of 迁移批次 as the databases answer it: filters of scope and days, orders, the tally."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from portal.models import Overlap
from portal.services import batch_lists, batches
from portal.services.batch_lists import BatchFilter, Overview
from portal.services.paging import Place
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import BY, SHANGHAI, START, Scene, failed, stored

DAY = date(2026, 11, 22)  # of START, where the users are


def listed(scene: Scene, *, sort: str = "id", descending: bool = False, **wanted: Any) -> list[int]:
    place = Place(sort=sort, descending=descending)
    with scene.ledger.read() as session:
        leaf = batch_lists.batch_page(session, BatchFilter(**wanted), place, zone=SHANGHAI)
    return [batch.id for batch in leaf.rows]


def add(
    scene: Scene,
    first: str = "2024-01-01",
    last: str = "2024-01-31",
    *,
    orgs: Sequence[str] = (),
    types: Sequence[str] = (),
) -> int:
    scope = replace(scene.scope(first, last), org_codes=tuple(orgs), bill_type_codes=tuple(types))
    with scene.ledger.write() as session:
        made = batches.create(session, scope, by=BY, now=scene.now, zone=SHANGHAI)
        return made.id


def ended(scene: Scene, *codes: str) -> int:
    batch_id = scene.listed_batch([make_document(n) for n in range(2)], Overlap.MISSING_AND_FAILED)
    claims = scene.claim(batch_id)
    broken = [failed(claim, code) for claim, code in zip(claims, codes, strict=False)]
    scene.settle(batch_id, *broken, *map(stored, claims[len(codes) :]))
    return batch_id


def test_days_of_collection_overlap(scene: Scene) -> None:
    january, spring = add(scene), add(scene, "2024-02-01", "2024-04-30")
    assert listed(scene, first=date(2024, 1, 31)) == [january, spring]
    assert listed(scene, first=date(2024, 2, 1)) == [spring]
    assert listed(scene, last=date(2024, 1, 31)) == [january]
    assert listed(scene, first=date(2024, 3, 5), last=date(2024, 3, 5)) == [spring]
    assert listed(scene, first=date(2024, 5, 1)) == []


def test_days_of_creation_are_whole_days_where_the_users_are(scene: Scene) -> None:
    scene.now = START.replace(hour=15, minute=59)  # a minute before midnight
    early = add(scene)
    scene.advance(120)
    late = add(scene)
    assert listed(scene, created_last=DAY) == [early]
    assert listed(scene, created_first=DAY + timedelta(days=1)) == [late]
    assert listed(scene, created_first=DAY, created_last=DAY + timedelta(days=1)) == [early, late]


@pytest.mark.parametrize(
    "code", ["1001", "组织", 'say "so"', "100%", "a_b", "back\\slash", "[", "]", "É"]
)
def test_a_batch_is_found_by_each_of_its_codes_and_by_being_for_all(
    scene: Scene, code: str
) -> None:
    everything = add(scene)
    mine = add(scene, orgs=["0", code], types=[code])
    other = add(scene, orgs=["10011", "x1001", "a1b", "1000"], types=["other"])
    assert listed(scene, org=code) == [everything, mine]
    assert listed(scene, bill_type=code) == [everything, mine]
    assert listed(scene, org="10011") == [everything, other]
    assert listed(scene, org="1") == [everything]


def test_numbers_and_creators_by_any_part(scene: Scene) -> None:
    one, two = add(scene), add(scene)
    number = scene.batch(two).batch_no
    assert listed(scene, number=number.lower()) == [two]
    assert listed(scene, number=number[-5:]) == [two]
    assert listed(scene, number="%") == []
    assert listed(scene, creator="敏") == [one, two]
    assert listed(scene, creator="李") == []
    assert listed(scene, source_id=scene.source_id) == [one, two]
    assert listed(scene, source_id=scene.add_source("别的系统")) == []


def test_orders_go_by_value_and_then_by_number(scene: Scene) -> None:
    first, second, third = ended(scene, "FILE_CORRUPT"), add(scene), add(scene, "2023-12-31")
    assert listed(scene, sort="failed") == [second, third, first]
    assert listed(scene, sort="not_done", descending=True) == [first, third, second]
    assert listed(scene, sort="date_from") == [third, first, second]
    assert listed(scene, sort="created_at", descending=True) == [third, second, first]


def test_the_tally_counts_each_batch_once_and_leaves_the_deleted_out(scene: Scene) -> None:
    add(scene)
    scene.do(batches.delete, add(scene))
    partial = ended(scene, "FILE_CORRUPT")
    complete = ended(scene)
    running = scene.add_batch()
    with scene.ledger.read() as session:
        wanted = BatchFilter(overview=Overview.RUNNING)
        tally = batch_lists.tally(session, wanted, zone=SHANGHAI, newer_than=complete)
        matching = batch_lists.matching_numbers(
            session, BatchFilter(), zone=SHANGHAI, up_to=complete
        )
    assert tally.overviews == dict.fromkeys(Overview, 1)
    assert (tally.total, tally.chosen, tally.newest, tally.newer) == (4, 1, running, 1)
    assert len(matching) == 3
    assert matching[0] == scene.batch(complete).batch_no
    assert listed(scene, overview=Overview.FAILED) == [partial]


def test_an_empty_ledger_has_an_empty_tally(scene: Scene) -> None:
    with scene.ledger.read() as session:
        tally = batch_lists.tally(session, BatchFilter(), zone=SHANGHAI)
    assert (tally.total, tally.chosen, tally.newest, tally.newer) == (0, 0, 0, 0)
