"""A Chromium that nobody sees, at a portal of real processes; it forgives no error on a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.functional.installation import DemoSource, Installation, wait_for

playwright: Any = import_module("playwright.sync_api") if find_spec("playwright") else None
_axe: Any = (
    import_module("axe_playwright_python.sync_playwright")
    if find_spec("axe_playwright_python")
    else None
)

# Where the tests' own browser is, when it is not one of the usual names.
CHROMIUM = os.environ.get("IMGMIG_TEST_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(playwright is None, reason="playwright is not installed"),
    pytest.mark.skipif(_axe is None, reason="axe-playwright-python is not installed"),
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium (IMGMIG_TEST_CHROMIUM)"),
]
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
NAME, PASSWORD = "浏览器", "a-password-for-tests"
PATIENCE_MS = 20_000


class Portal:
    """A running installation with a source and an admin whose password is known."""

    def __init__(self, folder: Path, *tenant: str, **settings: str) -> None:
        self.site = Installation(folder / "home", settings)
        self.outside = Installation(folder / "source")
        self.source = DemoSource(self.outside, "--mean-size=40000", *tenant)
        self.site.add_source(self.source)
        ended = self.site.run("user", "add", NAME, "--role", "admin", USER_PASSWORD=PASSWORD)
        assert ended.code == 0, ended
        self.site.start_up()

    def close(self) -> None:
        self.site.kill_all()
        self.outside.kill_all()


class Tab:
    """A tab of a browser with everything that went wrong in it."""

    def __init__(self, context: Any, address: str) -> None:
        self.context = context
        self.address = address
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.errors: list[str] = []
        self.requests: list[str] = []
        # Chromium reports what the policy forbids as an error on the console, but not all of it:
        # the event also tells of what the page's own scripts were kept from.
        self.page.add_init_script(
            "document.addEventListener('securitypolicyviolation', (event) => console.error("
            "`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"
        )
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{self.page.url}: {message.text}")

    def go(self, path: str) -> None:
        self.page.goto(self.address + path)

    @property
    def foreign(self) -> list[str]:
        """What was asked of anybody but the portal."""
        ours = f"{self.address}/", "data:image/", "blob:"
        return [url for url in self.requests if not url.startswith(ours)]

    @property
    def path(self) -> str:
        return str(self.page.url).removeprefix(self.address)

    def log_in(self) -> None:
        self.page.fill("#name", NAME)
        self.page.fill("#password", PASSWORD)
        self.click("登录")
        self.shown(".who", NAME)

    def click(self, text: str, tag: str = "button") -> None:
        self.page.locator(f"{tag}:text-is('{text}')").first.click()

    def shown(self, selector: str, text: str) -> None:
        """Wait for an element with this text."""
        playwright.expect(self.page.locator(selector)).to_contain_text(text, timeout=PATIENCE_MS)

    def counted(self, selector: str, number: int) -> None:
        """Wait until there are so many elements."""
        playwright.expect(self.page.locator(selector)).to_have_count(number, timeout=PATIENCE_MS)

    def gone(self, selector: str) -> None:
        """Wait until there is no such element."""
        self.counted(selector, 0)

    def until(self, what: str, expression: str) -> None:
        """Wait until JavaScript says so; the pages' policy forbids Playwright's own waiting."""
        wait_for(what, lambda: bool(self.page.evaluate(expression)))

    def barriers(self) -> list[str]:
        """What axe-core finds that keeps people from using the page."""
        found = _axe.Axe().run(self.page).response["violations"]
        return [
            f"{self.path}: {one['id']} ({one['impact']}) {node['target']} {node['html'][:120]}"
            for one in found
            for node in one["nodes"]
            if one["impact"] in ("serious", "critical")
        ]

    def figure(self, name: str) -> str:
        """What a figure of the page says."""
        figure = self.page.locator(f".figure:has(dt:text-is('{name}')) dd")
        return str(figure.inner_text()).split()[0]

    def create_batch(self, first: str, last: str, *, run_now: bool) -> str:
        """By the form, as a person does; its number."""
        self.go("/batches/new")
        self.page.fill("#date_from", first)
        self.page.fill("#date_to", last)
        self.page.set_checked("#run_now", run_now)
        self.click("下一步：预览")
        self.click("确定")
        self.shown("#messages", "已创建批次")
        return self.path.rsplit("/", 1)[-1]


@contextmanager
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@contextmanager
def tab_of(browser: Any, portal: Portal, *, address: str | None = None) -> Iterator[Tab]:
    """A new tab with no session; ``address`` is that of a proxy, whatever its certificate."""
    context = browser.new_context(
        locale="zh-CN", viewport={"width": 1440, "height": 900}, ignore_https_errors=True
    )
    yield Tab(context, address or portal.site.address)
    context.close()
