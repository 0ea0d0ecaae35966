"""A batch's list of documents: whatever index it is read along, the same rows come."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from portal.models import Batch, BatchItem, Document, Slice
from portal.services import item_list
from portal.services.item_filter import ItemFilter
from portal.services.item_list import Totals, items_page, totals
from portal.services.paging import Place
from portal.statuses import ItemStatus
from tests.portal.fake_source import FIRST_COLLECTED, make_document
from tests.portal.ledger_scene import SHANGHAI, Scene, failed, stored

DOCUMENTS = 60
FEW, MANY = 10**6, 0


def filled(scene: Scene) -> int:
    """Two months, three organisations, every seventh failed, the last ten pending; and noise."""
    listed = [
        make_document(
            number,
            org_code=f"org-{number % 3}",
            bill_type_code=f"type-{number % 2}",
            applicant=("张伟", "张三丰", "Li_Na%")[number % 3],
            collected_at=FIRST_COLLECTED + timedelta(days=number, hours=number % 5),
        )
        for number in range(DOCUMENTS)
    ]
    scene.add_noise(listed[:20])
    batch_id = scene.add_batch(last="2024-02-29")
    scene.list_all(batch_id, listed)
    claims = scene.claim(batch_id)[: DOCUMENTS - 12]
    scene.settle(
        batch_id,
        *(
            failed(claim, "FILE_CORRUPT" if place % 2 else "FILE_TOO_LARGE", detail="-")
            if place % 7 == 0
            else stored(claim)
            for place, claim in enumerate(claims)
        ),
    )
    return batch_id


def read(scene: Scene, batch_id: int, wanted: ItemFilter, place: Place) -> list[str]:
    """The image numbers of all pages from a place on, in their order."""
    found: list[str] = []
    with scene.ledger.read() as session:
        batch = session.get_one(Batch, batch_id)
        while True:
            leaf = items_page(session, batch, wanted, place, zone=SHANGHAI)
            found += [document.image_no for _item, document in leaf.rows]
            if leaf.last is None:
                return found
            place = replace(place, after=leaf.last)


def everything(scene: Scene, batch_id: int) -> list[tuple[BatchItem, Document, str]]:
    with scene.ledger.read() as session:
        query = (
            select(BatchItem, Document, Slice.month)
            .join(Document, Document.id == BatchItem.document_id)
            .join(Slice, Slice.id == BatchItem.slice_id)
            .where(BatchItem.batch_id == batch_id)
            .order_by(BatchItem.id)
        )
        return [(item, document, month) for item, document, month in session.execute(query)]


def matching(rows: list[tuple[BatchItem, Document, str]], wanted: ItemFilter) -> list[str]:
    """What a filter should find among all rows, by plain comparison."""
    found = []
    for item, document, month in rows:
        assert document.collected_at is not None
        day = document.collected_at.astimezone(SHANGHAI).date()
        if (
            wanted.status in (None, item.status)
            and wanted.month in ("", month)
            and wanted.code in ("", item.error_code)
            and wanted.org in ("", document.org_code)
            and wanted.type in ("", document.bill_type_code)
            and document.image_no.startswith(wanted.image_no)
            and document.bill_no.startswith(wanted.bill_no)
            and document.applicant.startswith(wanted.applicant)
            and (wanted.first is None or day >= wanted.first)
            and (wanted.last is None or day <= wanted.last)
        ):
            found.append(document.image_no)
    return found


FILTERS: list[dict[str, Any]] = [
    {},
    {"status": ItemStatus.FAILED},
    {"status": ItemStatus.SYNCED, "month": "2024-02"},
    {"status": ItemStatus.FAILED, "month": "2024-01", "org": "org-1"},
    {"month": "2024-02"},
    {"month": "2025-02"},
    {"code": "FILE_CORRUPT"},
    {"code": "FILE_TOO_LARGE", "month": "2024-02"},
    {"org": "org-2"},
    {"org": "org-2", "type": "type-1", "status": ItemStatus.SYNCED},
    {"type": "type-0", "month": "2024-01"},
    {"image_no": "FYBX0001"},
    {"image_no": "FYBX0001", "month": "2024-01", "status": ItemStatus.SYNCED},
    {"bill_no": "FY-3"},
    {"applicant": "张"},
    {"applicant": "Li_", "org": "org-2"},
    {"applicant": "%"},
    {"first": date(2024, 1, 20), "last": date(2024, 2, 3)},
    {"first": date(2024, 2, 10), "status": ItemStatus.PENDING},
    {"last": date(2024, 1, 10), "code": "FILE_CORRUPT"},
]


@pytest.mark.parametrize("many", [FEW, MANY], ids=["few-are-sorted", "many-are-passed"])
def test_every_filter_finds_what_it_should_in_order(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(item_list, "MANY", many or 3)
    batch_id = filled(scene)
    rows = everything(scene, batch_id)
    for words in FILTERS:
        wanted = ItemFilter(**words)
        expected = matching(rows, wanted)
        for sort in item_list.SORTS:
            onward = read(scene, batch_id, wanted, Place(sort, descending=False, size=25))
            assert onward == expected, (words, sort)
            back = read(scene, batch_id, wanted, Place(sort, descending=True, size=40))
            assert back == expected[::-1], (words, sort)


def test_totals_are_those_of_the_pages(scene: Scene) -> None:
    batch_id = filled(scene)
    rows = everything(scene, batch_id)
    broken = set(matching(rows, ItemFilter(status=ItemStatus.FAILED)))
    with scene.ledger.read() as session:
        batch = session.get_one(Batch, batch_id)
        for words in FILTERS:
            wanted = ItemFilter(**words)
            expected = matching(rows, wanted)
            found = totals(session, batch, wanted, zone=SHANGHAI)
            assert found == Totals(len(expected), len(broken & set(expected))), words


def test_documents_without_a_day_are_listed_but_not_in_the_order_of_days(scene: Scene) -> None:
    listed = [make_document(0), make_document(1, collected_at=None), make_document(2)]
    batch_id = scene.listed_batch(listed)
    assert len(read(scene, batch_id, ItemFilter(), Place("listed", descending=False))) == 3
    by_day = read(scene, batch_id, ItemFilter(), Place("collected", descending=False))
    assert by_day == ["FYBX00000", "FYBX00002"]


def test_codes_to_choose_from_come_with_their_names(scene: Scene) -> None:
    listed = [
        make_document(0, org_code="b", org_name="乙"),
        make_document(1, org_code="a", org_name="甲"),
        make_document(2, org_code="b", org_name="乙（新）"),
        make_document(3, org_code="c", org_name=""),
        make_document(4, org_code="", org_name=""),
    ]
    scene.add_noise([make_document(0, org_code="x")])
    batch_id = scene.listed_batch(listed)
    empty = scene.add_batch()
    with scene.ledger.read() as session:
        batch = session.get_one(Batch, batch_id)
        found = item_list.codes_of(session, batch, "org")
        assert found == [("a", "甲"), ("b", "乙（新）"), ("c", "c")]
        assert item_list.codes_of(session, batch, "type") == [("FYBX", "费用报销单")]
        assert item_list.codes_of(session, session.get_one(Batch, empty), "org") == found


def test_causes_to_choose_from_are_those_of_this_batch(scene: Scene) -> None:
    batch_id = filled(scene)
    empty = scene.add_batch()
    with scene.ledger.read() as session:
        found = item_list.causes_of(session, session.get_one(Batch, batch_id))
        assert found == ["FILE_CORRUPT", "FILE_TOO_LARGE"]
        assert item_list.causes_of(session, session.get_one(Batch, empty)) == []


def test_no_row_is_read_by_passing_all_of_them(scene: Scene) -> None:
    """What the database says of its plan: for no filter it goes through a whole table."""
    batch_id = filled(scene)
    with scene.ledger.read() as session:
        if session.get_bind().dialect.name != "sqlite":
            pytest.skip("PostgreSQL rightly passes all rows of so small a table")
        plans = _plans_of(session, batch_id)
    assert len(plans) >= len(FILTERS)
    assert [plan for plan in plans if any(step.startswith("SCAN") for step in plan)] == []


def _plans_of(session: Any, batch_id: int) -> list[list[str]]:
    """The plans of all statements that the lists ask."""
    asked: list[tuple[str, Any]] = []
    engine = session.get_bind()
    batch = session.get_one(Batch, batch_id)
    assert batch.slices

    def note(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    for words in FILTERS:
        for sort in item_list.SORTS:
            items_page(session, batch, ItemFilter(**words), Place(sort, False), zone=SHANGHAI)
    event.remove(engine, "before_cursor_execute", note)
    plans = []
    for statement, values in asked:
        steps = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        plans.append([step.detail for step in steps if "anon" not in step.detail])
    return plans
