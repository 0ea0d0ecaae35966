"""The portal behind a real nginx, under a sub-path, with TLS."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from portal.app import create_app
from portal.settings import read_settings
from tests.deploy import real_nginx
from tests.deploy.real_nginx import ADMIN, BASE, MONITOR, VISITOR, Edge, nginx, nginx_within
from tests.functional.installation import Installation, Running, answers, wait_for
from tests.portal.ledger_scene import Scene
from tests.portal.views.html_page import parse
from tests.portal.views.page_scene import Content, PageScene

pytestmark = real_nginx.MARKS
NAME, PASSWORD = "审计", "a-password-for-tests"
BIG = b"0123456789abcdef" * (3 << 20)  # 48 MB, far more than all buffers on the way
METRICS_TOKEN = "a-token-for-the-monitor"
BEHIND = {"PORTAL_BASE_PATH": BASE, "PORTAL_TRUSTED_PROXIES": "1"}


def start_web(site: Installation) -> Running:
    web = site.start("web")
    wait_for("the portal", lambda: answers(f"{site.address}/healthz"))
    return web


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with one user and one large archived file; only its web process runs."""
    more = {"XXL_JOB_ALLOWED_NETWORKS": f"{ADMIN}/32", "PORTAL_METRICS_TOKEN": METRICS_TOKEN}
    site = Installation(tmp_path_factory.mktemp("behind") / "home", BEHIND | more)
    assert site.run("db", "upgrade").code == 0
    added = site.run("user", "add", NAME, "--role", "admin", USER_PASSWORD=PASSWORD)
    assert added.code == 0, added
    app = create_app(read_settings({"IMGMIG_HOME": str(site.home)}))
    portal = app.extensions["portal"]
    PageScene(Scene(portal.ledger), portal, site.home).archived(Content("大.txt", BIG, "txt"))
    portal.ledger.close()
    portal.queue.close()
    start_web(site)
    yield site
    site.kill_all()


@pytest.fixture(scope="module")
def edge(site: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with nginx(tmp_path_factory.mktemp("edge") / "nginx", site.port) as edge:
        yield edge


def log_in(caller: requests.Session, page: str, **headers: str) -> requests.Response:
    """As a browser does, which says where the form stood; the answer to the form, not followed."""
    shown = caller.get(page, headers=headers, timeout=10)
    form = next(f for f in parse(shown.text)[0].all("form") if "/login" in f.get("action"))
    token = form.one("input", name="csrf_token").get("value")
    return caller.post(
        urljoin(page, form.get("action")),
        data={"csrf_token": token, "name": NAME, "password": PASSWORD},
        headers={"Referer": page} | headers,
        allow_redirects=False,
        timeout=10,
    )


@pytest.fixture
def visitor(edge: Edge) -> requests.Session:
    """Somebody who has logged in."""
    caller = edge.caller()
    assert log_in(caller, f"{edge.secure}{BASE}/login").status_code == 303
    return caller


def events(site: Installation, action: str) -> list[str]:
    """From where it was done, as the trail has it, the newest last."""
    query = "SELECT origin FROM audit_events WHERE action = ? ORDER BY id"
    with closing(sqlite3.connect(site.home / "ledger.db", timeout=10)) as ledger:
        return [origin for (origin,) in ledger.execute(query, (action,))]


def test_http_leads_to_https(edge: Edge) -> None:
    answer = edge.caller().get(
        f"{edge.plain}{BASE}/batches/?status=ended", allow_redirects=False, timeout=10
    )
    assert answer.status_code == 301
    assert answer.headers["Location"] == f"{edge.secure}{BASE}/batches/?status=ended"


def test_a_login_under_the_path(edge: Edge) -> None:
    caller = edge.caller()
    arrived = caller.get(f"{edge.secure}{BASE}", timeout=10)
    assert arrived.url == f"{edge.secure}{BASE}/login?next={BASE}/"
    assert arrived.headers["Strict-Transport-Security"] == "max-age=31536000"
    answer = log_in(caller, f"{edge.secure}{BASE}/login?next={BASE}/batches/?status%3Dended")
    assert answer.headers["Location"] == f"{BASE}/batches/?status=ended"
    words = {word.strip() for word in answer.headers["Set-Cookie"].split(";")[1:]}
    assert {"Secure", "HttpOnly", f"Path={BASE}", "SameSite=Lax"} <= words
    for page in ("/", "/batches/", "/archive/", "/account/"):
        shown = caller.get(f"{edge.secure}{BASE}{page}", allow_redirects=False, timeout=10)
        assert (shown.status_code, shown.headers["Content-Security-Policy"] != "") == (200, True)
    slashless = caller.get(f"{edge.secure}{BASE}/batches", allow_redirects=False, timeout=10)
    assert slashless.headers["Location"] == f"{edge.secure}{BASE}/batches/"
    missing = caller.get(f"{edge.secure}{BASE}/nowhere", timeout=10)
    assert (missing.status_code, "没有找到" in missing.text) == (404, True)


def test_a_form_must_come_from_our_own_pages(edge: Edge) -> None:
    page = f"{edge.secure}{BASE}/login"
    for referrer in ("https://evil.example.com/", edge.plain, f"https://127.0.0.1{BASE}/login"):
        assert log_in(edge.caller(), page, Referer=referrer).status_code == 400
    assert log_in(edge.caller(), page).status_code == 303


def test_the_trail_has_the_visitors_own_address(site: Installation, edge: Edge) -> None:
    lies = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Host": "evil.example.com",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Prefix": "/evil",
    }
    caller = edge.caller("127.0.0.44")
    answer = log_in(caller, f"{edge.secure}{BASE}/login", **lies)
    assert answer.headers["Location"] == f"{BASE}/"
    assert "Secure" in answer.headers["Set-Cookie"]
    assert events(site, "user.login")[-1] == "127.0.0.44"


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics", "/readyz", "//metrics", "/%6Detrics", "/x/../metrics", "/./readyz"),
        *("/xxl-job/run", "/xxl-job", "/xxl-job/", "//xxl-job/beat", "/xxl%2Djob/beat"),
    ],
)
def test_what_machines_call_is_closed_to_visitors(edge: Edge, path: str) -> None:
    assert _raw_status(edge, VISITOR, BASE + path) == 403


