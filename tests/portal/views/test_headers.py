"""What the browser is told with every answer there is, whatever became of the request."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask, request
from werkzeug.wrappers import Response

from portal.browser import FOREIGN_POLICY
from tests.portal.views.page_scene import TOKEN, Content, PageScene
from tests.portal.views.visitor import POLICY, Visitor

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: What a path's variable is given: something there is, for most of them.
USUAL = {"path:filename": "css/portal.css"}
HTTPS = "https://imaging.example.com"


def check(path: str, response: Response, *, tls: bool = False) -> None:
    what = (path, response.status)
    for name, value in ALWAYS.items():
        assert response.headers.getlist(name) == [value], (*what, name)
    policies = response.headers.getlist("Content-Security-Policy")
    assert len(policies) == 1, what
    words = {part.strip() for part in policies[0].split(";")}
    assert words in (POLICY, {"default-src 'none'", "sandbox"}), what
    assert "unsafe" not in policies[0], what
    permissions = response.headers["Permissions-Policy"].split(", ")
    assert {"camera=()", "microphone=()", "geolocation=()", "payment=()"} <= {*permissions}
    assert all(one.endswith("=()") for one in permissions)
    assert ("Strict-Transport-Security" in response.headers) is tls, what
    if response.mimetype == "text/html":
        assert response.headers["Cache-Control"] == "no-store", what
        assert words == POLICY, what
    assert "Access-Control-Allow-Origin" not in response.headers, what


def addresses(app: Flask, values: dict[str, str]) -> Iterator[str]:
    """Every route that is asked by GET, its variables filled."""
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()):
            yield re.sub(r"<([^>]+)>", lambda part: values.get(part[1], "1"), rule.rule)


def test_every_route_with_every_kind_of_answer(
    app: Flask, scene: PageScene, admin: Visitor
) -> None:
    document = scene.archived(Content("封面.jpg", b"no picture at all", "jpeg"))
    file = scene.file(document)
    kinds: set[object] = set()
    stranger = app.test_client()
    for address in addresses(app, USUAL):
        for number in {str(document.id), str(file.id), "999999"}:
            path = re.sub(r"/1(?=/|$)", f"/{number}", address)
            for client in (admin.client, stranger):
                with client.get(path) as response:
                    check(path, response)
                    kinds.add(response.status_code // 100)
                    kinds.add(response.mimetype)
    assert {2, 3, 4, "text/html", "text/css", "application/json", "image/svg+xml"} <= kinds


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/static/../../etc/passwd", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/batches", 308),
        ("POST", "/batches/new", 400),
        ("DELETE", "/", 405),
        ("OPTIONS", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("POST", "/xxl-job/beat", 200),
        ("POST", "/xxl-job/run", 200),
        ("POST", "/xxl-job/nothing", 200),
        ("GET", "/xxl-job/run", 200),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
    ],
)
def test_errors_and_machines_too(app: Flask, method: str, path: str, status: int) -> None:
    headers = {"XXL-JOB-ACCESS-TOKEN": TOKEN} if path.startswith("/xxl-job") else {}
    with app.test_client().open(path, method=method, headers=headers) as response:
        assert response.status_code == status, response.data
        check(path, response)


def test_an_error_that_nobody_expected(fresh_app: Flask) -> None:
    @fresh_app.before_request
    def breaks() -> None:
        if request.path == "/login":
            raise RuntimeError("of a test")

    with fresh_app.test_client().get("/login") as response:
        assert response.status_code == 500
        check("/login", response)


def test_with_tls_the_browser_keeps_to_it(app: Flask) -> None:
    for path in ("/login", "/nowhere", "/static/css/portal.css", "/healthz"):
        with app.test_client().get(path, base_url=HTTPS) as response:
            check(path, response, tls=True)
            assert response.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_files_of_the_source_are_in_a_sandbox(scene: PageScene, auditor: Visitor) -> None:
    document = scene.archived(Content("a.svg", b"<svg onload='alert(1)'/>", "svg"))
    file = scene.file(document)
    for path in (f"/files/{file.id}/download", f"/files/{file.id}/picture"):
        with auditor.raw(path) as response:
            check(path, response)
            assert response.headers["Content-Security-Policy"] == FOREIGN_POLICY


def test_a_page_keeps_nothing_in_the_browser(admin: Visitor) -> None:
    """No page of records is left in a storage that outlives the session."""
    for meta in admin.get("/batches/").root.all("meta", name="htmx-config"):
        for setting in (
            '"historyCacheSize": 0',
            '"includeIndicatorStyles": false',
            '"allowEval": false',
            '"allowScriptTags": false',
            '"selfRequestsOnly": true',
        ):
            assert setting in meta.get("content")
        break
    else:
        pytest.fail("htmx is not configured")
