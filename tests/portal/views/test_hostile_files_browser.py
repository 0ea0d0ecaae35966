"""Files of the source in a real browser: none of them runs at the portal, whatever it pretends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from werkzeug.serving import make_server

from portal.models import Role
from tests.functional.browser import browser_rig
from tests.functional.browser.browser_rig import chromium
from tests.portal.sync.viewing.view_samples import pdf, saved, sheet
from tests.portal.views.page_scene import PASSWORDS, Content, PageScene

pytestmark = browser_rig.MARKS

RUN = "console.error('RAN ' + location.href); fetch('/canary')"
HTML = f'<!doctype html><html><body onload="{RUN}"><script>{RUN}</script></body></html>'.encode()
SVG = (
    f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"><script>{RUN}</script></svg>'.encode()
)
XML = f"""<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#style"?>
<!DOCTYPE d [<!ATTLIST xsl:stylesheet id ID #REQUIRED>]>
<d><xsl:stylesheet id="style" version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/"><html><script>{RUN}</script></html></xsl:template></xsl:stylesheet>
<script xmlns="http://www.w3.org/1999/xhtml">{RUN}</script></d>""".encode()
# A picture to one reader, a script to another, a page to the next.
GIF_SCRIPT = b"GIF89a/*" + b"\0" * 20 + b"*/=1;" + RUN.encode()
JPEG = saved(sheet(), "JPEG")
PDF_SCRIPT = pdf((b"0 0 60 60 re f", (200, 200))).replace(
    b"/Type/Catalog", b"/OpenAction<</S/JavaScript/JS(app.alert\\('RAN'\\))>>/Type/Catalog", 1
)

HOSTILE = {
    "HTML called PDF": Content("发票.pdf", HTML, "pdf"),
    "HTML called HTML": Content("发票.html", HTML, "html"),
    "HTML called JPEG": Content("封面.jpg", HTML, "jpeg"),
    "SVG": Content("图.svg", SVG, "svg"),
    "SVG called PNG": Content("图.png", SVG, "png"),
    "XML with a style": Content("发票.xml", XML, "xml"),
    "GIF and script": Content("a.gif", GIF_SCRIPT, "gif"),
    "script": Content("a.js", RUN.encode(), "txt"),
}
SHOWN = {
    "JPEG and HTML": Content("封面.jpg", JPEG + HTML, "jpeg"),
    "PNG and HTML": Content("封面.png", saved(sheet(), "PNG") + HTML, "png"),
    "PDF with JavaScript": Content("发票.pdf", PDF_SCRIPT, "pdf", pages=1),
    "a usual TIFF": Content("封面.tif", saved(Image.new("L", (60, 40), 9), "TIFF"), "tiff"),
}
#: Every way in which a page could be made to run or to show something of its own origin.
EMBEDDINGS = """async (address) => {
  const tried = [];
  for (const [tag, name] of [["script", "src"], ["iframe", "src"], ["object", "data"],
                             ["embed", "src"], ["link", "href"]]) {
    const node = document.createElement(tag);
    if (tag === "link") node.rel = "stylesheet";
    tried.push(new Promise((done) => {
      node.onload = () => done(`${tag} loaded`);
      node.onerror = () => done(`${tag} refused`);
      setTimeout(() => done(`${tag} nothing`), 600);
    }));
    node[name] = address;
    document.body.append(node);
  }
  const worker = await new Promise((done) => {
    try {
      const one = new Worker(address);
      one.onerror = () => done("worker refused");
      setTimeout(() => done("worker nothing"), 300);
    } catch { done("worker refused"); }
  });
  return [...await Promise.all(tried), worker];
}"""


@dataclass
class Watched:
    """A page of somebody who is logged in, and what ran in it."""

    page: Any
    address: str
    ran: list[str]


@pytest.fixture
def watched(app: Flask) -> Iterator[Watched]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        with chromium() as browser:
            page = browser.new_context(accept_downloads=True).new_page()
            page.set_default_timeout(browser_rig.PATIENCE_MS)
            ran: list[str] = []
            page.on("console", lambda said: ran.append(said.text) if "RAN" in said.text else None)
            page.on("dialog", lambda dialog: _note(dialog, ran))
            # Those of workers too, which have no console here.
            page.context.on(
                "request", lambda one: ran.append(one.url) if "/canary" in one.url else None
            )
            page.goto(f"{address}/login")
            page.fill("#name", Role.AUDITOR.value)
            page.fill("#password", PASSWORDS[Role.AUDITOR])
            page.locator("main button, form button.btn-primary").first.click()
            page.wait_for_selector(".who")
            yield Watched(page, address, ran)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _note(dialog: Any, ran: list[str]) -> None:
    ran.append(dialog.message)
    dialog.dismiss()


def saved_by_browser(watched: Watched, path: str) -> tuple[str, bytes]:
    """What a browser makes of an address that is typed: the name and the bytes it saves."""
    with watched.page.expect_download() as download, suppress(browser_rig.playwright.Error):
        watched.page.goto(watched.address + path)  # which ends as a download, not as a page
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_the_canary_sings(watched: Watched) -> None:
    """What is looked for below is found where a page does run such a script."""
    watched.page.goto("about:blank")
    watched.page.set_content(HTML.decode())
    watched.page.wait_for_timeout(200)
    assert any("RAN" in one for one in watched.ran)


def test_no_file_of_the_source_runs(scene: PageScene, watched: Watched) -> None:
    contents = {**HOSTILE, **SHOWN}
    document = scene.archived(*contents.values())
    for position, (name, content) in enumerate(contents.items()):
        file = scene.file(document, position)
        download, picture = f"/files/{file.id}/download", f"/files/{file.id}/picture"
        assert saved_by_browser(watched, download) == (content.name, content.body), name
        for path in (
            picture,
            f"/files/{file.id}/facts",
            f"/documents/{document.id}?file={file.id}",
        ):
            watched.page.goto(watched.address + path)
            watched.page.wait_for_load_state("load")
            assert watched.ran == [], (name, path)
        # Even somebody who could smuggle markup into a page would run none of them.
        watched.page.goto(f"{watched.address}/documents/{document.id}?file={file.id}")
        for path in (download, picture):
            tried = watched.page.evaluate(EMBEDDINGS, watched.address + path)
            assert not {"script loaded", "link loaded"} & {*tried}, (name, tried)
            assert watched.ran == [], (name, path)
            assert watched.page.evaluate("window.frames.length") <= 2, name


def test_what_can_be_shown_is_shown_as_before(scene: PageScene, watched: Watched) -> None:
    document = scene.archived(*SHOWN.values())
    for position, name in enumerate(SHOWN):
        file = scene.file(document, position)
        watched.page.goto(f"{watched.address}/documents/{document.id}?file={file.id}")
        image = watched.page.locator(".paper img")
        image.wait_for()
        watched.page.wait_for_load_state("load")
        assert image.evaluate("image => image.complete && image.naturalWidth") > 0, name
        answer = watched.page.goto(f"{watched.address}/files/{file.id}/picture")
        assert answer.status == 200, name
        assert answer.headers["content-type"].startswith("image/"), name
    assert watched.ran == []


@pytest.mark.parametrize(
    ("name", "saved_as"),
    [
        ("../../autorun.inf", "__.._autorun.inf"),
        ("发票\u202efdp.exe", "发票_fdp.exe"),
        ('a"; filename="evil.exe', "a_; filename=_evil.exe"),
        ("a\r\nContent-Type: text/html\r\n\r\n<b>", "a__Content-Type_ text_html_____b_"),
        ("100%41.pdf", "100%41.pdf"),
        ("NUL.txt", "_NUL.txt"),
    ],
)
def test_a_browser_saves_under_a_harmless_name(
    scene: PageScene, watched: Watched, name: str, saved_as: str
) -> None:
    file = scene.file(scene.archived(Content(name, b"bytes", "txt")))
    assert saved_by_browser(watched, f"/files/{file.id}/download") == (saved_as, b"bytes")
