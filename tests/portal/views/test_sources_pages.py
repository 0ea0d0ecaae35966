"""数据源: the list, the form, switching, deleting, testing, importing; no secret anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.models import AuditEvent, DataSource, Role, utc_now
from portal.services import chores, source_browsing, sources
from portal.statuses import ChoreStatus
from tests.certificates import Authority
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor

Visit = Callable[[str], Visitor]
SECRET, PROXY_SECRET = "s3cret-of-the-client", "s3cret:of@the%proxy"
FINE: dict[str, str | list[str]] = {
    "name": "标准版",
    "base_url": "https://api.example.com/影像/",
    "client_id": "ent-1",
    "client_secret": SECRET,
    "download_hosts": "files.example\r\nimg.example:8443",
    "proxy_address": "http://proxy.corp:3128",
    "proxy_login": f"me:{PROXY_SECRET}",
    "rate_cap": "2.5",
    "concurrency_cap": "7",
    "bandwidth_kb": "5000",
    "windows": "1-5 20：00－07:00\n6,7 00:00-24:00",
    "profile": '{"page_size": 20}',
    "cover": ["jpeg", "png"],
    "max_mb": "1.5",
    "min_short_side": "200",
    "max_pages": "",
    "min_dpi": "150",
    "required": ["applicant"],
}
NEW = "/sources/new"


def add(admin: Visitor, **changes: str | list[str]) -> Page:
    return admin.submit(admin.get(NEW).form(NEW), {**FINE, **changes})


def kept(scene: PageScene, name: str = "标准版") -> sources.SourceForm:
    with scene.portal.ledger.read() as session:
        return sources.form_of(sources.find(session, name), scene.portal.box)


def row(scene: PageScene, name: str = "标准版") -> DataSource:
    with scene.portal.ledger.read() as session:
        return sources.find(session, name)


def last_event(scene: PageScene, action: str) -> AuditEvent:
    with scene.portal.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id.desc())
        return session.scalars(query).first() or pytest.fail(f"no {action}")


def test_the_secret_is_asked_for_again_when_the_address_is_at_another_host(
    scene: PageScene, admin: Visitor
) -> None:
    add(admin)
    edit = f"/sources/{row(scene).id}/edit"
    moved = {"base_url": "https://elsewhere.example/", "client_secret": ""}
    refused = admin.submit(admin.get(edit).form(edit), moved, status=422)
    assert "请重新填写 clientSecret" in refused.text
    assert SECRET not in str(refused.root)
    assert kept(scene).base_url == FINE["base_url"]
    admin.submit(admin.get(edit).form(edit), {**moved, "client_secret": "an0ther"})
    assert (kept(scene).base_url, kept(scene).client_secret) == (moved["base_url"], "an0ther")


def test_the_form_sets_all_that_the_command_sets(scene: PageScene, admin: Visitor) -> None:
    page = add(admin)
    assert page.messages == ["已新增数据源 标准版，请测试连接"]
    form = kept(scene)
    assert form.client_secret == SECRET
    assert form.connection().proxy.password == PROXY_SECRET  # type: ignore[union-attr]
    assert form.download_hosts == ("files.example", "img.example:8443")
    assert (form.rate_cap, form.concurrency_cap, form.bandwidth_cap) == (2.5, 7, 5_000_000)
    assert form.windows == ("1-5 20:00-07:00", "6,7 00:00-24:00")
    assert form.profile == {"page_size": 20}
    assert form.rules == {
        "cover": ["jpeg", "png"],
        "max_bytes": 1_572_864,
        "min_dpi": 150,
        "min_short_side": 200,
        "required": ["applicant"],
    }


def test_saved_untouched_nothing_changes(scene: PageScene, admin: Visitor) -> None:
    page = add(admin)
    before = kept(scene)
    admin.submit(admin.get(f"{page.path}/edit").form("/edit"))
    assert kept(scene) == before
    assert last_event(scene, "source.change").detail is None


def test_an_empty_secret_stays_and_the_trail_says_which_was_typed(
    scene: PageScene, admin: Visitor
) -> None:
    page = add(admin)
    form = admin.get(f"{page.path}/edit").form("/edit")
    admin.submit(form, {"client_id": "ent-2"})
    assert kept(scene).client_secret == SECRET
    assert last_event(scene, "source.change").detail == {"client_id": ["ent-1", "ent-2"]}
    admin.submit(form, {"client_secret": "another-s3cret"})
    assert kept(scene).client_secret == "another-s3cret"
    trail = admin.get("/audit/").text
    assert "重填密钥" in trail
    assert "another-s3cret" not in trail


def test_a_proxys_password_goes_to_no_other_address(scene: PageScene, admin: Visitor) -> None:
    page = add(admin)
    form = admin.get(f"{page.path}/edit").form("/edit")
    admin.submit(form, {"proxy_address": "http://elsewhere:3128"})
    assert kept(scene).proxy == "http://elsewhere:3128"
    admin.submit(form, {"proxy_login": "me:new"})
    assert kept(scene).proxy == "http://me:new@proxy.corp:3128"
    admin.submit(form, {"proxy_without_login": "y"})
    assert kept(scene).proxy == "http://proxy.corp:3128"
    admin.submit(form, {"proxy_address": ""})
    assert kept(scene).proxy == ""


def test_the_name_stays(scene: PageScene, admin: Visitor) -> None:
    page = add(admin)
    form = admin.get(f"{page.path}/edit").form("/edit")
    admin.submit(form, {"name": "别的"})
    assert row(scene).id == int(page.path.rsplit("/", 1)[-1])


WRONG = [
    ("name", "", "请输入名称"),
    ("name", "影像系统", "已有名为 影像系统 的数据源"),
    ("base_url", "ftp://x", "须以 http:// 或 https:// 开头"),
    ("base_url", "https://x/?a=b", "不能带查询参数"),
    ("client_secret", "", "不能为空"),
    ("download_hosts", "http://x", "须为主机名，或 主机名:端口"),
    ("proxy_address", "proxy.corp", "须写成 http(s)://"),
    ("ca_pem", "hello", "没有可读的 PEM 证书"),
    ("rate_cap", "0", "速率上限（每秒）须为 0.1–100000"),
    ("rate_cap", "nan", "速率上限（每秒）须为 0.1–100000"),
    ("rate_cap", "inf", "速率上限（每秒）须为 0.1–100000"),
    ("concurrency_cap", "1001", "并发上限须为 1–1000"),
    ("concurrency_cap", "9" * 400, "并发上限须为 1–1000"),
    ("concurrency_cap", "many", "整数"),
    ("bandwidth_kb", "1", "带宽上限须为 10 KB/s"),
    ("windows", "1-5 25:00-07:00", "25:00 不是一天中的时刻"),
    ("profile", '{\n "page_size": 20,\n}', "第 3 行第 1 列不是 JSON"),
    ("profile", "[]", "应为 JSON 对象"),
    ("profile", '{\n "paths": {\n  "count": "x"}}', "第 3 行 paths.count：须以 / 开头"),
    ("profile", '{"cuont": {}}', "第 1 行 cuont：没有这一项"),
    ("profile", '{"page_size": NaN}', "NaN"),
    ("profile", '{"page_size": 1, "page_size": 2}', "page_size 出现了两次"),
    ("max_mb", "0", "须为大于 0 的数"),
    ("max_mb", "1e999999", "须为大于 0 的数"),
    ("max_pages", "-1", "须为不小于 1 的整数"),
    ("min_dpi", "-1", "须为不小于 0 的整数"),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_what_is_wrong_is_said_at_its_field_and_the_rest_stays(
    scene: PageScene, admin: Visitor, name: str, value: str, said: str
) -> None:
    page = admin.submit(admin.get(NEW).form(NEW), {**FINE, name: value}, status=422)
    assert said in page.error_at(name)
    for other, typed in FINE.items():
        if other in ("client_secret", "proxy_login", "cover", "required"):
            continue
        expected = value if other == name else str(typed)
        assert page.value(other).split() == expected.split(), other
    for many in ("cover", "required"):
        boxes = page.root.all("input", name=many)
        assert [box.get("value") for box in boxes if "checked" in box.attributes] == FINE[many]
    with scene.portal.ledger.read() as session:
        assert [source.name for source in sources.all_sources(session)] == ["影像系统"]


def test_all_that_is_wrong_is_said_at_once(admin: Visitor) -> None:
    profile = '{"cuont": {}}'
    changes = {"base_url": "x", "windows": "never", "profile": profile, "max_pages": "0"}
    page = admin.submit(admin.get(NEW).form(NEW), {**FINE, **changes}, status=422)
    assert all(page.error_at(name) for name in changes)


def test_nothing_secret_comes_back_with_what_is_wrong(admin: Visitor) -> None:
    changes = {
        "proxy_address": f"http://me:{SECRET}@proxy.corp:1",
        "ca_pem": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----",
    }
    token = admin.get(NEW).form(NEW).one("input", name="csrf_token").get("value")
    answer = admin.client.post(NEW, data={"csrf_token": token, **FINE, **changes})
    assert answer.status_code == 422
    assert SECRET not in answer.text
    assert PROXY_SECRET not in answer.text
    assert "含有私钥" in answer.text


def test_a_ca_is_pasted_or_uploaded(scene: PageScene, admin: Visitor, tmp_path: Path) -> None:
    pem = Authority(tmp_path).pem
    page = add(admin, ca_pem=pem)
    assert kept(scene).ca_pem == pem.strip()
    token = admin.get(NEW).form(NEW).one("input", name="csrf_token").get("value")
    upload = (BytesIO(pem.encode()), "ca.pem")
    data = {**FINE, "csrf_token": token, "name": "上传的", "ca_file": upload}
    assert admin.client.post(NEW, data=data).status_code == 303
    assert kept(scene, "上传的").ca_pem == pem.strip()
    assert "到期" in admin.get(page.path).text


def test_a_secret_of_another_key_is_asked_for_again(scene: PageScene, admin: Visitor) -> None:
    path = f"/sources/{scene.ledger_scene.source_id}/edit"  # its secret cannot be opened
    page = admin.submit(admin.get(path).form("/edit"), status=422)
    assert "密钥已更换" in page.error_at("client_secret")
    admin.submit(admin.get(path).form("/edit"), {"client_secret": SECRET})
    assert kept(scene, "影像系统").client_secret == SECRET


def test_switching_it_off_stops_new_batches_and_no_others(
    scene: PageScene, admin: Visitor, operator: Visitor
) -> None:
    running = scene.running()
    path = f"/sources/{scene.ledger_scene.source_id}"
    page = admin.submit(admin.get(path).form("/disable"))
    assert running in page.text
    assert "照常运行" in page.text
    assert not row(scene, "影像系统").enabled
    form = operator.get("/batches/new")
    assert "还没有启用的数据源" in form.text
    assert NEW not in form.links
    assert NEW in admin.get("/batches/new").links
    assert scene.batch(running).run_status == "running"
    page = admin.submit(admin.get(path).form("/enable"))
    assert row(scene, "影像系统").enabled


def test_only_what_was_never_used_is_deleted(scene: PageScene, admin: Visitor) -> None:
    page = add(admin)
    page = admin.submit(admin.get(page.path).form("/delete"))
    assert page.messages == ["已删除数据源 标准版"]
    assert [cells[0] for cells in page.rows()] == ["影像系统"]
    scene.waiting()
    used = f"/sources/{scene.ledger_scene.source_id}"
    assert "delete" not in admin.get(used).actions
    page = admin.post(f"{used}/delete", status=303)
    assert "不能删除" in page.messages[0]


def test_the_list_counts_filters_and_sorts(scene: PageScene, admin: Visitor) -> None:
    scene.waiting()
    scene.running()
    add(admin, base_url="https://zz.example")
    rows = {cells[0]: cells for cells in admin.get("/sources/").rows()}
    assert rows["影像系统"][5:7] == ["2", "1"]
    assert rows["标准版"][4:7] == ["未测试", "0", "0"]
    assert [cells[0] for cells in admin.get("/sources/?text=ZZ.ex").rows()] == ["标准版"]
    assert admin.get("/sources/?state=disabled").rows() == []
    names = [cells[0] for cells in admin.get("/sources/?sort=-url").rows()]
    assert names == ["标准版", "影像系统"]


def test_others_read_and_do_not_change(scene: PageScene, admin: Visitor, visit: Visit) -> None:
    path = add(admin).path
    for name in ("operator", "auditor"):
        page = visit(name).get(path)
        assert page.actions - {"language", "logout"} == ({"check"} if name == "operator" else set())
        assert NEW not in visit(name).get("/sources/").links


# Tests.


def alive(scene: PageScene, *hosts: str) -> None:
    with scene.portal.ledger.write() as session:
        for host in hosts:
            chores.beat(session, f"{host}.clerk", host=host, now=utc_now())


def do(scene: PageScene, host: str, result: dict[str, Any]) -> None:
    """Be the clerk of a host."""
    with scene.portal.ledger.write() as session:
        held = chores.claim(session, ["source_check"], clerk=host, host=host, now=utc_now())
        assert held is not None
        chores.finish(session, held, result, now=utc_now())


def found(state: str, zh: str = "好", en: str = "good", todo: str = "") -> dict[str, Any]:
    finding: dict[str, Any] = {
        "check": "token",
        "state": state,
        "zh": zh,
        "en": en,
        "todo_zh": todo,
    }
    finding |= {"todo_en": "Do it", "seconds": 0.25, "code": None}
    return {"state": state, "month": "2024-01", "documents": 1, "findings": [finding]}


def test_every_worker_host_tests_it(scene: PageScene, operator: Visitor) -> None:
    path = f"/sources/{scene.ledger_scene.source_id}"
    page = operator.submit(operator.get(path).form("/check"))
    assert "没有工作进程" in page.messages[0]
    alive(scene, "alpha", "beta")
    form = operator.get(path).form("/check")
    page = operator.submit(form, {"month": "2024-03"})
    operator.submit(form, {"month": "2024-03"})  # a double click
    (poller,) = page.pollers
    assert poller.get("hx-get") == f"{path}/live"
    do(scene, "alpha", found("ok"))
    assert operator.get(f"{path}/live", htmx=True).pollers
    assert operator.get("/sources/").rows()[0][4] == "正在测试"
    do(scene, "beta", found("warning", "慢了", todo="校准时间"))
    page = operator.get(f"{path}/live", htmx=True, status=286)
    assert page.pollers == []
    assert [cells[:4] for cells in page.rows()] == [
        ["令牌", "正常", "好", ""],
        ["令牌", "注意", "慢了", "校准时间"],
    ]
    assert "2024-03" in page.text
    assert operator.get("/sources/").rows()[0][4].startswith("注意")
    with scene.portal.ledger.read() as session:
        subject = source_browsing.subject_of(scene.ledger_scene.source_id)
        tests = chores.newest(session, source_browsing.CHECK, subject, limit=9)
    assert [test.status for test in tests] == [ChoreStatus.DONE] * 2
    assert last_event(scene, "source.check").detail == {"month": "2024-03", "hosts": 2}


def test_a_test_of_other_settings_says_so(scene: PageScene, admin: Visitor) -> None:
    path = add(admin).path
    alive(scene, "alpha")
    admin.submit(admin.get(path).form("/check"), {"month": "2024-03"})
    do(scene, "alpha", found("ok"))
    assert "请重新测试" not in admin.get(path).text
    admin.submit(admin.get(f"{path}/edit").form("/edit"), {"client_id": "other"})
    assert "请重新测试" in admin.get(path).text


@pytest.mark.parametrize("month", ["", "2024", "2024-13", "9999-12", "0001-01", "2024-01-01"])
def test_a_month_that_is_none_is_refused(scene: PageScene, operator: Visitor, month: str) -> None:
    alive(scene, "alpha")
    path = f"/sources/{scene.ledger_scene.source_id}"
    page = operator.submit(operator.get(path).form("/check"), {"month": month})
    assert page.messages == ["请选择要测试的月份"]


# The import.


ZKUI = "\ufeff#dump\r\n" + "".join(
    f"/api-archive-scan/pri=dataSyncTaskPubImgsys{key}={value}\r\n"
    for key, value in (
        ("Status", "1"),
        ("Url", "https://api.piaozone.com/"),
        ("ClientId", "ent-1"),
        ("ClientSecret", SECRET),
    )
)


def test_the_import_is_seen_before_it_is_done(scene: PageScene, admin: Visitor) -> None:
    form = admin.get("/sources/import").form("/sources/import")
    seen = admin.submit(form, {"text": ZKUI}, status=200)
    assert "https://api.piaozone.com/" in seen.text
    assert "dataSyncTaskPubImgsysStatus 为 1" in seen.text
    with scene.portal.ledger.read() as session:
        assert len(sources.all_sources(session)) == 1
    page = admin.submit(seen.form("/confirm"), {"name": "旧系统"})
    assert page.messages == ["已导入，数据源停用"]
    assert "dataSyncTaskPubImgsysStatus 为 1" in page.text
    assert kept(scene, "旧系统").client_secret == SECRET
    # Another's name is not overwritten without a word.
    seen = admin.submit(form, {"text": ZKUI}, status=200)
    page = admin.submit(seen.form("/confirm"), {"name": "旧系统"}, status=422)
    assert "确认即更新它" in page.error_at("name")
    admin.submit(page.form("/confirm"))


def test_a_file_is_read_too_and_nothing_found_is_said(scene: PageScene, admin: Visitor) -> None:
    page = admin.get("/sources/import")
    token = page.form("/sources/import").one("input", name="csrf_token").get("value")
    data = {"csrf_token": token, "name": "x", "file": (BytesIO(ZKUI.encode("utf-16")), "zk.txt")}
    answer = admin.client.post("/sources/import", data=data)
    assert answer.status_code == 200
    assert "ent-1" in answer.text
    refused = admin.submit(page.form("/sources/import"), {"text": "a=b"}, status=422)
    assert "没有找到四项配置" in refused.error_at("text")
    page = admin.post("/sources/import/confirm", {"name": "x", "sealed": "x"}, status=303)
    assert "预览已失效" in page.messages[0]


def test_no_secret_is_in_any_answer(
    app: Flask, scene: PageScene, admin: Visitor, visit: Visit
) -> None:
    path = add(admin).path
    seen = admin.submit(
        admin.get("/sources/import").form("/sources/import"), {"text": ZKUI}, status=200
    )
    admin.submit(seen.form("/confirm"), {"name": "旧系统"})
    pages = [f"{path}{tail}" for tail in ("", "/edit", "/live")]
    pages += ["/", "/sources/", "/sources/new", "/sources/import", "/audit/", "/batches/new"]
    looked_at = 0
    for role in Role:
        for page in pages:
            answer = visit(role.value).client.get(page)
            looked_at += answer.status_code in (200, 286)
            for secret in (SECRET, PROXY_SECRET, "s3cret"):
                assert secret not in answer.text, page
                assert json.dumps(secret)[1:-1] not in answer.text, page
    assert looked_at > len(pages)
    assert "s3cret" not in seen.text
