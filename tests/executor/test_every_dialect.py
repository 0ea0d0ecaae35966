"""The same life of a run under an admin of every version: both directions are that version's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.executor.fake_admin import VERSIONS, FakeAdmin
from tests.executor.java_calls import JavaAdmin
from tests.executor.site import Site, wait_for

pytestmark = pytest.mark.processes

ADDRESS = "http://10.1.2.3:8000/xxl-job/"
LINE = "影像迁移😀" * 180
LINES = 80  # of 900 characters, 1080 of Java's


@pytest.fixture(scope="module", params=VERSIONS)
def admin(request: pytest.FixtureRequest) -> Iterator[FakeAdmin]:
    with FakeAdmin(request.param) as admin:
        yield admin


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, admin: FakeAdmin) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"), admins=admin.address, address=ADDRESS)
    try:
        for role in ("web", "worker", "agent"):
            site.start(role)
        yield site
    finally:
        site.end()


@pytest.fixture
def java(site: Site, admin: FakeAdmin) -> JavaAdmin:
    return JavaAdmin(admin.version, site.post_bytes)


def result(admin: FakeAdmin, log_id: int) -> tuple[int, str]:
    stored = wait_for(f"the result of {log_id}", lambda: admin.results.get(log_id))
    return stored.code, stored.msg


def test_registered_triggered_and_reported(java: JavaAdmin, admin: FakeAdmin) -> None:
    wait_for("the registration", lambda: admin.registered)
    assert admin.registered == {ADDRESS: "imaging-migration"}
    assert java.beat().code == 200
    assert java.run(100, jobId=1, executorParams="影像😀").code == 200
    assert result(admin, 100) == (200, "影像😀")
    assert java.run(101, jobId=1, executorHandler="fail", executorParams="<b>不行").code == 200
    assert result(admin, 101) == (500, "&lt;b&gt;不行")
    assert java.idle_beat(1).code == 200


def test_log_of_70_000_characters_is_whole(java: JavaAdmin, admin: FakeAdmin) -> None:
    assert len(LINE) * LINES >= 70_000
    params = f"{LINES} {LINE}"
    assert java.run(200, jobId=2, executorHandler="verbose", executorParams=params).code == 200
    assert result(admin, 200)[0] == 200
    page = java.log(200)
    lines = page["logContent"].split("\n")
    assert page["isEnd"]
    assert page["fromLineNum"] == 1
    assert page["toLineNum"] == len(lines)
    assert sum(line.partition(" ")[2].partition(" ")[2] == LINE for line in lines) == LINES


def test_log_of_a_run_that_goes_on_is_shown_line_by_line(
    site: Site, java: JavaAdmin, admin: FakeAdmin
) -> None:
    java.run(300, jobId=3, executorHandler="work")
    wait_for("its line", lambda: "working" in java.log(300)["logContent"])
    page = java.log(300)
    assert not page["isEnd"]
    again = java.log(300, page["toLineNum"] + 1)
    assert (again["fromLineNum"], again["logContent"]) == (page["toLineNum"] + 1, "")
    assert (again["toLineNum"], again["isEnd"]) == (page["toLineNum"], False)
    site.finish(300)
    assert result(admin, 300) == (200, "worked")


def test_kill_ends_what_runs_and_what_waits(site: Site, java: JavaAdmin, admin: FakeAdmin) -> None:
    assert java.kill(4).msg == "job thread already killed."
    java.run(400, jobId=4, executorHandler="work")
    wait_for("its start", lambda: site.starts(400))
    java.run(401, jobId=4, executorHandler="work")
    said = java.idle_beat(4)
    assert (said.code, said.msg) == (500, "job thread is running or has trigger queue.")
    discarded = java.run(
        402, jobId=4, executorHandler="work", executorBlockStrategy="DISCARD_LATER"
    )
    assert (discarded.code, discarded.msg) == (500, "block strategy effect：Discard Later")
    assert java.kill(4).code == 200
    comma = "，" if admin.is_rpc else ", "
    text = "scheduling center kill job."
    assert result(admin, 400) == (500, f"{text} [job running{comma}killed]")
    assert result(admin, 401) == (500, f"{text} [job not executed, in the job queue, killed.]")
    assert site.starts(401) == 0


def test_results_reach_an_admin_that_was_away_though_everything_was_killed(
    tmp_path_factory: pytest.TempPathFactory, admin: FakeAdmin
) -> None:
    """Before 2.2.0 no admin ever notices that a result is missing: the run would go on for ever."""
    version = admin.version
    with FakeAdmin(version) as first:
        address = first.address
    port = int(address.rpartition(":")[2].partition("/")[0])
    site = Site(tmp_path_factory.mktemp("away"), admins=address, address=ADDRESS)
    java = JavaAdmin(version, site.post_bytes)
    try:
        for role in ("web", "worker", "agent"):
            site.start(role)
        assert java.run(1, jobId=1, executorHandler="counted").code == 200
        wait_for("its end", lambda: site.status(1) == "succeeded")
        site.kill("worker")
        assert java.run(2, jobId=2, executorHandler="counted").code == 200
        site.kill("web")  # which has answered and may have told nobody yet
        site.kill("agent")
        for message in (site.home / "queue").iterdir():
            message.unlink()
        for role in ("web", "worker", "agent"):
            site.start(role)
        site.make_due()
        with FakeAdmin(version, port=port) as back:
            assert result(back, 1) == (200, "p")
            assert result(back, 2) == (200, "p")
            wait_for("the registration", lambda: back.registered)
            assert java.run(2, jobId=2, executorHandler="counted").code == 200
        assert (site.starts(1), site.starts(2)) == (1, 1)
    finally:
        site.end()
