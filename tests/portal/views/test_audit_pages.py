"""操作日志: who sees it, what it shows and filters, its seals, and the button that verifies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.htmx import STOP_POLLING
from portal.models import AuditCheck, AuditEvent, Role, utc_now
from portal.services import audit, audit_checks
from portal.services.anchor_file import append_anchor
from portal.services.sealing import newest_anchor, seal_step
from portal.tasks.audit_checking import AuditChecking
from tests.portal.trail_scene import Trail
from tests.portal.views.page_scene import PASSWORDS, PageScene
from tests.portal.views.visitor import Page, Visitor

Visit = Callable[[str], Visitor]


def seal(scene: PageScene) -> None:
    while seal_step(scene.portal.ledger, scene.portal.seal_key, now=utc_now()):
        pass


def be_the_worker(scene: PageScene, *, stopping: bool = False) -> None:
    with scene.portal.ledger.read() as session:
        asked = audit_checks.newest(session)
    assert asked is not None
    AuditChecking(
        scene.portal.ledger,
        scene.portal.seal_key,
        home=scene.home,
        owner="w1",
        stopping=lambda: stopping,
    ).look(asked.id)


def events(scene: PageScene, action: str) -> list[AuditEvent]:
    with scene.portal.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
        return list(session.scalars(query))


def actions(page: Page) -> list[str]:
    return [row[2] for row in page.rows()]


def test_an_operator_neither_sees_it_nor_is_led_to_it(operator: Visitor, auditor: Visitor) -> None:
    operator.get("/audit/", status=403)
    assert "/audit/" not in operator.get("/").links
    assert "/audit/" in auditor.get("/").links


def test_it_tells_who_when_what_and_from_where(
    app: Flask, scene: PageScene, visit: Visit, auditor: Visitor
) -> None:
    stranger = visit("")
    form = stranger.get("/login").form("/login")
    stranger.submit(form, {"name": "operator", "password": "wrong"}, status=422)
    stranger.submit(form, {"name": "operator", "password": PASSWORDS[Role.OPERATOR]})
    number = scene.waiting()
    stranger.submit(stranger.get(f"/batches/{number}").form("/run"))
    stranger.submit(stranger.get("/").form("/logout"))
    rows = auditor.get("/audit/").rows()[:5]
    assert [(row[1], row[2], row[3], row[7]) for row in rows] == [
        ("operator", "退出登录", "", "127.0.0.1"),
        ("operator", "开始运行", number, "127.0.0.1"),
        ("周敏", "新增批次", number, rows[2][7]),
        ("operator", "登录", "", "127.0.0.1"),
        ("anonymous", "登录失败", "", "127.0.0.1"),
    ]
    assert rows[2][7].startswith("cli ")
    assert rows[1][4:6] == ["待运行", "运行中"]


def test_times_are_shown_where_the_users_are_and_kept_in_utc(
    scene: PageScene, auditor: Visitor
) -> None:
    at = utc_now().replace(hour=20, minute=30, second=1, microsecond=7)
    with scene.portal.ledger.write() as session:
        audit.record(session, "batch.create", by="周敏", at=at)
    cell = auditor.get("/audit/").root.all("time")[0]
    assert cell.text == f"{at + timedelta(hours=8):%Y-%m-%d %H:%M:%S}"
    assert cell.get("datetime") == at.isoformat()


def test_a_proxy_is_believed_only_when_it_is_trusted(home: Path, scene: PageScene) -> None:
    from portal.app import create_app  # noqa: PLC0415
    from portal.settings import read_settings  # noqa: PLC0415

    for proxies, seen in (("0", "127.0.0.1"), ("1", "10.1.2.3")):
        app = create_app(
            read_settings({"IMGMIG_HOME": str(home), "PORTAL_TRUSTED_PROXIES": proxies})
        )
        visitor = Visitor(app.test_client(), lambda: "")
        form = visitor.get("/login").form("/login")
        token = form.one("input", name="csrf_token").get("value")
        visitor.client.post(
            "/login",
            data={"csrf_token": token, "name": "x", "password": "y"},
            headers={"X-Forwarded-For": "6.6.6.6, 10.1.2.3"},
        )
        assert events(scene, "user.login-refused")[-1].origin == seen
        app.extensions["portal"].ledger.close()
        app.extensions["portal"].queue.close()


def test_events_of_single_documents_are_shown_when_asked_for(
    scene: PageScene, auditor: Visitor
) -> None:
    scene.ended("FILE_CORRUPT")
    assert "状态变更" not in actions(auditor.get("/audit/"))
    page = auditor.get("/audit/?documents=1")
    rows = [row for row in page.rows() if row[2] == "状态变更"]
    assert [row[4:7] for row in rows] == [
        ["待处理", "已迁移", ""],
        ["待处理", "失败", "FILE_CORRUPT"],
    ]
    assert {link for link in page.links if link.startswith("/documents/")}


def test_filters(scene: PageScene, auditor: Visitor) -> None:
    number, other = scene.ended("FILE_CORRUPT"), scene.paused()
    with scene.portal.ledger.write() as session:
        audit.record(session, "batch.pause", by="张三%", at=utc_now() - timedelta(days=40))
    page = auditor.get("/audit/")
    form = page.form("/audit/")

    def found(**fields: str) -> list[list[str]]:
        return auditor.search(form, fields).rows()

    assert {row[3] for row in found(batch_no=number)} == {number}
    assert {row[3] for row in found(batch_no=other)} == {other}
    assert found(batch_no="MB20200101-0001") == []
    assert {row[2] for row in found(action="batch.pause")} == {"暂停"}
    assert [row[1] for row in found(actor="张三%")] == ["张三%"]
    assert found(actor="%") == []
    today = utc_now() + timedelta(hours=8)
    month_ago = today - timedelta(days=40)
    assert [row[1] for row in found(last=f"{month_ago:%Y-%m-%d}")] == ["张三%"]
    assert [
        row[1] for row in found(first=f"{month_ago:%Y-%m-%d}", last=f"{month_ago:%Y-%m-%d}")
    ] == ["张三%"]
    assert "张三%" not in [row[1] for row in found(first=f"{today:%Y-%m-%d}")]
    assert len(found(first="junk", last="9999-99-99")) == len(page.rows())


def test_it_comes_page_by_page_and_keeps_the_filter(scene: PageScene, auditor: Visitor) -> None:
    with scene.portal.ledger.write() as session:
        for number in range(60):
            audit.record(session, "user.login", by=f"u{number:02}", at=utc_now())
            audit.record(session, "user.logout", by=f"u{number:02}", at=utc_now())
    first = auditor.get("/audit/?action=user.login")
    (older,) = [link for link in first.links if "after=" in link]
    names = [row[1] for page in (first, auditor.get(older)) for row in page.rows()]
    assert names == [f"u{number:02}" for number in range(59, -1, -1)]


def test_it_shows_what_is_sealed_and_what_not_yet(scene: PageScene, auditor: Visitor) -> None:
    scene.waiting()
    before = auditor.get("/audit/")
    assert {row[8].split()[-1] for row in before.rows()} == {"未封存"}
    (region,) = before.pollers
    assert "未封存" in region.text
    seal(scene)
    after = auditor.get("/audit/")
    assert {row[8].split()[-1] for row in after.rows()} == {"已封存"}
    assert after.pollers == []
    with scene.portal.ledger.read() as session:
        assert str(newest_anchor(session)) in after.text
    assert auditor.get("/audit/live", htmx=True, status=STOP_POLLING).pollers == []
    scene.waiting()
    assert "封存滞后" not in auditor.get("/audit/").text


def test_sealing_that_is_late_is_told(scene: PageScene, auditor: Visitor) -> None:
    with scene.portal.ledger.write() as session:
        audit.record(session, "user.login", by="x", at=utc_now() - timedelta(minutes=2))
    seal(scene)
    assert "封存滞后" not in auditor.get("/audit/").text
    with scene.portal.ledger.write() as session:
        audit.record(session, "user.login", by="x", at=utc_now() - timedelta(minutes=2))
    assert "封存滞后" in auditor.get("/audit/").text


@pytest.mark.parametrize("who", ["admin", "auditor"])
def test_the_button_has_the_trail_verified(
    scene: PageScene, request: pytest.FixtureRequest, who: str
) -> None:
    visitor: Visitor = request.getfixturevalue(who)
    scene.waiting()
    seal(scene)
    asked = visitor.submit(visitor.get("/audit/").form("/verify"))
    (region,) = asked.pollers
    assert "正在核对" in region.text
    be_the_worker(scene)
    page = visitor.get("/audit/")
    assert "核对结果：完好" in page.text
    assert who in page.root.one(id="audit-state").text
    (event,) = events(scene, "audit.verify")
    assert (event.actor, event.new, event.reason) == (who, "sound", None)
    assert actions(page)[0] == "核对操作日志"


def test_the_first_bad_row_is_named_and_led_to(scene: PageScene, auditor: Visitor) -> None:
    scene.ended("FILE_CORRUPT")
    seal(scene)
    victim = events(scene, "batch.create")[0].id
    Trail(scene.portal.ledger).tamper(f"UPDATE audit_events SET actor = 'x' WHERE id = {victim}")
    auditor.submit(auditor.get("/audit/").form("/verify"))
    be_the_worker(scene)
    region = auditor.get("/audit/").root.one(id="audit-state")
    assert "AUDIT_ROW_CHANGED" in region.text
    assert f"第 {victim} 条" in region.text
    (link,) = [a.get("href") for a in region.all("a")]
    assert auditor.get(link).rows()[0][8].split()[0] == str(victim)
    (event,) = events(scene, "audit.verify")
    assert (event.new, event.reason) == ("unsound", "AUDIT_ROW_CHANGED")
    assert event.detail is not None
    assert event.detail["first_event"] == victim
    auditor.speak_english()
    assert f"event {victim} of the audit trail was changed" in auditor.get("/audit/").text


def test_the_worker_compares_the_anchors_kept_beside_the_ledger(
    scene: PageScene, auditor: Visitor
) -> None:
    scene.waiting()
    seal(scene)
    with scene.portal.ledger.read() as session:
        anchor = newest_anchor(session)
    assert anchor is not None
    append_anchor(scene.home, anchor, now=utc_now())
    Trail(scene.portal.ledger).tamper("DELETE FROM audit_seals", "DELETE FROM audit_events")
    auditor.submit(auditor.get("/audit/").form("/verify"))
    be_the_worker(scene)
    assert "AUDIT_TAIL_CUT" in auditor.get("/audit/").text


def test_a_verification_is_asked_for_once_and_outlives_its_worker(
    scene: PageScene, auditor: Visitor, admin: Visitor
) -> None:
    seal(scene)
    for visitor in (auditor, admin):
        visitor.submit(visitor.get("/audit/").form("/verify"))
    be_the_worker(scene, stopping=True)
    assert len(auditor.get("/audit/").pollers) == 1
    ledger = scene.portal.ledger
    with ledger.write() as session:  # another one takes it and dies
        (check_id,) = session.scalars(select(AuditCheck.id)).all()
        assert audit_checks.claim(session, check_id, owner="w2", now=utc_now())
        assert not audit_checks.claim(session, check_id, owner="w3", now=utc_now())
    be_the_worker(scene)
    assert events(scene, "audit.verify") == []
    with ledger.write() as session:
        session.execute(
            update(AuditCheck).values(lease_expires_at=utc_now() - timedelta(seconds=1))
        )
        assert audit_checks.due(session, now=utc_now()) == check_id
    be_the_worker(scene)
    be_the_worker(scene)
    assert len(events(scene, "audit.verify")) == 1
    assert "核对结果：完好" in auditor.get("/audit/").text
