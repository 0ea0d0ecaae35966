"""The page of one batch, live: its pace, what stands still while it is refreshed, its retries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.browser import browser_rig
from tests.functional.browser.browser_rig import Portal, Tab, tab_of

pytestmark = browser_rig.MARKS

# Chromium's own measure of what moved on the page without anybody's doing.
SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    const moved = list.getEntries().filter((entry) => !entry.hadRecentInput);
    window.shifts.push(...moved.map((entry) => entry.value));
  }).observe({type: "layout-shift"});
}"""
BOXES = """() => [...document.querySelectorAll(
  "#batch-progress .figure, .tabs a, .trend, main table")].map((one) => {
    const box = one.getBoundingClientRect();
    return [one.className, box.x, box.y, box.width].join(" ");
  })"""
DRAWN = "document.querySelector('.trend .line').getAttribute('d') !== ''"


@pytest.fixture
def tab(browser: Any, portal: Portal) -> Iterator[Tab]:
    with tab_of(browser, portal) as tab:
        tab.go("/login")
        tab.log_in()
        yield tab


def polled(tab: Tab, times: int) -> None:
    for _ in range(times):
        with tab.page.expect_response("**/progress?*"):
            pass


@pytest.mark.parametrize("width", [1440, 390])
def test_the_pace_is_drawn_and_nothing_moves_when_it_is_refreshed(
    portal: Portal, tab: Tab, width: int
) -> None:
    portal.source.switch(latency=100)
    tab.page.set_viewport_size({"width": width, "height": 900})
    batch = tab.create_batch("2024-01-01", f"2024-01-{width % 28 + 1:02d}", run_now=True)
    tab.until("two samples", DRAWN)
    tab.page.evaluate(SHIFTS)
    before = tab.page.evaluate(BOXES)
    polled(tab, 4)
    assert tab.page.evaluate(BOXES) == before
    assert tab.page.evaluate("window.shifts") == []
    assert tab.figure("预计剩余") == "—"
    assert portal.site.run("batch", "cancel", batch).code == 0
    portal.source.switch()
    assert tab.errors == []


def test_boxes_stay_ticked_while_the_batch_moves_and_one_cause_is_sent_again(
    portal: Portal, tab: Tab
) -> None:
    batch = tab.create_batch("2024-01-01", "2024-01-31", run_now=True)
    tab.shown("#batch-progress", "已结束")
    portal.source.switch(latency=10)
    tab.go(f"/batches/{batch}/failures")
    tab.counted(".cause", 6)
    tab.click("重新同步这一类")
    tab.shown("#messages", "1 份单据重新同步")
    tab.counted(".cause", 5)
    tab.go(f"/batches/{batch}/documents?status=failed")
    tab.page.locator("input[name=item_id]").nth(1).check()
    polled(tab, 2)
    assert tab.page.locator("input[name=item_id]:checked").count() == 1
    portal.source.switch()
    portal.site.wait_until_ended(batch)
    tab.gone("#batch-progress[hx-trigger]")
    assert tab.page.locator("input[name=item_id]:checked").count() == 1
    tab.click("重新同步勾选的单据")
    tab.shown("#messages", "1 份单据重新同步")
    tab.gone("#batch-progress[hx-trigger]")
    tab.go(f"/batches/{batch}/runs")
    tab.counted("tbody tr", 3)
    tab.go(f"/batches/{batch}/documents?org=1001")
    tab.gone("#documents-total[hx-trigger]")  # the total has come after the page
    assert tab.errors == []
