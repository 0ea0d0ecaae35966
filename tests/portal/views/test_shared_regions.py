"""Live regions are rendered once a second for all who may see the same, and for nobody else."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.services import batches
from portal.views.shared_region import LIFE_SECONDS, SharedRegions
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor

Queries = Callable[[], Any]
POLL = {"HX-Request": "true"}
TEMPLATES = Path(__file__).parents[3] / "portal" / "templates"
# What is shared, and the parts these include.
SHARED = (
    *("home/_live.html", "batches/_live.html", "batches/_row.html", "batches/_overviews.html"),
    *("batches/_progress.html", "batches/_tabs.html", "batches/_months.html"),
    *("batches/_failures.html", "batches/_priority.html", "months/_live.html"),
    *("months/_month.html", "jobs/_live.html", "jobs/_rows.html", "jobs/_delivery.html"),
    *("jobs/_tail.html", "_status.html"),
)


def polled(client: FlaskClient, path: str) -> str:
    answer = client.get(path, headers=POLL)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.text


def token_in(text: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', text)
    assert found, text
    return unescape(found[1])


def test_second_viewer_of_the_same_role_costs_only_the_look_at_the_account(
    scene: PageScene, visit: Callable[[str], Visitor], queries: Queries
) -> None:
    path = f"/batches/{scene.running()}/progress?tab=months"
    first, second = visit("operator").client, visit("operator").client
    shown = polled(first, path)
    with queries() as asked:
        again = polled(second, path)
    assert len(asked) == 1
    mine, theirs = token_in(shown), token_in(again)
    assert mine != theirs
    assert shown.replace(mine, "") == again.replace(theirs, "")


def test_each_viewer_can_send_the_forms_that_came_by_a_shared_poll(
    scene: PageScene, visit: Callable[[str], Visitor]
) -> None:
    number = scene.running()
    path = f"/batches/{number}/progress?tab=months"
    first, second = visit("operator").client, visit("operator").client
    polled(first, path)
    data = {"csrf_token": token_in(polled(second, path))}
    assert second.post(f"/batches/{number}/pause", data=data).status_code == 303
    stolen = {"csrf_token": token_in(polled(second, path))}
    assert first.post(f"/batches/{number}/resume", data=stolen).status_code == 400


def test_no_role_and_no_language_sees_what_was_rendered_for_another(
    scene: PageScene, visit: Callable[[str], Visitor]
) -> None:
    path = f"/batches/{scene.running()}/progress?tab=months"
    operator, auditor = visit("operator"), visit("auditor")
    assert "<form" in polled(operator.client, path)
    assert "<form" not in polled(auditor.client, path)
    assert "暂停" in polled(operator.client, path)
    operator.speak_english()
    assert "暂停" not in polled(operator.client, path)
    stranger = visit("").client.get(path, headers=POLL)
    assert (stranger.status_code, stranger.text) == (401, "")


def test_who_is_disabled_is_refused_what_is_still_shared(
    scene: PageScene, visit: Callable[[str], Visitor]
) -> None:
    auditor, admin = visit("auditor"), visit("admin")
    polled(auditor.client, "/live")
    page = admin.get("/users/")
    link = next(one for one in page.root.all("a") if one.text == "auditor")
    admin.submit(admin.get(link.get("href")).form("/disable"))
    assert auditor.client.get("/live", headers=POLL).status_code == 401


def test_own_action_shows_in_the_very_next_poll(
    scene: PageScene, visit: Callable[[str], Visitor]
) -> None:
    number = scene.running()
    path = f"/batches/{number}/progress?tab=months"
    client = visit("operator").client
    data = {"csrf_token": token_in(polled(client, path))}
    client.post(f"/batches/{number}/pause", data=data)
    assert f"/batches/{number}/resume" in polled(client, path)


def test_a_page_is_never_shared(scene: PageScene, visit: Callable[[str], Visitor]) -> None:
    client = visit("operator").client
    number = scene.running()
    polled(client, f"/batches/{number}/progress?tab=months")
    assert client.get(f"/batches/{number}").status_code == 200
    scene.ledger_scene.do(batches.pause, scene.batch(number).id)
    assert f"/batches/{number}/resume" in client.get(f"/batches/{number}").text
    assert f"/batches/{number}/resume" in client.get(f"/batches/{number}/progress").text


def test_stop_of_polling_is_shared_too(scene: PageScene, visit: Callable[[str], Visitor]) -> None:
    path = f"/batches/{scene.ended()}/progress?tab=months"
    for _ in range(2):
        assert visit("operator").client.get(path, headers=POLL).status_code == 286


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_template_knows_nothing_of_the_user_but_what_the_role_may(name: str) -> None:
    text = (TEMPLATES / name).read_text("utf-8")
    assert set(re.findall(r"current_user\.\w+", text)) <= {"current_user.may"}
    assert not re.search(
        r"\b(session|g|config)\.|get_flashed_messages|request\.(headers|cookies)", text
    )
    for seconds in re.findall(r"every (\d+)s", text):
        assert int(seconds) > LIFE_SECONDS
    for included in re.findall(r'include "([^"]+)"(?! ~)', text):
        assert included in SHARED or included == "batches/_", included


def test_one_renders_for_all_who_ask_at_the_same_time() -> None:
    regions, calls = SharedRegions(), []
    begun, go_on = threading.Event(), threading.Event()

    def render() -> tuple[str, int]:
        calls.append(1)
        begun.set()
        assert go_on.wait(30)
        return "shown", 200

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(regions.get, "key", render)
        assert begun.wait(30)
        others = [pool.submit(regions.get, "key", render) for _ in range(7)]
        go_on.set()
        assert {one.result() for one in (first, *others)} == {("shown", 200)}
    assert len(calls) == 1


def test_a_rendering_lives_a_second_from_its_beginning_and_a_failed_one_not_at_all() -> None:
    now = 0.0
    regions = SharedRegions(clock=lambda: now)
    texts = iter("abcdef")

    def render() -> tuple[str, int]:
        return next(texts), 200

    def fail() -> tuple[str, int]:
        raise LookupError

    assert regions.get("key", render)[0] == "a"
    now = 0.99
    assert regions.get("key", render)[0] == "a"
    now = LIFE_SECONDS
    assert regions.get("key", render)[0] == "b"
    now = 2 * LIFE_SECONDS
    with pytest.raises(LookupError):
        regions.get("key", fail)
    assert regions.get("key", render)[0] == "c"


def test_addresses_without_end_take_no_memory_without_end() -> None:
    regions = SharedRegions(clock=lambda: 0.0)
    for number in range(5000):
        regions.get(number, lambda: ("", 200))
    assert len(regions) < 1000


def test_a_poll_that_works_leaves_no_record_and_one_that_does_not_does(
    scene: PageScene, operator: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/batches/{scene.running()}/progress"
    caplog.set_level(logging.INFO, "portal.requests")
    seen: list[int] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(vars(record)["fields"]["status"])  # type: ignore[method-assign]
    requests = logging.getLogger("portal.requests")
    requests.addHandler(handler)
    try:
        for asked, headers in ((path, POLL), (path, POLL), (f"{path}x", POLL), (path, {})):
            assert operator.client.get(asked, headers=headers).text
    finally:
        requests.removeHandler(handler)
    assert seen == [404, 200]
