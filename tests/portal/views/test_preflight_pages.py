"""确保前提 on its page, and the gate before a new batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import select

from portal.models import AuditEvent, utc_now
from portal.services import chores, preflights, sources
from portal.services.source_check import Finding, State
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor

Visit = Callable[[str], Visitor]
BATCH = {"date_from": "2024-01-15", "date_to": "2024-03-10"}


def alive(scene: PageScene, *hosts: str) -> None:
    with scene.portal.ledger.write() as session:
        for host in hosts:
            chores.beat(session, f"{host}.clerk", host=host, now=utc_now())


def finding(state: State = "ok", code: str | None = None) -> Finding:
    todo = ("找网络管理员", "Ask for a route") if state != "ok" else ("", "")
    return Finding("reach", state, "files:443 的结果", "files:443 it was", *todo, code, 0.25)


def do(scene: PageScene, host: str, *findings: Finding) -> None:
    """Be the clerk of a host."""
    with scene.portal.ledger.write() as session:
        held = chores.claim(session, [preflights.CHORE], clerk=host, host=host, now=utc_now())
        assert held is not None
        number = held.params["preflight"]
        preflights.record(session, number, host, findings, by="operator", now=utc_now())
        chores.finish(session, held, None, now=utc_now())


def checked(scene: PageScene, state: State = "ok", code: str | None = None) -> None:
    """A whole check that was asked for elsewhere."""
    scene.preflight(finding(state, code))


def events(scene: PageScene, action: str) -> Sequence[AuditEvent]:
    with scene.portal.ledger.read() as session:
        return session.scalars(select(AuditEvent).where(AuditEvent.action == action)).all()


def region(page: Page) -> Page:
    return Page(page.path, page.status, page.root.one(id="preflight"))


def test_every_worker_host_checks_and_the_page_follows(scene: PageScene, operator: Visitor) -> None:
    alive(scene, "alpha", "beta")
    page = operator.get("/preflight/")
    assert "从未检查" in region(page).text
    page = operator.submit(page.form("/run"))
    operator.submit(page.form("/run"))  # a double click
    (poller,) = page.pollers
    live = poller.get("hx-get")
    assert live == f"/preflight/{scene.ledger_scene.source_id}/live"
    do(scene, "alpha", finding())
    assert operator.get(live, htmx=True).pollers
    do(scene, "beta", finding("warning"))
    page = operator.get(live, htmx=True, status=286)
    assert page.pollers == []
    rows = page.rows()
    assert [row[:2] for row in rows[:3]] == [
        ["整个安装", "失败"],  # no worker is alive
        ["alpha", "正常"],
        ["beta", "注意"],
    ]
    assert ["网络连通", "注意", "files:443 的结果", "找网络管理员", "0.25"] in rows
    assert any("NO_WORKER_ALIVE" in row[2] for row in rows if len(row) > 2)
    (event,) = events(scene, "preflight.run")
    assert (event.actor, event.new, event.detail) == ("operator", "影像系统", {"hosts": 2})


def test_every_check_is_kept(scene: PageScene, auditor: Visitor) -> None:
    checked(scene)
    checked(scene, "failed", "SRC_TLS")
    page = auditor.get("/preflight/")
    history = page.root.all("tbody")[-1]
    rows = [[cell.text for cell in row.all("td")] for row in history.all("tr")]
    assert [row[1:] for row in rows] == [
        ["li", "2024-01-01 … 2024-01-31", "alpha", "失败"],
        ["li", "2024-01-01 … 2024-01-31", "alpha", "正常"],
    ]
    first = next(link for link in sorted(page.links) if "/preflight/runs/" in link)
    shown = auditor.get(first)
    assert "li" in shown.text
    assert [row[0] for row in shown.rows()] == ["数据库可写", "网络连通"]
    auditor.get("/preflight/runs/999999", status=404)
    assert "失败" in auditor.get("/preflight/?sort=asked&size=20").text


def test_ticks_by_hand(scene: PageScene, operator: Visitor, auditor: Visitor) -> None:
    page = operator.get("/preflight/")
    tick = next(
        form
        for form in page.root.all("form", method="post")
        if any(field.get("value") == "version" for field in form.all("input"))
    )
    refused = operator.submit(tick, {"remark": " "})
    assert refused.messages == ["请写明如何确认的"]
    page = operator.submit(tick, {"remark": "两边都是 8.0.3"})
    assert page.messages == ["已确认"]
    for text in ("operator", "两边都是 8.0.3"):
        assert text in auditor.get("/preflight/").text
    page = operator.submit(page.form("/withdraw"), {"remark": "公有云升级了"})
    assert page.messages == ["已撤销确认"]
    row = next(row for row in page.rows() if "公有云升级了" in row)
    assert row[1] == row[4] == "operator"
    assert len(page.root.all("input", name="remark")) == 2
    assert [event.detail for event in events(scene, "preflight.tick")] == [{"item": "version"}]
    assert len(events(scene, "preflight.withdraw")) == 1


def test_auditors_read_and_change_nothing(scene: PageScene, visit: Visit) -> None:
    checked(scene)
    path = f"/preflight/?source={scene.ledger_scene.source_id}"
    assert visit("auditor").get(path).actions == {"language", "logout"}
    for name in ("operator", "admin"):
        assert {"run", "tick"} <= visit(name).get(path).actions


def test_days_that_are_none_are_refused(scene: PageScene, operator: Visitor) -> None:
    form = operator.get("/preflight/").form("/run")
    for changes in ({"date_from": "soon"}, {"date_to": "1999-01-01"}, {"date_to": "9999-01-01"}):
        assert operator.submit(form, changes).messages == ["请给出有效的采集日期范围"]
    assert events(scene, "preflight.run") == []


def confirmation(visitor: Visitor) -> Page:
    """The second step of a new batch."""
    return visitor.submit(visitor.get("/batches/new").form("/batches/new"), BATCH, status=200)


def create(visitor: Visitor, page: Page, *, status: int = 303, **fields: str) -> Page:
    return visitor.submit(page.form("/batches/new"), {"do": "create", **fields}, status=status)


def test_a_failing_item_stops_a_new_batch(scene: PageScene, operator: Visitor) -> None:
    checked(scene, "failed", "SRC_TLS")
    page = confirmation(operator)
    for text in ("alpha", "files:443 的结果", "找网络管理员", "只有管理员"):
        assert text in page.root.one(id="gate").text
    assert not page.root.all("input", name="override_reason")
    buttons = [node for node in page.root.all("button") if node.get("value") in ("create", "run")]
    assert len(buttons) == 2
    assert all("disabled" in button.attributes for button in buttons)
    page = create(operator, page, status=422)
    assert "files:443 的结果" in page.root.one(id="gate").text
    assert page.value("date_from") == "2024-01-15"
    page = create(operator, page, override_reason="让我来", status=422)
    assert scene.numbers() == []
    assert events(scene, "preflight.override") == []


def test_an_admin_overrides_with_a_reason(scene: PageScene, admin: Visitor) -> None:
    checked(scene, "failed", "SRC_TLS")
    page = create(admin, confirmation(admin), status=422)
    made = create(admin, page, override_reason="证书今晚更换")
    (number,) = scene.numbers()
    assert made.path.endswith(number)
    (event,) = events(scene, "preflight.override")
    assert (event.actor, event.reason) == ("admin", "证书今晚更换")
    log = admin.get(f"/batches/{number}/log").text
    assert "前提未满足仍新建" in log
    assert "证书今晚更换" in log


@pytest.mark.parametrize(
    ("state", "words"), [(None, "还没有检查过前提"), ("ok", "人工确认"), ("warning", "需要注意")]
)
def test_what_does_not_fail_only_warns(
    scene: PageScene, operator: Visitor, state: State | None, words: str
) -> None:
    if state is not None:
        checked(scene, state)
    page = confirmation(operator)
    assert words in page.root.one(id="gate").text
    assert f"/preflight/?source={scene.ledger_scene.source_id}" in page.links
    create(operator, page)
    assert len(scene.numbers()) == 1


def test_it_is_all_there_in_english(scene: PageScene, admin: Visitor) -> None:
    admin.speak_english()
    checked(scene, "failed", "SRC_TLS")
    page = admin.get("/preflight/")
    assert "files:443 it was" in page.text
    assert "Ask for a route" in page.text
    assert "files:443 it was" in confirmation(admin).root.one(id="gate").text
    tick = next(form for form in page.root.all("form") if form.get("action").endswith("/tick"))
    admin.submit(tick, {"remark": "8.0"})
    admin.get(next(link for link in sorted(page.links) if "/preflight/runs/" in link))
    alive(scene, "beta")
    admin.submit(page.form("/run"))


def test_without_a_source_that_is_said(scene: PageScene, auditor: Visitor) -> None:
    with scene.portal.ledger.write() as session:
        source = sources.get(session, scene.ledger_scene.source_id)
        sources.remove(session, source, by="admin", now=utc_now())
    assert "还没有数据源" in auditor.get("/preflight/").text
