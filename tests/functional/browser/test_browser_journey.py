"""What a consultant does in the browser, from the login to the retried failures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.browser import browser_rig
from tests.functional.browser.browser_rig import Portal, Tab, tab_of
from tests.functional.installation import SOURCE

pytestmark = browser_rig.MARKS

# Notes the done figure after every swap, in the page itself: a reload would lose the notes.
NOTES = """() => {
  window.notes = [];
  document.addEventListener("htmx:afterSwap", () => {
    const figure = [...document.querySelectorAll("#batch-progress .figure")]
      .find((one) => one.querySelector("dt").textContent === "已同步单据数");
    if (figure) window.notes.push(parseInt(figure.querySelector("dd").textContent));
  });
}"""


@pytest.fixture
def tab(browser: Any, portal: Portal) -> Iterator[Tab]:
    with tab_of(browser, portal) as tab:
        yield tab


def test_from_the_login_to_the_retried_failures(portal: Portal, tab: Tab) -> None:
    tab.go("/batches/new")
    assert tab.path == "/login?next=/batches/new"
    tab.log_in()
    assert tab.path == "/batches/new"
    batch = _watch_a_batch_move_and_end(portal, tab)
    _look_at_a_picture(tab, batch)
    _retry_the_failures(portal, tab, batch)
    _switch_the_language(tab, batch)
    _pause_and_resume(portal, tab)
    assert tab.errors == []


def _watch_a_batch_move_and_end(portal: Portal, tab: Tab) -> str:
    portal.source.switch(latency=1.0)
    batch = tab.create_batch("2024-01-01", "2024-01-31", run_now=True)
    tab.page.evaluate(NOTES)
    tab.shown("#batch-progress", "运行中")
    tab.until("a count that moved", "window.notes.some((done) => done > 0)")
    portal.source.switch()
    tab.gone("#batch-progress[hx-trigger]")
    tab.shown("#batch-progress", "已结束")
    tab.shown("#batch-progress", "部分同步完成")
    notes = tab.page.evaluate("window.notes")  # undefined if the page had been loaded again
    assert notes == sorted(notes)
    assert notes[-1] == portal.source.healthy()
    assert tab.figure("总单据数") == "24"
    assert tab.figure("未同步单据数") == tab.figure("失败") == "6"
    return batch


def _look_at_a_picture(tab: Tab, batch: str) -> None:
    tab.click("单据", ".tabs a")
    tab.page.select_option("#filter-status", "synced")
    tab.click("筛选")
    tab.page.locator("tbody a").first.click()
    tab.page.locator(".view img").wait_for()
    tab.until("a loaded picture", "document.querySelector('.view img').naturalWidth > 0")
    with tab.page.expect_download() as saved:
        tab.click("下载", "a")
    assert saved.value.path().stat().st_size > 0


def _retry_the_failures(portal: Portal, tab: Tab, batch: str) -> None:
    tab.go(f"/batches/{batch}")
    tab.page.locator(".tabs a", has_text="错误归类").click()
    tab.counted(".cause", 6)
    tab.click("重新同步失败任务")
    tab.shown(".facts", "运行次数2")
    tab.gone("#batch-progress[hx-trigger]")
    tab.shown("#batch-progress", "已结束")
    assert tab.figure("失败") == "6"  # what the source has wrong stays wrong
    assert portal.site.show(batch)["run_status"] == "ended"


def _switch_the_language(tab: Tab, batch: str) -> None:
    tab.click("English")
    tab.shown("h1", f"Migration batches {batch}")
    assert tab.page.locator("html").get_attribute("lang") == "en"
    tab.click("中文")
    tab.shown("h1", f"迁移批次 {batch}")


def _pause_and_resume(portal: Portal, tab: Tab) -> None:
    portal.source.switch(latency=1.0)
    batch = tab.create_batch("2024-01-01", "2024-01-30", run_now=True)
    tab.click("暂停")
    tab.shown("#batch-progress", "已暂停")
    tab.shown("#batch-progress", browser_rig.NAME)
    assert portal.site.show(batch)["paused_by"] == browser_rig.NAME
    tab.click("继续")
    tab.shown("#batch-progress", "运行中")
    portal.source.switch()
    tab.gone("#batch-progress[hx-trigger]")
    tab.shown("#batch-progress", "已结束")
    assert SOURCE in tab.page.locator(".facts").inner_text()
