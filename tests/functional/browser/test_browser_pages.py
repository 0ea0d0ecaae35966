"""Every page in the browser: nothing is wrong on the console, and everything fits the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.browser import browser_rig
from tests.functional.browser.browser_rig import Portal, Tab, tab_of
from tests.functional.installation import SOURCE, wait_for

pytestmark = browser_rig.MARKS
WIDTHS = (390, 768, 1440, 1920)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def tab(browser: Any, portal: Portal) -> Iterator[Tab]:
    with tab_of(browser, portal) as tab:
        yield tab


@pytest.fixture(scope="module")
def paths(portal: Portal, tab: Tab) -> list[str]:
    """Every page there is, with something on it."""
    site = portal.site
    batch = site.create_batch("2024-01-01", "2024-01-31")
    run = site.trigger({"batch": batch})
    site.wait_until_ended(batch)
    wait_for("the run's end", lambda: site.log_of_ended(run))
    waiting = site.create_batch("2024-01-02", "2024-01-03")
    tab.go("/login")
    tab.log_in()
    seen = [
        "/",
        "/batches/",
        "/batches/?overview=failed&org=1001",
        "/months/",
        "/batches/new",
        "/jobs/",
        "/audit/",
        first(tab, "/jobs/", "tbody a"),
    ]
    seen += ["/archive/", "/archive/?month=2024-01&sort=-amount", "/find?q=FYBX", "/find?q=nothing"]
    seen += [f"/batches/{number}" for number in (batch, waiting)]
    seen += [f"/batches/{batch}/{name}" for name in ("failures", "documents", "log")]
    seen += _of_sources_and_people(tab)
    seen += _of_proofs(portal, tab, batch)
    seen += _of_pushing(portal, tab)
    for word in ("失败", "已迁移", "已跳过"):
        documents = tab.page.locator(f"tbody tr:has(.badge:text-is('{word}')) a")
        tab.go(f"/batches/{batch}/documents")
        seen += [link.get_attribute("href") for link in documents.all()[:1]]
    return seen


def _of_sources_and_people(tab: Tab) -> list[str]:
    source = first(tab, "/sources/", "tbody a")
    person = first(tab, "/users/", "tbody a")
    tab.go("/notices/new")
    tab.page.fill("#name", "财务群")
    tab.page.fill("#url", "http://127.0.0.1:9/robot?key=x")
    tab.click("保存")
    channel = first(tab, "/notices/", "tbody a")
    return [
        *("/preflight/", "/sources/", "/sources/new", source, f"{source}/edit"),
        *("/sources/new?kind=manifest", "/sources/new?kind=sql"),
        *("/sources/import", "/sources/import-zookeeper"),
        *("/users/", "/users/new", person, "/account/"),
        *("/notices/", "/notices/new", channel),
    ]


def _of_proofs(portal: Portal, tab: Tab, batch: str) -> list[str]:
    site = portal.site
    months = ("--from", "2024-01", "--to", "2024-01")
    assert site.run("reconcile", "--source", SOURCE, *months, "--reread").code in (0, 1)
    assert site.run("batch", "scan", batch, "--sample", "3").code == 0
    tab.go(f"/batches/{batch}")
    tab.click("文件下载")
    fetched = tab.path
    tab.go("/exports/new?kind=failures")
    tab.page.locator("main form button.btn-primary").first.click()
    export = tab.path
    return [
        *("/reconcile/", first(tab, "/reconcile/", "tbody a"), f"/batches/{batch}/scan"),
        *("/packages/", fetched, "/exports/", export),
        *(f"/exports/new?kind={kind}" for kind in ("batches", "audit")),
    ]


def _of_pushing(portal: Portal, tab: Tab) -> list[str]:
    """A target that does not answer, and a batch whose documents wait for it."""
    site = portal.site
    login = ("--app-id", "app", "--account-id", "account", "--user", "user")
    added = site.run(
        *("target", "add", "旗舰版", "--url", "http://127.0.0.1:9"), *login, APP_SECRET="secret-app"
    )
    assert added.code == 0, added
    batch = site.json(
        *("batch", "create", "--source", SOURCE, "--from", "2024-01-01", "--to", "2024-01-31"),
        *("--push-to", "旗舰版"),
    )["batch_no"]
    site.trigger({"batch": batch})
    site.wait_until_ended(batch)
    target = first(tab, "/targets/", "tbody a")
    return ["/targets/", "/targets/new", target, f"{target}/edit", f"/batches/{batch}/push"]


def first(tab: Tab, path: str, selector: str) -> str:
    tab.go(path)
    return str(tab.page.locator(selector).first.get_attribute("href"))


def assert_fits(tab: Tab, what: str) -> None:
    for width in WIDTHS:
        tab.page.set_viewport_size({"width": width, "height": 900})
        assert tab.page.evaluate(OVERFLOW) <= 0, (what, width)


@pytest.mark.parametrize("language", ["English", "中文"])
def test_every_page_fits_and_has_nothing_to_complain_about(
    tab: Tab, paths: list[str], language: str
) -> None:
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    tab.go("/")
    if tab.page.locator(f"button:text-is('{language}')").count():
        tab.click(language)
    for path in paths:
        tab.go(path)
        tab.page.wait_for_load_state("load")
        assert_fits(tab, path)
        assert tab.page.evaluate("typeof htmx") == "object"
        # No page of records is left behind for whoever uses the browser next.
        assert tab.page.evaluate(
            "[...Object.keys(localStorage), ...Object.keys(sessionStorage)]"
        ) in (
            [],
            ["htmx-current-path-for-history"],
        )
    assert tab.errors == []
    assert tab.foreign == []


def test_what_the_policy_forbids_is_heard(browser: Any, portal: Portal) -> None:
    """Else the test above could not fail."""
    with tab_of(browser, portal) as stranger:
        stranger.go("/login")
        stranger.page.evaluate("document.body.setAttribute('style', 'color: red')")
        stranger.page.evaluate(
            "document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.2:9/x.png'}))"
        )
        asked = "document.images.length > 0"  # what the page said is heard while it is asked
        wait_for(
            "the complaints",
            lambda: (
                stranger.page.evaluate(asked)
                and len([error for error in stranger.errors if "policy:" in error]) >= 2
            ),
        )


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_keeps_anybody_out(tab: Tab, paths: list[str], width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 900})
    found: list[str] = []
    for path in paths:
        tab.go(path)
        found += tab.barriers()
    assert not found, "\n".join(found)


def test_what_is_not_there_fits_too(tab: Tab, paths: list[str]) -> None:
    for path in ("/nothing", "/batches/MB20200101-0001", "/documents/999999"):
        tab.go(path)
        assert_fits(tab, path)
    wrong = [error for error in tab.errors if "404" not in error]  # Chromium tells of each 404
    tab.errors.clear()
    assert wrong == []


def test_the_login_fits_and_says_what_is_wrong(browser: Any, portal: Portal) -> None:
    with tab_of(browser, portal) as stranger:
        stranger.go("/login")
        assert_fits(stranger, "/login")
        stranger.page.fill("#name", browser_rig.NAME)
        stranger.page.fill("#password", "wrong")
        stranger.click("登录")
        stranger.shown(".invalid-feedback", "用户名或密码不正确")
        assert_fits(stranger, "/login, refused")
        assert [error for error in stranger.errors if "422" not in error] == []
