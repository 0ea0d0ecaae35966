"""From the form to the confirmation: prefilled, counted at a real source, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from portal.chores.clerk import Clerk
from portal.chores.kinds import KINDS
from portal.demo.options import DemoOptions
from portal.models import DataSource, Priority, utc_now
from portal.services import batches, catalogue
from portal.services.catalogue import Catalogue, Entry, Offer
from portal.services.day_ranges import ranges_at
from portal.statuses import RunStatus
from tests.portal.demo_server import demo_server
from tests.portal.ledger_scene import SHANGHAI
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor

OPTIONS = DemoOptions(documents=60, months=3, mean_size=40_000)
QUARTER = {"date_from": "2024-01-01", "date_to": "2024-03-31"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with demo_server(OPTIONS) as address:
        yield address


@pytest.fixture
def demo(scene: PageScene, address: str) -> Iterator[str]:
    """The scene's data source is the demo source."""
    set_source(scene, base_url=address)
    yield address
    requests.put(f"{address}/_demo/faults", json={}, timeout=10).raise_for_status()


def set_source(scene: PageScene, **settings: Any) -> None:
    client_id, secret = OPTIONS.credentials
    with scene.portal.ledger.write() as session:
        source = session.get_one(DataSource, scene.ledger_scene.source_id)
        source.client_id, source.secret_box = client_id, scene.portal.box.close(secret)
        for name, value in settings.items():
            setattr(source, name, value)


def offered(scene: PageScene, **codes: str) -> None:
    """A catalogue as it was read just now."""
    orgs = tuple(Entry(code.removeprefix("o"), name) for code, name in codes.items())
    found = Catalogue(Offer(orgs), Offer((Entry("FYBX", "费用报销单"),), listed=True))
    with scene.portal.ledger.write() as session:
        catalogue.keep(session, scene.ledger_scene.source_id, found, now=utc_now())


def work(scene: PageScene) -> None:
    """A clerk does all that waits."""
    clerk = Clerk(scene.portal)
    while clerk.do_one(KINDS):
        pass


def preview(operator: Visitor, fields: dict[str, Any], path: str = "/batches/new") -> Page:
    return operator.submit(operator.get(path).form("/batches/new"), fields, status=200)


def brought_up_to_date(operator: Visitor, page: Page) -> Page:
    (region,) = page.pollers
    return operator.get(region.get("hx-get"), htmx=True, status=286)


def ticked(page: Page, name: str) -> list[str]:
    boxes = page.root.all("input", name=name)
    return [box.get("value") for box in boxes if "checked" in box.attributes]


# The form.


def test_it_opens_filled_in_as_the_address_says(scene: PageScene, operator: Visitor) -> None:
    offered(scene, o1001="深圳")
    page = operator.get(
        "/batches/new?month=2024-02&source=影像系统&org=1001&org=1009&type=FYBX&overlap=all&priority=high"
    )
    assert (page.value("date_from"), page.value("date_to")) == ("2024-02-01", "2024-02-29")
    assert (ticked(page, "org_codes"), page.value("orgs")) == (["1001"], "1009")
    assert ticked(page, "type_codes") == ["FYBX"]
    assert (ticked(page, "overlap"), page.value("priority")) == (["all"], "high")
    page = operator.get("/batches/new?from=2024-01-05&to=2024-01-07")
    assert (page.value("date_from"), page.value("date_to")) == ("2024-01-05", "2024-01-07")


@pytest.mark.usefixtures("scene")
def test_nonsense_in_the_address_is_passed_over(operator: Visitor) -> None:
    page = operator.get(
        "/batches/new?month=2024-13&source=9&from=x&overlap=none&priority=urgent&copy=MB1"
    )
    assert (page.value("date_from"), page.value("priority")) == ("", "normal")
    assert page.messages == ["没有批次 MB1"]


def test_a_batch_is_copied_as_a_new_one(scene: PageScene, operator: Visitor) -> None:
    number = scene.waiting()
    with scene.portal.ledger.write() as session:
        batch = batches.find(session, number)
        batch.org_codes, batch.priority = ["1001"], Priority.LOW
    page = operator.get(f"/batches/{number}")
    (link,) = [one for one in page.links if "copy=" in one]
    form = operator.get(link)
    assert (form.value("date_from"), form.value("date_to")) == ("2024-01-01", "2024-01-31")
    assert (form.value("orgs"), form.value("priority")) == ("1001", "low")


@pytest.mark.usefixtures("scene")
def test_shortcuts_fill_in_the_days_and_keep_the_rest(operator: Visitor) -> None:
    form = operator.get("/batches/new").form("/batches/new")
    typed = {"orgs": "1001", "run_now": "y", "overlap": "all", "date_from": "2024-02-30"}
    for name, days in ranges_at(utc_now().astimezone(SHANGHAI).date()).items():
        page = operator.submit(form, {**typed, "do": name}, status=200)
        assert (page.value("date_from"), page.value("date_to")) == tuple(map(str, days))
        (button,) = page.root.all("button", value=name)
        assert (button.get("data-first"), button.get("data-last")) == tuple(map(str, days))
    assert (page.value("orgs"), ticked(page, "overlap"), ticked(page, "run_now")) == (
        "1001",
        ["all"],
        ["y"],
    )
    page = operator.submit(form, {**typed, "do": "month", "month": "2023-02"}, status=200)
    assert (page.value("date_from"), page.value("date_to")) == ("2023-02-01", "2023-02-28")
    page = operator.submit(form, {"do": "month"}, status=200)
    assert page.messages == ["请先选择月份，如 2024-03"]


