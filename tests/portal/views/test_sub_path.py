"""The portal under a path of its own, and whom it believes about where that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.app import create_app
from portal.htmx import STOP_POLLING
from portal.models import Role
from portal.settings import read_settings
from tests.portal.views.html_page import Node, parse
from tests.portal.views.logged_in import be
from tests.portal.views.page_scene import PASSWORDS, TOKEN, Content, PageScene
from tests.portal.views.visitor import Visitor

BASE = "/imaging"
FOLLOWED = ("href", "src", "hx-get", "data-picture")
LEADS = (*FOLLOWED, "action", "formaction", "hx-post")

Start = Callable[..., Flask]


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Starts the application with more settings, on the same ledger."""
    apps: list[Flask] = []

    def build(**settings: str) -> Flask:
        given = {"IMGMIG_HOME": str(home), "XXL_JOB_ACCESS_TOKEN": TOKEN} | settings
        apps.append(create_app(read_settings(given)))
        return apps[-1]

    yield build
    for app in apps:
        app.extensions["portal"].ledger.close()
        app.extensions["portal"].queue.close()


@pytest.fixture
def under(start: Start) -> Flask:
    return start(PORTAL_BASE_PATH=BASE)


def logged_in(app: Flask, role: Role = Role.ADMIN) -> FlaskClient:
    client = app.test_client()
    be(client, app.extensions["portal"], role.value)
    return client


def cookie(response: TestResponse) -> set[str]:
    return {part.strip() for part in response.headers["Set-Cookie"].split(";")[1:]}


def log_in(app: Flask, path: str, **headers: str) -> TestResponse:
    """By the form at this path, as a browser whose proxy sends such headers."""
    client = app.test_client(use_cookies=False)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    page = client.get(path, headers=given)
    token = parse(page.text)[0].all("input", name="csrf_token")[0].get("value")
    fields = {"name": "admin", "password": PASSWORDS[Role.ADMIN], "csrf_token": token}
    given["Cookie"] = page.headers["Set-Cookie"].split(";")[0]
    return client.post(path, data=fields, headers=given)


def addresses(root: Node, names: tuple[str, ...]) -> set[str]:
    """Where a page leads, by these attributes."""
    found = {node.get(name) for node in root.walk() for name in names}
    return {address for address in found if address and not address.startswith("#")}


def test_every_page_leads_to_addresses_under_the_path(under: Flask, scene: PageScene) -> None:
    scene.ended("FILE_CORRUPT")
    scene.running()
    scene.waiting()
    scene.archived(Content("发票.txt", b"text", "txt"))
    client = logged_in(under)
    waiting, seen = [f"{BASE}/"], {f"{BASE}/"}
    beside: list[tuple[str, str]] = []
    while waiting:
        path = waiting.pop(0)
        response = client.get(path, buffered=True)
        assert response.status_code in (200, STOP_POLLING, 303), (path, response.status_code)
        if response.status_code == 303:  # a download of what has no file
            assert response.headers["Location"].startswith(f"{BASE}/documents/")
        if response.status_code == 303 or response.mimetype != "text/html":
            continue
        root = parse(response.text)[0]
        stay = {field.get("value") for field in root.all("input", name="next")}
        for address in addresses(root, LEADS) | stay:
            if not address.startswith((f"{BASE}/", "?")):
                beside.append((path, address))
        followed = {urljoin(path, one).split("?")[0] for one in addresses(root, FOLLOWED)}
        waiting += sorted(followed - seen)
        seen |= followed
    assert beside == []
    assert {
        f"{BASE}/{page}/" for page in ("batches", "months", "archive", "audit", "users")
    } <= seen
    assert len(seen) > 60


def test_what_needs_a_login_comes_back_to_where_one_wanted_to(under: Flask) -> None:
    visitor = Visitor(under.test_client(), lambda: "")
    sent = visitor.raw(f"{BASE}/batches/?status=ended")
    assert sent.headers["Location"] == f"{BASE}/login?next={BASE}/batches/?status%3Dended"
    fields = {"name": "admin", "password": PASSWORDS[Role.ADMIN]}
    page = visitor.submit(visitor.get(sent.headers["Location"]).form("/login"), fields)
    assert page.path == f"{BASE}/batches/?status=ended"
    assert visitor.submit(page.form("/language"), {"locale": "en"}).path == page.path
    assert page.form("/batches/").get("action") == f"{BASE}/batches/"


@pytest.mark.parametrize(
    "target",
    [
        "/batches/",
        "/",
        f"{BASE}/../other/",
        f"{BASE}/%2E%2e/other/",
        f"{BASE}x/",
        "//host/",
        "/\\host",
    ],
)
def test_nobody_is_led_beside_the_portal(under: Flask, target: str) -> None:
    answer = log_in(under, f"{BASE}/login?{urlencode({'next': target})}")
    assert answer.headers["Location"] == f"{BASE}/"


def test_a_live_region_sends_its_page_to_the_login_and_back(under: Flask) -> None:
    current = f"https://host{BASE}/jobs/?state=waiting"
    headers = {"HX-Request": "true", "HX-Current-URL": current}
    answer = under.test_client().get(f"{BASE}/jobs/live", headers=headers)
    assert answer.headers["HX-Redirect"] == f"{BASE}/login?next={BASE}/jobs/?state%3Dwaiting"


def test_the_cookie_stays_below_the_path(under: Flask, app: Flask) -> None:
    assert f"Path={BASE}" in cookie(under.test_client().get(f"{BASE}/login"))
    assert "Path=/" in cookie(app.test_client().get("/login"))


def test_the_bare_path_leads_to_the_overview(under: Flask) -> None:
    answer = under.test_client().get(BASE)
    assert urlsplit(answer.headers["Location"]).path == f"{BASE}/"


