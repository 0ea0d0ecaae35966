"""Live regions: what stops them, what does not, and where a lost session leads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.browser import browser_rig
from tests.functional.browser.browser_rig import Portal, Tab, tab_of

pytestmark = browser_rig.MARKS


@pytest.fixture(scope="module")
def batch(portal: Portal) -> Iterator[str]:
    """A batch that runs on and on."""
    portal.source.switch(latency=100)
    batch = portal.site.create_batch("2024-01-01", "2024-01-31")
    assert portal.site.run("batch", "run", batch).code == 0
    yield batch
    assert portal.site.run("batch", "cancel", batch).code == 0
    portal.source.switch()


@pytest.fixture
def tab(browser: Any, portal: Portal, batch: str) -> Iterator[Tab]:
    """Logged in, at that batch."""
    with tab_of(browser, portal) as tab:
        tab.go(f"/login?next=/batches/{batch}")
        tab.log_in()
        tab.counted("#batch-progress[hx-trigger='every 2s']", 1)
        yield tab


def next_poll(tab: Tab) -> Any:
    """The answer to the next poll."""
    with tab.page.expect_response("**/progress?*") as answer:
        pass
    return answer.value


def test_it_goes_on_after_an_error_of_the_server_and_of_the_line(tab: Tab) -> None:
    tab.page.route("**/progress?*", lambda route: route.fulfill(status=500, body="broken"))
    assert next_poll(tab).status == 500
    assert tab.page.locator("#batch-progress").inner_text() != "broken"
    tab.page.unroute("**/progress?*")
    tab.page.route("**/progress?*", lambda route: route.abort("connectionrefused"))
    with tab.page.expect_event("requestfailed"):
        pass
    tab.page.unroute("**/progress?*")
    assert next_poll(tab).status == 200
    tab.counted("#batch-progress[hx-trigger='every 2s']", 1)


def test_a_tab_that_nobody_sees_does_not_poll(tab: Tab) -> None:
    tab.page.evaluate(
        """() => {
          window.held = 0;
          Object.defineProperty(document, "hidden", {get: () => true, configurable: true});
          // At the window it is seen after the page's own listeners, whenever those were added.
          window.addEventListener("htmx:beforeRequest", (event) => {
            window.held += event.defaultPrevented;
          });
        }"""
    )
    polled = len(tab.requests)
    tab.until("a poll held back", "window.held > 0")
    assert len(tab.requests) == polled
    tab.page.evaluate("delete document.hidden")
    assert next_poll(tab).status == 200
    assert tab.errors == []


@pytest.mark.parametrize("path", ["", "/failures", "/"])
def test_a_session_that_is_gone_leads_to_the_login_and_back(tab: Tab, path: str) -> None:
    here = path if path == "/" else tab.path + path
    tab.go(here)
    tab.context.clear_cookies()
    tab.page.wait_for_url(re.compile(r"/login\?next="))
    assert tab.page.locator("form #password").count() == 1
    assert tab.page.locator("table, #batch-progress, #overview").count() == 0
    tab.log_in()
    assert tab.path == here


def test_the_list_changes_the_rows_that_move(portal: Portal, tab: Tab, batch: str) -> None:
    waiting = tab.create_batch("2024-01-01", "2024-01-15", run_now=False)
    tab.go("/batches/")
    row = f"tr:has(a:text-is('{waiting}'))"
    assert portal.site.run("batch", "cancel", waiting).code == 0
    tab.shown(row, "已取消")
    assert portal.site.run("batch", "pause", batch).code == 0
    tab.shown(f"tr:has(a:text-is('{batch}'))", "已暂停")
    assert portal.site.run("batch", "resume", batch).code == 0
    assert tab.errors == []
