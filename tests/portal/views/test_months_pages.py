"""异构影像系统文件同步列表: what the page says of a month, and what can be done from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal.htmx import STOP_POLLING
from portal.services import batches
from portal.statuses import RunStatus
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor


def heads(page: Page) -> list[list[str]]:
    """The first row of every month, as far as it holds for all batches."""
    return [
        [row.one("th").text, *(cell.text for cell in row.all("td"))][:8]
        for row in page.root.all("tr", class_="month")
    ]


def test_a_whole_month_has_its_tick(scene: PageScene, auditor: Visitor) -> None:
    number = scene.ended(synced=2)
    page = auditor.get("/months/")
    assert heads(page) == [
        [
            *("2024-01", "影像系统", "2024-01-01 – 2024-01-31", "1 个批次"),
            *("✓ 整月相等，已核对", "2", "2", "0"),
        ]
    ]
    assert page.rows()[1][:4] == ["", number, "2024-01-01 – 2024-01-31", "全部组织 · 全部类型"]
    assert page.root.one(class_="tick").get("aria-label") == "相等，已核对"
    assert f"/batches/{number}/log" in page.links
    assert page.actions == {"language", "logout"}
    assert "/batches/new" not in page.links
    assert page.pollers == []


def test_a_task_is_created_from_here(scene: PageScene, operator: Visitor) -> None:
    assert "还没有同步任务" in operator.get("/months/").text
    assert "/batches/new" in operator.get("/months/").links
    scene.waiting()
    page = operator.get("/months/")
    assert heads(page)[0][4:] == ["未开始", "—", "—", "—"]
    assert "/batches/new" in page.links


def test_the_failures_of_a_month_are_synced_again(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT", "FILE_TYPE_MISMATCH")
    page = operator.get("/months/?equality=unequal&sort=-failed")
    assert heads(page)[0][4:] == ["不相等", "3", "1", "2"]
    assert f"/batches/{number}/documents?month=2024-01&status=failed" in page.links
    form = page.form("/months/retry")
    after = operator.submit(form)
    assert after.path == "/months/?equality=unequal&sort=-failed"
    assert after.messages == [f"{number} 的 2024-01 已重新排队"]
    assert scene.batch(number).run_status is RunStatus.RUNNING
    assert (scene.batch(number).run_no, scene.batch(number).failed) == (2, 0)
    assert scene.portal.queue.waiting() == 1
    (retried,) = scene.ledger_scene.events(scene.batch(number).id, "batch.retry")
    assert (retried.actor, retried.detail) == (
        "operator",
        {"documents": 2, "listings": 0, "narrowed": {"month": "2024-01"}},
    )
    twice = operator.submit(form)
    assert twice.messages == [f"批次 {number} 尚未结束"]
    assert "retry" not in twice.actions


@pytest.mark.parametrize("month", ["2024-02", "", "nonsense"])
def test_a_month_that_is_not_there_is_named(
    scene: PageScene, operator: Visitor, month: str
) -> None:
    number = scene.ended("FILE_CORRUPT")
    form = operator.get("/months/").form("/months/retry")
    (said,) = operator.submit(form, {"month": month}).messages
    assert said.startswith(f"批次 {number} 不含月份")
    assert scene.batch(number).run_status is RunStatus.ENDED
    operator.submit(form, {"batch_no": "MB20200101-0001"}, status=404)


def test_what_needs_no_retry_offers_none(scene: PageScene, operator: Visitor) -> None:
    for make in (scene.ended, scene.running, scene.cancelled, scene.waiting):
        make()
    assert "retry" not in operator.get("/months/").actions


def test_filters_are_in_the_address_and_in_the_fields(scene: PageScene, operator: Visitor) -> None:
    ledger = scene.ledger_scene
    ledger.do(batches.cancel, ledger.add_batch("2023-11-05", "2024-02-10", start=False))
    scene.ended(synced=1)
    page = operator.get("/months/")
    assert [row[0] for row in heads(page)] == ["2024-02", "2024-01", "2023-12", "2023-11"]
    asked = {"first": "2023-11", "last": "2023-12", "source": "1", "equality": ""}
    found = operator.search(page.form("/months/"), asked)
    assert [row[0] for row in heads(found)] == ["2023-12", "2023-11"]
    assert {name: found.value(name) for name in asked} == asked
    assert found.rows()[-1][2] == "2023-11-05 – 2023-11-30"
    up = operator.get("/months/?sort=month&first=2023-11&last=2023-12")
    assert [row[0] for row in heads(up)] == ["2023-11", "2023-12"]
    assert [row[0] for row in heads(operator.get("/months/?equality=equal"))] == ["2024-01"]
    nothing = operator.get("/months/?first=2030-01")
    assert "没有符合筛选条件的月份" in nothing.text
    assert "/months/" in nothing.links
    for nonsense in ("first=x&last=2024-13", "source=a&equality=b", "sort=c&size=d&after=e"):
        assert heads(operator.get(f"/months/?{nonsense}")) == heads(page)


def test_months_that_move_are_brought_again(scene: PageScene, operator: Visitor) -> None:
    number = scene.running(3)
    page = operator.get("/months/?sort=month")
    assert heads(page)[0][4:] == ["进行中", "3", "2", "0"]
    (poller,) = page.pollers
    assert poller.get("hx-get") == "/months/live?keys=2024-01.1&sort=month"
    poll = operator.get(poller.get("hx-get"), htmx=True)
    body = poll.root.one("template").one("tbody")
    assert body.attributes.pop("hx-swap-oob") == "true"
    assert body.shape() == page.root.one(id="month-2024-01-1").shape()
    assert poll.root.one(id="months-live").shape() == poller.shape()
    ledger = scene.ledger_scene
    ledger.do(batches.cancel, scene.batch(number).id)
    last = operator.get(poller.get("hx-get"), htmx=True, status=STOP_POLLING)
    assert last.pollers == []
    for nonsense in ("", "?keys=", "?keys=2024-13.1,x,2024-01.-,2024-01.99"):
        operator.get(f"/months/live{nonsense}", htmx=True, status=STOP_POLLING)


def test_a_poll_asks_three_questions_however_much_there_is(
    scene: PageScene, operator: Visitor, queries: Callable[[], Any]
) -> None:
    scene.running()
    for _ in range(3):
        scene.ended("FILE_CORRUPT")
    with queries() as asked:
        operator.raw("/months/live?keys=2024-01.1,2024-02.1", HX_Request="true")
    assert len(asked) <= 3, asked


def test_of_many_batches_those_that_lack_something_are_shown(
    scene: PageScene, operator: Visitor
) -> None:
    numbers = [scene.waiting() for _ in range(25)]
    broken = scene.ended("FILE_CORRUPT")
    page = operator.get("/months/")
    shown = [row[1] for row in page.rows()[1:-1]]
    assert len(shown) == 20
    assert broken in shown
    (more,) = [link for link in page.links if link.startswith("/batches/?")]
    assert len(operator.get(more).rows()) == len([*numbers, broken])
