"""The live region of a chore."""

from __future__ import annotations

from portal.chores.clerk import Clerk
from portal.chores.kinds import Kind
from portal.errors import SyncError
from portal.models import utc_now
from portal.services import chores
from portal.statuses import ChoreStatus
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor


def ask(scene: PageScene) -> int:
    with scene.portal.ledger.write() as session:
        return chores.ask(session, "test", by="operator", now=utc_now()).id


def test_it_polls_until_it_has_ended_and_then_brings_its_page_up_to_date(
    scene: PageScene, operator: Visitor
) -> None:
    chore_id = ask(scene)
    path = f"/chores/{chore_id}?then=/jobs/live"
    (region,) = operator.get(path, htmx=True).pollers
    assert region.get("hx-get").startswith(f"/chores/{chore_id}?then=")
    Clerk(scene.portal, {"test": Kind(lambda _desk: {})}).do_one(["test"])
    (region,) = operator.get(path, htmx=True, status=286).pollers
    assert (region.get("hx-get"), region.get("hx-trigger")) == ("/jobs/live", "load")


def test_it_leads_nowhere_but_into_the_portal(scene: PageScene, operator: Visitor) -> None:
    chore_id = ask(scene)
    Clerk(scene.portal, {"test": Kind(lambda _desk: {})}).do_one(["test"])
    page = operator.get(f"/chores/{chore_id}?then=//evil.example/", htmx=True, status=286)
    assert [region.get("hx-get") for region in page.pollers] == ["/"]


def test_a_failure_says_why_and_what_to_do(scene: PageScene, operator: Visitor) -> None:
    def stumble(_desk: object) -> None:
        raise SyncError("SRC_SERVER_ERROR", status=503)

    chore_id = ask(scene)
    Clerk(scene.portal, {"test": Kind(stumble)}).do_one(["test"])
    page = operator.get(f"/chores/{chore_id}", htmx=True, status=286)
    assert "503" in page.text
    assert "处理措施" in page.text
    assert page.pollers == []


def test_an_auditor_cancels_only_what_they_asked_for(scene: PageScene, auditor: Visitor) -> None:
    with scene.portal.ledger.write() as session:
        own = chores.ask(session, "test", by="auditor", now=utc_now(), subject="own").id
    region = auditor.get(f"/chores/{own}", htmx=True)
    form = region.form("/cancel")
    foreign = ask(scene)
    auditor.post(f"/chores/{foreign}/cancel", {"next": "/jobs/"}, status=403)
    assert auditor.submit(form, {"next": "/jobs/"}).messages == ["已取消"]


def test_operators_cancel_it_and_auditors_do_not(
    scene: PageScene, operator: Visitor, auditor: Visitor
) -> None:
    chore_id = ask(scene)
    assert auditor.get(f"/chores/{chore_id}", htmx=True).actions == set()
    region = operator.get(f"/chores/{chore_id}", htmx=True)
    page = operator.submit(region.form("/cancel"), {"next": "/jobs/"})
    assert page.messages == ["已取消"]
    with scene.portal.ledger.read() as session:
        assert chores.find(session, chore_id).status is ChoreStatus.CANCELLED
