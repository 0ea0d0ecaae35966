"""Lists in the browser: what survives back, reload and refresh, and what a failing poll says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.browser import browser_rig
from tests.functional.browser.browser_rig import Portal, Tab, tab_of

pytestmark = browser_rig.MARKS
NOTE = "#trouble"


@pytest.fixture(scope="module")
def running(portal: Portal) -> Iterator[str]:
    """A batch that runs on and on."""
    portal.source.switch(latency=100)
    batch = portal.site.create_batch("2024-01-01", "2024-01-31")
    assert portal.site.run("batch", "run", batch).code == 0
    yield batch
    assert portal.site.run("batch", "cancel", batch).code == 0
    portal.source.switch()


@pytest.fixture
def tab(browser: Any, portal: Portal, running: str) -> Iterator[Tab]:
    with tab_of(browser, portal) as tab:
        tab.go("/login?next=/batches/")
        tab.log_in()
        tab.shown("tbody", running)
        yield tab


def row(batch: str) -> str:
    return f"tr:has(a:text-is('{batch}'))"


def next_poll(tab: Tab, pattern: str) -> int:
    with tab.page.expect_response(pattern) as answer:
        pass
    return int(answer.value.status)


def top_of(tab: Tab, selector: str) -> float:
    return float(tab.page.locator(selector).first.bounding_box()["y"])


def test_filters_survive_back_and_reload(tab: Tab, portal: Portal, running: str) -> None:
    other = portal.site.create_batch("2023-05-01", "2023-05-31")
    tab.go("/batches/")
    tab.page.select_option("#filter-run", "waiting")
    tab.page.fill("#filter-first", "2023-05-02")
    tab.page.fill("#filter-last", "2023-05-02")
    tab.click("筛选")
    tab.counted("tbody tr", 1)
    tab.page.locator("th a.sort", has_text="总单据数").first.click()
    tab.page.wait_for_url(re.compile("sort=total"))
    here = tab.path
    tab.page.locator(f"{row(other)} td.code a").first.click()
    tab.shown("h1", other)
    tab.page.go_back()
    for look_again in (lambda: None, tab.page.reload):
        look_again()
        assert tab.path == here
        tab.counted("tbody tr", 1)
        tab.shown("tbody", other)
        assert tab.page.locator("#filter-run").input_value() == "waiting"
        assert tab.page.locator("#filter-first").input_value() == "2023-05-02"
    tab.click("清除", "a")
    tab.shown("tbody", running)
    assert portal.site.run("batch", "delete", other).code == 0
    assert tab.errors == []


def test_ticks_stay_while_rows_are_refreshed(tab: Tab, portal: Portal, running: str) -> None:
    box = tab.page.locator(f"{row(running)} input[type=checkbox]")
    box.check()
    tab.shown("[data-chosen]", "已选 1 个")
    box.focus()
    mark = "document.querySelector('tbody tr').dataset.old = 'yes'"
    tab.page.evaluate(mark)
    tab.until("a row brought anew", "!document.querySelector('tbody tr').dataset.old")
    assert box.is_checked()
    asked: list[str] = []

    def refuse(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    tab.page.once("dialog", refuse)
    tab.click("删除")
    assert asked == ["删除所选的 1 个批次？已归档的单据、明细和日志都会保留。"]
    assert tab.path == "/batches/"
    assert running in {one["batch_no"] for one in portal.site.json("batch", "list")}
    assert tab.errors == []


def test_what_others_add_is_offered_and_nothing_moves(tab: Tab, portal: Portal) -> None:
    before = top_of(tab, "table")
    assert tab.page.locator(".news a").count() == 0
    added = portal.site.create_batch("2023-06-01", "2023-06-30")
    tab.shown(".news", "有 1 个新批次，点击显示")
    assert top_of(tab, "table") == before
    assert tab.page.locator(row(added)).count() == 0
    tab.page.locator(".news a").click()
    tab.counted(row(added), 1)
    assert portal.site.run("batch", "delete", added).code == 0
    assert tab.errors == []


@pytest.mark.parametrize(
    ("path", "poll"),
    [("/batches/", "**/batches/live?*"), ("/months/", "**/months/live?*"), ("/", "**/live")],
)
def test_a_failing_poll_says_so_and_goes_on(tab: Tab, path: str, poll: str) -> None:
    tab.go(path)
    assert tab.page.locator(NOTE).inner_text() == ""
    before = top_of(tab, "table")
    tab.page.route(poll, lambda route: route.fulfill(status=500, body="broken"))
    tab.shown(NOTE, "连接中断，正在重试")
    assert next_poll(tab, poll) == 500
    assert next_poll(tab, poll) == 500  # it does not stop
    tab.shown(NOTE, "连接中断，正在重试")
    assert top_of(tab, "table") == before
    assert "broken" not in tab.page.locator("body").inner_text()
    tab.page.unroute(poll)
    assert next_poll(tab, poll) == 200
    tab.gone(f"{NOTE}:not(:empty)")
    tab.page.route(poll, lambda route: route.abort("connectionrefused"))
    tab.shown(NOTE, "连接中断，正在重试")
    tab.page.unroute(poll)
    tab.gone(f"{NOTE}:not(:empty)")


def test_a_poll_for_what_is_gone_says_to_load_the_page_again(tab: Tab, portal: Portal) -> None:
    batch = portal.site.create_batch("2023-07-01", "2023-07-31")
    tab.go(f"/batches/{batch}")
    assert portal.site.run("batch", "delete", batch).code == 0
    tab.shown(NOTE, "页面内容已变化，请刷新页面")


def test_a_month_moves_by_itself(tab: Tab, portal: Portal, running: str) -> None:
    tab.go("/months/")
    tab.shown("tbody", "进行中")
    assert portal.site.run("batch", "pause", running).code == 0
    tab.shown("tbody", "已暂停")
    assert portal.site.run("batch", "resume", running).code == 0
    assert tab.errors == []
