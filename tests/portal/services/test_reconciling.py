"""Both sides of a month: equal, explained by its parts, or unbalanced; and the tick 已核对."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select, update

from portal.errors import NotAllowed, SyncError
from portal.models import AuditEvent, Balance, Document, File, Overlap, Part, Reconciliation
from portal.services import reconciliation_rows
from portal.services.verification import Order
from portal.sync.archive.local import LocalArchive
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene, failed
from tests.portal.publishing import published
from tests.portal.services.archive_scene import Checking, flip_a_bit, path_of
from tests.portal.services.reconcile_scene import Proving

CELL = ("2024-01", "1001", "FYBX")


@pytest.fixture
def archive(tmp_path: Path) -> LocalArchive:
    return LocalArchive(tmp_path / "archive")


@pytest.fixture
def proving(scene: Scene, archive: LocalArchive) -> Proving:
    scene.add_noise([make_document(number) for number in range(3)])
    return Proving(scene, archive)


def test_what_was_migrated_whole_is_equal_in_every_measure(proving: Proving) -> None:
    proving.migrate(
        [
            make_document(1, files=2, amount=Decimal("0.10")),
            make_document(2, files=1, amount=Decimal("0.20")),
            make_document(3, org_code="2002", org_name="上海", amount=Decimal("1280.50")),
        ]
    )
    run = proving.reconcile()
    assert (run.state, run.months, run.unbalanced, run.defects) == ("ended", 1, 0, 0)
    cells = proving.cells(run)
    assert set(cells) == {CELL, ("2024-01", "2002", "FYBX")}
    cell = cells[CELL]
    assert cell.balance is Balance.EQUAL
    assert (cell.source.documents, cell.source.files, cell.source.amount) == (2, 3, Decimal("0.30"))
    assert cell.source == cell.listed == cell.archived
    month = proving.month(run)
    assert month.archived.amount == month.source.amount == Decimal("1280.80")
    assert month.balance is Balance.EQUAL
    assert not proving.found(run)


def test_every_part_of_a_difference_is_named_with_its_documents(proving: Proving) -> None:
    scene = proving.scene
    batch_id = proving.migrate([make_document(n, amount=Decimal(n)) for n in range(6)], leave=3)
    claims = scene.claim(batch_id)
    scene.settle(batch_id, failed(claims[0], "FILE_CORRUPT"))
    scene.release(claims[1:])
    proving.source.documents = [
        each for each in proving.source.documents if each.image_no != "FYBX00001"
    ]
    proving.source.documents.append(make_document(9, amount=Decimal("9.99")))
    run = proving.reconcile()
    assert proving.parts(run) == [
        (Part.FAILED, "FYBX00003"),
        (Part.GONE, "FYBX00001"),
        (Part.NEW, "FYBX00009"),
        (Part.PENDING, "FYBX00004"),
        (Part.PENDING, "FYBX00005"),
    ]
    cell = proving.cells(run)[CELL]
    assert cell.source.documents == 6
    assert cell.archived.documents == 3
    assert cell.left.documents == 0
    assert cell.left.amount == 0
    assert cell.parts["gone"]["documents"] == -1
    assert cell.parts["pending"]["amount"] == "9.00"
    assert cell.balance is Balance.EXPLAINED
    assert proving.month(run).open_documents == 3
    assert proving.month(run).not_checked == "open"


def test_what_no_batch_was_to_bring_is_excluded(proving: Proving) -> None:
    proving.source.documents = [make_document(1)]
    run = proving.reconcile()
    assert proving.parts(run) == [(Part.EXCLUDED, "FYBX00001")]
    proving.scene.add_batch()
    assert proving.parts(proving.reconcile()) == [(Part.UNLISTED, "FYBX00001")]


def test_what_a_later_batch_skipped_counts_as_there(proving: Proving) -> None:
    documents = [make_document(n) for n in range(2)]
    proving.migrate(documents)
    proving.scene.listed_batch(documents, Overlap.MISSING_AND_FAILED)
    run = proving.reconcile()
    assert (proving.month(run).skipped, proving.month(run).balance) == (2, Balance.EQUAL)


def test_a_count_that_nothing_explains_does_not_balance(proving: Proving) -> None:
    proving.migrate([make_document(1)])
    proving.source.counted = 3
    run = proving.reconcile()
    month = proving.month(run)
    assert (month.left.documents, month.balance, month.settled) == (2, Balance.UNBALANCED, False)
    assert (run.unbalanced, month.not_checked) == (1, "unbalanced")


def test_a_source_that_grows_while_it_is_read_is_read_again(proving: Proving) -> None:
    proving.migrate([make_document(1)])
    more = [make_document(2)]

    def grow(_number: int) -> None:
        proving.source.documents += more
        more.clear()

    proving.source.before_page = grow
    run = proving.reconcile()
    assert proving.month(run).settled
    assert proving.parts(run) == [(Part.NEW, "FYBX00002")]


def test_a_source_that_tells_only_totals_is_compared_by_its_listing(proving: Proving) -> None:
    proving.migrate([make_document(1, amount=Decimal("5.00"))])
    proving.source.groups = False
    run = proving.reconcile()
    cell = proving.cells(run)[CELL]
    assert cell.source.documents is None
    assert cell.listed.amount == Decimal("5.00")
    assert cell.balance is Balance.EQUAL
    assert proving.month(run).source.documents == 1
    assert proving.month(run).source.amount is None
    proving.source.groups, proving.source.amounts = True, False
    again = proving.cells(proving.reconcile())[CELL]
    assert (again.source.documents, again.source.amount) == (1, None)


def test_a_document_listed_twice_explains_its_second_row(proving: Proving) -> None:
    proving.migrate([make_document(1), make_document(2)])
    proving.source.documents.append(proving.source.documents[0])
    run = proving.reconcile()
    assert proving.parts(run) == [(Part.LISTED_TWICE, "FYBX00001")]
    assert proving.month(run).balance is Balance.EXPLAINED


def test_months_end_where_shanghai_says_and_share_nothing(proving: Proving) -> None:
    edge = datetime(2024, 2, 29, 16, 0, tzinfo=UTC)  # 1 March, 00:00 in Shanghai
    moments = {
        1: datetime(2024, 1, 31, 15, 59, 59, 999000, tzinfo=UTC),
        2: datetime(2024, 1, 31, 16, 0, tzinfo=UTC),
        3: datetime(2024, 2, 28, 16, 0, tzinfo=UTC),  # the 29th begins
        4: edge - timedelta(milliseconds=1),
        5: edge,
        6: datetime.fromisoformat("2024-03-31T23:59:59.999+08:00"),
        7: datetime.fromisoformat("2024-04-01T00:00:00+08:00"),
    }
    documents = [make_document(n, collected_at=moment) for n, moment in moments.items()]
    proving.migrate(documents, "2024-01-01", "2024-04-30")
    run = proving.reconcile("2024-01", "2024-04", reread=True)
    months = proving.months(run)
    assert {name: row.source.documents for name, row in months.items()} == {
        "2024-01": 1,
        "2024-02": 3,
        "2024-03": 2,
        "2024-04": 1,
    }
    for row in months.values():
        assert (row.balance, row.not_checked) == (Balance.EQUAL, None)
        assert row.archived.documents == row.reread_documents == row.source.documents
    only = proving.reconcile("2024-02")
    assert proving.month(only).archived.documents == 3


def test_what_differs_from_the_source_is_told_by_class(proving: Proving) -> None:
    proving.migrate([make_document(n, files=2, amount=Decimal(10)) for n in range(1, 9)])
    ids = {n: proving.scene.document(f"FYBX{n:05d}").id for n in range(1, 9)}
    changes = (
        update(Document).where(Document.id == ids[1]).values(amount=Decimal(11)),
        update(Document).where(Document.id == ids[2]).values(applicant="李四"),
        update(Document)
        .where(Document.id == ids[3])
        .values(collected_at=datetime(2024, 2, 3, tzinfo=UTC)),
        update(File).where(File.file_id == "f-4-1").values(size=7),
        update(File)
        .where(File.file_id == "f-5-1", File.document_id == ids[5])
        .values(sha256="f" * 64),
        update(File)
        .where(File.document_id == ids[6], File.file_id == "f-6-2")
        .values(document_id=ids[7]),
        update(Document).where(Document.id == ids[8]).values(org_code="9009"),
    )
    with proving.scene.ledger.write() as session:
        for change in changes:
            session.execute(change)
    run = proving.reconcile("2024-01", "2024-02")
    assert proving.parts(run) == [
        (Part.DIGEST, "FYBX00005"),
        (Part.METADATA, "FYBX00001"),
        (Part.METADATA, "FYBX00002"),
        (Part.METADATA, "FYBX00008"),
        (Part.MISPLACED, "FYBX00003"),
        (Part.MISPLACED, "FYBX00008"),
        (Part.SIZE, "FYBX00004"),
        (Part.WRONG_DOCUMENT, "FYBX00007"),
        (Part.WRONG_MONTH, "FYBX00003"),
    ]
    assert run.defects == 7
    months = proving.months(run)
    assert [row.balance for row in months.values()] == [Balance.UNBALANCED] * 2
    assert months["2024-02"].left.documents == 0
    assert months["2024-02"].parts["misplaced"]["documents"] == -1
    assert proving.cells(run)["2024-01", "9009", "FYBX"].left.documents == 0
    assert months["2024-01"].left.amount == -1


def test_a_month_is_ticked_only_when_it_balances_and_was_read_again(proving: Proving) -> None:
    proving.migrate([make_document(n, files=2) for n in range(3)])
    assert proving.month(proving.reconcile()).not_checked == "not-reread"
    assert not proving.ticks()
    run = proving.reconcile(reread=True, by="审计员甲")
    month = proving.month(run)
    assert (month.not_checked, month.reread_documents, month.reread_files) == (None, 3, 6)
    (tick,) = proving.ticks()
    assert (tick.month, tick.checked_by, tick.withdrawn_at) == ("2024-01", "审计员甲", None)
    assert tick.reconciliation_id == run.id
    proving.reconcile()
    assert proving.ticks()[-1].withdrawn_at is None


def test_a_damaged_file_keeps_the_tick_away(proving: Proving, tmp_path: Path) -> None:
    proving.migrate([make_document(n) for n in range(3)])
    flip_a_bit(path_of(proving.scene, tmp_path / "archive", "FYBX00001"))
    run = proving.reconcile(reread=True)
    assert proving.parts(run) == [(Part.DIGEST, "FYBX00001")]
    assert proving.month(run).not_checked == "unbalanced"
    assert not proving.ticks()


def withdrawn(proving: Proving) -> str | None:
    """Why the tick, the only one, was taken away; and the trail says so too."""
    (tick,) = proving.ticks()
    with proving.scene.ledger.read() as session:
        events = session.query(AuditEvent).filter_by(action="month.withdraw").all()
    assert [event.reason for event in events] == [tick.withdrawn_why]
    return tick.withdrawn_why


def test_new_documents_take_the_tick_away(proving: Proving) -> None:
    proving.migrate([make_document(1)])
    proving.reconcile(reread=True)
    proving.scene.listed_batch([make_document(1), make_document(2)])
    assert withdrawn(proving) == "listed"


def test_a_replacement_takes_the_tick_away(proving: Proving) -> None:
    scene = proving.scene
    proving.migrate([make_document(1)])
    proving.reconcile(reread=True)
    batch_id = scene.listed_batch([make_document(1, bill_no="FY-new")], Overlap.ALL)
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, published(proving.archive, claim))
    assert scene.versions(scene.document("FYBX00001").id)
    assert withdrawn(proving) == "archived"


def test_damage_found_later_takes_the_tick_away(proving: Proving, tmp_path: Path) -> None:
    proving.migrate([make_document(1)])
    proving.reconcile(reread=True)
    flip_a_bit(path_of(proving.scene, tmp_path / "archive", "FYBX00001"))
    Checking(proving.scene, proving.archive).run(Order())
    assert withdrawn(proving) == "damage"


def test_a_later_reconciliation_that_does_not_balance_takes_it_away(proving: Proving) -> None:
    proving.migrate([make_document(1)])
    proving.reconcile(reread=True)
    proving.source.counted = 2
    proving.reconcile()
    assert withdrawn(proving) == "unbalanced"


def test_what_happens_in_another_month_leaves_the_tick(proving: Proving) -> None:
    proving.migrate([make_document(1)])
    proving.reconcile(reread=True)
    other = make_document(2, collected_at=datetime(2024, 5, 5, tzinfo=UTC))
    proving.migrate([other], "2024-05-01", "2024-05-31")
    (tick,) = proving.ticks()
    assert tick.withdrawn_at is None


def test_what_changes_meanwhile_keeps_the_tick_away(proving: Proving) -> None:
    proving.migrate([make_document(1)])
    scene = proving.scene
    touched = update(Document).values(described_at=scene.now + timedelta(days=1))
    with scene.ledger.write() as session:
        session.execute(touched)
    assert proving.month(proving.reconcile(reread=True)).not_checked == "changed"


def test_one_that_died_is_done_anew_and_the_dead_one_writes_nothing(proving: Proving) -> None:
    proving.migrate([make_document(1)])
    proving.source.documents.append(make_document(2))

    def die(_number: int) -> None:
        raise RuntimeError

    proving.source.before_page = die
    with pytest.raises(RuntimeError):
        proving.reconcile()
    with proving.scene.ledger.read() as session:
        run_id = session.scalars(select(Reconciliation.id)).one()

    def take_over(_number: int) -> None:
        proving.source.before_page = lambda _: None
        proving.perform(run_id, runner="r2")

    proving.source.before_page = take_over
    with pytest.raises(NotAllowed):
        proving.perform(run_id, runner="r1")
    with proving.scene.ledger.read() as session:
        run = session.get_one(Reconciliation, run_id)
    assert proving.parts(run) == [(Part.NEW, "FYBX00002")]


def test_a_source_that_repeats_a_page_is_no_endless_loop(proving: Proving) -> None:
    proving.migrate([make_document(n) for n in range(60)])
    proving.source.pages = {2: list(proving.source.documents[:50])}
    with pytest.raises(SyncError) as caught:
        proving.reconcile()
    assert caught.value.code == "SRC_LISTING_REPEATS"


def test_its_rows_can_be_exported_in_both_languages(proving: Proving) -> None:
    proving.migrate([make_document(1, amount=Decimal("0.10")), make_document(2)], leave=1)
    run = proving.reconcile()
    ledger = proving.scene.ledger
    for language, balance, part in (("zh", "差异已说明", "待处理"), ("en", "explained", "pending")):
        (cell,) = reconciliation_rows.cell_rows(ledger, run.id, language)
        headings = reconciliation_rows.cell_headings(language)
        assert len(cell) == len(headings)
        assert (cell[0], cell[-1], cell[headings.index(part)]) == ("2024-01", balance, 1)
        assert Decimal("0.10") in cell
        (finding,) = reconciliation_rows.finding_rows(ledger, run.id, language)
        assert len(finding) == len(reconciliation_rows.finding_headings(language))
        assert finding[3:6] == [part, "EAS", "FYBX00002"]


@pytest.mark.parametrize("months", [("2024-13", "2024-13"), ("2024-02", "2024-01"), ("x", "y")])
def test_months_that_make_no_range_are_refused(proving: Proving, months: tuple[str, str]) -> None:
    with pytest.raises(NotAllowed):
        proving.reconcile(*months)
