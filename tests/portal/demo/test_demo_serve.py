from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from portal.demo.options import DemoOptions
from portal.demo.serve import serve

PROGRAM = """
from portal.demo.options import DemoOptions
from portal.demo.serve import serve
serve(DemoOptions(documents=24), "127.0.0.1:0", announce=lambda url: print(url, flush=True))
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def connection(process: subprocess.Popen[str]) -> Iterator[http.client.HTTPConnection]:
    assert process.stdout is not None
    address = urlsplit(process.stdout.readline().strip())
    assert address.hostname == "127.0.0.1"
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    yield connection
    connection.close()


def ask(connection: http.client.HTTPConnection, method: str, path: str, **headers: str) -> bytes:
    connection.request(method, path, headers=headers)
    return connection.getresponse().read()


def put_faults(connection: http.client.HTTPConnection, **faults: float) -> None:
    connection.request("PUT", "/_demo/faults", json.dumps(faults))
    response = connection.getresponse()
    response.read()
    assert response.status == 200


def log_in(connection: http.client.HTTPConnection) -> str:
    credentials = json.loads(ask(connection, "GET", "/_demo/credentials"))
    signed = f"{credentials['clientId']}{credentials['clientSecret']}1".encode()
    body = {
        "clientId": credentials["clientId"],
        "sign": md5(signed).hexdigest(),
        "timestamp": 1,
        "fsource": 99,
    }
    connection.request("POST", "/archivebase/scan/login/token", json.dumps(body))
    answer = json.loads(connection.getresponse().read())
    return f"Bearer {answer['data']['accessToken']}"


def test_serves_on_a_kept_connection_until_sigterm(
    process: subprocess.Popen[str], connection: http.client.HTTPConnection
) -> None:
    token = log_in(connection)
    kept = connection.sock
    data = ask(connection, "GET", "/imgsys/migrate/v1/files/f-000001-1", Authorization=token)

    assert len(data) > 20_000
    assert connection.sock is kept
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert process.communicate()[1] == ""


def test_a_short_body_ends_the_connection(connection: http.client.HTTPConnection) -> None:
    token = log_in(connection)
    put_faults(connection, short_share=1)
    path = "/imgsys/migrate/v1/files/f-000001-1"

    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(connection, "GET", path, Authorization=token)
    connection.close()
    whole = ask(connection, "GET", path, Authorization=token)
    assert cut.value.partial == whole[: len(whole) // 2]


def test_a_stalled_download_does_not_hold_up_the_end(
    process: subprocess.Popen[str], connection: http.client.HTTPConnection
) -> None:
    token = log_in(connection)
    put_faults(connection, stall_share=1, stall_seconds=3600)
    path = "/imgsys/migrate/v1/files/f-000001-1"
    connection.request("GET", path, headers={"Authorization": token})
    response = connection.getresponse()
    assert response.read(1000)

    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    response.close()


def test_no_orphan_stays_when_it_is_killed(
    process: subprocess.Popen[str], connection: http.client.HTTPConnection
) -> None:
    ask(connection, "GET", "/_demo/")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 1
    worker = os.pidfd_open(int(children[0]))
    try:
        process.kill()
        assert _ended(worker)
    finally:
        os.close(worker)


def _ended(pidfd: int) -> bool:
    """Waits until the process behind the descriptor is gone; pytest's limit ends a wait in vain."""
    readable, _, _ = select.select([pidfd], [], [], 20)
    return bool(readable)


def test_a_port_in_use_is_an_oserror_before_anything_starts() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="in use"),
    ):
        serve(DemoOptions(), f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", ":"])
def test_a_senseless_address_is_refused(bind: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        serve(DemoOptions(), bind)
