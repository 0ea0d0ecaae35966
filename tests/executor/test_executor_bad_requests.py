"""What an admin, or anybody, gets for calls that are wrong."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.executor.executor_rig import TOKEN, Database, Rig, trigger

HEADERS = {"XXL-JOB-ACCESS-TOKEN": TOKEN}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_method_comes_before_token_and_path(rig: Rig, method: str) -> None:
    response = rig.client.open("/xxl-job/nowhere", method=method)
    assert response.status_code == 200
    assert response.get_json()["msg"] == "invalid request, HttpMethod not support."
    assert response.get_json()["code"] == 500


def test_head_is_answered_with_200(rig: Rig) -> None:
    assert rig.client.head("/xxl-job/beat").status_code == 200


@pytest.mark.parametrize(
    "token", [None, "", "wrong", TOKEN + " x", "令牌".encode().decode("latin1")]
)
def test_token_comes_before_path(rig: Rig, token: str | None) -> None:
    answer = rig.call("nowhere", token=token)
    assert (answer["code"], answer["msg"]) == (500, "The access token is wrong.")


@pytest.mark.parametrize(
    ("token", "app_name", "text"),
    [
        (None, "imaging-migration", "invalid request, accessToken or appname is empty."),
        ("", "imaging-migration", "invalid request, accessToken or appname is empty."),
        (TOKEN, None, "invalid request, accessToken or appname is empty."),
        (TOKEN, "", "invalid request, accessToken or appname is empty."),
        ("wrong", "imaging-migration", "invalid request, accessToken or appname invalid."),
        (TOKEN, "another", "invalid request, accessToken or appname invalid."),
    ],
)
def test_credentials_of_3_5(rig: Rig, token: str | None, app_name: str | None, text: str) -> None:
    answer = rig.call("trigger", trigger(1), token=token, app_name=app_name)
    assert (answer["code"], answer["msg"]) == (500, text)
    assert rig.queue == []


def test_address_without_a_slash_is_answered_too(rig: Rig) -> None:
    response = rig.client.post("/xxl-job", headers=HEADERS)
    assert response.status_code == 200
    assert response.get_json()["msg"].startswith("invalid request, uri-mapping(/xxl-job")


@pytest.mark.parametrize("path", ["nowhere", "beat/", "beat?x=1", "", "/run", "run/../beat"])
def test_unknown_path_is_named(rig: Rig, path: str) -> None:
    answer = rig.call(path)
    assert answer["code"] == 500
    assert answer["msg"].startswith("invalid request, uri-mapping(/xxl-job/")
    assert answer["msg"].endswith(") not found.")


def test_unknown_path_is_escaped(rig: Rig) -> None:
    assert "<script>" not in rig.call("<script>")["msg"]


@pytest.mark.parametrize("word", ["run", "idleBeat", "kill", "log"])
@pytest.mark.parametrize("body", [b"", b" ", b"{", b"[]", b'"x"', b"\xff", b"null", b"[" * 99_999])
def test_body_that_is_no_object(rig: Rig, word: str, body: bytes) -> None:
    answer = rig.call(word, body)
    assert answer["code"] == 500
    assert answer["msg"].startswith("request error:")
    assert "Traceback" not in answer["msg"]


@pytest.mark.parametrize("value", ["abc", True, 1.5, 2**31, -(2**31) - 1, [], {}, "1" * 400])
def test_job_id_that_is_no_integer(rig: Rig, value: Any) -> None:
    answer = rig.call("idleBeat", {"jobId": value})
    assert (answer["code"], answer["msg"][:20]) == (500, "request error:jobId ")


@pytest.mark.parametrize("value", ["7", 7.0, "7.0", None])
def test_numbers_as_java_reads_them(rig: Rig, value: Any) -> None:
    assert rig.call("idleBeat", {"jobId": value})["code"] == 200


@pytest.mark.parametrize("body", [b"", b'""', b"anything", b"{}"])
def test_beat_takes_any_body(rig: Rig, body: bytes) -> None:
    assert rig.call("beat", body)["code"] == 200


@pytest.mark.parametrize(
    ("glue_type", "text"),
    [
        ("GLUE_SHELL", "fail, current glue type [GLUE(Shell)] not supported."),
        ("GLUE_GROOVY", "fail, current glue type [GLUE(Java)] not supported."),
        ("COBOL", "glueType[COBOL] is not valid."),
        ("<i>", "glueType[&lt;i&gt;] is not valid."),
        (None, "glueType[null] is not valid."),
    ],
)
def test_only_bean_is_run(rig: Rig, glue_type: str | None, text: str) -> None:
    answer = rig.run(1, glueType=glue_type, glueSource="touch /tmp/x")
    assert (answer["code"], answer["msg"]) == (500, text)
    assert rig.queue == []


def test_empty_trigger(rig: Rig) -> None:
    assert rig.call("run", {})["msg"] == "glueType[null] is not valid."


@pytest.mark.parametrize(("name", "shown"), [("X", "X"), ("", ""), (None, "null"), ("<", "&lt;")])
def test_unknown_handler(rig: Rig, name: str | None, shown: str) -> None:
    answer = rig.run(1, executorHandler=name)
    assert (answer["code"], answer["msg"]) == (500, f"job handler [{shown}] not found.")


def test_trigger_without_log_id_is_refused(rig: Rig) -> None:
    assert rig.run(0)["msg"] == "request error:logId is missing"


def test_body_above_the_limit(rig: Rig) -> None:
    answer = rig.run(1, glueSource="x" * (5 << 20))
    assert answer["msg"] == "request error:the body is larger than 5242880 bytes"


def test_failure_inside_shows_no_cause(rig: Rig) -> None:
    with rig.database.begin() as session:
        session.connection().exec_driver_sql("DROP TABLE executor_log_lines")
        session.connection().exec_driver_sql("DROP TABLE executor_runs")
    answer = rig.run(1)
    assert answer["code"] == 500
    assert "executor_runs" not in answer["msg"]


def test_no_token_at_all_is_served_only_when_allowed(database: Database) -> None:
    rig = Rig(database, access_tokens=(), allow_no_token=True)
    assert rig.call("beat", b"", token=None)["code"] == 200


def test_several_tokens_during_a_rotation(database: Database) -> None:
    rig = Rig(database, access_tokens=("new", "旧的"))
    assert rig.call("beat", b"", token="new")["code"] == 200
    assert rig.call("beat", b"", token="旧的".encode().decode("latin1"))["code"] == 200
    assert rig.call("beat", b"", token=TOKEN)["code"] == 500


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
known_fields = st.sampled_from([*trigger(1), "fromLineNum", "logDateTim"])
bodies = (
    st.binary(max_size=200)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(known_fields, json_values, max_size=4).map(
        lambda fields: json.dumps({**trigger(1), **fields}).encode()
    )
)


@given(word=st.sampled_from(["run", "kill", "log", "idleBeat", "beat"]), body=bodies)
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_anything_gets_an_answer_without_a_stack_trace(rig: Rig, word: str, body: bytes) -> None:
    answer = rig.call(word, body)
    assert answer["code"] in {200, 500}
    text = json.dumps(answer)
    assert "Traceback" not in text
    assert "internal error" not in text


@given(path=st.text(max_size=30), method=st.sampled_from(["POST", "GET"]))
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_path_gets_http_200(rig: Rig, path: str, method: str) -> None:
    response = rig.client.open(f"/xxl-job/{quote(path, errors='replace')}", method=method)
    assert response.status_code == 200
    assert response.get_json()["code"] in {200, 500}
