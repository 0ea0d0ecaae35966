"""目标: list, form, test, reconciliation; and what a batch and its documents show of pushing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from portal.models import AuditEvent, Batch, Push, PushTarget, utc_now
from portal.services import chores, push_checking, push_targets
from portal.services.push_enrolment import Enrolment
from portal.statuses import PushStatus
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor

Visit = Callable[[str], Visitor]
SECRET = "s3cret-of-the-app"
NEW = "/targets/new"
FINE: dict[str, str | list[str]] = {
    "name": "旗舰版",
    "base_url": "https://flagship.example/ierp/",
    "app_id": "imgmig",
    "app_secret": SECRET,
    "account_id": "1000001",
    "tenant_id": "t1",
    "user": "影像迁移",
    "user_type": "UserName",
    "confirmed_statuses": "2，3",
    "max_mb": "20.5",
    "concurrency_cap": "3",
    "rate_cap": "2.5",
}


def add(admin: Visitor, **changes: str | list[str]) -> Page:
    return admin.submit(admin.get(NEW).form(NEW), {**FINE, **changes})


def row(scene: PageScene, name: str = "旗舰版") -> PushTarget:
    with scene.portal.ledger.read() as session:
        return push_targets.find(session, name)


def secret_of(scene: PageScene) -> str:
    return push_targets.form_of(row(scene), scene.portal.box).app_secret


def pushed_batch(scene: PageScene) -> str:
    """An ended batch of three archived documents that are to be pushed on."""
    number = scene.ended(synced=3)
    target_id = row(scene).id
    with scene.portal.ledger.write() as session:
        session.execute(
            update(Batch).where(Batch.batch_no == number).values(push_target_id=target_id)
        )
    return number


def set_pushes(scene: PageScene, *statuses: PushStatus, code: str | None = None) -> None:
    """Enrol what is to be pushed, and have each document be so far."""
    Enrolment(scene.portal.ledger, "w").step(utc_now())
    with scene.portal.ledger.write() as session:
        rows = session.scalars(select(Push).order_by(Push.id)).all()
        for push, status in zip(rows, statuses, strict=True):
            push.status = status
            if status is PushStatus.FAILED:
                params = {"call": "erpBillPush", "errcode": "2001", "description": "未启用"}
                push.error_code, push.error_params = code or "TGT_REFUSED", params


def test_the_form_sets_everything_and_shows_no_secret(scene: PageScene, admin: Visitor) -> None:
    page = add(admin)
    assert page.messages == ["目标已保存，请测试连接"]
    target = row(scene)
    assert secret_of(scene) == SECRET
    assert target.base_url == "https://flagship.example/ierp"
    assert (target.max_file_bytes, target.concurrency_cap, target.rate_cap) == (21_495_808, 3, 2.5)
    assert target.confirmed_statuses == ["2", "3"]
    for path in (page.path, f"{page.path}/edit", "/targets/", "/audit/"):
        assert SECRET not in str(admin.get(path).root)


def test_saved_untouched_nothing_changes(scene: PageScene, admin: Visitor) -> None:
    page = add(admin)
    before = row(scene)
    admin.submit(admin.get(f"{page.path}/edit").form("/edit"))
    with scene.portal.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action == "target.change")
        assert session.scalars(query).one().detail is None
    assert secret_of(scene) == SECRET
    assert row(scene).max_file_bytes == before.max_file_bytes


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("base_url", "flagship", "须为 http:// 或 https:// 开头的网址"),
        ("base_url", "http://169.254.169.254/", "169.254.169.254"),
        ("app_secret", "", "应用密钥不能为空"),
        ("concurrency_cap", "0", "并发上限须为 1–64"),
        ("max_mb", "0", "单个文件上限"),
        ("ca_pem", "no certificate", "没有可读的 PEM 证书"),
        ("user", "", "请输入用户"),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(
    admin: Visitor, field: str, value: str, reason: str
) -> None:
    page = admin.submit(admin.get(NEW).form(NEW), {**FINE, field: value}, status=422)
    assert reason in page.error_at(field)
    assert SECRET not in str(page.root)


def test_a_name_is_given_once(admin: Visitor) -> None:
    add(admin)
    page = admin.submit(admin.get(NEW).form(NEW), FINE, status=422)
    assert "已有名为 旗舰版 的目标" in page.error_at("name")


def test_the_secret_is_asked_for_again_at_another_host(scene: PageScene, admin: Visitor) -> None:
    page = add(admin)
    form = admin.get(f"{page.path}/edit").form("/edit")
    moved = {"base_url": "https://elsewhere.example/"}
    refused = admin.submit(form, moved, status=422)
    assert "请重新填写应用密钥" in refused.error_at("app_secret")
    admin.submit(form, {**moved, "app_secret": "an0ther-secret"})
    assert secret_of(scene) == "an0ther-secret"


def test_switching_and_deleting(scene: PageScene, admin: Visitor) -> None:
    page = add(admin)
    off = admin.submit(admin.get(page.path).form("/disable"))
    assert "已停用" in off.text
    assert not row(scene).enabled
    admin.submit(off.form("/enable"))
    gone = admin.submit(admin.get(page.path).form("/delete"))
    assert gone.messages == ["已删除目标 旗舰版"]
    assert "还没有目标" in gone.text


def test_a_used_target_cannot_be_deleted(scene: PageScene, admin: Visitor) -> None:
    page = add(admin)
    pushed_batch(scene)
    assert "delete" not in admin.get(page.path).actions
    told = admin.post(f"{page.path}/delete", status=303)
    assert "不能删除" in told.text
    assert row(scene).name == "旗舰版"


def test_auditors_look_and_operators_test_but_neither_configures(
    scene: PageScene, admin: Visitor, operator: Visitor, auditor: Visitor
) -> None:
    page = add(admin)
    assert auditor.get(page.path).actions & {"check", "reconcile", "disable", "delete"} == set()
    assert operator.get(page.path).actions & {"check", "reconcile", "disable", "delete"} == {
        "check",
        "reconcile",
    }
    assert operator.get("/targets/").root.all("a", href=NEW) == []


def test_a_test_is_asked_of_every_host_and_its_outcome_shown(
    scene: PageScene, admin: Visitor
) -> None:
    page = add(admin)
    with scene.portal.ledger.write() as session:
        chores.beat(session, "h1.clerk-1", [], host="h1", now=utc_now())
    running = admin.submit(admin.get(page.path).form("/check"))
    assert len(running.pollers) == 1
    with scene.portal.ledger.write() as session:
        held = chores.claim(
            session, [push_checking.TEST], clerk="h1.clerk-1", host="h1", now=utc_now()
        )
        assert held is not None
        params = {"call": "login.do", "errcode": "10005", "description": "user 不正确"}
        chores.fail(session, held, "TGT_LOGIN", params, now=utc_now())
    shown = admin.get(page.path)
    assert "user 不正确" in shown.text
    assert shown.pollers == []


def test_a_new_batch_offers_targets_only_when_there_are_some(
    scene: PageScene, admin: Visitor, operator: Visitor
) -> None:
    assert operator.get("/batches/new").root.all("select", name="push_to") == []
    add(admin)
    days = {"date_from": "2024-01-01", "date_to": "2024-01-31"}
    page = operator.get("/batches/new")
    form = page.form("/batches/new")
    wish = {**days, "push_to": str(row(scene).id), "do": "preview"}
    confirm = operator.submit(form, wish, status=200)
    assert "归档后推送到" in confirm.text
    made = operator.submit(confirm.form("/batches/new"), {"do": "create"})
    number = made.path.rsplit("/", 1)[-1]
    assert scene.batch(number).push_target_id == row(scene).id
    copy = operator.get(f"/batches/new?copy={number}")
    assert copy.value("push_to") == str(row(scene).id)


def test_a_disabled_target_is_not_offered(admin: Visitor, operator: Visitor) -> None:
    page = add(admin)
    admin.submit(admin.get(page.path).form("/disable"))
    assert operator.get("/batches/new").root.all("select", name="push_to") == []


def test_a_batch_shows_how_far_its_documents_are(
    scene: PageScene, admin: Visitor, operator: Visitor, auditor: Visitor
) -> None:
    add(admin)
    number = pushed_batch(scene)
    before = operator.get(f"/batches/{number}/push")
    assert "待推送 3" in " ".join(before.text.split())
    assert any("push/live" in node.get("hx-get") for node in before.pollers)
    set_pushes(scene, PushStatus.CONFIRMED, PushStatus.CONFIRMED, PushStatus.FAILED)
    page = operator.get(f"/batches/{number}/push")
    words = " ".join(page.text.split())
    assert "已确认 2" in words
    assert "推送失败 1" in words
    assert "目标系统拒绝了该单据（erpBillPush：2001 未启用）" in words
    assert page.pollers == []
    assert "retry" not in auditor.get(f"/batches/{number}/push").actions
    live = operator.raw(f"/batches/{number}/push/live", HX_Request="true")
    assert live.status_code == 286


def test_failed_documents_are_pushed_again(
    scene: PageScene, admin: Visitor, operator: Visitor
) -> None:
    add(admin)
    number = pushed_batch(scene)
    set_pushes(scene, PushStatus.CONFIRMED, PushStatus.FAILED, PushStatus.FAILED)
    path = f"/batches/{number}/push"
    page = operator.post(f"{path}/retry", {"code": "TGT_NOT_FOUND"}, status=303)
    assert page.messages == ["没有推送失败的单据"]
    page = operator.post(f"{path}/retry", status=303)
    assert page.messages == ["2 份单据重新推送"]
    assert "待推送 2" in " ".join(page.text.split())
    log = operator.get(f"/batches/{number}/log").text
    assert "重新推送失败单据" in log


def test_a_batch_without_a_target_has_no_such_tab(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended()
    assert f"/batches/{number}/push" not in operator.get(f"/batches/{number}").links
    assert "只归档，不推送" in operator.get(f"/batches/{number}/push").text
    operator.post(f"/batches/{number}/push/check", status=404)


def test_why_nothing_is_pushed_is_told(scene: PageScene, admin: Visitor) -> None:
    page = add(admin)
    number = pushed_batch(scene)
    with scene.portal.ledger.write() as session:
        session.execute(
            update(PushTarget).values(
                hold_code="TGT_CONNECTION",
                hold_params={"detail": "refused"},
                held_since=utc_now(),
                probe_at=utc_now(),
            )
        )
    for path in (page.path, f"/batches/{number}/push"):
        assert "无法连接目标系统（refused）" in admin.get(path).text
    assert "暂缓" in admin.get("/targets/").text


def test_a_document_and_the_list_show_where_it_was_pushed(
    scene: PageScene, admin: Visitor, auditor: Visitor
) -> None:
    add(admin)
    number = pushed_batch(scene)
    listed = auditor.get(f"/batches/{number}/documents")
    assert sum("待推送" in row for row in listed.rows()) == 3
    set_pushes(scene, PushStatus.CONFIRMED, PushStatus.PUSHED, PushStatus.FAILED)
    cells = [cell for row in auditor.get(f"/batches/{number}/documents").rows() for cell in row]
    assert {"已确认", "已推送", "推送失败"} <= set(cells)
    with scene.portal.ledger.read() as session:
        push = session.scalars(select(Push).where(Push.status == PushStatus.FAILED)).one()
    page = auditor.get(f"/documents/{push.document_id}")
    assert "目标系统拒绝了该单据" in page.text
    assert f"/targets/{push.target_id}" in page.links


def test_a_reconciliation_is_asked_for_and_its_findings_are_shown(
    scene: PageScene, admin: Visitor, operator: Visitor
) -> None:
    add(admin)
    number = pushed_batch(scene)
    path = f"/batches/{number}/push"
    operator.submit(operator.get(path).form("/check"))
    with scene.portal.ledger.write() as session:
        held = chores.claim(session, [push_checking.CHORE], clerk="c", host="h", now=utc_now())
        assert held is not None
        assert held.params["target_id"] == row(scene).id
        found = push_checking.PushCheck(looked_at=3, waiting=1)
        found.missing.append({"image_no": "FYBX00001", "resource": "EAS"})
        chores.finish(session, held, found.as_json(push_checking.SHOWN), now=utc_now())
    page = operator.get(path)
    assert ["FYBX00001", "EAS", "目标中没有，已记为推送失败"] in page.rows()
