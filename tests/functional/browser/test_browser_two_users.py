"""Two people at the portal at once: neither harms nor misses what the other does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.browser import browser_rig
from tests.functional.browser.browser_rig import Portal, Tab, tab_of

pytestmark = browser_rig.MARKS


@pytest.fixture
def tabs(browser: Any, portal: Portal) -> Iterator[tuple[Tab, Tab]]:
    """Each with a session of its own."""
    with tab_of(browser, portal) as one, tab_of(browser, portal) as other:
        for tab in (one, other):
            tab.go("/login")
            tab.log_in()
        yield one, other


def test_what_one_creates_the_other_is_told_of(tabs: tuple[Tab, Tab]) -> None:
    one, other = tabs
    other.go("/batches/")
    batch = one.create_batch("2024-01-01", "2024-01-05", run_now=False)
    other.shown("main", "新批次")
    other.page.locator("main a", has_text="新批次").click()
    other.shown("tbody", batch)
    assert one.errors == other.errors == []


def test_both_send_the_failures_again_and_it_happens_once(
    portal: Portal, tabs: tuple[Tab, Tab]
) -> None:
    one, other = tabs
    batch = portal.site.create_batch("2024-01-01", "2024-01-31")
    assert portal.site.run("batch", "run", batch).code == 0
    portal.site.wait_until_ended(batch)
    for tab in (one, other):
        tab.go(f"/batches/{batch}")
    portal.source.switch(latency=3.0)
    one.click("重新同步失败任务")
    one.shown("#messages", "失败的单据已重新排队")
    other.click("重新同步失败任务")
    other.shown("#messages", "尚未结束")
    portal.source.switch()
    one.gone("#batch-progress[hx-trigger]")
    assert [run["run_no"] for run in portal.site.show(batch)["runs"]] == [2, 1]


def test_what_one_deletes_the_other_is_told_is_gone(tabs: tuple[Tab, Tab]) -> None:
    one, other = tabs
    batch = one.create_batch("2024-01-06", "2024-01-07", run_now=False)
    other.go(f"/batches/{batch}")
    one.page.on("dialog", lambda dialog: dialog.accept())
    one.go("/batches/")
    one.page.check(f"tbody tr:has-text('{batch}') input[name=batch_no]")
    one.click("删除")
    one.shown("#messages", "已删除 1 个批次")
    other.click("立即运行")
    other.shown("main", f"没有批次 {batch}")
    assert one.errors == []
