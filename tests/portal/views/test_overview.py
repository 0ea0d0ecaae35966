"""总览: the numbers of everything, and the newest batches."""

from __future__ import annotations

from portal.models import utc_now
from portal.services.leases import beat
from portal.views.home import NEWEST
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor


def figures(page: Page) -> dict[str, str]:
    found = page.root.all(class_="figure")
    return {figure.one("dt").text: figure.one("dd").text for figure in found}


def test_an_empty_portal_says_how_to_begin(operator: Visitor, auditor: Visitor) -> None:
    page = operator.get("/")
    assert figures(page)["总单据数"] == "0"
    assert figures(page)["运行中的批次"] == "0 / 0"
    assert figures(page)["工作进程"] == "0 无，批次不会推进"
    assert "/batches/new" in page.links
    assert "/batches/new" not in auditor.get("/").links


def test_the_numbers_of_all_batches(scene: PageScene, auditor: Visitor) -> None:
    scene.ended("FILE_CORRUPT", synced=2)
    scene.running(3)
    deleted = scene.ended(synced=0)
    with scene.portal.ledger.write() as session:
        beat(session, "w1", pid=1, batch_id=None, now=utc_now())
    shown = figures(auditor.get("/"))
    totals = [scene.batch(number) for number in scene.numbers()]
    assert shown["总单据数"] == str(sum(batch.total for batch in totals))
    assert shown["已同步单据数"] == str(sum(batch.done for batch in totals))
    assert shown["失败"] == str(sum(batch.failed for batch in totals)) == "1"
    assert shown["运行中的批次"] == f"1 / {len(totals)}"
    assert shown["工作进程"] == "1 在线"
    assert deleted in scene.numbers()


def test_what_is_deleted_does_not_count(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT", synced=2)
    operator.submit(operator.get(f"/batches/{number}").form("/delete"))
    shown = figures(operator.get("/"))
    assert (shown["总单据数"], shown["失败"]) == ("0", "0")


def test_the_newest_batches(scene: PageScene, auditor: Visitor) -> None:
    numbers = [scene.waiting() for _ in range(NEWEST + 2)]
    assert [row[0] for row in auditor.get("/").rows()] == numbers[: -NEWEST - 1 : -1]
