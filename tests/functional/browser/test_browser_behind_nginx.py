"""The portal in the browser under a sub-path behind nginx with TLS: nothing is missing anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.real_nginx import BASE, NGINX, nginx
from tests.functional.browser import browser_rig
from tests.functional.browser.browser_rig import Portal, Tab, tab_of

pytestmark = [
    *browser_rig.MARKS,
    pytest.mark.skipif(not NGINX, reason="nginx is not installed (nginx-light)"),
]


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    settings = {"PORTAL_BASE_PATH": BASE, "PORTAL_TRUSTED_PROXIES": "1"}
    folder = tmp_path_factory.mktemp("behind")
    portal = Portal(folder, "--documents=24", "--months=1", **settings)
    yield portal
    portal.close()


@pytest.fixture
def tab(browser: Any, portal: Portal, tmp_path: Path) -> Iterator[Tab]:
    with (
        nginx(tmp_path / "nginx", portal.site.port) as edge,
        tab_of(browser, portal, address=f"{edge.secure}{BASE}") as tab,
    ):
        yield tab


def test_a_walk_through_the_portal(tab: Tab) -> None:
    missing: list[tuple[int, str]] = []
    tab.page.on("response", lambda answer: _note(answer, missing))
    tab.go("/batches/new")
    assert tab.path == f"/login?next={BASE}/batches/new"
    tab.log_in()
    assert tab.path == "/batches/new"
    (cookie,) = tab.context.cookies()
    assert (cookie["path"], cookie["secure"], cookie["httpOnly"]) == (BASE, True, True)
    batch = tab.create_batch("2024-01-01", "2024-01-31", run_now=True)
    tab.gone("#batch-progress[hx-trigger]")  # it polled until the end
    tab.shown("#batch-progress", "已结束")
    assert [url for url in tab.requests if "/progress" in url]
    for name in ("documents", "failures", "scan", "log", "runs"):
        tab.go(f"/batches/{batch}/{name}")
    _look_at_a_document(tab, batch)
    _make_an_export(tab)
    menu = tab.page.locator("nav[aria-label='主导航'] a").all()
    paths = [str(link.get_attribute("href")) for link in menu]
    assert len(paths) > 12
    for path in paths:
        tab.go(path.removeprefix(BASE))
        assert tab.page.locator("h1").inner_text()
    tab.click("English")
    tab.shown("html[lang=en] h1", "Users")
    tab.click("Log out")
    assert tab.path == "/login"
    assert (missing, tab.errors) == ([], [])
    assert {url for url in tab.requests if not url.startswith((tab.address, "data:"))} == set()


def _note(answer: Any, missing: list[tuple[int, str]]) -> None:
    if answer.status >= 400:
        missing.append((answer.status, answer.url))


def _look_at_a_document(tab: Tab, batch: str) -> None:
    tab.go(f"/batches/{batch}/documents?status=synced")
    tab.page.locator("tbody a").first.click()
    tab.page.locator(".view img").wait_for(state="attached")
    tab.until("a loaded picture", "document.querySelector('.view img').naturalWidth > 0")
    with tab.page.expect_download() as saved:
        tab.click("下载", "a")
    assert saved.value.path().stat().st_size > 0
    tab.go("/archive/")
    tab.page.fill("#filter-month", "2024-01")
    tab.click("筛选")
    assert tab.path.startswith("/archive/?month=2024-01")


def _make_an_export(tab: Tab) -> None:
    tab.go("/exports/new?kind=documents")
    tab.page.locator("main form button.btn-primary").click()
    tab.page.locator("a[href$='/download']").wait_for()
    assert tab.path.startswith("/exports/")
    with tab.page.expect_download() as saved:
        tab.page.locator("a[href$='/download']").first.click()
    assert saved.value.path().stat().st_size > 0