def test_a_page_beside_the_path_says_where_the_portal_is(under: Flask) -> None:
    client = under.test_client()
    for path in ("/", "/batches/", "/imagingx/", "/healthz/x", "/xxl-jobs/run"):
        answer = client.get(path)
        assert (answer.status_code, answer.mimetype) == (404, "text/plain")
        assert f"{BASE}/" in answer.text
    assert client.head("/").get_data() == b""


def test_an_unknown_page_under_the_path_has_the_portals_look(under: Flask) -> None:
    visitor = Visitor(logged_in(under), lambda: "")
    page = visitor.get(f"{BASE}/nowhere", status=404)
    assert f"{BASE}/" in page.links


@pytest.mark.parametrize("prefix", ["", BASE])
def test_machines_are_answered_at_the_port_with_and_without_the_path(
    under: Flask, prefix: str
) -> None:
    client = under.test_client()
    assert client.get(f"{prefix}/healthz").json == {"status": "ok"}
    assert client.get(f"{prefix}/metrics").status_code == 200
    beat = client.post(f"{prefix}/xxl-job/beat", headers={"XXL-JOB-ACCESS-TOKEN": TOKEN})
    assert beat.get_json()["code"] == 200


@pytest.mark.parametrize("path", ["/xxl-job", "/metrics/x", "/a b", "/..", "/a//b", "//a", "/a?"])
def test_a_path_that_cannot_be_told_apart_is_refused(start: Start, path: str) -> None:
    with pytest.raises(Exception, match="PORTAL_BASE_PATH"):
        start(PORTAL_BASE_PATH=path)


FORWARDED = {
    "X_Forwarded_For": "10.1.2.3",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Host": "imaging.example.com:8443",
    "X_Forwarded_Prefix": "/told",
}


def test_headers_of_strangers_change_nothing(app: Flask) -> None:
    answer = log_in(app, "/login", **FORWARDED)
    assert answer.headers["Location"] == "/"
    assert "Secure" not in cookie(answer)
    moved = app.test_client().get("/batches", headers={"X-Forwarded-Host": "evil.example.com"})
    assert urlsplit(moved.headers["Location"]).netloc == "localhost"


def test_behind_a_trusted_proxy_with_tls_the_cookie_is_secure(start: Start) -> None:
    app = start(PORTAL_TRUSTED_PROXIES="1")
    page = "https://imaging.example.com:8443/told/login"
    answer = log_in(app, "/login", Referer=page, **FORWARDED)
    assert answer.headers["Location"] == "/told/"
    assert {"Secure", "HttpOnly", "Path=/told", "SameSite=Lax"} <= cookie(answer)
    moved = app.test_client().get(
        "/batches", headers={k.replace("_", "-"): v for k, v in FORWARDED.items()}
    )
    assert moved.headers["Location"] == "https://imaging.example.com:8443/told/batches/"


def test_with_tls_the_cookie_says_by_its_name_that_it_is_ours_alone(start: Start) -> None:
    app = start(PORTAL_TRUSTED_PROXIES="1")
    tls = {"X-Forwarded-Proto": "https"}
    at_root = app.test_client().get("/login", headers=tls).headers["Set-Cookie"]
    assert at_root.startswith("__Host-imgmig=")
    assert {"Secure", "Path=/"} <= {part.strip() for part in at_root.split(";")}
    assert "Domain" not in at_root
    below = app.test_client().get("/login", headers=tls | {"X-Forwarded-Prefix": "/told"})
    assert below.headers["Set-Cookie"].startswith("__Secure-imgmig=")
    directly = app.test_client().get("/login", base_url="https://localhost")
    assert directly.headers["Set-Cookie"].startswith("__Host-imgmig=")
    plain = app.test_client().get("/login").headers["Set-Cookie"]
    assert plain.startswith("imgmig=")
    assert "Secure" not in plain


def test_a_form_from_another_site_is_refused_with_tls(start: Start) -> None:
    app = start(PORTAL_TRUSTED_PROXIES="1")
    answer = log_in(app, "/login", Referer="https://evil.example.com/", **FORWARDED)
    assert answer.status_code == 400
    assert "页面已过期" in answer.text


@pytest.mark.parametrize(
    "prefix", ["//evil.example.com", "/a/../b", "https://evil", "/a b", "/a\\b"]
)
def test_a_prefix_that_is_no_path_is_not_believed(start: Start, prefix: str) -> None:
    client = start(PORTAL_TRUSTED_PROXIES="1").test_client()
    answer = client.get("/batches/", headers={"X-Forwarded-Prefix": prefix})
    assert answer.headers["Location"].startswith("/login?")


def test_of_two_proxies_the_outer_ones_word_counts(start: Start) -> None:
    client = start(PORTAL_TRUSTED_PROXIES="2").test_client()
    headers = {
        "X-Forwarded-For": "6.6.6.6, 10.1.2.3, 10.0.0.1",
        "X-Forwarded-Proto": "https, http",
        "X-Forwarded-Host": "evil.example.com, imaging.example.com, inner",
    }
    moved = client.get("/batches", headers=headers)
    assert moved.headers["Location"] == "https://imaging.example.com/batches/"


def test_a_proxy_that_takes_the_path_off_and_says_so(start: Start) -> None:
    client = start(PORTAL_BASE_PATH=BASE, PORTAL_TRUSTED_PROXIES="1").test_client()
    headers = {"X-Forwarded-Prefix": BASE}
    assert client.get("/batches/", headers=headers).headers["Location"].startswith(f"{BASE}/login?")
    # What it forbids by path cannot be had by writing the path twice.
    assert client.get(f"{BASE}/metrics", headers=headers).status_code == 404
