"""The rules of the protocol one by one, against real processes over HTTP.

Two web processes share one database with a worker and an agent, as behind one address.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.executor.executor_rig import TOKEN, trigger
from tests.executor.fake_admin import VERSIONS, FakeAdmin
from tests.executor.java_calls import JavaAdmin
from tests.executor.site import HEADERS, Site, wait_for

pytestmark = pytest.mark.processes

_ids = itertools.count(1000)
RUNNING = "[job running, killed]"
QUEUED = "[job not executed, in the job queue, killed.]"


@pytest.fixture(scope="module")
def admin() -> Iterator[FakeAdmin]:
    with FakeAdmin("3.4.2") as admin:
        yield admin


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, admin: FakeAdmin) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"), admins=admin.address, queue_limit=3)
    try:
        site.start("web")
        site.start("web", "web2")
        site.start("worker")
        site.start("worker", "worker2")
        site.start("agent")
        yield site
    finally:
        site.end()


@pytest.fixture
def job() -> int:
    """A job of its own, by whose number its log ids go too."""
    return next(_ids)


def run(site: Site, job: int, number: int = 0, **fields: Any) -> dict[str, Any]:
    log_id = job * 100 + number
    return site.run(log_id, **{"jobId": job, "executorHandler": "counted", **fields})


def _hang() -> Any:
    time.sleep(30)
    raise AssertionError


def result(admin: FakeAdmin, log_id: int) -> tuple[int, str]:
    stored = wait_for(f"the result of {log_id}", lambda: admin.results.get(log_id))
    return stored.code, stored.msg


# 1.1 How an admin reaches the executor.


@pytest.mark.parametrize("address", ["/xxl-job", "/xxl-job/"])
def test_prefix_with_and_without_a_slash_at_its_end(site: Site, address: str) -> None:
    prefix = address if address.endswith("/") else address + "/"
    assert site.post("beat", b"", prefix=prefix)["code"] == 200


@pytest.mark.parametrize("body", [None, b"", b'""'])
def test_beat_of_every_version(site: Site, body: bytes | None) -> None:
    head = f"POST /xxl-job/beat HTTP/1.1\r\nHost: x\r\nXXL-JOB-ACCESS-TOKEN: {TOKEN}\r\n"
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    request = f"{head}{length}Connection: close\r\n\r\n".encode() + (body or b"")
    answer = site.exchange(request)
    assert answer.split(b" ")[1] == b"200"
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == 200


def test_success_has_the_keys_of_all_versions(site: Site) -> None:
    assert site.post("beat") == {"code": 200, "msg": "Success", "content": None, "data": None}


def test_escaped_json_of_gson_is_read(site: Site, admin: FakeAdmin, job: int) -> None:
    body = json.dumps(trigger(job * 100, jobId=job, executorParams="@"))
    body = body.replace('"@"', r'"a\u003c\u003d\u0026\u0027b"')
    assert site.post("run", body.encode())["code"] == 200
    assert result(admin, job * 100) == (200, "a&lt;=&amp;&#x27;b")


# 1.2 The trigger.


def test_run_is_accepted_executed_and_reported(site: Site, admin: FakeAdmin, job: int) -> None:
    assert run(site, job, executorParams="hello")["code"] == 200
    assert result(admin, job * 100) == (200, "hello")


def test_log_ids_of_64_bits_and_shards(site: Site, admin: FakeAdmin, job: int) -> None:
    log_id = 2**62 + job
    shard = trigger(log_id, jobId=job, executorHandler="shard", broadcastIndex=3, broadcastTotal=7)
    assert site.post("run", shard)["code"] == 200
    assert result(admin, log_id) == (200, f"{job}/{log_id}: 3/7")


def test_absent_fields_have_java_defaults(site: Site, admin: FakeAdmin, job: int) -> None:
    body = {
        "jobId": job,
        "logId": job * 100,
        "logDateTime": 1,
        "glueType": "BEAN",
        "executorHandler": "counted",
    }
    assert site.post("run", body)["code"] == 200
    assert result(admin, job * 100) == (200, "")


def test_trigger_of_3_5(site: Site, admin: FakeAdmin, job: int) -> None:
    headers = {**HEADERS, "XXL-JOB-APPNAME": "imaging-migration"}
    body = trigger(job * 100, jobId=job)
    assert site.post("trigger", body, headers=headers)["code"] == 200
    query = {"logId": job * 100, "logDateTime": 1, "fromLineNum": 1}
    assert result(admin, job * 100) == (200, "p")  # an admin of 3.4 by now, which says so
    page = site.post("log", query, headers=headers)["data"]
    assert "got p" in page["logContent"]


# 1.5 The same trigger again.


def test_same_trigger_again_is_one_run_in_every_state(
    site: Site, admin: FakeAdmin, job: int
) -> None:
    log_id = job * 100
    assert run(site, job, executorHandler="work")["code"] == 200
    wait_for("its start", lambda: site.starts(log_id))
    assert site.run(log_id, web="web2", jobId=job, executorHandler="work")["code"] == 200
    site.finish(log_id)
    assert result(admin, log_id) == (200, "worked")
    before = sum(batch.count(log_id) for batch in admin.batches)
    assert run(site, job, executorHandler="work")["code"] == 200
    wait_for(
        "the result again",
        lambda: sum(batch.count(log_id) for batch in admin.batches) > before,
    )
    assert site.starts(log_id) == 1


# 2.3 Routing calls.


def test_idle_beat_of_any_process(site: Site, admin: FakeAdmin, job: int) -> None:
    assert site.post("idleBeat", {"jobId": job})["code"] == 200
    run(site, job, executorHandler="work")
    for web in ("web", "web2"):
        answer = site.post("idleBeat", {"jobId": job}, web=web)
        assert (answer["code"], answer["msg"]) == (
            500,
            "job thread is running or has trigger queue.",
        )
    site.finish(job * 100)
    result(admin, job * 100)
    assert site.post("idleBeat", {"jobId": job}, web="web2")["code"] == 200


# 2.4 The order of checks, and the block strategies.


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"glueType": "GLUE_SHELL"}, "fail, current glue type [GLUE(Shell)] not supported."),
        ({"glueType": "GLUE_GROOVY"}, "fail, current glue type [GLUE(Java)] not supported."),
        ({"glueType": "GLUE_PYTHON"}, "fail, current glue type [GLUE(Python)] not supported."),
        ({"glueType": "GLUE_PYTHON2"}, "fail, current glue type [GLUE(Python2)] not supported."),
        ({"glueType": "GLUE_NODEJS"}, "fail, current glue type [GLUE(Nodejs)] not supported."),
        ({"glueType": "GLUE_PHP"}, "fail, current glue type [GLUE(PHP)] not supported."),
        (
            {"glueType": "GLUE_POWERSHELL"},
            "fail, current glue type [GLUE(PowerShell)] not supported.",
        ),
        ({"glueType": "BASIC"}, "glueType[BASIC] is not valid."),
        ({"glueType": None}, "glueType[null] is not valid."),
        ({"glueType": "GLUE_SHELL", "executorHandler": "nobody"}, "fail, current glue type"),
        ({"executorHandler": "nobody"}, "job handler [nobody] not found."),
    ],
)
def test_what_is_no_known_bean_is_refused_and_never_executed(
    site: Site, job: int, fields: dict[str, Any], text: str
) -> None:
    mark = site.home / f"executed-{job}"
    answer = run(site, job, glueSource=f"touch {mark}", **fields)
    assert answer["code"] == 500
    assert answer["msg"].startswith(text)
    assert site.status(job * 100) is None
    assert not mark.exists()


def test_serial_runs_come_one_after_the_other(site: Site, admin: FakeAdmin, job: int) -> None:
    for number in range(3):
        assert run(site, job, number, executorHandler="work")["code"] == 200
    for number in range(3):
        log_id = job * 100 + number
        wait_for("its turn", lambda: site.starts(log_id))  # noqa: B023 - called at once
        assert [site.starts(job * 100 + later) for later in range(number + 1, 3)] == [0] * (
            2 - number
        )
        site.finish(log_id)
        assert result(admin, log_id) == (200, "worked")


def test_discard_later(site: Site, job: int) -> None:
    run(site, job, executorHandler="work")
    answer = run(site, job, 1, executorHandler="work", executorBlockStrategy="DISCARD_LATER")
    assert (answer["code"], answer["msg"]) == (500, "block strategy effect：Discard Later")
    site.finish(job * 100)


def test_cover_early(site: Site, admin: FakeAdmin, job: int) -> None:
    run(site, job, 0, executorHandler="work")
    wait_for("its start", lambda: site.starts(job * 100))
    run(site, job, 1, executorHandler="work")
    assert (
        run(site, job, 2, executorHandler="work", executorBlockStrategy="COVER_EARLY")["code"]
        == 200
    )
    site.finish(job * 100 + 2)
    text = "block strategy effect：Cover Early"
    assert result(admin, job * 100) == (500, f"{text} {RUNNING}")
    assert result(admin, job * 100 + 1) == (500, f"{text} {QUEUED}")
    assert result(admin, job * 100 + 2) == (200, "worked")
    assert site.starts(job * 100 + 1) == 0


def test_changed_handler(site: Site, admin: FakeAdmin, job: int) -> None:
    run(site, job, 0, executorHandler="work")
    wait_for("its start", lambda: site.starts(job * 100))
    assert run(site, job, 1)["code"] == 200
    text = "change jobhandler or glue type, and terminate the old job thread."
    assert result(admin, job * 100) == (500, f"{text} {RUNNING}")
    assert result(admin, job * 100 + 1) == (200, "p")


def test_full_queue_is_refused_in_clear_words(site: Site, job: int) -> None:
    codes = []
    for number in range(6):
        codes.append(run(site, job, number, executorHandler="work")["code"])
        wait_for("the first start", lambda: site.starts(job * 100))
    assert codes == [200, 200, 200, 200, 500, 500]
    answer = run(site, job, 7, executorHandler="work")
    assert answer["msg"] == f"job queue is full: 3 runs of job {job} are waiting"
    site.post("kill", {"jobId": job})


# 2.5 Results.


def test_kill_reaches_every_run_from_any_process(site: Site, admin: FakeAdmin, job: int) -> None:
    for number in range(3):
        run(site, job, number, executorHandler="work")
    wait_for("its start", lambda: site.starts(job * 100))
    assert site.post("kill", {"jobId": job}, web="web2")["code"] == 200
    text = "scheduling center kill job."
    assert result(admin, job * 100) == (500, f"{text} {RUNNING}")
    assert result(admin, job * 100 + 1) == (500, f"{text} {QUEUED}")
    assert result(admin, job * 100 + 2) == (500, f"{text} {QUEUED}")


def test_kill_of_nothing(site: Site, job: int) -> None:
    answer = site.post("kill", {"jobId": job})
    assert (answer["code"], answer["msg"]) == (200, "job thread already killed.")
    assert answer["data"] == "job thread already killed."


def test_timeout(site: Site, admin: FakeAdmin, job: int) -> None:
    run(site, job, executorHandler="work", executorTimeout=1)
    assert result(admin, job * 100) == (502, "job execute timeout ")


def test_failure_is_escaped_for_the_admins_page(site: Site, admin: FakeAdmin, job: int) -> None:
    run(site, job, executorHandler="fail", executorParams="<img src=x onerror=alert(1)>&")
    assert result(admin, job * 100) == (500, "&lt;img src=x onerror=alert(1)&gt;&amp;")


def test_message_is_cut_to_what_admins_keep(site: Site, admin: FakeAdmin, job: int) -> None:
    run(site, job, executorHandler="fail", executorParams="&" * 20_000)
    code, message = result(admin, job * 100)
    assert code == 500
    assert len(message) <= 15_000
    assert message.endswith("&amp;...")


def test_isolated_handler_is_stopped_by_a_kill_whatever_it_does(
    site: Site, admin: FakeAdmin, job: int
) -> None:
    run(site, job, 0, executorHandler="stubborn")
    wait_for("its first line", lambda: "pids" in site.log(job * 100)["logContent"])
    site.post("kill", {"jobId": job})
    run(site, job, 1, executorHandler="stubborn", executorParams="pass")
    assert result(admin, job * 100)[0] == 500
    assert result(admin, job * 100 + 1) == (200, "passed")


@pytest.mark.parametrize("how", ["kill", "cover"])
def test_ordinary_handler_that_does_not_listen_is_stopped_before_the_next_run(
    tmp_path_factory: pytest.TempPathFactory, how: str
) -> None:
    """Its worker ends itself after the grace of 1 s; another one goes on with the job."""
    with FakeAdmin() as admin:
        site = Site(tmp_path_factory.mktemp("deaf"), admins=admin.address, grace=1)
        try:
            for role in ("web", "agent", "worker"):
                site.start(role)
            run(site, 1, executorHandler="deaf")
            wait_for("its start", lambda: site.starts(100))
            if how == "kill":
                site.post("kill", {"jobId": 1})
            strategy = {"executorBlockStrategy": "COVER_EARLY"} if how == "cover" else {}
            run(site, 1, 1, executorHandler="deaf", executorParams="pass", **strategy)
            assert result(admin, 100)[0] == 500  # told at once
            assert site.processes["worker"].wait(30) == 70
            counted = site.starts(100)
            site.make_due()  # or the supervisor that starts it anew says so
            site.start("worker", "worker2")
            assert result(admin, 101) == (200, "passed")
            assert site.starts(100) == counted
        finally:
            site.end()


def test_deferred_run_ends_from_another_process(site: Site, admin: FakeAdmin, job: int) -> None:
    run(site, job, executorHandler="waits")
    wait_for("its deferral", lambda: site.status(job * 100) == "deferred")
    other = next(_ids)
    run(site, other, executorHandler="ends the deferred", executorParams=str(job * 100))
    assert result(admin, other * 100) == (200, "True")
    assert result(admin, job * 100) == (200, "finished from outside")


# 2.6 Logs.


def test_finished_log_is_whole_in_the_first_answer_of_any_process(
    site: Site, admin: FakeAdmin, job: int
) -> None:
    run(site, job, executorHandler="isolated flood")
    result(admin, job * 100)
    page = site.log(job * 100, web="web2")
    lines = page["logContent"].split("\n")
    assert page["isEnd"]
    assert page["toLineNum"] == len(lines) == 3003
    assert [line.rpartition(" ")[2] for line in lines[2:-1]] == [str(n) for n in range(3000)]


def test_page_that_polls_a_writing_run_sees_every_line_once(site: Site, job: int) -> None:
    run(site, job, executorHandler="isolated flood")
    shown: list[str] = []
    from_line, is_over = 1, False
    webs = itertools.cycle(["web", "web2"])
    while not is_over:
        page = site.log(job * 100, from_line, web=next(webs))
        assert page["fromLineNum"] == from_line
        is_over = page["isEnd"]
        if page["toLineNum"] >= from_line:
            shown += page["logContent"].split("\n")
            from_line = page["toLineNum"] + 1
    numbers = [line.rpartition(" ")[2] for line in shown if " line " in line]
    assert numbers == [str(n) for n in range(3000)]


def test_unknown_log_id_in_words_the_page_shows(site: Site) -> None:
    assert site.log(99) == {
        "fromLineNum": 1,
        "toLineNum": 1,
        "logContent": "readLog fail, logFile not exists",
        "isEnd": True,
    }


# 2.9 Bad requests.


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_wrong_method_before_the_token(site: Site, method: str) -> None:
    url = f"http://127.0.0.1:{site.port()}/xxl-job/run"
    response = requests.request(method, url, timeout=30)
    assert response.status_code == 200
    assert response.json()["msg"] == "invalid request, HttpMethod not support."


@pytest.mark.parametrize("headers", [{}, {"XXL-JOB-ACCESS-TOKEN": "wrong"}])
def test_wrong_token_before_the_path(site: Site, headers: dict[str, str]) -> None:
    assert site.post("nowhere", headers=headers)["msg"] == "The access token is wrong."


@pytest.mark.parametrize("word", ["nowhere", "beat/", "beat?x=1"])
def test_unknown_path(site: Site, word: str) -> None:
    text = f"invalid request, uri-mapping(/xxl-job/{word}) not found."
    assert site.post(word)["msg"] == text


@pytest.mark.parametrize("word", ["run", "idleBeat", "kill", "log"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"jobId":"abc","logId":"abc"}'])
def test_body_that_cannot_be_read(site: Site, word: str, body: bytes) -> None:
    answer = site.post(word, body)
    assert answer["code"] == 500
    # An admin's word for a trigger that names no type of job at all comes first, as in Java.
    assert answer["msg"].startswith("request error:")


def test_body_of_more_than_5_mib(site: Site) -> None:
    answer = site.post("run", b"x" * ((5 << 20) + 1))
    assert (answer["code"], answer["msg"][:14]) == (500, "request error:")
    assert "5242880 bytes" in answer["msg"]


# 2.1, 2.8 Registration, for every version.


def test_registers_within_2_seconds_of_its_start_whatever_another_admin_does(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with FakeAdmin() as hanging, FakeAdmin() as admin:
        hanging.trouble = _hang
        addresses = f"{hanging.address},{admin.address}"
        site = Site(tmp_path_factory.mktemp("soon"), admins=addresses)
        try:
            site.start("agent")
            wait_for("the registration", lambda: admin.registered)
            seen = time.time()
            assert seen - (site.home / "agent.started").stat().st_mtime < 2
        finally:
            site.end()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_admin_registers_gets_results_and_is_told_of_the_end(
    tmp_path_factory: pytest.TempPathFactory, version: str
) -> None:
    with FakeAdmin(version) as admin:
        address = "http://10.1.2.3:8000/xxl-job"
        site = Site(tmp_path_factory.mktemp("one"), admins=admin.address, address=address, drain=2)
        try:
            site.start("agent")
            site.start("web")
            site.start("worker")
            wait_for("the registration", lambda: admin.registered)
            assert admin.registered == {address: "imaging-migration"}
            assert JavaAdmin(version, site.post_bytes).run(1).code == 200
            assert result(admin, 1) == (200, "p")
            assert len(admin.bodies) <= 2
            site.stop("agent")
            assert admin.registered == {}
        finally:
            site.end()


def test_hanging_admins_hold_up_neither_registration_nor_results_nor_timeouts(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with FakeAdmin() as hanging, FakeAdmin() as admin:
        hanging.trouble = _hang
        addresses = f"{hanging.address},{admin.address}"
        site = Site(tmp_path_factory.mktemp("hang"), admins=addresses)
        try:
            began = time.monotonic()
            site.start("agent")
            site.start("web")
            site.start("worker")
            wait_for("the registration at the other", lambda: admin.registered)
            site.run(1, executorHandler="work", executorTimeout=1)
            wait_for("the timeout", lambda: site.status(1) == "timed_out", seconds=10)
            assert result(admin, 1)[0] == 502
            assert time.monotonic() - began < 40  # the hanging one alone takes 5 s a call
        finally:
            site.end()
