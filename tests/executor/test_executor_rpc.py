"""Admins of 2.0 and 2.1: Hessian to the bare prefix, with the checks and durability of JSON."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from executor import LogMarkup
from executor.admins import AdminClient, AdminRefused, NotAnAdmin
from executor.protocol import rpc
from executor.protocol.dialects import AdminProtocol, Shape
from executor.protocol.inbound import RequestError
from executor.protocol.outbound import Result
from tests.executor.executor_rig import ADDRESS, TOKEN, Database, Gate, Rig
from tests.executor.fake_admin import APP_NAME, FakeAdmin, Raw
from tests.executor.java_calls import (
    MODEL,
    NET,
    JavaAdmin,
    RpcFailure,
    rpc_answer,
    rpc_request,
    trigger_param,
)
from tests.executor.java_peer import JavaLong, JavaObject, JavaReader, JavaWriter

# What an admin of 2.1.2 posts for ExecutorBiz.idleBeat(7), byte by byte after the specification.
IDLE_BEAT_OF_JAVA = (
    b"C\x30\x2dcom.xxl.rpc.remoting.net.params.XxlRpcRequest\x98"
    b"\x09requestId\x10createMillisTime\x0baccessToken\x09className\x0amethodName\x07version"
    b"\x0eparameterTypes\x0aparameters"
    b"\x60"
    b"\x30\x24b5a0a6d4-3c5e-4d12-9d32-0c7f6ad3c1e1"
    b"L\x00\x00\x01\x9a\xaa\x4a\x9c\x00"
    b"\x11a-token-for-tests"
    b"\x30\x20com.xxl.job.core.biz.ExecutorBiz\x08idleBeat"
    b"N"
    b"\x71\x10[java.lang.ClassC\x0fjava.lang.Class\x91\x04name\x61\x03int"
    b"\x71\x07[object\x97"
)
NO_RESULT = (
    b"C\x30\x2ecom.xxl.rpc.remoting.net.params.XxlRpcResponse\x93"
    b"\x09requestId\x08errorMsg\x06result\x60"
)


@pytest.fixture
def make_rig(database: Database) -> Callable[..., Rig]:
    return lambda **settings: Rig(database, **settings)


@pytest.fixture(params=["2.0.2", "2.1.0", "2.1.2"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def java(rig: Rig, version: str) -> JavaAdmin:
    return JavaAdmin(version, rig.post, lambda: rig.now.timestamp())  # noqa: PLW0108 - rig.now moves


def failure(rig: Rig, body: bytes) -> str:
    with pytest.raises(RpcFailure) as raised:
        rpc_answer(rig.post("", body, {}))
    return str(raised.value)


def asked(rig: Rig, method: str, *arguments: Any, **fields: Any) -> bytes:
    return rpc_request(method, *arguments, **{"created": rig.now.timestamp(), **fields})


def test_request_of_java_byte_by_byte() -> None:
    request = rpc.parse_request(IDLE_BEAT_OF_JAVA)
    assert request.request_id == "b5a0a6d4-3c5e-4d12-9d32-0c7f6ad3c1e1"
    assert (request.service, request.method) == (rpc.EXECUTOR, "idleBeat")
    assert (request.token, request.arguments) == (TOKEN, (7,))


def test_beat_and_idle_beat(rig: Rig, java: JavaAdmin) -> None:
    assert vars(java.beat()) == {"code": 200, "msg": None, "content": None}
    assert vars(java.idle_beat(7)) == {"code": 200, "msg": None, "content": None}
    java.run(1)
    said = java.idle_beat(7)
    assert (said.code, said.msg) == (500, "job thread is running or has trigger queue.")


@pytest.mark.parametrize("address", ["/xxl-job", "/xxl-job/"])
def test_registered_address_with_and_without_a_slash(rig: Rig, address: str) -> None:
    response = rig.client.post(address, data=asked(rig, "beat"))
    assert response.status_code == 200
    assert rpc_answer(response.data)[1].code == 200


def test_run_is_on_disk_with_its_dialect_before_the_answer(
    rig: Rig, java: JavaAdmin, version: str
) -> None:
    rig.queue_is_away = True
    fields = {"executorParams": "影像😀", "broadcastIndex": 2, "broadcastTotal": 5}
    said = java.run(2**31 - 1, executorTimeout=9, **fields)
    assert (said.code, said.msg) == (200, None)
    run = rig.row(2**31 - 1)
    assert run.dialect == ("rpc" if version < "2.1.1" else "rpc-2.1")
    assert (run.params, run.timeout_seconds) == ("影像😀", 9)
    assert (run.shard_index, run.shard_total) == (2, 5)
    assert run.log_date_time == 1_700_000_000_000
    assert java.run(2**31 - 1, executorTimeout=9, **fields).code == 200  # the same run


def test_log_id_of_64_bits(rig: Rig) -> None:
    java = JavaAdmin("2.1.2", rig.post, rig.now.timestamp)
    java.run(2**62)
    rig.work()
    assert "got p" in java.log(2**62)["logContent"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"glueType": "GLUE_SHELL"}, "fail, current glue type [GLUE(Shell)] not supported."),
        ({"glueType": None}, "glueType[null] is not valid."),
        ({"executorHandler": "nobody"}, "job handler [nobody] not found."),
        ({"executorHandler": "<b>"}, "job handler [&lt;b&gt;] not found."),
    ],
)
def test_triggers_are_refused_as_in_json(
    rig: Rig, java: JavaAdmin, fields: dict[str, Any], text: str
) -> None:
    said = java.run(1, **fields)
    assert (said.code, said.msg) == (500, text)


def test_discard_later(rig: Rig, java: JavaAdmin) -> None:
    java.run(1)
    said = java.run(2, executorBlockStrategy="DISCARD_LATER")
    assert (said.code, said.msg) == (500, "block strategy effect：Discard Later")


def test_kill_in_the_words_of_the_version(
    rig: Rig, java: JavaAdmin, version: str, gate: tuple[str, Gate]
) -> None:
    assert java.kill(7).msg == "job thread already killed."
    java.run(1, executorHandler="deferring")
    java.run(2, executorHandler="deferring")
    rig.work()
    assert vars(java.kill(7)) == {"code": 200, "msg": None, "content": None}
    comma = "，" if version < "2.1.1" else ", "
    assert rig.result(1) == (500, f"scheduling center kill job. [job running{comma}killed]")
    assert rig.result(2) == (
        500,
        "scheduling center kill job. [job not executed, in the job queue, killed.]",
    )


TEXT = "影像<b>😀&x "
# These versions put what they get into their page as it is.
SHOWN = TEXT.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def test_log_of_80_000_characters_is_whole_and_shown_as_it_was_written(
    make_rig: Callable[..., Rig], version: str
) -> None:
    rig = make_rig(log_markup=LogMarkup.PLAIN)  # which is for newer admins that escape themselves
    java = JavaAdmin(version, rig.post, rig.now.timestamp)
    java.run(1, executorHandler="verbose", executorParams=f"100 {TEXT * 100}")
    rig.work()
    page = java.log(1)
    lines = page["logContent"].split("\n")
    assert (page["fromLineNum"], page["isEnd"]) == (1, True)
    assert page["toLineNum"] == len(lines)
    # And once more at its start, as the run's parameter.
    assert sum(line.endswith(SHOWN * 100) for line in lines) == 101
    again = java.log(1, page["toLineNum"] + 1)
    assert (again["toLineNum"], again["logContent"], again["isEnd"]) == (len(lines), "", True)


def test_answer_is_never_longer_than_an_admin_takes(rig: Rig) -> None:
    """2 MiB; a log that would need more has its end, and a note in its middle."""
    java = JavaAdmin("2.0.2", rig.post, rig.now.timestamp)
    java.run(1, executorHandler="verbose", executorParams=f"600 {'😀' * 3900}")
    rig.work()
    body = rpc_request(
        "log", JavaLong(1), 1, 1, created=rig.now.timestamp(), request_id="the request"
    )
    answer = rig.post("", body, {})
    assert 1 << 19 < len(answer) <= 2 << 20
    page = rpc_answer(answer)[1].content
    assert "lines left out here" in page["logContent"]
    assert page["toLineNum"] == rig.row(1).log_lines


def test_log_nobody_has(java: JavaAdmin) -> None:
    assert java.log(99) == {
        "fromLineNum": 1,
        "toLineNum": 1,
        "logContent": "readLog fail, logFile not exists",
        "isEnd": True,
    }


def test_ping_is_answered_with_nothing(rig: Rig) -> None:
    ping = JavaObject(
        f"{NET}XxlRpcRequest",
        {
            "requestId": "BEAT_PING_PONG",
            "createMillisTime": JavaLong(0),
            **dict.fromkeys(["accessToken", "className", "methodName", "version"]),
            **dict.fromkeys(["parameterTypes", "parameters"]),
        },
    )
    answer = JavaReader(rig.post("", JavaWriter().write(ping), {})).read_all()
    assert answer.fields == {"requestId": "BEAT_PING_PONG", "errorMsg": None, "result": None}


@pytest.mark.parametrize("token", ["", None, "wrong", "a-token-for-test", "令牌"])
def test_wrong_token_is_not_repeated(rig: Rig, token: str | None) -> None:
    body = asked(rig, "run", trigger_param("2.1.2", 1), token=token, service="unknown")
    assert failure(rig, body) == "The access token[***] is wrong."
    with pytest.raises(AssertionError, match="no such run"):
        rig.row(1)


def test_any_of_several_tokens_and_none_where_that_is_allowed(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(access_tokens=("new", "old"))
    for token in ("new", "old"):
        assert rpc_answer(rig.post("", asked(rig, "beat", token=token), {}))[1].code == 200
    rig = make_rig(access_tokens=(), allow_no_token=True)
    for given in (None, "", "any"):
        assert rpc_answer(rig.post("", asked(rig, "beat", token=given), {}))[1].code == 200


def test_caller_from_another_network(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(allowed_networks=(ip_network("10.0.0.0/8"),))
    text = "invalid request, the caller's network is not allowed."
    assert failure(rig, asked(rig, "beat")) == text


def test_request_that_is_older_than_three_minutes(rig: Rig) -> None:
    now = rig.now.timestamp()
    assert rpc_answer(rig.post("", asked(rig, "beat", created=now - 180), {}))[1].code == 200
    assert failure(rig, asked(rig, "beat", created=now - 180.001)) == (
        "The timestamp difference between admin and executor exceeds the limit."
    )


def test_unknown_service_and_method(rig: Rig) -> None:
    body = asked(rig, "beat", service="java.lang.<Runtime>")
    assert failure(rig, body) == "The serviceKey[java.lang.&lt;Runtime&gt;] not found."
    text = "java.lang.NoSuchMethodException: com.xxl.job.core.biz.ExecutorBiz."
    assert failure(rig, asked(rig, "<exec>")) == f"{text}&lt;exec&gt;"
    assert failure(rig, asked(rig, "kill")) == f"{text}kill"
    assert failure(rig, asked(rig, "beat", 1)) == f"{text}beat"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("run", 7), "not an object of TriggerParam"),
        (("run", trigger_param("2.1.2", 1, executorHandler=["a"])), "executorHandler"),
        (("run", trigger_param("2.0.2", 1, jobId="seven")), "jobId is not an integer"),
        (("kill", JavaLong(2**40)), "jobId is not an integer of 32 bits"),
    ],
)
def test_parameters_of_the_wrong_type(rig: Rig, arguments: tuple[Any, ...], text: str) -> None:
    assert text in failure(rig, asked(rig, *arguments))


@pytest.mark.parametrize(
    "body", [b"C", b"C\x01A\x90\x60", IDLE_BEAT_OF_JAVA[:-1], IDLE_BEAT_OF_JAVA + b"N"]
)
def test_what_is_no_request_is_said_to_be_none(rig: Rig, body: bytes) -> None:
    assert failure(rig, body).startswith("request error:")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"GET / HTTP/1.1", b"x" * ((5 << 20) + 1)])
def test_bare_prefix_without_hessian_is_answered_as_before(rig: Rig, body: bytes) -> None:
    assert rig.call("", body)["msg"] == "invalid request, uri-mapping(/xxl-job/) not found."
    assert rig.call("", body, token=None)["msg"] == "The access token is wrong."


def test_hessian_at_a_call_of_json_is_no_json(rig: Rig) -> None:
    assert rig.call("run", asked(rig, "beat"))["msg"] == "request error:the body is not JSON"


def test_call_that_breaks_is_told_without_its_cause(rig: Rig, caplog: Any) -> None:
    with rig.database.begin() as session:
        session.connection().exec_driver_sql("ALTER TABLE executor_runs RENAME TO gone")
    with caplog.at_level(logging.ERROR):
        text = failure(rig, asked(rig, "idleBeat", 7))
    assert text == "request error:internal error, its cause is in the executor's log"
    assert "no such table" in caplog.text or "executor_runs" in caplog.text


def test_2_000_bodies_of_rubbish(rig: Rig) -> None:
    chance = random.Random(seed := random.randrange(10**9))
    whole = [
        asked(rig, "run", trigger_param("2.0.2", 1)),
        asked(rig, "log", JavaLong(1), 1, 1),
        IDLE_BEAT_OF_JAVA,
    ]
    for number in range(2_000):
        bent = bytearray(chance.choice(whole))
        for _flip in range(chance.randrange(1, 6)):
            bent[chance.randrange(1, len(bent))] = chance.randrange(256)
        answer = rig.post("", bytes(bent), {})
        where = f"seed {seed}, number {number}: {answer!r}"
        assert b"Traceback" not in answer, where
        assert b"internal error" not in answer, where
        assert JavaReader(answer).read_all().name == f"{NET}XxlRpcResponse", where


# What goes out.


def client(admin: FakeAdmin, token: str = TOKEN, protocol: str = "auto") -> AdminClient:
    return AdminClient(
        admin.address, token=token, app_name=APP_NAME, protocol=AdminProtocol(protocol)
    )


def results(*log_ids: int) -> list[Result]:
    return [Result(log_id, 1_700_000_000_000, 500, "影像😀<b>" * 900) for log_id in log_ids]


def test_what_an_admin_takes_is_learned_by_registering() -> None:
    with FakeAdmin("2.0.2") as admin:
        learned = client(admin)
        learned.registry(APP_NAME, ADDRESS)
        learned.callback(results(1, 2), Shape.ARRAY)
        learned.registry(APP_NAME, ADDRESS)
        assert admin.registered == {ADDRESS: APP_NAME}
        learned.registry_remove(APP_NAME, ADDRESS)
        assert admin.registered == {}
        assert admin.results[2].msg == "影像😀&lt;b&gt;" * 900
        words = [call.rpartition("/")[2] for call in admin.calls]
        assert words == ["registry", *["api"] * 4]  # asked in JSON once


@pytest.mark.parametrize("version", ["2.1.2", "2.4.2", "3.5.0"])
def test_newer_admin_is_never_asked_in_hessian(version: str) -> None:
    with FakeAdmin(version) as admin:
        learned = client(admin)
        learned.registry(APP_NAME, ADDRESS)
        with pytest.raises(AdminRefused):
            client(admin, token="wrong").registry(APP_NAME, ADDRESS)
        assert {call.rpartition("/")[2] for call in admin.calls} == {"registry"}


def test_protocol_that_was_set_is_the_only_one() -> None:
    with FakeAdmin("2.0.2") as admin:
        client(admin, protocol="hessian").registry(APP_NAME, ADDRESS)
        assert [call.rpartition("/")[2] for call in admin.calls] == ["api"]
        with pytest.raises(NotAnAdmin, match="redirects to /xxl-job-admin/toLogin"):
            client(admin, protocol="json").registry(APP_NAME, ADDRESS)
    with FakeAdmin("2.4.2") as admin, pytest.raises(NotAnAdmin, match="Hessian"):
        client(admin, protocol="hessian").registry(APP_NAME, ADDRESS)


def test_refusal_of_the_token_is_told_without_the_token() -> None:
    with FakeAdmin("2.0.2") as admin, pytest.raises(AdminRefused) as raised:
        client(admin, token="a-secret-of-ours").registry(APP_NAME, ADDRESS)
    assert "The access token[***] is wrong." in str(raised.value)
    assert "a-secret-of-ours" not in str(raised.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [(old, new) for old in ("2.0.2", "2.1.2") for new in ("2.2.0", "2.4.2", "3.4.2", "3.5.0")]
    + [("2.0.2", "2.1.2")],
)
def test_admin_that_was_upgraded_gets_the_results_of_old_runs(
    make_rig: Callable[..., Rig], before: str, after: str
) -> None:
    """From 2.3 on an admin says 200 to results in the words of 2.1, and has none."""
    with FakeAdmin(before) as old:
        rig = make_rig(admin_addresses=(old.address,))
        java = JavaAdmin(before, rig.post, rig.now.timestamp)
        java.run(100)
        rig.work()
        rig.tick()
        assert old.results[100].code == 200  # and so it is known how this one takes them
        java.run(1)
        rig.work()
        port = int(old.address.split(":")[2].partition("/")[0])
    with FakeAdmin(after, port=port) as admin:
        for _second in range(150):  # waits that are tried again grow, by chance too
            rig.advance(1)
            rig.tick()
        assert admin.registered == {ADDRESS: APP_NAME}
        assert (admin.results[1].code, admin.results[1].msg) == (200, "p")


def test_agent_that_never_registered_answers_in_the_dialect_of_the_trigger() -> None:
    with FakeAdmin("2.1.0") as admin:
        client(admin).callback(results(5), Shape.RPC)
        assert admin.results[5].code == 500


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", json.dumps({"code": 200}).encode(), b"N", IDLE_BEAT_OF_JAVA],
)
def test_answers_that_are_not_an_old_admins(content: bytes) -> None:
    def trouble() -> Raw:
        return "200 OK", [], content

    with FakeAdmin("2.0.2") as admin:
        admin.trouble = trouble
        with pytest.raises(NotAnAdmin, match="no answer in Hessian"):
            client(admin, protocol="hessian").registry(APP_NAME, ADDRESS)


def test_registration_byte_by_byte() -> None:
    call = rpc.Request("r1", 1_700_000_000_000, "t", rpc.ADMIN, "registry", ())
    assert rpc.registry_request(call, "imaging-migration", "http://h:1/x/") == (
        b"C\x30\x2dcom.xxl.rpc.remoting.net.params.XxlRpcRequest\x98"
        b"\x09requestId\x10createMillisTime\x0baccessToken\x09className\x0amethodName\x07version"
        b"\x0eparameterTypes\x0aparameters"
        b"\x60\x02r1L\x00\x00\x01\x8b\xcf\xe5\x68\x00\x01t\x1dcom.xxl.job.core.biz.AdminBiz"
        b"\x08registryN"
        b"\x71\x10[java.lang.ClassC\x0fjava.lang.Class\x91\x04name\x61"
        b"\x30\x28com.xxl.job.core.biz.model.RegistryParam"
        b"\x71\x07[objectC\x30\x28com.xxl.job.core.biz.model.RegistryParam\x93"
        b"\x0bregistGroup\x0bregistryKey\x0dregistryValue\x62"
        b"\x08EXECUTOR\x11imaging-migration\x0dhttp://h:1/x/"
    )


def test_log_result_byte_by_byte(rig: Rig) -> None:
    body = asked(rig, "log", JavaLong(1), 99, 1, request_id="r1")
    assert rig.post("", body, {}) == (
        NO_RESULT
        + b"\x02r1NC\x30\x22com.xxl.job.core.biz.model.ReturnT\x93\x04code\x03msg\x07content"
        b"\x61\xc8\xc8NC\x30\x24com.xxl.job.core.biz.model.LogResult\x94"
        b"\x0bfromLineNum\x09toLineNum\x0alogContent\x05isEnd\x62\x91\x91"
        b"\x30\x20readLog fail, logFile not existsT"
    )


def test_arguments_that_are_no_list_are_no_request() -> None:
    request = JavaObject(f"{NET}XxlRpcRequest", {"parameters": JavaObject(f"{MODEL}X", {})})
    with pytest.raises(RequestError, match="parameters is not a list"):
        rpc.parse_request(JavaWriter().write(request))