def _raw_status(edge: Edge, address: str, path: str) -> int:
    """The status for a path that no client library has tidied."""
    request = requests.Request("GET", edge.secure).prepare()
    request.url = edge.secure + path
    caller = edge.caller(address)
    return caller.send(request, verify=str(edge.authority), timeout=10).status_code


def test_the_monitor_may_read_and_everybody_may_ask_whether_it_lives(edge: Edge) -> None:
    monitor, visitor = edge.caller(MONITOR), edge.caller()
    metrics, shown = f"{edge.secure}{BASE}/metrics", {"Authorization": f"Bearer {METRICS_TOKEN}"}
    assert monitor.get(metrics, timeout=10).status_code == 401
    assert "xxl_job" in monitor.get(metrics, timeout=10, headers=shown).text
    assert monitor.get(f"{edge.secure}{BASE}/readyz", timeout=10).json()["ready"] is False
    assert visitor.get(f"{edge.secure}{BASE}/healthz", timeout=10).json() == {"status": "ok"}


def test_an_admin_calls_the_executor_with_and_without_tls(site: Installation, edge: Edge) -> None:
    admin = edge.caller(ADMIN)
    token = {"XXL-JOB-ACCESS-TOKEN": (site.home / "executor.token").read_text().strip()}
    for address in (edge.plain, edge.secure):
        beat = admin.post(f"{address}{BASE}/xxl-job/beat", headers=token, timeout=10)
        assert (beat.status_code, beat.json()["code"]) == (200, 200)
        large = admin.post(
            f"{address}{BASE}/xxl-job/run", headers=token, data=b"x" * (5 << 20), timeout=10
        )
        assert (large.status_code, large.json()["code"]) == (200, 500)
    stranger = edge.caller().post(f"{edge.plain}{BASE}/xxl-job/beat", headers=token, timeout=10)
    assert stranger.status_code == 403


def test_strangers_at_the_port_itself_are_not_believed(site: Installation, tmp_path: Path) -> None:
    """Not even on loopback, which gunicorn would believe by itself."""
    plain = Installation(tmp_path / "home")
    assert plain.run("db", "upgrade").code == 0
    start_web(plain)
    try:
        lies = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "6.6.6.6", "SCRIPT-NAME": "/evil"}
        answer = requests.get(
            f"{plain.address}/batches", headers=lies, allow_redirects=False, timeout=10
        )
        assert answer.headers["Location"] == f"{plain.address}/batches/"
        shown = requests.get(f"{plain.address}/login", headers=lies, timeout=10)
        assert "Secure" not in shown.headers["Set-Cookie"]
    finally:
        plain.kill_all()


