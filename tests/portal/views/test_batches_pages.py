"""One 迁移批次: its tabs, and every button in every state."""

from __future__ import annotations

import pytest

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
    assert figures(after) == {**figures(before), "失败": "0", "源端负载": "当前"}
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
    (link,) = [node.get("href") for node in causes[0].all("a")]
    assert len(operator.get(link).rows()) == 2


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
    assert "没有更早的记录" in operator.get(f"/batches/{number}/log?before=1").text
