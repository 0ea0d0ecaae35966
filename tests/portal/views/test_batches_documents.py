"""单据: the documents of a batch, filtered, sorted, page by page, and sent again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal.services.paging import USUAL_SIZE
from portal.statuses import ItemStatus, RunStatus
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import failed, stored
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor

NUMBER = 1  # the column of 影像编号, behind the box to tick


def shown(page: Page) -> list[str]:
    return [row[NUMBER] for row in page.rows()]


def varied(scene: PageScene) -> str:
    """Six documents of two organisations and types, the first two failed; it has ended."""
    ledger = scene.ledger_scene
    listed = [
        replace(
            make_document(number),
            org_code=f"{1001 + number % 2}",
            org_name=("深圳总部", "上海分公司")[number % 2],
            bill_type_code=("FYBX", "CLBX")[number // 3],
            bill_type_name=("费用报销单", "差旅报销单")[number // 3],
            applicant=("张伟", "张三丰", "李娜")[number % 3],
            bill_no=f"{'FY' if number < 4 else 'CL'}-{number}",
        )
        for number in range(6)
    ]
    batch_id = ledger.listed_batch(listed)
    claims = ledger.claim(batch_id)
    broken = [failed(claims[0], "FILE_CORRUPT"), failed(claims[1], "FILE_DIGEST_MISMATCH")]
    ledger.settle(batch_id, *broken, *map(stored, claims[2:]))
    return ledger.batch(batch_id).batch_no


def numbers(*positions: int) -> list[str]:
    return [f"FYBX{position:05d}" for position in positions]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"status": "failed"}, (0, 1)),
        ({"status": "synced"}, (2, 3, 4, 5)),
        ({"status": "skipped"}, ()),
        ({"month": "2024-01"}, (0, 1, 2, 3, 4, 5)),
        ({"month": "2024-01", "status": "failed"}, (0, 1)),
        ({"code": "FILE_CORRUPT"}, (0,)),
        ({"code": "FILE_CORRUPT", "status": "synced"}, ()),
        ({"org": "1002"}, (1, 3, 5)),
        ({"type": "CLBX"}, (3, 4, 5)),
        ({"org": "1002", "type": "CLBX", "status": "synced"}, (3, 5)),
        ({"image_no": "FYBX00003"}, (3,)),
        ({"image_no": "FYBX0000"}, (0, 1, 2, 3, 4, 5)),
        ({"bill_no": "CL-"}, (4, 5)),
        ({"bill_no": "fy-"}, ()),
        ({"applicant": "张"}, (0, 1, 3, 4)),
        ({"applicant": "张", "status": "failed"}, (0, 1)),
        ({"image_no": "%"}, ()),
        ({"image_no": "_YBX"}, ()),
        ({"first": "2024-01-02", "last": "2024-01-02"}, (0, 1, 2, 3, 4, 5)),
        ({"first": "2024-01-03"}, ()),
        ({"last": "2024-01-01"}, ()),
    ],
)
def test_documents_are_found_by_what_they_are(
    scene: PageScene, operator: Visitor, filters: dict[str, str], expected: tuple[int, ...]
) -> None:
    number = varied(scene)
    page = operator.get(f"/batches/{number}/documents")
    for name in ("status", "month", "code", "org", "type"):
        options = [option.get("value") for option in page.field(name).all("option")]
        assert filters.get(name, "") in options or filters[name] == "skipped"
    page = operator.search(page.form("/documents"), filters)
    assert {name: page.value(name) for name in filters} == filters
    assert shown(page) == numbers(*expected)
    if not expected:
        assert "没有符合条件" in page.text
        return
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    total = operator.get(f"/batches/{number}/documents/total?{query}")
    said = f"符合条件 {len(expected)} 份"
    failures = len({0, 1} & set(expected))
    assert said in total.text
    assert (f"其中失败 {failures} 份" in total.text) == bool(failures)
    counted = operator.get(f"/batches/{number}/documents?{query}&count=1")
    assert said in counted.text


def test_what_is_counted_at_once_comes_with_the_page_and_the_rest_after_it(
    scene: PageScene, operator: Visitor
) -> None:
    number = varied(scene)
    for query in ("", "?status=failed", "?month=2024-01&status=synced"):
        page = operator.get(f"/batches/{number}/documents{query}")
        assert "符合条件" in page.root.one(id="documents-total").text
        assert page.pollers == []
    lazy = operator.get(f"/batches/{number}/documents?org=1002").root.one(id="documents-total")
    assert lazy.get("hx-trigger") == "load"
    later = operator.get(lazy.get("hx-get"), htmx=True)
    assert "符合条件 3 份，其中失败 1 份" in later.root.one(id="documents-total").text
    assert later.pollers == []


@pytest.mark.parametrize(
    "query", ["status=nonsense", "after=x", "after=-5", "month=nonsense&after=", "status=&code=",
              "first=x&last=9999-99-99", "sort=amount&size=7", "org=nobody&type=%27", "before=9~x"]
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_no_error(
    scene: PageScene, operator: Visitor, query: str
) -> None:
    operator.get(f"/batches/{scene.ended()}/documents?{query}")


@pytest.mark.parametrize(
    "query", ["status=pending", "month=2024-01", "org=1001", "sort=collected", "first=2024-01-01"]
)
def test_documents_come_page_by_page_and_keep_the_filter(
    scene: PageScene, operator: Visitor, query: str
) -> None:
    count = 2 * USUAL_SIZE + 3
    number = scene.long(count)
    pages = [operator.get(f"/batches/{number}/documents?{query}")]
    while onward := next((a for a in pages[-1].root.all("a", rel="next")), None):
        assert query in onward.get("href")
        pages.append(operator.get(onward.get("href")))
    assert [name for page in pages for name in shown(page)] == numbers(*range(count))
    assert len(pages) == 3
    (back,) = [a.get("href") for a in pages[-1].root.all("a", rel="prev")]
    assert shown(operator.get(back)) == shown(pages[1])


def test_the_list_is_turned_round_and_sorted_by_the_day(
    scene: PageScene, operator: Visitor
) -> None:
    number = varied(scene)
    page = operator.get(f"/batches/{number}/documents?sort=-listed")
    assert shown(page) == numbers(5, 4, 3, 2, 1, 0)
    page = operator.get(f"/batches/{number}/documents?sort=-collected&status=synced")
    assert shown(page) == numbers(5, 4, 3, 2)
    page = operator.get(f"/batches/{number}/documents?first=2024-01-01")
    (head,) = page.root.all("th", **{"aria-sort": "ascending"})
    assert head.text.startswith("采集时间")


def boxes(page: Page) -> dict[str, str]:
    """The boxes to tick by image number."""
    ticks = page.root.all("input", name="item_id")
    return {box.get("aria-label"): box.get("value") for box in ticks}


def test_ticked_documents_are_sent_again_and_others_are_named(
    scene: PageScene, operator: Visitor
) -> None:
    number = varied(scene)
    page = operator.get(f"/batches/{number}/documents?bill_no=FY")
    box = boxes(page)
    ticked = [box["FYBX00000"], box["FYBX00003"]]
    page = operator.submit(page.root.one("form", id="selected"), {"item_id": ticked})
    assert page.path.startswith(f"/batches/{number}/documents?bill_no=FY")
    done, passed = page.messages
    assert done.startswith("1 份")
    assert "FYBX00003 已迁移" in passed
    assert "FYBX00000" not in passed
    batch = scene.batch(number)
    assert (batch.run_status, batch.run_no, batch.failed) == (RunStatus.RUNNING, 2, 1)
    items = scene.ledger_scene.items(batch.id)
    assert items["FYBX00000"].status is ItemStatus.PENDING
    assert items["FYBX00001"].status is ItemStatus.FAILED
    assert scene.portal.queue.waiting() == 1


def test_all_that_match_are_sent_again_by_the_filter(scene: PageScene, operator: Visitor) -> None:
    number = varied(scene)
    part = operator.get(f"/batches/{number}/documents/total?org=1002")
    page = operator.submit(part.form("/retry"), {"which": "all"})
    assert page.messages[0].startswith("1 份")
    items = scene.ledger_scene.items(scene.batch(number).id)
    assert items["FYBX00001"].status is ItemStatus.PENDING
    assert items["FYBX00000"].status is ItemStatus.FAILED
    history = operator.get(f"/batches/{number}/runs").rows()
    assert (history[0][0], history[0][3]) == ("2", "1 份 组织 1002")


def test_nothing_ticked_and_nothing_failed_is_said(scene: PageScene, operator: Visitor) -> None:
    number = varied(scene)
    page = operator.get(f"/batches/{number}/documents")
    form = page.root.one("form", id="selected")
    assert operator.submit(form).messages == ["请先勾选单据"]
    ticked = [boxes(page)["FYBX00003"]]
    (message,) = operator.submit(form, {"item_id": ticked}).messages
    assert number in message
    assert "没有失败" in message
    assert scene.batch(number).run_status is RunStatus.ENDED


def test_a_running_batch_keeps_what_is_ticked_until_it_ends(
    scene: PageScene, operator: Visitor
) -> None:
    number = scene.running()
    page = operator.get(f"/batches/{number}/documents")
    ticked = list(boxes(page).values())
    (message,) = operator.submit(page.root.one("form", id="selected"), {"item_id": ticked}).messages
    assert "未结束" in message
    region = page.root.one(id="batch-progress")
    assert region.all("input", name="item_id") == []  # the boxes stand outside what is replaced


def test_auditors_may_package_and_send_nothing_again(scene: PageScene, auditor: Visitor) -> None:
    number = varied(scene)
    page = auditor.get(f"/batches/{number}/documents")
    assert [row[NUMBER] for row in page.rows()] == numbers(*range(6))
    assert "重新同步" not in page.text
    assert "/packages/fetch" not in {one.get("formaction") for one in page.root.all("button")}
    assert "打包下载" in page.text
    auditor.post(f"/batches/{number}/documents/retry", status=403)
    auditor.post(f"/batches/{number}/retry-some", status=403)