def test_hundreds_of_organisations_can_be_chosen(scene: PageScene, operator: Visitor) -> None:
    codes = [f"{n:04}" for n in range(400)]
    offered(scene, **{f"o{code}": f"组织{code}" for code in codes})
    chosen = codes[::2]
    page = preview(operator, {**QUARTER, "org_codes": chosen, "orgs": "9999"})
    assert "9999" in page.root.one(class_="alert-warning").text
    made = operator.submit(page.form("/batches/new"), {"do": "create"})
    assert scene.batch(made.path.rsplit("/", 1)[-1]).org_codes == [*chosen, "9999"]


def test_an_unknown_source_of_codes_warns_of_nothing(scene: PageScene, operator: Visitor) -> None:
    page = preview(operator, {**QUARTER, "orgs": "9999"})
    assert page.root.all(class_="alert-warning") == []
    assert scene.numbers() == []


# What the source offers.


@pytest.mark.usefixtures("demo")
def test_what_the_source_has_is_read_when_somebody_looks(
    scene: PageScene, operator: Visitor
) -> None:
    page = operator.get("/batches/new")
    assert "正在从数据源读取" in page.text
    assert ticked(page, "org_codes") == []
    work(scene)
    page = operator.get("/batches/new")
    assert "正在从数据源读取" not in page.text
    assert "1001 深圳总部" in page.text
    assert "FYBX 费用报销单" in page.text
    (box,) = page.root.all("input", name="org_codes", value="1002")
    assert box


@pytest.mark.usefixtures("demo")
def test_a_refresh_keeps_what_was_filled_in(scene: PageScene, operator: Visitor) -> None:
    offered(scene, o1001="旧名")
    form = operator.get("/batches/new").form("/batches/new")
    page = operator.submit(form, {**QUARTER, "org_codes": "1001", "do": "read"}, status=200)
    assert (page.value("date_to"), ticked(page, "org_codes")) == ("2024-03-31", ["1001"])
    work(scene)
    page = operator.submit(form, {**QUARTER, "org_codes": "1001", "do": "edit"}, status=200)
    assert ticked(page, "org_codes") == ["1001"]
    assert "1001 深圳总部" in page.text


@pytest.mark.usefixtures("demo")
def test_a_profile_that_names_the_lists_has_them_asked(scene: PageScene, operator: Visitor) -> None:
    base = "/imgsys/migrate/v1"
    paths = {"organisations": f"{base}/organisations", "bill_types": f"{base}/billTypes"}
    set_source(scene, profile={"paths": paths})
    operator.get("/batches/new")
    work(scene)
    with scene.portal.ledger.read() as session:
        found = catalogue.of(session, scene.ledger_scene.source_id)
    assert (found.orgs.listed, found.types.listed) == (True, True)
    assert [entry.code for entry in found.orgs.entries] == ["1001", "1002", "1003"]


def test_a_source_that_cannot_be_asked_says_why_and_is_not_asked_by_everybody(
    scene: PageScene, operator: Visitor
) -> None:
    set_source(scene)  # nothing listens at its address
    operator.get("/batches/new")
    work(scene)
    page = operator.get("/batches/new")
    assert "没有读到数据源的组织和单据类型" in page.text
    assert "处理措施" in page.text
    assert not Clerk(scene.portal).do_one(KINDS)


# The confirmation.


@pytest.mark.usefixtures("demo")
def test_the_source_is_counted_month_by_month(scene: PageScene, operator: Visitor) -> None:
    page = preview(operator, {**QUARTER, "orgs": "1001"})
    assert "等待工作进程清点" in page.text
    work(scene)
    part = brought_up_to_date(operator, page)
    rows = part.rows()
    assert [row[0] for row in rows] == ["2024-01", "2024-02", "2024-03"]
    documents = sum(int(row[1]) for row in rows)
    assert 0 < documents < 60
    figures = {one.one("dt").text: one.one("dd").text for one in part.root.all(class_="figure")}
    assert figures["源端单据数"] == str(documents)
    assert figures["将要迁移"].split()[0] == str(documents)
    assert figures["预计用时"] == "还没有依据"
    assert "源端清点给出" in part.text
    assert part.pollers == []
    assert scene.numbers() == []


@pytest.mark.usefixtures("demo")
def test_what_is_archived_is_told_and_what_the_policy_does_with_it(
    scene: PageScene, operator: Visitor
) -> None:
    earlier = scene.ended("FILE_CORRUPT", synced=4)
    for policy, words in (("missing", "将跳过"), ("all", "将重新核对")):
        page = preview(operator, {**QUARTER, "overlap": policy})
        assert earlier in page.text
        work(scene)
        text = brought_up_to_date(operator, page).text
        assert f"已归档 4 份，{words}" in text
        assert "列出过而未归档的 1 份" in text


