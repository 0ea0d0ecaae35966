"""Looking at pictures in the browser: zoom, rotation, keys, and the pages of TIFF and PDF."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.browser import browser_rig
from tests.functional.browser.browser_rig import Portal, Tab, tab_of

pytestmark = browser_rig.MARKS

READY = "document.readyState === 'complete'"  # the script has run too
LOADED = "document.querySelector('.view img').naturalWidth > 0"
SETTLED = f"{READY} && {LOADED} && !document.querySelector('.view').classList.contains('waits')"
BOX = """() => { const box = document.querySelector('.view img').getBoundingClientRect();
  const stage = document.querySelector('.view');
  return {width: box.width, height: box.height, stage: stage.clientWidth,
          scrolls: stage.scrollWidth > stage.clientWidth + 1}; }"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def batch(portal: Portal) -> str:
    site = portal.site
    number = site.create_batch("2024-01-01", "2024-01-31")
    site.trigger({"batch": number})
    site.wait_until_ended(number)
    return number


@pytest.fixture
def tab(browser: Any, portal: Portal, batch: str) -> Iterator[Tab]:
    with tab_of(browser, portal) as tab:
        tab.go("/login")
        tab.log_in()
        yield tab
        assert tab.errors == []


def address_of(portal: Portal, kind: str, pages: int = 1) -> str:
    """The address of an archived file of this kind with at least so many pages."""
    ledger = sqlite3.connect(portal.site.home / "ledger.db")
    row = ledger.execute(
        "SELECT document_id, id FROM files WHERE kind = ? AND COALESCE(pages, 1) >= ?"
        " AND storage_key IS NOT NULL ORDER BY id LIMIT 1",
        (kind, pages),
    ).fetchone()
    ledger.close()
    assert row is not None, f"the demo source has no {kind} of {pages} pages"
    return f"/documents/{row[0]}?file={row[1]}"


def box(tab: Tab) -> dict[str, Any]:
    found: dict[str, Any] = tab.page.evaluate(BOX)
    return found


def near(one: float, other: float) -> bool:
    return abs(one - other) < 2


def test_zoom_and_rotation_by_buttons_and_keys(portal: Portal, tab: Tab) -> None:
    tab.go(address_of(portal, "jpeg"))
    tab.until("a picture", SETTLED)
    fitted = box(tab)
    assert near(fitted["width"], fitted["stage"])
    tab.page.click("[data-do=larger]")
    assert near(box(tab)["width"], fitted["width"] * 1.25)
    assert box(tab)["scrolls"]
    tab.page.keyboard.press("-")
    tab.page.keyboard.press("-")
    assert near(box(tab)["width"], fitted["width"] / 1.25)
    tab.page.keyboard.press("1")
    tab.shown("[data-scale]", "100%")
    assert near(box(tab)["width"], tab.page.evaluate("document.querySelector('img').naturalWidth"))
    tab.page.keyboard.press("0")
    tab.page.keyboard.press("r")
    turned = box(tab)  # on its side it is as wide as the stage again
    assert near(turned["width"], turned["stage"])
    assert near(turned["width"] / turned["height"], fitted["height"] / fitted["width"])
    tab.page.keyboard.press("Shift+R")
    assert near(box(tab)["height"], fitted["height"])
    tab.page.keyboard.press("?")
    tab.shown(".keys[open]", "适合宽度")


@pytest.mark.parametrize("kind", ["tiff", "pdf"])
def test_pages_are_turned_without_leaving(portal: Portal, tab: Tab, kind: str) -> None:
    tab.go(address_of(portal, kind, pages=2))
    tab.until("a picture", SETTLED)
    first = tab.page.evaluate("document.querySelector('.view img').src")
    tab.page.evaluate("window.stayed = true")
    tab.page.keyboard.press("r")
    tab.page.keyboard.press("ArrowRight")
    tab.shown("[data-place]", "2 / ")
    tab.until("the second page", SETTLED)
    assert tab.page.evaluate("document.querySelector('.view img').src") != first
    assert "page=2" in tab.page.url
    assert tab.page.evaluate("window.stayed") is True
    assert tab.page.evaluate("document.querySelector('img').style.transform").count("90deg") == 1
    tab.click("上一页", "a")
    tab.shown("[data-place]", "1 / ")
    tab.page.keyboard.press("ArrowLeft")  # there is none before the first
    tab.shown("[data-place]", "1 / ")
    tab.page.fill("[data-goto] [name=page]", "2")
    tab.page.keyboard.press("Enter")
    tab.shown("[data-place]", "2 / ")
    tab.page.reload()
    tab.shown("[data-place]", "2 / ")
    tab.until("the second page after a reload", SETTLED)


def test_files_and_documents_are_walked_through_by_keys(portal: Portal, tab: Tab) -> None:
    tab.go("/archive/?sort=image_no")
    tab.shown("#totals", "金额合计")
    with tab.page.expect_navigation():
        tab.page.locator("tbody a").first.click()
    title = tab.page.title()
    press(tab, "n")
    assert tab.page.title() != title
    assert "list=archive" in tab.page.url
    name = tab.page.locator(".files a.here").inner_text()
    press(tab, "]")
    assert tab.page.locator(".files a.here").inner_text() != name
    press(tab, "p")
    assert tab.page.title() == title
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("FYBX-rp/?")  # what is typed is no key of the viewer
    assert tab.page.input_value("[data-find]") == "FYBX-rp/?"
    assert tab.page.title() == title


def press(tab: Tab, key: str) -> None:
    """Press a key that leads to another page, and wait until that has come."""
    with tab.page.expect_navigation():
        tab.page.keyboard.press(key)


def test_a_phone_scrolls_the_picture_and_not_the_page(portal: Portal, tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 800})
    for path in (address_of(portal, "tiff", pages=2), "/archive/", "/find?q=F"):
        tab.go(path)
        assert tab.page.evaluate(OVERFLOW) <= 0, path
    tab.go(address_of(portal, "jpeg"))
    tab.until("a picture", SETTLED)
    for _ in range(4):
        tab.page.click("[data-do=larger]")
    assert box(tab)["scrolls"]
    assert tab.page.evaluate(OVERFLOW) <= 0


def test_without_script_the_picture_and_the_links_work(portal: Portal, tab: Tab) -> None:
    cookies = tab.context.cookies()
    context = tab.context.browser.new_context(java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(tab.address + address_of(portal, "pdf", pages=2))
    assert page.locator("[data-tools]").is_hidden()
    page.locator("a[data-turn='1']").click()
    assert "2 / " in page.locator("[data-place]").inner_text()
    assert page.locator(".view img").bounding_box()["width"] > 100
    context.close()


def test_what_has_no_picture_tells_of_itself(portal: Portal, tab: Tab) -> None:
    tab.go(address_of(portal, "ofd"))
    tab.shown("#told", "电子发票（普通发票）")
    tab.shown("#told", "210 × 297 mm")


def test_the_source_is_asked_for_its_count(portal: Portal, tab: Tab) -> None:
    tab.go("/archive/?month=2024-01")
    tab.shown("#totals", "金额合计")
    tab.click("与源端核对", "a")
    tab.shown("#at-source", "已列出但没有归档")
