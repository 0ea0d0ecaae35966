"""Takes the pictures of the README: ``make screenshots`` (needs Chromium and playwright).

Runs the demo in a throw-away home, opens the portal in a headless browser while documents move,
and writes ``docs/images/*.png``.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")


def main() -> None:
    """Start the demo, take the pictures, stop it."""
    home = Path(tempfile.mkdtemp())
    address = f"127.0.0.1:{_free_port()}"
    demo = subprocess.Popen(
        [
            Path(sys.executable).with_name("imgmig"),
            *("demo", "--keep", "--documents", "600", "--fault", "latency=0.15"),
            *("--source-bind", f"127.0.0.1:{_free_port()}"),
        ],
        env={**os.environ, "IMGMIG_HOME": str(home), "PORTAL_BIND": address},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        password = _read_until(demo, r"shown once\): (\S+)")
        batch_no = _read_until(demo, r"executor: (MB\S+)")
        _take(f"http://{address}", password, batch_no, demo)
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait()
        shutil.rmtree(home)


def _take(base: str, password: str, batch_no: str, demo: subprocess.Popen[str]) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 860}, locale="zh-CN")
        page.goto(f"{base}/login")
        page.fill("#name", "admin")
        page.fill("#password", password)
        page.click("button.btn-primary")
        page.goto(f"{base}/batches/{batch_no}")
        page.wait_for_function(_MOVING)
        _shoot(page, "batch-running")
        _read_until(demo, r'^(\{"trigger")')
        page.goto(f"{base}/batches/{batch_no}/failures")
        _shoot(page, "failures")
        page.goto(f"{base}/")
        _shoot(page, "overview")
        page.goto(f"{base}/documents/8?list=archive")
        page.wait_for_function("document.querySelector('.view img').naturalWidth > 0")
        _shoot(page, "document")
        browser.close()


_MOVING = """() => {
    const bar = document.querySelector('#batch-progress [role=progressbar]');
    const now = Number(bar && bar.getAttribute('aria-valuenow'));
    return now >= 40 && now < 95;
}"""


def _shoot(page: Page, name: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    page.screenshot(path=IMAGES / f"{name}.png")


def _read_until(demo: subprocess.Popen[str], pattern: str) -> str:
    """The first group of the pattern in the demo's output."""
    assert demo.stdout is not None
    for line in demo.stdout:
        if found := re.search(pattern, line):
            return found.group(1)
    raise SystemExit(f"the demo ended without {pattern}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
