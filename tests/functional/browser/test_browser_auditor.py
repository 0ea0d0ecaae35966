"""The auditor in the browser: reads every page of the menu, and is offered nothing that changes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.browser import browser_rig
from tests.functional.browser.browser_rig import PASSWORD, Portal, tab_of

pytestmark = browser_rig.MARKS
AUDITOR = "审计"
# Checks and downloads leave a record of their own; the rest is about the auditor's own session.
OFFERED = {
    *("/language", "/logout", "/audit/verify", "/reconcile/start", "/samples/start"),
    *("/packages/batches", "/packages/chosen", "/exports/new"),
}


@pytest.fixture(scope="module")
def batch(portal: Portal) -> str:
    added = portal.site.run("user", "add", AUDITOR, "--role", "auditor", USER_PASSWORD=PASSWORD)
    assert added.code == 0, added
    batch = portal.site.create_batch("2024-01-01", "2024-01-31")
    assert portal.site.run("batch", "run", batch).code == 0
    portal.site.wait_until_ended(batch)
    return batch


def test_an_auditor_reads_everything_and_changes_nothing(
    browser: Any, portal: Portal, batch: str
) -> None:
    with tab_of(browser, portal) as tab:
        tab.go("/login")
        tab.page.fill("#name", AUDITOR)
        tab.page.fill("#password", PASSWORD)
        tab.click("登录")
        tab.shown(".who", AUDITOR)
        menu = tab.page.locator("nav[aria-label='主导航'] a")
        paths = [str(link.get_attribute("href")) for link in menu.all()]
        assert {"/audit/", "/reconcile/", "/samples/", "/exports/", "/archive/"} <= set(paths)
        assert "/users/" not in paths
        tabs = ("", "/documents", "/failures", "/scan", "/log", "/runs")
        offered: set[str] = set()
        for path in [*paths, *(f"/batches/{batch}{name}" for name in tabs), "/documents/1"]:
            tab.go(path)
            assert tab.page.locator("h1").inner_text()
            forms = "[...document.querySelectorAll('form[method=post]')].map((f) => f.action)"
            buttons = "[...document.querySelectorAll('[formaction]')].map((b) => b.formAction)"
            for url in tab.page.evaluate(forms) + tab.page.evaluate(buttons):
                offered.add(str(url).removeprefix(tab.address).split("?")[0])
        assert (
            offered - OFFERED - {"/batches/selected", f"/batches/{batch}/documents/retry"} == set()
        )
        assert tab.page.locator("button[value=retry], button[value=delete]").count() == 0
        assert tab.errors == []
