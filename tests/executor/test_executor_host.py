"""The executor within an application of somebody else's."""

from __future__ import annotations

import json

from flask import abort, request
from sqlalchemy.orm import Session

from executor import RunInfo
from tests.executor.executor_rig import Database, Rig, trigger


def test_checks_of_the_application_stand_in_no_admins_way(database: Database) -> None:
    rig = Rig(database)
    rig.app.before_request(lambda: abort(403))
    for word in ("beat", "run", "nowhere"):
        rig.call(word, trigger(1))
    assert rig.client.get("/").status_code == 403


def test_paths_beside_the_prefix_are_the_applications(database: Database) -> None:
    rig = Rig(database)
    rig.app.add_url_rule("/xxl-jobs", view_func=lambda: "mine", endpoint="mine")
    assert rig.client.get("/xxl-jobs").text == "mine"
    assert rig.client.get("/elsewhere").status_code == 404
    for path in ("/xxl-job", "/xxl-job/", "/xxl-job//run"):
        assert rig.client.post(path).get_json()["code"] == 500


def test_hooks_find_the_request_that_brought_the_trigger(database: Database) -> None:
    rig = Rig(database)
    seen: list[str | None] = []

    def observe(_session: Session, _run: RunInfo, _moment: str) -> None:
        seen.append(request.remote_addr)

    rig.executor.observe(observe)
    rig.run(1)
    rig.call("kill", {"jobId": 7})
    assert seen == ["127.0.0.1", "127.0.0.1"]


def test_broken_bytes_of_a_parameter_are_replaced_as_java_does(database: Database) -> None:
    rig = Rig(database)
    body = json.dumps(trigger(1, executorParams="@")).encode().replace(b"@", b"a\xffb")
    assert rig.call("run", body)["code"] == 200
    rig.work()
    assert rig.result(1) == (200, "a\N{REPLACEMENT CHARACTER}b")


def test_head_is_answered_without_a_body(database: Database) -> None:
    response = Rig(database).client.head("/xxl-job/beat")
    assert (response.status_code, response.data) == (200, b"")