def test_a_large_download_flows_through(edge: Edge, visitor: requests.Session) -> None:
    with visitor.get(f"{edge.secure}{BASE}/files/1/download", stream=True, timeout=30) as answer:
        assert answer.headers["Content-Length"] == str(len(BIG))
        assert answer.raw.read(16) == BIG[:16]
        part = visitor.get(
            f"{edge.secure}{BASE}/files/1/download", headers={"Range": "bytes=-16"}, timeout=30
        )
        assert (part.status_code, part.content) == (206, BIG[-16:])
        assert answer.raw.read() == BIG[16:]
    assert "response is buffered to a temporary file" not in edge.log.read_text()


def test_a_zip_begins_before_it_is_packed(
    site: Installation, edge: Edge, visitor: requests.Session
) -> None:
    page = f"{edge.secure}{BASE}/archive/"
    token = parse(visitor.get(page, timeout=10).text)[0].all("input", name="csrf_token")[0]
    fields = {"csrf_token": token.get("value"), "document_id": "1"}
    with visitor.post(
        f"{edge.secure}{BASE}/packages/chosen",
        data=fields,
        headers={"Referer": page},
        stream=True,
        timeout=30,
    ) as answer:
        assert answer.headers["Content-Type"] == "application/zip"
        pieces = answer.iter_content(1 << 10)
        assert next(pieces).startswith(b"PK")
        assert len(events(site, "package.begin")) == 1
        assert events(site, "package.end") == []  # what it holds is not even read yet
        assert sum(map(len, pieces)) > 0
    wait_for("the end in the trail", lambda: len(events(site, "package.end")) == 1)
    assert "response is buffered to a temporary file" not in edge.log.read_text()


def test_styles_are_compressed_and_pages_are_not(edge: Edge, visitor: requests.Session) -> None:
    style = visitor.get(f"{edge.secure}{BASE}/static/vendor/tabler-1.6.1.min.css", timeout=10)
    assert style.headers["Content-Encoding"] == "gzip"
    page = visitor.get(f"{edge.secure}{BASE}/batches/", timeout=10)
    assert "Content-Encoding" not in page.headers


def test_too_much_is_refused_at_the_edge(edge: Edge, visitor: requests.Session) -> None:
    answer = visitor.post(f"{edge.secure}{BASE}/login", data=b"x" * (7 << 20), timeout=10)
    assert answer.status_code == 413


def test_behind_two_proxies_the_outer_one_says_who_it_is(
    site: Installation, tmp_path: Path
) -> None:
    """The outer nginx overwrites what visitors send, the inner one adds to what the outer says."""
    two = Installation(site.home, site.settings | {"PORTAL_TRUSTED_PROXIES": "2"})
    web = start_web(two)
    try:
        with (
            nginx_within(tmp_path / "inner", two.port) as inner,
            nginx(tmp_path / "outer", inner) as outer,
        ):
            caller = outer.caller("127.0.0.55")
            lies = {"X-Forwarded-For": "6.6.6.6, 7.7.7.7", "X-Forwarded-Proto": "http"}
            answer = log_in(caller, f"{outer.secure}{BASE}/login", **lies)
            assert answer.headers["Location"] == f"{BASE}/"
            assert "Secure" in answer.headers["Set-Cookie"]
            assert events(site, "user.login")[-1] == "127.0.0.55"
    finally:
        assert web.stop(signal.SIGTERM).code == 0


def test_without_a_sub_path(site: Installation, tmp_path: Path) -> None:
    root = Installation(tmp_path / "home", {"PORTAL_TRUSTED_PROXIES": "1"})
    assert root.run("db", "upgrade").code == 0
    added = root.run("user", "add", NAME, "--role", "admin", USER_PASSWORD=PASSWORD)
    assert added.code == 0, added
    start_web(root)
    try:
        with nginx(tmp_path / "nginx", root.port, base="") as edge:
            caller = edge.caller()
            answer = log_in(caller, f"{edge.secure}/login")
            assert answer.headers["Location"] == "/"
            assert {" Secure", " Path=/"} <= set(answer.headers["Set-Cookie"].split(";"))
            assert caller.get(f"{edge.secure}/batches/", timeout=10).status_code == 200
            assert _raw_status(edge, VISITOR, "/metrics") == 403
            assert _raw_status(edge, VISITOR, "/xxl-job/beat") == 403
    finally:
        root.kill_all()
