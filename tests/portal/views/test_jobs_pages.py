"""任务执行: the runs an admin triggered and their logs."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask

from executor.models import ExecutorRegistration, ExecutorRun
from portal.htmx import STOP_POLLING
from portal.models import utc_now
from tests.portal.views.page_scene import TOKEN, PageScene
from tests.portal.views.visitor import Visitor


def test_runs_are_listed_newest_first(app: Flask, scene: PageScene, auditor: Visitor) -> None:
    done = scene.job_run(app, 11, params='{"wait": false}')
    scene.perform(app, done)
    refused = scene.job_run(app, 12, params="nonsense")
    scene.perform(app, refused)
    queued = scene.job_run(app, 13)
    rows = auditor.get("/jobs/").rows()
    assert [(row[0], row[3]) for row in rows] == [("13", "排队"), ("12", "失败"), ("11", "成功")]
    assert rows[2][8] == '{"wait": false}'
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
    (older,) = [link for link in first.links if "after=" in link]
    assert [row[0] for row in first.rows()] == [str(n) for n in range(51, 1, -1)]
    second = auditor.get(older)
    assert [row[0] for row in second.rows()] == ["1"]
    region = second.root.one(id="jobs-rows")
    assert [row[0] for row in auditor.get(region.get("hx-get"), htmx=True).rows()] == ["1"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("status=failed", ["12"]),
        ("status=queued&handler=DataSyncTask", ["13"]),
        ("handler=Nobody", []),
        ("job_id=11&log_id=11", ["11"]),
        ("log_id=nonsense", []),
        ("first=2026-01-01&last=2100-01-01", ["13", "12", "11"]),
        ("last=2026-01-01", []),
        ("sort=id", ["11", "12", "13"]),
        ("status=nonsense&first=nonsense&_external=1&endpoint=x&%ff", ["13", "12", "11"]),
    ],
)
def test_runs_are_filtered_and_stay_so_when_they_refresh(
    app: Flask, scene: PageScene, auditor: Visitor, query: str, shown: list[str]
) -> None:
    scene.perform(app, scene.job_run(app, 11, params='{"wait": false}'))
    scene.perform(app, scene.job_run(app, 12, params="nonsense"))
    scene.job_run(app, 13)
    page = auditor.get(f"/jobs/?{query}")
    region = page.root.one(id="jobs-rows")
    for seen in (page, auditor.get(region.get("hx-get"), htmx=True)):
        assert [row[0] for row in seen.rows() if len(row) > 1] == shown
        assert ("没有符合条件的执行" in seen.text) == (not shown)


def test_the_live_parts_are_the_ones_the_page_shows(
    app: Flask, scene: PageScene, operator: Visitor
) -> None:
    done = scene.job_run(app, 11, params='{"wait": false}')
    scene.perform(app, done)
    page = operator.get("/jobs/")
    assert [region.get("id") for region in page.pollers] == ["jobs-live", "jobs-rows"]
    for region in page.pollers:
        poll = operator.get(region.get("hx-get"), htmx=True)
        assert poll.root.one(id=region.get("id")).shape() == region.shape()
    scene.job_run(app, 12)
    (_live, rows) = page.pollers
    assert len(operator.get(rows.get("hx-get"), htmx=True).rows()) == 2


def test_every_admin_shows_what_it_last_said(
    app: Flask, scene: PageScene, auditor: Visitor
) -> None:
    now = utc_now()
    with scene.portal.ledger.write() as session:
        for name, age, problem in (
            ("http://good", 20, None),
            ("http://bad", 20, "code 500, The access token is wrong."),
            ("http://old", 200, None),
        ):
            then = now - timedelta(seconds=age)
            session.add(
                ExecutorRegistration(
                    admin_address=name,
                    executor_address="http://us",
                    attempted_at=then,
                    succeeded_at=then,
                    problem=problem,
                )
            )
    text = auditor.get("/jobs/").text
    for words in (
        "http://good http://us 已注册 WHEN 200",
        "http://bad http://us 未注册 WHEN code 500, The access token is wrong.",
        "http://old http://us 已过期 WHEN 代理进程可能没有运行",
    ):
        assert words in re.sub(r"\d{4}-\S+ \S+", "WHEN", " ".join(text.split()))
    figures = auditor.raw("/metrics").text
    assert 'xxl_job_registered{admin="http://good",executor="http://us"} 1\n' in figures
    assert 'xxl_job_registered{admin="http://bad",executor="http://us"} 0\n' in figures
    assert 'xxl_job_registry_age_seconds{admin="http://old",executor="http://us"} 20' in figures


def test_a_result_is_sent_again_on_request(
    app: Flask, scene: PageScene, operator: Visitor, auditor: Visitor
) -> None:
    run = scene.job_run(app, 11, params="nonsense")
    scene.perform(app, run)
    with scene.portal.ledger.write() as session:
        row = session.get_one(ExecutorRun, run)
        row.next_delivery_at = utc_now() + timedelta(minutes=5)
        row.delivery_attempts = 7
    page = operator.get(f"/jobs/{run}")
    assert "第 7 次重试" in page.text
    after = operator.submit(page.form(f"/jobs/{run}/send-again"), {})
    assert "已安排重新回调 1 条结果" in after.text
    with scene.portal.ledger.read() as session:
        due_at = session.get_one(ExecutorRun, run).next_delivery_at
        assert due_at is not None
        assert due_at <= utc_now()
    trail = auditor.get("/audit/").rows()[0]
    assert (trail[1], trail[2]) == ("operator", "重新回调")
    assert "日志编号 11" in trail[6]
    assert "send-again" not in str(auditor.get(f"/jobs/{run}").links)
    auditor.post(f"/jobs/{run}/send-again", status=403)


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
    assert auditor.get("/jobs/").rows()[0][3] == "等待批次"
    assert "运行中" in auditor.get(f"/batches/{number}").text


def test_an_unknown_run_is_a_404_in_the_portals_look(auditor: Visitor) -> None:
    for path in ("/jobs/999999", "/jobs/999999/tail", "/jobs/x"):
        assert auditor.get(path, status=404).title.startswith("没有找到")