def test_a_source_that_is_down_says_why_and_the_batch_can_be_made(
    scene: PageScene, operator: Visitor, demo: str
) -> None:
    requests.put(f"{demo}/_demo/faults", json={"down": 1}, timeout=10).raise_for_status()
    page = preview(operator, QUARTER)
    work(scene)
    part = brought_up_to_date(operator, page)
    assert "503" in part.text
    assert "处理措施" in part.text
    assert "仍然可以创建批次" in part.text
    operator.submit(page.form("/batches/new"), {"do": "create"})
    assert len(scene.numbers()) == 1


def test_too_little_room_warns_and_refuses_nothing(
    scene: PageScene, operator: Visitor, demo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(scene.portal.archive), "free_bytes", lambda _self: 10)
    page = preview(operator, QUARTER)
    work(scene)
    assert "归档剩余空间不够" in brought_up_to_date(operator, page).text
    operator.submit(page.form("/batches/new"), {"do": "run"})
    (number,) = scene.numbers()
    assert scene.batch(number).run_status is RunStatus.RUNNING


@pytest.mark.usefixtures("scene")
def test_back_to_the_form_nothing_is_lost(operator: Visitor) -> None:
    typed = {"orgs": "1001,1002", "types": "FYBX", "overlap": "all", "priority": "low"}
    page = preview(operator, {**QUARTER, **typed, "run_now": "y"})
    back = operator.submit(page.form("/batches/new"), {"do": "edit"}, status=200)
    kept = {name: back.value(name) for name in (*QUARTER, "orgs", "types", "priority")}
    assert kept == {**QUARTER, "orgs": "1001,1002", "types": "FYBX", "priority": "low"}
    assert (ticked(back, "overlap"), ticked(back, "run_now")) == (["all"], ["y"])


@pytest.mark.usefixtures("scene")
def test_days_to_come_are_warned_of(operator: Visitor) -> None:
    tomorrow = utc_now().astimezone(SHANGHAI).date() + timedelta(days=1)
    page = preview(operator, {**QUARTER, "date_to": str(tomorrow)})
    assert "晚于今天" in page.root.one(class_="alert-warning").text


def test_the_twin_of_an_unfinished_batch_is_not_made_unless_it_is_meant(
    scene: PageScene, operator: Visitor
) -> None:
    page = preview(operator, QUARTER)
    first = operator.submit(page.form("/batches/new"), {"do": "create"}).path.rsplit("/", 1)[-1]
    # Who confirmed before the first was made is asked again.
    asked = operator.submit(page.form("/batches/new"), {"do": "create"}, status=200)
    assert first in asked.root.one(class_="alert-warning").text
    assert f"/batches/{first}" in asked.links
    assert scene.numbers() == [first]
    operator.submit(asked.form("/batches/new"), {"do": "create"})
    assert len(scene.numbers()) == 2


def test_the_priority_is_kept_and_can_be_changed_later(
    scene: PageScene, operator: Visitor, auditor: Visitor
) -> None:
    page = preview(operator, {**QUARTER, "priority": "high"})
    page = operator.submit(page.form("/batches/new"), {"do": "create"})
    number = page.path.rsplit("/", 1)[-1]
    assert scene.batch(number).priority is Priority.HIGH
    assert "优先级 高" in operator.get("/batches/").text
    page = operator.submit(page.form("/priority"), {"priority": "low"})
    assert page.messages == ["优先级已修改"]
    assert scene.batch(number).priority is Priority.LOW
    assert "修改优先级" in operator.get(f"/batches/{number}/log").text
    assert "priority" not in auditor.get(f"/batches/{number}").actions
    operator.post(f"/batches/{number}/priority", {"priority": "urgent"}, status=303)
    assert scene.batch(number).priority is Priority.LOW


def test_a_waiting_batch_is_run_from_the_list(scene: PageScene, operator: Visitor) -> None:
    number = scene.waiting()
    page = operator.get("/batches/")
    (button,) = [b for b in page.root.all("button") if b.get("formaction").endswith("/run")]
    assert button.get("form") == "selected"
    operator.post(button.get("formaction"), status=303)
    assert scene.batch(number).run_status is RunStatus.RUNNING


@pytest.mark.usefixtures("scene")
def test_both_steps_in_english(operator: Visitor, scene: PageScene) -> None:
    offered(scene, o1001="深圳")
    scene.ended("FILE_CORRUPT", synced=12)
    operator.speak_english()
    for policy in ("missing", "missing_and_failed", "all"):
        page = preview(
            operator, {**QUARTER, "overlap": policy, "orgs": "9", "date_to": "2060-01-01"}
        )
        work(scene)
        brought_up_to_date(operator, page)


def test_only_previews_are_shown_as_such(scene: PageScene, operator: Visitor) -> None:
    with scene.portal.ledger.write() as session:
        chore_id = catalogue.ask(session, scene.ledger_scene.source_id, by="x", now=utc_now()).id
    operator.get(f"/batches/new/{chore_id}", status=404)
