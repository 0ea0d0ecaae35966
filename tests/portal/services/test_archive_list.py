"""Reading the archive's list on every database: ways, orders, prefixes, totals, look-ups."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from portal.models import Document
from portal.services import archive_filters, archive_list, finding
from portal.services.archive_filters import SORTS, ArchiveFilter
from portal.services.archive_totals import archive_totals
from portal.services.paging import Place
from tests.portal.fake_source import FIRST_COLLECTED, make_document
from tests.portal.ledger_scene import Scene, stored

COUNT = 30
FILTERS = (
    ArchiveFilter(),
    ArchiveFilter(org="1002"),
    ArchiveFilter(bill_type="T1", least=Decimal("1")),
    ArchiveFilter(image_no="a"),
    ArchiveFilter(image_no="A-"),
    ArchiveFilter(bill_no="FY-1"),
    ArchiveFilter(applicant="李", category="attachment"),
    ArchiveFilter(resource="OA", most=Decimal("3.30")),
    ArchiveFilter(starts_at=FIRST_COLLECTED + timedelta(minutes=5)),
    ArchiveFilter(ends_at=FIRST_COLLECTED + timedelta(minutes=5), source_id=1),
    ArchiveFilter(category="cover"),
)


@pytest.fixture
def archived(scene: Scene) -> Scene:
    """Thirty documents, of which the last is not archived."""
    rows = [
        make_document(
            n,
            image_no=f"{'Aa影'[n % 3]}-{n:02d}",
            resource="OA" if n % 4 == 0 else "EAS",
            bill_type_code=f"T{n % 2}",
            org_code=f"100{n % 5}",
            applicant="李" if n % 6 == 0 else "王",
            amount=None if n % 7 == 0 else Decimal(n) / 10 * (1 if n % 2 else -1),
        )
        for n in range(COUNT)
    ]
    batch_id = scene.listed_batch(rows)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)[:-1]))
    return scene


def matches(wanted: ArchiveFilter, document: Document) -> bool:
    """The same in plain words."""
    amount = document.amount
    assert document.collected_at is not None
    return (
        document.archived_at is not None
        and wanted.source_id in (None, document.data_source_id)
        and wanted.org in ("", document.org_code)
        and wanted.bill_type in ("", document.bill_type_code)
        and wanted.applicant in ("", document.applicant)
        and wanted.resource in ("", document.resource)
        and document.image_no.startswith(wanted.image_no)
        and document.bill_no.startswith(wanted.bill_no)
        and (wanted.starts_at is None or document.collected_at >= wanted.starts_at)
        and (wanted.ends_at is None or document.collected_at < wanted.ends_at)
        and (wanted.least is None or (amount is not None and amount >= wanted.least))
        and (wanted.most is None or (amount is not None and amount <= wanted.most))
        and wanted.category in ("", "attachment")
    )


@pytest.mark.parametrize("few", [archive_filters.FEW, 0])
def test_every_filter_in_every_order_by_either_way(
    archived: Scene, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_filters, "FEW", few)
    with archived.ledger.read() as session:
        everything = session.scalars(select(Document)).all()
        for one in FILTERS:
            wanted = one
            if one.source_id is not None:
                wanted = replace(one, source_id=archived.source_id)
            right = [document for document in everything if matches(wanted, document)]
            totals = archive_totals(session, wanted, seconds=60)
            assert (totals.documents, totals.files) == (len(right), len(right))
            assert totals.amount == sum((d.amount for d in right if d.amount), Decimal())
            for sort in SORTS:
                listed = [d for d in right if sort != "amount" or d.amount is not None]
                for descending in (False, True):
                    expected = sorted(
                        listed,
                        # Numbers stand in the order of their bytes, wherever the database is.
                        key=lambda d: (
                            d.image_no.encode() if sort == "image_no" else getattr(d, sort),
                            d.id,
                        ),
                        reverse=descending,
                    )
                    found: list[int] = []
                    after = None
                    while True:
                        place = Place(sort, descending, size=7, after=after)
                        leaf = archive_list.archive_page(session, wanted, place)
                        found += [document.id for document in leaf.rows]
                        after = leaf.last
                        if after is None:
                            break
                    assert found == [document.id for document in expected], (wanted, sort)


def test_a_total_that_takes_too_long_says_so(archived: Scene) -> None:
    with archived.ledger.read() as session:
        whole = archive_totals(session, ArchiveFilter(), seconds=60)
        part = archive_totals(session, ArchiveFilter(), seconds=-1)
    assert (whole.is_whole, whole.documents) == (True, COUNT - 1)
    assert (part.is_whole, part.documents) == (False, 0)


def test_what_there_is_to_choose_from(archived: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with archived.ledger.read() as session:
        found = archive_list.choices(session)
        assert found.orgs == [(f"100{n}", "深圳总部") for n in range(5)]
        assert found.bill_types == [("T0", "费用报销单"), ("T1", "费用报销单")]
        assert found.resources == [("EAS", "EAS"), ("OA", "OA")]
        monkeypatch.setattr(archive_list, "MOST_CHOICES", 4)
        assert archive_list.choices(session).orgs is None


def test_numbers_are_found_exactly_or_by_how_they_begin(archived: Scene) -> None:
    with archived.ledger.read() as session:
        exact = finding.find(session, "a-01")
        assert [found.document.image_no for found in exact.documents] == ["a-01"]
        assert exact.is_exact
        beginning = finding.find(session, "影-2")
        assert [found.document.image_no for found in beginning.documents] == [
            *("影-20", "影-23", "影-26", "影-29"),
        ]
        places = [found.place for found in beginning.documents]
        assert places == [*["here"] * 3, "moving"]
        assert not finding.find(session, "A_").documents
