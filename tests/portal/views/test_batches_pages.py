"""One 迁移批次: its tabs, and every button in every state."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor

ALL_ACTIONS = ("run", "pause", "resume", "cancel", "delete", "retry")


def figures(page: Page) -> dict[str, str]:
    """The figures of a live region by their names."""
    return {
        figure.one("dt").text: figure.one("dd").text.split()[0]
        for figure in page.root.all(class_="figure")
    }


def test_every_state_offers_what_can_be_done_in_it(scene: PageScene, operator: Visitor) -> None:
    offered = {
        scene.waiting: {"run", "cancel", "delete"},
        scene.running: {"pause", "cancel"},
        scene.paused: {"resume", "cancel", "delete"},
        scene.cancelled: {"delete"},
    }
    for make, actions in offered.items():
        page = operator.get(f"/batches/{make()}")
        assert page.actions & set(ALL_ACTIONS) == actions, make


def test_an_ended_batch_offers_a_retry_only_when_something_failed(
    scene: PageScene, operator: Visitor
) -> None:
    broken = operator.get(f"/batches/{scene.ended('FILE_CORRUPT', synced=0)}")
    assert broken.actions & set(ALL_ACTIONS) == {"delete", "retry"}
    clean = operator.get(f"/batches/{scene.ended()}")
    assert clean.actions & set(ALL_ACTIONS) == {"delete"}


def test_the_buttons_do_what_they_say(scene: PageScene, operator: Visitor) -> None:
    number = scene.waiting()
    page = operator.get(f"/batches/{number}")
    for action, word, said in (
        ("run", "运行中", "批次已开始运行"),
        ("pause", "已暂停", "批次已暂停"),
        ("resume", "运行中", "批次已继续"),
        ("cancel", "已取消", "批次已取消"),
    ):
        page = operator.submit(page.form(f"/{action}"))
        assert page.path == f"/batches/{number}"
        assert page.messages == [said]
        assert word in page.root.one(id="batch-progress").text
    assert "同步失败" in page.text  # what never ran is not complete
    page = operator.submit(page.form("/delete"))
    assert page.path == "/batches/"
    assert number not in page.text
    assert operator.get(f"/batches/{number}", status=404).title.startswith("没有找到")
    actors = {event.actor for event in scene.ledger_scene.events(1)} - {"周敏"}
    assert actors == {"operator"}


def test_a_retry_sends_the_failures_again(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT", "FILE_DIGEST_MISMATCH")
    before = operator.get(f"/batches/{number}")
    assert figures(before)["失败"] == "2"
    after = operator.submit(before.form("/retry"))
    live = {"单据/秒": "—", "MB/秒": "—", "预计剩余": "—", "源端负载": "当前"}
    assert figures(after) == {**figures(before), "失败": "0", **live}
    assert "运行中" in after.text
    assert scene.portal.queue.waiting() == 1


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ("running", "resume"),
        ("running", "delete"),
        ("running", "retry"),
        ("paused", "run"),
        ("paused", "pause"),
        ("ended", "run"),
        ("ended", "pause"),
        ("ended", "resume"),
        ("ended", "cancel"),
        ("ended", "retry"),
        ("cancelled", "retry"),
        ("waiting", "retry"),
    ],
)
def test_a_refusal_names_the_batch_and_changes_nothing(
    scene: PageScene, operator: Visitor, state: str, action: str
) -> None:
    number = getattr(scene, state)()
    before = scene.batch(number).run_status
    # As from a page that was opened before the batch got into this state.
    form = operator.get("/batches/").form("/language")
    form.attributes["action"] = f"/batches/{number}/{action}"
    page = operator.submit(form)
    (message,) = page.messages
    assert number in message
    assert scene.batch(number).run_status is before
    assert scene.batch(number).deleted_at is None


def test_a_refusal_is_in_the_language_of_the_page(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended()
    operator.speak_english()
    form = operator.get("/batches/").form("/language")
    form.attributes["action"] = f"/batches/{number}/pause"
    assert operator.submit(form).messages == [f"batch {number} is paused or has ended"]


def test_an_unknown_batch_is_a_404_in_the_portals_look(operator: Visitor) -> None:
    for path in ("", "/failures", "/documents", "/log", "/progress"):
        page = operator.get(f"/batches/MB20200101-0001{path}", status=404)
        assert "MB20200101-0001" in page.text
        assert "没有找到" in page.title
        assert page.root.one("nav", **{"aria-label": "主导航"})
    operator.post("/batches/MB20200101-0001/pause", status=404)


def test_failures_by_cause_with_what_to_do(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT", "FILE_CORRUPT", "FILE_DIGEST_MISMATCH")
    page = operator.get(f"/batches/{number}/failures")
    causes = page.root.all(class_="cause")
    assert [cause.one(class_="badge").text for cause in causes] == ["2 份", "1 份"]
    facts = [fact.text for fact in causes[0].all("dd")]
    assert len(facts) == 3
    assert all(facts)
    assert facts[-1] == "FILE_CORRUPT"
    documents, example = [node.get("href") for node in causes[0].all("a")]
    assert len(operator.get(documents).rows()) == 2
    assert facts[1] in operator.get(example).title


def test_one_cause_or_month_is_sent_again_and_no_other(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT", "FILE_CORRUPT", "FILE_DIGEST_MISMATCH")
    page = operator.get(f"/batches/{number}/failures")
    page = operator.submit(page.root.all(class_="cause")[0].one("form"))
    assert page.path == f"/batches/{number}/failures"
    assert page.messages == ["2 份单据重新同步"]
    assert [cause.one(class_="badge").text for cause in page.root.all(class_="cause")] == ["1 份"]
    assert "批次结束后" in page.text  # until then no cause is offered
    assert "retry-some" not in page.actions
    other = scene.ended("FILE_CORRUPT")
    page = operator.submit(operator.get(f"/batches/{other}").form("/retry-some"))
    assert (page.path, page.messages) == (f"/batches/{other}", ["1 份单据重新同步"])
    (run, _first) = operator.get(f"/batches/{other}/runs").rows()
    assert run[3] == "1 份 月份 2024-01"
    operator.post(f"/batches/{other}/retry-some", status=400)


def test_months_say_whether_they_are_whole(scene: PageScene, operator: Visitor) -> None:
    whole = operator.get(f"/batches/{scene.ended()}")
    assert len(whole.root.all(class_="whole")) == 1
    (row,) = whole.rows()
    assert row[0] == "2024-01"
    assert row[8:10] == ["1", "100 B"]
    broken = operator.get(f"/batches/{scene.ended('FILE_CORRUPT')}")
    assert broken.root.all(class_="whole") == []


def test_every_run_is_kept_with_who_started_it_and_how_it_ended(
    scene: PageScene, operator: Visitor
) -> None:
    number = scene.waiting()
    assert "还没有运行过" in operator.get(f"/batches/{number}/runs").text
    page = operator.get(f"/batches/{number}")
    for action in ("run", "pause", "resume", "cancel"):
        page = operator.submit(page.form(f"/{action}"))
    rows = operator.get(f"/batches/{number}/runs").rows()
    assert [(row[0], row[2], row[5]) for row in rows] == [
        ("2", "operator", "被取消 operator"),
        ("1", "operator", "被暂停 operator"),
    ]


def test_a_run_that_a_job_started_leads_to_it(
    app: Flask, scene: PageScene, operator: Visitor
) -> None:
    number = scene.waiting()
    run = scene.job_run(app, 41)
    scene.perform(app, run)
    page = operator.get(f"/batches/{number}/runs")
    ((_run, _at, who, *_rest),) = page.rows()
    assert who == "xxl-job 日志编号 41"
    assert f"/jobs/{run}" in page.links


def test_a_batch_without_failures_says_so(scene: PageScene, operator: Visitor) -> None:
    assert "没有失败的单据" in operator.get(f"/batches/{scene.ended()}/failures").text


def test_the_log_tells_who_did_what(scene: PageScene, operator: Visitor) -> None:
    number = scene.waiting()
    page = operator.get(f"/batches/{number}")
    operator.submit(operator.submit(page.form("/run")).form("/pause"))
    rows = operator.get(f"/batches/{number}/log").rows()
    told = [(row[1], row[2]) for row in rows]
    assert told[:2] == [("operator", "暂停"), ("operator", "开始运行")]
    assert told[-1] == ("周敏", "新增批次")
    assert "没有更早的记录" in operator.get(f"/batches/{number}/log?after=1").text
