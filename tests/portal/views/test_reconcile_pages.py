"""对账 on the pages: asked for by anybody, done by a clerk, every number leads to its documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from portal.chores.clerk import Clerk
from portal.chores.kinds import KINDS
from portal.errors import SyncError
from portal.models import AuditEvent, Reconciliation
from portal.services.opening import OpenSource
from portal.sync.archive.local import LocalArchive
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import failed
from tests.portal.services.reconcile_scene import Proving
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor

Visit = Callable[[str], Visitor]


@pytest.fixture
def proving(scene: PageScene) -> Proving:
    return Proving(scene.ledger_scene, LocalArchive(scene.home / "archive"))


class _Closing:
    def close(self) -> None:
        """Nothing was opened."""


@pytest.fixture
def clerk(scene: PageScene, proving: Proving, monkeypatch: pytest.MonkeyPatch) -> Clerk:
    """Who does the chores, with the scene's source behind every data source."""
    opened = OpenSource(proving.source, _Closing())  # type: ignore[arg-type]
    monkeypatch.setattr("portal.chores.reconciling.open_source", lambda *_: opened)
    return Clerk(scene.portal, KINDS)


def some_trouble(proving: Proving) -> None:
    """One failed, one gone, one new, one with another amount than the source says."""
    scene = proving.scene
    documents = [make_document(n, files=2, amount=Decimal(n)) for n in range(5)]
    batch_id = proving.migrate(documents, leave=1)
    scene.settle(batch_id, failed(scene.claim(batch_id)[0], "FILE_CORRUPT"))
    listed = proving.source.documents
    listed[1] = replace(listed[1], amount=Decimal("7.50"))
    del listed[2]
    listed.append(make_document(9, org_code="", org_name=""))


def start(visitor: Visitor, **fields: str) -> Page:
    form = visitor.get("/reconcile/").form("/reconcile/start")
    return visitor.submit(form, {"first": "2024-01", "last": "2024-02", **fields})


def test_anybody_may_have_a_month_reconciled(
    scene: PageScene, clerk: Clerk, proving: Proving, visit: Visit
) -> None:
    proving.migrate([make_document(1)])
    for number, name in enumerate(("admin", "operator", "auditor"), start=1):
        assert start(visit(name), reread="1").pollers
        assert clerk.do_one(["reconcile"])
        done = visit(name).get(f"/reconcile/{number}")
        assert "相符" in done.text
        assert not done.pollers
    with scene.portal.ledger.read() as session:
        asked = session.query(AuditEvent).filter_by(action="reconcile.ask").all()
        runs = session.query(Reconciliation).all()
    assert [event.actor for event in asked] == ["admin", "operator", "auditor"]
    assert [run.state for run in runs] == ["ended"] * 3
    assert "已核对" in visit("auditor").get("/reconcile/3").text


def test_every_number_leads_to_its_documents(
    clerk: Clerk, proving: Proving, auditor: Visitor
) -> None:
    some_trouble(proving)
    start(auditor)
    assert clerk.do_one(["reconcile"])
    page = auditor.get("/reconcile/1")
    assert "不平" in page.text
    for path in ("/reconcile/1", "/reconcile/1/cells"):
        shown = auditor.get(path)
        links = {link for link in shown.links if "/documents?" in link}
        assert len(links) >= 8
        for link in links:
            auditor.get(link)
    rows = auditor.get("/reconcile/1/documents?part=failed&month=2024-01").rows()
    assert [row[1] for row in rows] == ["FYBX00004"]
    archived = auditor.get("/reconcile/1/documents?part=archived&month=2024-01").rows()
    assert [row[0] for row in archived] == [f"FYBX{n:05d}" for n in range(4)]
    both = auditor.get("/reconcile/1/documents?part=source&month=2024-01&org=1001&type=FYBX")
    assert [row[0] for row in both.rows()] == ["FYBX00000", "FYBX00001", "FYBX00003"]
    nowhere = auditor.get("/reconcile/1/documents?part=new&month=2024-01&org=-&type=FYBX").rows()
    assert [row[1] for row in nowhere] == ["FYBX00009"]
    defects = auditor.get("/reconcile/1/documents")
    assert "应为 7.50，实为 1.00" in defects.text


def test_the_pages_speak_english(clerk: Clerk, proving: Proving, auditor: Visitor) -> None:
    some_trouble(proving)
    auditor.speak_english()
    start(auditor, reread="1")
    assert clerk.do_one(["reconcile"])
    for path in ("", "1", "1/cells", "1/documents", "1/documents?part=archived&month=2024-01"):
        auditor.get(f"/reconcile/{path}")
    auditor.get("/audit/")


def test_what_the_source_does_not_tell_is_said(
    clerk: Clerk, proving: Proving, auditor: Visitor
) -> None:
    proving.migrate([make_document(1)])
    proving.source.groups = False
    start(auditor)
    clerk.do_one(["reconcile"])
    assert "未提供，清点值" in auditor.get("/reconcile/1/cells").text


def test_a_source_that_fails_says_why(clerk: Clerk, proving: Proving, admin: Visitor) -> None:
    def refuse() -> None:
        raise SyncError("SRC_CREDENTIALS", detail="401")

    proving.source.before_count = refuse
    start(admin)
    assert clerk.do_one(["reconcile"])
    page = admin.get("/reconcile/1")
    assert "失败" in page.text
    assert "处理措施" in page.text


def test_one_that_is_cancelled_before_it_began_says_so(
    scene: PageScene, clerk: Clerk, proving: Proving, operator: Visitor
) -> None:
    proving.migrate([make_document(1)])
    page = start(operator)
    stopped = operator.submit(page.form("/cancel"))
    assert "已取消" in stopped.text
    start(operator)
    assert clerk.do_one(["reconcile"])
    with scene.portal.ledger.read() as session:
        states = [run.state for run in session.query(Reconciliation).order_by(Reconciliation.id)]
    assert states == ["cancelled", "ended"]


def test_one_that_is_cancelled_meanwhile_stops_and_says_so(
    scene: PageScene,
    clerk: Clerk,
    proving: Proving,
    operator: Visitor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("portal.chores.desk._SAY_EVERY_SECONDS", 0.0)
    proving.migrate([make_document(1)])
    page = start(operator)

    def cancel() -> None:
        operator.submit(page.form("/cancel"))

    proving.source.before_count = cancel
    assert clerk.do_one(["reconcile"])
    with scene.portal.ledger.read() as session:
        assert session.query(Reconciliation).one().state == "cancelled"
    assert "已取消" in operator.get("/reconcile/1").text


def test_months_that_make_no_range_are_refused_with_the_reason(
    scene: PageScene, admin: Visitor
) -> None:
    page = start(admin, first="2024-05", last="2024-01")
    assert any("起始月份" in message for message in page.messages)
    admin.get("/reconcile/1", status=404)
