"""What refreshes itself: the same part for page and poll, few queries, an end when all is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from portal.htmx import STOP_POLLING
from tests.portal.views.html_page import Node, parse
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor

Queries = Callable[[], Any]
MOST_QUERIES = 3
UNFINISHED = ("waiting", "running", "paused")
FINISHED = ("ended", "cancelled")


def only_poller(root: Node) -> Node:
    (poller,) = [node for node in root.walk() if "hx-trigger" in node.attributes]
    return poller


def assert_replaces_itself(poller: Node) -> None:
    assert poller.get("hx-trigger").startswith("every ")
    assert poller.get("hx-swap") == "outerHTML"
    assert poller.get("hx-target") == "this"
    assert poller.get("id")
    assert not any("[" in value for value in poller.attributes.values())  # a filter needs eval


@pytest.mark.parametrize("tab", ["", "/documents", "/failures", "/log"])
@pytest.mark.parametrize("state", UNFINISHED)
def test_an_unfinished_batch_polls_the_very_part_it_shows(
    scene: PageScene, operator: Visitor, state: str, tab: str
) -> None:
    page = operator.get(f"/batches/{getattr(scene, state)()}{tab}")
    region = only_poller(page.root)
    assert_replaces_itself(region)
    assert region is page.root.one(id="batch-progress")
    poll = operator.get(region.get("hx-get"), htmx=True)
    assert poll.root.one(id="batch-progress").shape() == region.shape()
    assert [node for node in poll.root.children if isinstance(node, Node)] == [
        poll.root.one(id="batch-progress")
    ]


@pytest.mark.parametrize("tab", ["months", "failures", "nonsense"])
@pytest.mark.parametrize("state", FINISHED)
def test_a_finished_batch_does_not_poll_and_its_part_says_stop(
    scene: PageScene, operator: Visitor, state: str, tab: str
) -> None:
    number = getattr(scene, state)()
    for page in ("", "/documents", "/failures", "/log"):
        assert operator.get(f"/batches/{number}{page}").pollers == []
    path = f"/batches/{number}/progress?tab={tab}"
    assert operator.get(path, htmx=True, status=STOP_POLLING).pollers == []


def test_no_percentage_before_all_is_counted(scene: PageScene, operator: Visitor) -> None:
    bar = {"role": "progressbar"}
    uncounted = operator.get(f"/batches/{scene.waiting()}").root
    assert "aria-valuenow" not in uncounted.one(**bar).attributes
    assert "%" not in uncounted.one(id="batch-progress").text
    counted = operator.get(f"/batches/{scene.running(3)}").root
    assert counted.one(**bar).get("aria-valuenow") == "66"
    assert "66%" in counted.one(id="batch-progress").text


def test_the_list_polls_for_the_rows_that_move_only(scene: PageScene, operator: Visitor) -> None:
    ended, running = scene.ended("FILE_CORRUPT"), scene.running()
    page = operator.get("/batches/")
    poller = only_poller(page.root)
    assert_replaces_itself(poller)
    number = scene.batch(running).id
    assert poller.get("hx-get") == f"/batches/live?ids={number}&newest={number}"
    poll = operator.get(poller.get("hx-get"), htmx=True)
    assert poll.root.one(id="batches-live").shape() == poller.shape()
    row = poll.root.one("template").one("tr")
    assert row.attributes.pop("hx-swap-oob") == "true"
    shown = page.root.one(id=f"batch-{scene.batch(running).id}")
    assert row.shape() == shown.shape()
    assert ended not in poll.text


def test_the_list_looks_less_often_when_nothing_moves(scene: PageScene, operator: Visitor) -> None:
    ended = scene.batch(scene.ended())
    poller = only_poller(operator.get("/batches/").root)
    assert (poller.get("hx-get"), poller.get("hx-trigger")) == (
        "/batches/live?newest=1",
        "every 10s",
    )
    last = operator.get(f"/batches/live?ids={ended.id}&newest=1", htmx=True)
    assert last.root.one("tr").get("id") == f"batch-{ended.id}"
    assert only_poller(last.root).get("hx-get") == poller.get("hx-get")
    for nonsense in ("", "?ids=", "?ids=x,y,-1&newest=-", "?ids=99999999999999999999"):
        assert operator.get(f"/batches/live{nonsense}", htmx=True).rows() == []


def test_the_list_says_what_others_have_added(scene: PageScene, operator: Visitor) -> None:
    scene.ended()
    page = operator.get("/batches/?size=20&run=ended&sort=total")
    poller = only_poller(page.root)
    before = operator.get(poller.get("hx-get"), htmx=True).root.one(id="batches-overviews")
    assert "新批次" not in before.text
    scene.waiting()  # which the filter does not let through
    scene.ended()
    news = operator.get(poller.get("hx-get"), htmx=True).root.one(id="batches-overviews")
    assert news.attributes.pop("hx-swap-oob") == "true"
    link = news.one(class_="news").one("a")
    assert link.text == "有 1 个新批次，点击显示"
    shown = operator.get(link.get("href"))
    assert len(shown.rows()) == 2
    assert shown.root.one(id="batches-overviews").all(class_="news")[0].text == "共 2 个批次"


def test_the_overview_polls_for_ever(scene: PageScene, operator: Visitor) -> None:
    scene.ended("FILE_CORRUPT")
    page = operator.get("/")
    region = only_poller(page.root)
    assert_replaces_itself(region)
    poll = operator.get(region.get("hx-get"), htmx=True)
    assert poll.root.one(id="overview").one("table").shape() == region.one("table").shape()
    assert poll.root.one(id="overview").attributes == region.attributes


def test_polls_ask_three_questions_at_most(
    app: Flask, scene: PageScene, operator: Visitor, queries: Queries
) -> None:
    running, ended = scene.running(), scene.ended("FILE_CORRUPT")
    run = scene.job_run(app, 1)
    regions = (
        "/live",
        f"/batches/live?ids={scene.batch(running).id},{scene.batch(ended).id}",
        f"/batches/{running}/progress?tab=months",
        f"/batches/{running}/progress?tab=failures",
        f"/jobs/{run}/tail?after=0",
        "/jobs/live",
    )
    for region in regions:
        with queries() as asked:
            operator.raw(region, HX_Request="true")
        assert len(asked) <= MOST_QUERIES, (region, asked)


def test_a_poll_asks_no_more_when_there_is_more_to_show(
    scene: PageScene, operator: Visitor, queries: Queries
) -> None:
    def asked_for(path: str) -> int:
        with queries() as asked:
            operator.raw(path)
        return len(asked)

    paths = ("/live", "/batches/", "/batches/live?ids=1,2,3,4,5,6&newest=1")
    few = [scene.ended("FILE_CORRUPT")]
    before = [asked_for(path) for path in paths]
    few += [scene.ended("FILE_CORRUPT") for _ in range(5)]
    assert [asked_for(path) for path in paths] == before
    documents = [asked_for(f"/batches/{number}/documents") for number in few]
    assert len(set(documents)) == 1
    large = scene.long(40)
    assert asked_for(f"/batches/{large}/documents") == documents[0]


def test_what_is_gone_is_said_to_htmx_too(scene: PageScene, operator: Visitor) -> None:
    number = scene.waiting()
    operator.submit(operator.get(f"/batches/{number}").form("/delete"))
    gone = operator.raw(f"/batches/{number}/progress", HX_Request="true")
    assert gone.status_code == 404  # htmx swaps no 404: the page stays as it was
    root, errors = parse(gone.text)
    assert (len(root.all("title")), errors) == (1, [])
