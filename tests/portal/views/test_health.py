"""/healthz, /readyz and /metrics, as probes and monitors see them."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask
from sqlalchemy import Engine, event
from werkzeug.test import TestResponse

from portal.app import create_app
from portal.logs import context
from portal.models import utc_now
from portal.runtime import Portal
from portal.services import beats, failure_counts, leases, retrying
from portal.services.readiness.watching import PATIENCE_SECONDS
from portal.settings import read_settings
from tests.exposition_parser import Parsed, parse
from tests.portal.ledger_scene import failed
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor

PASSWORD = "hunter22-of-the-ledger"
MONITOR = "a-token-for-the-monitor"


@pytest.fixture
def app(fresh_app: Flask) -> Flask:
    """Of its own: readiness is remembered for a moment, and requests are counted."""
    return fresh_app


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A server that takes connections and never says a word; its port."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as listener:
        yield int(listener.getsockname()[1])


def app_with(home: Path, **settings: str) -> Flask:
    return create_app(read_settings({"IMGMIG_HOME": str(home), **settings}))


def figures(visitor: Visitor) -> Parsed:
    return parse(visitor.raw("/metrics").text)


def _json(answer: TestResponse) -> dict[str, Any]:
    return cast("dict[str, Any]", answer.json)


def let_live(portal: Portal) -> None:
    with portal.ledger.write() as session:
        beats.beat(session, "agent", now=utc_now())
        leases.beat(session, "host-a.0a1b2c.0", pid=7, batch_id=None, now=utc_now())


def test_ready_when_everything_works(scene: PageScene, stranger: Visitor) -> None:
    let_live(scene.portal)
    answer = stranger.raw("/readyz")
    assert (answer.status_code, _json(answer)["ready"]) == (200, True)
    assert {check["check"] for check in _json(answer)["checks"] if check["ok"]} == {
        *("ledger", "schema", "agent", "worker", "clock", "queue", "archive", "disk")
    }


def test_not_ready_says_why_and_what_to_do_and_nothing_about_the_place(
    scene: PageScene, home: Path, stranger: Visitor
) -> None:
    (home / "archive").write_text("no folder")
    answer = stranger.raw("/readyz")
    assert (answer.status_code, _json(answer)["ready"]) == (503, False)
    wrong = {check["check"]: check for check in _json(answer)["checks"] if not check["ok"]}
    codes = {name: check["code"] for name, check in wrong.items()}
    assert codes == {
        "agent": "NO_AGENT_ALIVE",
        "worker": "NO_WORKER_ALIVE",
        "archive": "ARCHIVE_UNWRITABLE",
    }
    assert "imgmig agent" in wrong["agent"]["todo_zh"]
    assert "imgmig agent" in wrong["agent"]["todo_en"]
    assert str(home) not in answer.text
    assert socket.gethostname() not in answer.text


def test_alive_touches_nothing(
    app: Flask, admin: Visitor, queries: Callable[[], Any], home: Path
) -> None:
    with queries() as asked:
        answer = admin.raw("/healthz", X_Forwarded_For="10.0.0.1")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert asked == []
    assert "Set-Cookie" not in answer.headers


def test_a_database_that_hangs_costs_a_bounded_time_and_no_secret(
    tmp_path: Path, silent_server: int
) -> None:
    address = f"postgresql://portal:{PASSWORD}@127.0.0.1:{silent_server}/ledger"
    app = app_with(tmp_path, PORTAL_DATABASE_URL=address)
    client = app.test_client()
    assert client.get("/healthz").status_code == 200
    began = time.monotonic()
    answer = client.get("/readyz")
    again = client.get("/readyz")
    page = client.get("/metrics").text
    # The bound is the requirement; three answers together stay within three patiences.
    assert time.monotonic() - began < 3 * PATIENCE_SECONDS + 2
    for one in (answer, again):
        assert one.status_code == 503
        codes = {check["check"]: check["code"] for check in _json(one)["checks"]}
        assert codes["ledger"] in ("CHECK_TIMEOUT", "LEDGER_AWAY")
        assert codes["disk"] is None
    assert parse(page).value("imgmig_check_ok", check="ledger") == 0
    for said in (answer.text, again.text, page):
        assert PASSWORD not in said
        assert str(silent_server) not in said


def test_figures_follow_what_happens(scene: PageScene, auditor: Visitor) -> None:
    let_live(scene.portal)
    scene.ended("FILE_CORRUPT", "FILE_CORRUPT", "SRC_NOT_FOUND", synced=2)
    scene.running(3)
    scene.waiting()
    auditor.get("/batches/")
    assert "404" in auditor.raw("/no/such/page").text
    seen = figures(auditor)
    assert seen.value("imgmig_check_ok", check="ledger") == 1
    assert seen.value("imgmig_batches", state="ended") == 1
    assert seen.value("imgmig_documents", state="ended", outcome="synced") == 2
    assert seen.value("imgmig_documents", state="ended", outcome="failed") == 3
    assert seen.value("imgmig_documents", state="running", outcome="pending") == 1
    assert seen.value("imgmig_stored_bytes", state="ended") > 0
    assert seen.value("imgmig_document_failures_total", code="FILE_CORRUPT") == 2
    assert seen.value("imgmig_document_failures_total", code="SRC_NOT_FOUND") == 1
    assert seen.sum("imgmig_documents_in_flight") == 1
    assert 0 <= seen.value("imgmig_lease_oldest_age_seconds") < 30
    assert seen.sum("imgmig_source_concurrency") > 0
    assert seen.value("imgmig_slices", state="waiting") >= 1
    assert seen.value("imgmig_audit_unsealed") > 0
    assert seen.value("imgmig_processes", kind="agent") == 1
    assert seen.sum("imgmig_process_resident_memory_bytes", kind="agent") > 1e6
    assert seen.value("imgmig_queue_length") >= 0
    assert seen.value("xxl_job_queue_length") == 0
    listed = {"method": "GET", "route": "/batches/"}
    assert seen.value("imgmig_http_requests_total", **listed, status="200") == 1
    assert seen.value("imgmig_http_request_duration_seconds_count", **listed) == 1
    assert seen.sum("imgmig_http_requests_total", route="(none)", status="404") == 1


def test_a_failure_that_is_retried_and_fails_again_counts_again(scene: PageScene) -> None:
    scene.ended("FILE_CORRUPT")
    ledger_scene = scene.ledger_scene
    (batch,) = (scene.batch(number) for number in scene.numbers())
    ledger_scene.do(retrying.retry, batch.id)
    (claim,) = ledger_scene.claim(batch.id)
    ledger_scene.settle(batch.id, failed(claim, "FILE_CORRUPT", detail="x"))
    with scene.portal.ledger.read() as session:
        assert failure_counts.by_code(session) == {"FILE_CORRUPT": 2}


def test_figures_go_through_no_rows_of_documents(scene: PageScene, auditor: Visitor) -> None:
    """A ledger of a million documents is asked the same few questions, each along an index."""
    let_live(scene.portal)
    scene.ended("FILE_CORRUPT")
    scene.running(3)
    few = _asked_for_figures(auditor)
    scene.long(120)
    many = _asked_for_figures(auditor)
    assert len(many) == len(few) < 30
    with scene.portal.ledger.read() as session:
        connection = session.connection()
        for statement, parameters in many:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for *_, step in plan:
                for table in ("batch_items", "documents", "files", "audit_events"):
                    assert not step.startswith(f"SCAN {table}"), (statement, step)


def _asked_for_figures(visitor: Visitor) -> list[tuple[str, Any]]:
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and "alembic_version" not in statement:
            asked.append((statement, parameters))

    visitor.raw("/metrics")  # the checks are fresh for a moment now
    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert visitor.raw("/metrics").status_code == 200
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return asked


# Who may have the figures.


def test_figures_are_for_this_host_alone_by_default(app: Flask, admin: Visitor) -> None:
    client = app.test_client()
    assert client.get("/metrics").status_code == 200
    for address in ("10.1.2.3", "::ffff:10.1.2.3", ""):
        answer = client.get("/metrics", environ_overrides={"REMOTE_ADDR": address})
        assert answer.status_code == 401, address
        assert "imgmig_" not in answer.text
    # A proxy on this host passes on what comes from anywhere.
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert client.get("/metrics", headers={header: "10.1.2.3"}).status_code == 401
    # Nor does a login help: a monitor has none, and the page tells of every host.
    answer = admin.client.get("/metrics", environ_overrides={"REMOTE_ADDR": "10.1.2.3"})
    assert answer.status_code == 401


def test_with_a_token_only_the_token_counts(home: Path) -> None:
    client = app_with(home, PORTAL_METRICS_TOKEN=MONITOR).test_client()
    far = {"REMOTE_ADDR": "10.1.2.3"}
    right = {"Authorization": f"Bearer {MONITOR}"}
    assert client.get("/metrics", headers=right, environ_overrides=far).status_code == 200
    for wrong in ({}, {"Authorization": f"Bearer {MONITOR}x"}, {"Authorization": "Bearer é"}):
        assert client.get("/metrics", headers=wrong).status_code == 401
    assert MONITOR not in client.get("/metrics", headers=right).text


# Each request has an id.


def test_every_answer_carries_its_id_and_errors_show_it(app: Flask, operator: Visitor) -> None:
    first = operator.raw("/batches/")
    second = operator.raw("/batches/")
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
    for path, status in (("/users/", 403), ("/no/such/page", 404)):
        answer = operator.raw(path)
        assert answer.status_code == status
        assert f"编号 {answer.headers['X-Request-ID']}" in answer.text
    assert "X-Request-ID" in app.test_client().post("/xxl-job/beat").headers


def test_only_a_trusted_proxy_names_a_request_and_only_in_shape(app: Flask, home: Path) -> None:
    given = {"X-Request-ID": "from-the-proxy-1"}
    assert (
        app.test_client().get("/healthz", headers=given).headers["X-Request-ID"]
        != "from-the-proxy-1"
    )
    behind = app_with(home, PORTAL_TRUSTED_PROXIES="1").test_client()
    assert behind.get("/healthz", headers=given).headers["X-Request-ID"] == "from-the-proxy-1"
    for wrong in (
        "short",
        "a" * 65,
        "with blank in it",
        "<script>alert(1)</script>",
        "x,y,zzzzzzz",
    ):
        answer = behind.get("/healthz", headers={"X-Request-ID": wrong})
        assert answer.headers["X-Request-ID"] != wrong
        assert len(answer.headers["X-Request-ID"]) == 16


def test_a_request_is_one_record_with_its_user_and_place(
    scene: PageScene, operator: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "portal.requests")
    number = scene.waiting()
    seen: list[Any] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append({**record.fields, **context.current()})  # type: ignore[attr-defined,method-assign]
    logging.getLogger("portal.requests").addHandler(handler)
    try:
        answer = operator.raw(f"/batches/{number}?q=what+somebody+looked+for")
        assert answer.text
        assert operator.raw("/healthz").text
    finally:
        logging.getLogger("portal.requests").removeHandler(handler)
    (record,) = seen
    assert record["request_id"] == answer.headers["X-Request-ID"]
    assert (record["user"], record["batch_no"]) == ("operator", number)
    assert (record["route"], record["status"]) == ("/batches/<batch_no>", 200)
    assert "looked" not in str(record)


def test_the_page_tells_what_strangers_are_not_told(
    scene: PageScene, home: Path, admin: Visitor, auditor: Visitor, operator: Visitor
) -> None:
    let_live(scene.portal)
    (home / "archive").write_text("no folder")
    for visitor in (admin, auditor):
        page = visitor.get("/status/")
        assert "ARCHIVE_UNWRITABLE" in page.text
        assert "host-a" in page.text
        assert socket.gethostname() in page.text
    operator.get("/status/", status=403)
