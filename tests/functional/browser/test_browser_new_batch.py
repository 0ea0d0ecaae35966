"""新增 in the browser: the source's organisations, the preview, 确定, and a batch that runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.browser import browser_rig
from tests.functional.browser.browser_rig import Portal, Tab, tab_of

pytestmark = browser_rig.MARKS


@pytest.fixture
def tab(browser: Any, portal: Portal) -> Iterator[Tab]:
    with tab_of(browser, portal) as tab:
        yield tab


def test_from_the_form_to_a_batch_that_has_run(portal: Portal, tab: Tab) -> None:
    tab.go("/batches/new")
    tab.log_in()
    _fill_in(tab)
    _read_again_and_lose_nothing(tab)
    _look_at_the_preview(tab)
    _go_back_and_on(tab)
    tab.click("确定并立即运行")
    tab.shown("#messages", "已创建批次")
    batch = tab.path.rsplit("/", 1)[-1]
    tab.gone("#batch-progress[hx-trigger]")
    assert portal.site.show(batch)["run_status"] == "ended"
    assert portal.site.show(batch)["org"] == ["1001"]
    assert tab.errors == []


def _fill_in(tab: Tab) -> None:
    """With shortcuts, which ask the server nothing, and the list that comes by itself."""
    tab.page.locator(".picker").first.wait_for()
    asked = len(tab.requests)
    tab.click("去年")
    assert tab.page.input_value("#date_to").endswith("-12-31")
    tab.page.fill("#month", "2024-01")
    tab.click("整月")
    days = [tab.page.input_value(name) for name in ("#date_from", "#date_to")]
    assert days == ["2024-01-01", "2024-01-31"]
    tab.page.locator("[data-picker-filter]").first.fill("深圳")
    tab.page.locator("[data-picker-filter]").first.press("Enter")
    shown = tab.page.locator(".picker-list").first.locator("label:visible")
    assert shown.count() == 1
    shown.first.click()
    tab.shown(".picker-head >> nth=0", "已选 1 个")
    assert len(tab.requests) == asked


def _read_again_and_lose_nothing(tab: Tab) -> None:
    before = tab.page.locator("#catalogue p.hint").inner_text()
    tab.click("刷新")
    tab.until(
        "a newer list",
        f"!document.querySelector('#catalogue p.hint').innerText.includes({before!r})",
    )
    assert tab.page.is_checked("input[name=org_codes][value='1001']")
    assert tab.page.input_value("#date_to") == "2024-01-31"


def _look_at_the_preview(tab: Tab) -> None:
    tab.click("下一步：预览")
    tab.gone("#preview[hx-trigger]")
    tab.shown("#preview", "源端清点给出")
    assert int(tab.figure("源端单据数")) == int(tab.figure("将要迁移")) > 0
    assert tab.page.locator("#preview tbody tr").count() == 1


def _go_back_and_on(tab: Tab) -> None:
    tab.click("返回修改")
    assert tab.page.is_checked("input[name=org_codes][value='1001']")
    tab.page.locator("#date_to").press("Enter")
    tab.gone("#preview[hx-trigger]")
