"""迁移批次: the list, and what is done with the ticked ones."""

from __future__ import annotations

from portal.services.browsing import PAGE
from portal.statuses import RunStatus
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor


def test_the_list_counts_and_names_the_states(scene: PageScene, operator: Visitor) -> None:
    ended, running, waiting = (
        scene.ended("FILE_CORRUPT", synced=2),
        scene.running(),
        scene.waiting(),
    )
    rows = {row[1]: row[5:11] for row in operator.get("/batches/").rows()}
    assert list(rows) == [waiting, running, ended]
    assert rows[ended] == ["部分同步完成", "已结束", "3", "2", "1", "1"]
    assert rows[running][:2] == ["部分同步完成", "运行中"]
    assert rows[waiting] == ["待同步", "待运行 立即运行", "0", "0", "0", "0"]


def test_the_list_comes_page_by_page(scene: PageScene, operator: Visitor) -> None:
    numbers = [scene.waiting() for _ in range(PAGE + 1)]
    first = operator.get("/batches/")
    assert [row[1] for row in first.rows()] == numbers[:0:-1]
    (older,) = [link for link in first.links if "before=" in link]
    assert [row[1] for row in operator.get(older).rows()] == numbers[:1]
    assert "没有更早的批次" in operator.get("/batches/?before=1").text


def test_an_empty_list_says_what_to_do(operator: Visitor, auditor: Visitor) -> None:
    assert "/batches/new" in operator.get("/batches/").links
    assert "/batches/new" not in auditor.get("/batches/").links


def test_ticked_batches_are_retried_and_the_others_named(
    scene: PageScene, operator: Visitor
) -> None:
    good = [scene.ended("FILE_CORRUPT"), scene.ended("FILE_CORRUPT")]
    bad = [scene.ended(), scene.waiting()]
    form = operator.get("/batches/").form("/selected")
    page = operator.submit(form, {"action": "retry", "batch_no": [*good, *bad]})
    assert page.path == "/batches/"
    assert page.messages[-1] == "已处理 2 个批次"
    assert [number for number in bad if any(number in said for said in page.messages)] == bad
    assert [scene.batch(number).run_status for number in good] == [RunStatus.RUNNING] * 2
    assert [scene.batch(number).run_no for number in bad] == [1, 0]


def test_ticked_batches_are_deleted_but_not_what_runs(scene: PageScene, operator: Visitor) -> None:
    ended, running, waiting = scene.ended("FILE_CORRUPT"), scene.running(), scene.waiting()
    form = operator.get("/batches/").form("/selected")
    page = operator.submit(form, {"action": "delete", "batch_no": [ended, running, waiting]})
    assert [row[1] for row in page.rows()] == [running]
    refused, done = page.messages
    assert running in refused
    assert done == "已处理 2 个批次"


def test_nothing_ticked_and_nonsense(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended()
    form = operator.get("/batches/").form("/selected")
    assert operator.submit(form, {"action": "delete"}).messages == ["请先勾选批次"]
    operator.submit(form, {"action": "cancel", "batch_no": number}, status=400)
    operator.submit(form, status=400)


def test_what_somebody_else_deleted_meanwhile_stops_nothing(
    scene: PageScene, operator: Visitor
) -> None:
    number = scene.ended()
    form = operator.get("/batches/").form("/selected")
    page = operator.submit(form, {"action": "delete", "batch_no": ["MB20200101-0001", number]})
    refused, done = page.messages
    assert "MB20200101-0001" in refused
    assert done == "已处理 1 个批次"
    assert scene.numbers() == []
