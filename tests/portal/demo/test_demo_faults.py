from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.demo.options import DemoOptions

Ask = Callable[..., dict[str, Any]]
Connect = Callable[..., FlaskClient]

FILES = "/imgsys/migrate/v1/files"
LOGIN = "/archivebase/scan/login/token"


class FakeTime:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def source(connect: Connect, time: FakeTime) -> FlaskClient:
    return connect(DemoOptions(), clock=time.clock, sleep=time.sleep)


def switch(client: FlaskClient, **faults: object) -> None:
    assert client.put("/_demo/faults", json=faults).status_code == 200


def first_files(client: FlaskClient) -> list[Any]:
    return [client.get(f"{FILES}/f-{number:06d}-1") for number in range(1, 101)]


def test_latency_comes_before_every_call_of_the_contract(
    source: FlaskClient, time: FakeTime, ask: Ask
) -> None:
    switch(source, latency=0.2)
    ask(source, "count")
    source.get(f"{FILES}/f-000001-1")
    source.post(LOGIN, json={})
    source.get("/_demo/expected")

    assert time.slept == [0.2, 0.2, 0.2]


def test_tokens_expire_and_a_new_one_is_good_for_as_many_calls(
    connect: Connect, log_in: Callable[[FlaskClient], None]
) -> None:
    client = connect(DemoOptions())
    switch(client, expire_after=3)
    for _ in range(2):
        codes = [client.get(f"{FILES}/f-000001-1").status_code for _ in range(5)]
        assert codes == [200, 200, 200, 401, 401]
        log_in(client)


@pytest.mark.parametrize(("retry_after", "header"), [(None, None), (2, "2")])
def test_rate_lets_so_many_calls_through(
    source: FlaskClient, time: FakeTime, retry_after: int | None, header: str | None
) -> None:
    switch(source, rate=5, retry_after=retry_after)

    answers = [source.get(f"{FILES}/f-000001-1") for _ in range(8)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
    assert answers[-1].headers.get("Retry-After") == header

    time.sleep(0.4)
    codes = [source.get(f"{FILES}/f-000001-1").status_code for _ in range(3)]
    assert codes == [200, 200, 429]


@pytest.mark.parametrize(
    "share",
    [
        "error_share",
        "html_share",
        "short_share",
        "stall_share",
        "missing_share",
        "redirect_share",
    ],
)
def test_shares_hit_the_same_files_at_every_run_and_on_the_first_tries_only(
    source: FlaskClient, time: FakeTime, share: str
) -> None:
    def hit(number: int) -> bool:
        slept = len(time.slept)
        answer = source.get(f"{FILES}/f-{number:06d}-1")
        return {
            "error_share": answer.status_code == 503,
            "html_share": (answer.status_code, answer.mimetype) == (200, "text/html"),
            "short_share": len(answer.data) == int(answer.headers["Content-Length"]) // 2,
            "stall_share": len(time.slept) > slept,
            "missing_share": answer.status_code == 404,
            "redirect_share": answer.headers.get("Location", "").startswith("http://elsewhere."),
        }[share]

    def one_run() -> list[bool]:
        switch(source, **{share: 0.3, "fault_tries": 2})
        first, second, third = ([hit(number) for number in range(1, 101)] for _ in range(3))
        assert first == second
        assert not any(third)
        return first

    hits = one_run()
    assert 15 <= sum(hits) <= 45
    assert one_run() == hits


def test_a_stall_sends_a_part_waits_and_sends_the_rest(source: FlaskClient, time: FakeTime) -> None:
    switch(source, stall_share=1, stall_seconds=7)
    answer = source.get(f"{FILES}/f-000001-1", buffered=False)
    chunks = answer.iter_encoded()
    part = next(iter(chunks))

    assert 0 < len(part) < int(answer.headers["Content-Length"])
    assert time.slept == []
    rest = b"".join(chunks)
    assert time.slept == [7]
    assert part + rest == source.get(f"{FILES}/f-000001-1").data
    answer.close()


def test_a_source_that_is_down_answers_every_call_with_503(source: FlaskClient) -> None:
    switch(source, down=1)
    answers = [source.get(f"{FILES}/f-000001-1"), source.post(LOGIN, json={})]
    assert [answer.status_code for answer in answers] == [503, 503]
    switch(source)
    assert source.get(f"{FILES}/f-000001-1").status_code == 200


def test_a_file_has_one_kind_of_fault(source: FlaskClient) -> None:
    switch(source, error_share=0.5, html_share=0.5)
    answers = first_files(source)

    kinds = {(answer.status_code, answer.content_type.split(";")[0]) for answer in answers}
    assert kinds == {(503, "application/json"), (200, "text/html")}


def test_switching_replaces_all_faults(source: FlaskClient) -> None:
    switch(source, error_share=1, latency=1)
    switch(source, html_share=0.5)

    faults = source.get("/_demo/faults").get_json()
    assert (faults["error_share"], faults["latency"], faults["html_share"]) == (0, 0, 0.5)
    switch(source)
    assert {answer.status_code for answer in first_files(source)} == {200}


@pytest.mark.parametrize(
    ("faults", "word"),
    [
        ({"latenci": 1}, "latenci"),
        ({"latency": "1"}, "latency"),
        ({"latency": -1}, "latency"),
        ({"latency": None}, "latency"),
        ({"expire_after": 1.5}, "expire_after"),
        ({"error_share": 0.7, "html_share": 0.7}, "shares"),
        ({"retry_after": -2}, "retry_after"),
        ({"down": 2}, "down"),
        ([], "object"),
    ],
)
def test_senseless_faults_are_refused_by_name(source: FlaskClient, faults: Any, word: str) -> None:
    before = source.get("/_demo/faults").get_json()
    answer = source.put("/_demo/faults", json=faults)

    assert answer.status_code == 400
    assert word in answer.get_json()["error"]
    assert source.get("/_demo/faults").get_json() == before
