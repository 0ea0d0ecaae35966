"""The executor behind a real threaded server, over real connections."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest
import requests
from sqlalchemy import func, select
from werkzeug.serving import WSGIRequestHandler, make_server

from executor.models import ExecutorRun
from tests.executor.executor_rig import TOKEN, Rig, trigger
from tests.executor.fake_admin import FakeAdmin

HEADERS = {"XXL-JOB-ACCESS-TOKEN": TOKEN, "Content-Type": "application/json;charset=UTF-8"}


class _Quiet(WSGIRequestHandler):
    def log(self, *_args: object) -> None:
        pass


@pytest.fixture
def port(rig: Rig) -> Iterator[int]:
    server = make_server("127.0.0.1", 0, rig.app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_whole_life_of_a_run_as_an_admin_sees_it(rig: Rig, port: int) -> None:
    base = f"http://127.0.0.1:{port}/xxl-job"
    with FakeAdmin() as admin:
        agent = rig.new_process(admin_addresses=(admin.address,))
        agent.talk(rig.now)
        answer = requests.post(f"{base}/run", json=trigger(1), headers=HEADERS, timeout=10)
        assert answer.json()["code"] == 200
        rig.work()
        agent.talk(rig.now)
        assert admin.results[1].msg == "p"
        query = {"logDateTim": 1, "logId": 1, "fromLineNum": 1}
        log = requests.post(f"{base}/log", json=query, headers=HEADERS, timeout=10).json()
        assert log["data"]["isEnd"]
        agent.leave()
        assert admin.registered == {}


def test_beat_without_body_and_without_content_length(port: int) -> None:
    head = f"POST /xxl-job/beat HTTP/1.1\r\nHost: x\r\nXXL-JOB-ACCESS-TOKEN: {TOKEN}\r\n"
    assert exchange(port, f"{head}Connection: close\r\n\r\n")["code"] == 200


def test_body_that_ends_early(rig: Rig, port: int) -> None:
    head = f"POST /xxl-job/run HTTP/1.1\r\nHost: x\r\nXXL-JOB-ACCESS-TOKEN: {TOKEN}\r\n"
    body = json.dumps(trigger(1))
    answer = exchange(port, f"{head}Content-Length: {len(body) + 9}\r\n\r\n{body}")
    assert answer["msg"] == "request error:the body ended early"
    assert rig.queue == []


def test_same_trigger_over_many_connections_is_one_run(rig: Rig, port: int) -> None:
    start = threading.Barrier(10)
    codes: list[int] = []

    def send() -> None:
        start.wait()
        url = f"http://127.0.0.1:{port}/xxl-job/run"
        codes.append(
            requests.post(url, json=trigger(1), headers=HEADERS, timeout=30).json()["code"]
        )

    threads = [threading.Thread(target=send) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 10
    with rig.database.read() as session:
        assert session.scalars(select(func.count()).select_from(ExecutorRun)).one() == 1


def exchange(port: int, request: str) -> dict[str, object]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0]
    members = json.loads(body)
    assert isinstance(members, dict)
    return members
