"""Where is it now: the search in every page's head."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal.errors import SyncError
from portal.services import batches
from portal.services.finding import MOST
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import failed, stored
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor


def test_every_page_asks(scene: PageScene, auditor: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT")
    for path in ("/", "/batches/", f"/batches/{number}", "/audit/", "/archive/", "/documents/1"):
        page = auditor.get(path)
        form = page.form("/find")
        assert (form.get("role"), form.get("method")) == ("search", "get")
    page = auditor.get("/find?q=%20FYBX00000%00 ")
    assert page.field("q").get("value").strip() == "FYBX00000" or page.title.startswith("查找")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("pending", "待处理"),
        ("moving", "迁移中"),
        ("retrying", "等待重试"),
        ("failed", "失败"),
        ("here", "已归档"),
        ("paused", "所在批次没有运行"),
    ],
)
def test_it_says_where_a_document_is(
    scene: PageScene, auditor: Visitor, state: str, words: str
) -> None:
    ledger = scene.ledger_scene
    batch_id = ledger.listed_batch([make_document(1), make_document(2)])
    if state != "pending":
        claims = {claim.document_id: claim for claim in ledger.claim(batch_id)}
        one = claims[ledger.document("FYBX00001").id]
        if state == "retrying":
            ledger.settle(batch_id, failed(one, "SRC_TIMEOUT"))
        if state == "failed":
            ledger.settle(batch_id, failed(one, "FILE_CORRUPT", detail="x"))
        if state == "here":
            ledger.settle(batch_id, stored(one))
        if state == "paused":
            ledger.release(list(claims.values()))
            ledger.do(batches.pause, batch_id)
    page = auditor.get("/find?q=FYBX00001")
    (card,) = page.root.all(class_="found")
    assert words in card.one(class_="headline").text
    assert ("处理措施" in card.text) is (state in ("retrying", "failed"))
    number = ledger.batch(batch_id).batch_no
    assert f"/batches/{number}" in page.links
    auditor.speak_english()
    auditor.get("/find?q=FYBX00001")


def test_the_same_number_of_several_systems_is_told_of_each(
    scene: PageScene, auditor: Visitor
) -> None:
    rows = [make_document(1, resource=name, bill_no=f"B-{name}") for name in ("EAS", "OA")]
    scene.ledger_scene.listed_batch(rows)
    page = auditor.get("/find?q=FYBX00001")
    assert len(page.root.all(class_="found")) == 2
    assert "完全相符" in page.text
    (one,) = auditor.get("/find?q=B-OA").root.all(class_="found")
    assert "OA" in one.text


def test_exactly_comes_before_how_it_begins(scene: PageScene, auditor: Visitor) -> None:
    rows = [make_document(n, image_no=f"A-1{'0' * n}", bill_no=f"B{n}") for n in range(3)]
    scene.ledger_scene.listed_batch(rows)
    (exact,) = auditor.get("/find?q=A-1").root.all(class_="found")
    assert exact.one("h2").text == "A-1"
    page = auditor.get("/find?q=A-")
    assert len(page.root.all(class_="found")) == 3
    assert "没有完全相符的" in page.text
    for wild in ("%25", "_", "A%25", "'", "\\"):
        assert auditor.get(f"/find?q={wild}").root.all(class_="found") == []


def test_a_batch_is_found_by_its_number(scene: PageScene, auditor: Visitor) -> None:
    number = scene.waiting()
    for text in (number, number[:6]):
        (row,) = auditor.get(f"/find?q={text}").rows()
        assert row[0] == number


def test_no_more_than_so_many_are_listed(scene: PageScene, auditor: Visitor) -> None:
    scene.long(MOST + 5)
    page = auditor.get("/find?q=FYBX")
    assert len(page.root.all(class_="found")) == MOST
    assert f"只列出前 {MOST} 个" in page.text


def test_what_nobody_listed_yet_may_still_come(scene: PageScene, auditor: Visitor) -> None:
    assert "没有批次正在列出单据" in auditor.get("/find?q=FYBX9").text
    scene.ledger_scene.add_batch()
    page = auditor.get("/find?q=FYBX9")
    assert "还没有批次列出它" in page.text
    assert "还有 1 个月份没有列完" in page.text
    auditor.speak_english()
    assert "has listed it yet" in auditor.get("/find?q=FYBX9").text


def test_nothing_asked_for_is_no_error(scene: PageScene, auditor: Visitor) -> None:
    for query in ("", "?q=", "?q=%20", "?q=%00", f"?q={'x' * 5000}"):
        assert auditor.get(f"/find{query}").title.startswith("查找")


def test_one_that_its_data_failed_is_known_too(scene: PageScene, auditor: Visitor) -> None:
    broken = make_document(7, problem=SyncError("META_MISSING_FIELD", field="orgCode"))
    scene.ledger_scene.listed_batch([broken])
    scene.ledger_scene.now += timedelta(seconds=1)
    (card,) = auditor.get("/find?q=FYBX00007").root.all(class_="found")
    assert "失败" in card.text
    assert "处理措施" in card.text
