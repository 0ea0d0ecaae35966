"""导出 on the pages."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.chores.clerk import Clerk
from portal.chores.kinds import KINDS
from portal.models import AuditEvent, utc_now
from portal.services import chores
from portal.services.sealing import seal_step
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor


def made(scene: PageScene, visitor: Visitor, query: str, **fields: str) -> Page:
    """Ask for an export, have a clerk make it, look at its page."""
    page = visitor.submit(visitor.get(f"/exports/new?{query}").form("/exports/new"), fields)
    assert Clerk(scene.portal, KINDS).do_one(["export"])
    return visitor.get(page.path)


def test_an_auditor_exports_what_a_list_shows_and_downloads_it_again_and_again(
    scene: PageScene, auditor: Visitor
) -> None:
    number = scene.ended("FILE_CORRUPT", "SRC_NOT_FOUND", synced=2)
    seal_step(scene.portal.ledger, scene.portal.seal_key, now=utc_now())
    listed = auditor.get(f"/batches/{number}/failures")
    (link,) = {link for link in listed.links if link.startswith("/exports/new")}
    page = made(scene, auditor, link.partition("?")[2], format="csv")
    (path,) = {link for link in page.links if link.endswith("/download")}
    for _ in range(2):
        with auditor.raw(path) as response:
            assert response.data.startswith(b"\xef\xbb\xbf")
            assert response.data.count(b"\r\n") == 3
            assert "attachment" in response.headers["Content-Disposition"]
            digest = hashlib.sha256(response.data).hexdigest()
    assert digest in page.text
    with auditor.raw(path.replace("download", "companion")) as response:
        text = response.get_data(as_text=True)
        assert digest in text
        (anchor,) = [line for line in text.splitlines() if "锚点" in line]
        assert anchor.rpartition(" ")[2] in page.text
        assert not anchor.endswith("—")
    with scene.portal.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action.startswith("export."))
        events = [(event.action, event.actor) for event in session.scalars(query)]
    downloads = [("export.download", "auditor")] * 2
    assert events == [("export.ask", "auditor"), ("export.make", "auditor"), *downloads]
    assert path in auditor.get("/exports/").links


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("documents", {"batch_no": "MB19990101-0001"}, "没有批次 MB19990101-0001"),
        ("documents", {"status": "failed"}, "筛选 status 需要指定批次"),
        ("audit", {"first": "gestern"}, "筛选 first 的值无效：gestern"),
        ("audit", {"format": "pdf"}, "没有这种格式 pdf"),
    ],
)
def test_nonsense_is_said_at_once_and_the_form_keeps_what_was_typed(
    auditor: Visitor, kind: str, fields: dict[str, str], message: str
) -> None:
    form = auditor.get(f"/exports/new?kind={kind}").form("/exports/new")
    page = auditor.submit(form, fields, status=422)
    assert page.messages == [message]
    for name, value in fields.items():
        if name != "format":
            assert page.value(name) == value


def test_only_an_admin_removes_a_file(scene: PageScene, admin: Visitor, operator: Visitor) -> None:
    page = made(scene, operator, "kind=batches", format="jsonl")
    assert "remove" not in operator.get(page.path).actions
    after = admin.submit(admin.get(page.path).form("/remove"))
    assert after.messages == ["导出文件已删除"]
    gone = admin.get(page.path)
    assert not any("download" in link for link in gone.links)
    admin.get(f"{page.path}/download", status=404)
    assert list((scene.home / "archive" / ".kept" / "exports").iterdir()) == []


def test_who_may_not_see_the_trail_may_not_export_it(
    scene: PageScene, auditor: Visitor, operator: Visitor
) -> None:
    page = made(scene, auditor, "kind=audit", format="csv")
    assert page.path in auditor.get("/exports/").links
    for path in (page.path, f"{page.path}/download", f"{page.path}/companion"):
        operator.get(path, status=403)
    operator.get("/exports/new?kind=audit", status=403)
    operator.post("/exports/new", {"kind": "audit", "format": "csv"}, status=403)
    links = operator.get("/exports/").links
    assert not any("kind=audit" in link or link.startswith(page.path) for link in links)


def test_an_export_outlives_the_memory_of_the_chore_that_made_it(
    scene: PageScene, operator: Visitor
) -> None:
    first = made(scene, operator, "kind=batches", format="csv")
    made(scene, operator, "kind=batches", format="jsonl")
    with scene.portal.ledger.write() as session:
        chores.forget_old(session, now=utc_now() + timedelta(days=31))
    links = operator.get(first.path).links
    assert f"{first.path}/download" in links


def test_the_page_polls_until_the_file_is_there(scene: PageScene, operator: Visitor) -> None:
    form = operator.get("/exports/new?kind=months").form("/exports/new")
    page = operator.submit(form, {"format": "xlsx"})
    (poller,) = page.pollers
    assert Clerk(scene.portal, KINDS).do_one(["export"])
    (then,) = operator.get(poller.get("hx-get"), htmx=True, status=286).pollers
    part = operator.get(then.get("hx-get"), htmx=True)
    assert any(link.endswith("/download") for link in part.links)


def test_every_list_leads_to_its_export(scene: PageScene, auditor: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT")
    leads = {
        "/batches/": "kind=batches",
        f"/batches/{number}": "kind=documents",
        f"/batches/{number}/failures": "kind=failures",
        f"/batches/{number}/documents?status=failed": "status=failed",
        "/audit/?actor=x": "actor=x",
    }
    for path, query in leads.items():
        links = [link for link in auditor.get(path).links if link.startswith("/exports/new")]
        assert any(query in link for link in links), path


def test_a_kind_that_is_not_there_is_no_page(operator: Visitor) -> None:
    operator.get("/exports/new?kind=passwords", status=404)
