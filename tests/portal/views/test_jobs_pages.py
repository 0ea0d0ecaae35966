"""任务执行: the runs an admin triggered and their logs."""

from __future__ import annotations

from flask import Flask

from portal.htmx import STOP_POLLING
from tests.portal.views.page_scene import TOKEN, PageScene
from tests.portal.views.visitor import Visitor


def test_runs_are_listed_newest_first(app: Flask, scene: PageScene, auditor: Visitor) -> None:
    done = scene.job_run(app, 11, params='{"wait": false}')
    scene.perform(app, done)
    refused = scene.job_run(app, 12, params="nonsense")
    scene.perform(app, refused)
    queued = scene.job_run(app, 13)
    rows = auditor.get("/jobs/").rows()
    assert [(row[0], row[4]) for row in rows] == [("13", "排队"), ("12", "失败"), ("11", "成功")]
    assert rows[2][3] == '{"wait": false}'
    assert rows[1][7].startswith("500")
    assert {f"/jobs/{run}" for run in (done, refused, queued)} <= auditor.get("/jobs/").links


def test_without_runs_it_says_what_to_set_up(auditor: Visitor) -> None:
    page = auditor.get("/jobs/")
    for word in ("DataSyncTask", "BEAN", "DISCARD_LATER", "imaging-migration"):
        assert word in page.text
    assert TOKEN not in page.text


def test_runs_come_page_by_page(app: Flask, scene: PageScene, auditor: Visitor) -> None:
    for log_id in range(1, 52):
        scene.job_run(app, log_id)
    first = auditor.get("/jobs/")
    (older,) = [link for link in first.links if "before=" in link]
    assert [row[0] for row in first.rows()] == [str(n) for n in range(51, 1, -1)]
    assert [row[0] for row in auditor.get(older).rows()] == ["1"]
    assert "没有更早的执行" in auditor.get("/jobs/?before=1").text


def test_the_log_of_a_run_that_goes_on_is_followed(
    app: Flask, scene: PageScene, auditor: Visitor
) -> None:
    run = scene.job_run(app, 11)
    page = auditor.get(f"/jobs/{run}")
    (sentinel,) = page.pollers
    assert sentinel is page.root.one(class_="log").one(id="tail")
    assert sentinel.get("hx-swap") == "outerHTML"
    scene.portal.executor.append_log(11, "第一行 <b>\n第二行")
    tail = auditor.get(sentinel.get("hx-get"), htmx=True)
    assert [line.text.split(" ", 2)[-1] for line in tail.root.all("p")] == ["第一行 <b>", "第二行"]
    assert tail.root.all("b") == []
    again = auditor.get(tail.root.one(id="tail").get("hx-get"), htmx=True)
    assert again.root.all("p") == []  # every line comes once
    assert [poller.get("id") for poller in again.pollers] == ["tail"]
    whole = auditor.get(f"/jobs/{run}")
    lines = whole.root.one(class_="log").all("p")
    assert [line.text for line in lines] == [line.text for line in tail.root.all("p")]


def test_an_ended_run_shows_its_result_and_does_not_poll(
    app: Flask, scene: PageScene, auditor: Visitor
) -> None:
    run = scene.job_run(app, 11, params="nonsense")
    scene.perform(app, run)
    page = auditor.get(f"/jobs/{run}")
    assert page.pollers == []
    assert "失败 500" in page.root.one(id="tail").text
    last = auditor.get(f"/jobs/{run}/tail?after=0", htmx=True, status=STOP_POLLING)
    assert last.pollers == []
    assert last.root.one(id="tail").shape() == page.root.one(id="tail").shape()


def test_a_run_that_waits_for_its_batches_is_not_ended(
    app: Flask, scene: PageScene, auditor: Visitor
) -> None:
    number = scene.waiting()
    run = scene.job_run(app, 11)
    scene.perform(app, run)
    page = auditor.get(f"/jobs/{run}")
    assert len(page.pollers) == 1
    assert number in page.root.one(class_="log").text
    assert auditor.get("/jobs/").rows()[0][4] == "等待批次"
    assert "运行中" in auditor.get(f"/batches/{number}").text


def test_an_unknown_run_is_a_404_in_the_portals_look(auditor: Visitor) -> None:
    for path in ("/jobs/999999", "/jobs/999999/tail", "/jobs/x"):
        assert auditor.get(path, status=404).title.startswith("没有找到")
