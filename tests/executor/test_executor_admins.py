"""Registration and delivery of results, against an admin that takes nothing it should not."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from executor import admins, parcels
from executor.admins import (
    CALLBACK_SECONDS,
    AdminClient,
    AdminRefused,
    AdminUnreachable,
    NotAnAdmin,
)
from executor.ledger import Ledger
from executor.models import ExecutorRegistration
from executor.outbox import Outbox
from tests.executor.executor_rig import ADDRESS, TOKEN, Database, Rig, trigger
from tests.executor.fake_admin import APP_NAME, FakeAdmin, Raw
from tests.executor.java_calls import JavaAdmin

HTML = b"<!DOCTYPE html><html><body>login</body></html>"


@pytest.fixture
def make_rig(database: Database) -> Callable[..., Rig]:
    return lambda *addresses: Rig(database, admin_addresses=addresses)


@pytest.fixture
def silent_port() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/"


def raw(status: str, body: bytes = b"", **headers: str) -> Callable[[], Raw]:
    return lambda: (status, list(headers.items()), body)


def registrations(rig: Rig) -> dict[str, ExecutorRegistration]:
    with rig.database.read() as session:
        return {row.admin_address: row for row in session.scalars(select(ExecutorRegistration))}


def test_registers_at_once_and_every_30_seconds(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    rig.tick()
    assert admin.registered == {ADDRESS: "imaging-migration"}
    for _second in range(89):
        rig.advance(1)
        rig.tick()
    assert admin.calls == ["/xxl-job-admin/api/registry"] * 3
    row = registrations(rig)[admin.address]
    assert (row.problem, row.executor_address) == (None, ADDRESS)
    assert row.succeeded_at == row.attempted_at
    rig.executor.leave()
    assert admin.registered == {}


def test_context_path_with_and_without_a_slash_at_the_end(admin: FakeAdmin) -> None:
    for address in (admin.address, admin.address + "/"):
        AdminClient(address, token="a-token-for-tests", app_name=APP_NAME).registry(
            "imaging-migration", ADDRESS
        )
    assert admin.registered


def test_every_admin_is_told_and_each_answer_is_kept(
    make_rig: Callable[..., Rig],
    admin: FakeAdmin,
    closed_port: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = make_rig(closed_port, admin.address)
    with caplog.at_level(logging.WARNING):
        for _round in range(3):
            rig.tick()
            rig.advance(30)
    assert admin.registered
    assert registrations(rig)[admin.address].problem is None
    assert "no connection" in (registrations(rig)[closed_port].problem or "")
    assert len(caplog.records) == 1  # once per change, not once per try
    rig.executor.leave()
    assert admin.registered == {}


@pytest.mark.parametrize(
    ("trouble", "kind", "text"),
    [
        (raw("302 Found", Location="/toLogin"), NotAnAdmin, "redirects to /toLogin"),
        (raw("200 OK", HTML), NotAnAdmin, "HTML"),
        (raw("200 OK", b""), NotAnAdmin, "0 bytes that are not JSON"),
        (raw("200 OK", b"[]"), NotAnAdmin, "JSON without a code"),
        (raw("200 OK", b'{"code":"200"}'), NotAnAdmin, "JSON without a code"),
        (raw("200 OK", b"[" * 99_999), NotAnAdmin, "not JSON"),
        (raw("200 OK", b" " * (2 << 20)), NotAnAdmin, "too long"),
        (raw("404 Not Found", HTML), NotAnAdmin, "404"),
        (raw("200 OK", b'{"code":500,"msg":"nope"}'), AdminRefused, "nope"),
    ],
)
def test_answers_that_are_not_an_admins(
    trouble: Callable[[], Raw], kind: type[Exception], text: str
) -> None:
    with FakeAdmin() as admin:
        admin.trouble = trouble
        with pytest.raises(kind, match=text):
            AdminClient(admin.address, token="", app_name=APP_NAME).registry(
                "imaging-migration", ADDRESS
            )
    # A redirect is not followed. What is no admin of these days is asked whether it is an old one.
    assert [call.rpartition("/")[2] for call in admin.calls] in (["registry"], ["registry", "api"])
    assert (kind is AdminRefused) is (len(admin.calls) == 1)


def test_wrong_token_is_the_admins_word(admin: FakeAdmin) -> None:
    for token in ("", "wrong"):
        with pytest.raises(AdminRefused, match="The access token is wrong"):
            AdminClient(admin.address, token=token, app_name=APP_NAME).callback([])


def test_admin_that_never_answers(silent_port: str) -> None:
    client = AdminClient(silent_port, token="", app_name=APP_NAME, read_seconds=0.05)
    with pytest.raises(AdminUnreachable, match="no answer in time"):
        client.registry("imaging-migration", ADDRESS)


def test_answer_that_drips_is_given_up() -> None:
    seconds = iter(range(0, 1000, 6))
    with FakeAdmin() as admin:
        admin.trouble = raw("200 OK", b" " * 100_000)
        client = AdminClient(
            admin.address, token="", app_name=APP_NAME, monotonic=lambda: next(seconds)
        )
        with pytest.raises(AdminUnreachable, match="takes too long"):
            client.registry("imaging-migration", ADDRESS)


def test_connection_that_breaks_in_the_middle_of_the_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _address = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"code"')

        thread = threading.Thread(target=answer)
        thread.start()
        client = AdminClient(
            f"http://127.0.0.1:{server.getsockname()[1]}", token="", app_name=APP_NAME
        )
        with pytest.raises(admins.AdminError):
            client.registry("imaging-migration", ADDRESS)
        thread.join()


def test_every_version_gets_results_as_it_reads_them(
    make_rig: Callable[..., Rig], any_admin: FakeAdmin
) -> None:
    rig = make_rig(any_admin.address)
    caller = JavaAdmin(any_admin.version, rig.post, rig.now.timestamp)
    assert caller.run(1).code == 200
    rig.work()
    rig.tick()
    assert any_admin.registered == {ADDRESS: "imaging-migration"}
    assert (any_admin.results[1].code, any_admin.results[1].msg) == (200, "p")


@pytest.mark.parametrize(("before", "after"), [("3.4.2", "3.5.0"), ("3.5.0", "3.4.2")])
def test_admin_of_another_version_than_triggered_gets_the_shape_it_asks_for(
    make_rig: Callable[..., Rig], before: str, after: str
) -> None:
    with FakeAdmin(after) as admin:
        rig = make_rig(admin.address)
        for log_id in (1, 2):
            if before == "3.5.0":
                rig.call_35("trigger", trigger(log_id))
            else:
                rig.run(log_id)
            rig.work()
            rig.tick()
        assert {log_id: result.code for log_id, result in admin.results.items()} == {1: 200, 2: 200}
        assert len(admin.bodies) == 3  # refused once, and remembered


def test_runs_of_two_dialects_are_reported_in_two_shapes(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    rig.run(1)
    rig.call_35("trigger", trigger(2))
    rig.work()
    admin.trouble = raw("503 Service Unavailable")
    rig.tick()
    assert rig.row(1).dialect == "run"
    assert rig.row(2).dialect == "trigger"
    admin.trouble = None
    rig.advance(10)
    rig.tick()
    rig.tick()
    assert sorted(type(body).__name__ for body in admin.bodies) == ["dict", "list", "list"]
    assert set(admin.results) == {1, 2}


def test_one_result_nobody_takes_does_not_hold_up_the_others(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    for log_id in range(1, 51):
        rig.run(log_id, jobId=log_id, executorHandler="silent")
    rig.work()
    admin.poison = {17}
    rig.tick()
    assert set(admin.results) == set(range(1, 51)) - {17}
    assert admin.doubled == set()
    admin.poison = set()
    rig.advance(300)
    rig.tick()
    assert admin.results[17].code == 200


def test_several_results_nobody_takes_do_not_hold_up_the_others(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    for log_id in range(1, 41):
        rig.run(log_id, jobId=log_id, executorHandler="silent")
    rig.work()
    admin.poison = {1, 2, 3, 4}
    for _round in range(5):
        rig.tick()
        rig.advance(300)
    assert set(admin.results) == set(range(5, 41))


def test_admin_that_refuses_everything_is_not_asked_for_each_result(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    for log_id in range(1, 51):
        rig.run(log_id, jobId=log_id, executorHandler="silent")
    rig.work()
    admin.trouble = raw("200 OK", b'{"code":500,"msg":"The access token is wrong."}')
    rig.tick()
    assert 2 <= admin.count("callback") <= 12


def test_batch_too_large_for_a_proxy_is_halved(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    for log_id in range(1, 5):
        rig.run(log_id, jobId=log_id)
    rig.work()
    answers = iter([raw("413 Payload Too Large")])

    def once() -> Raw:
        trouble = next(answers)
        admin.trouble = None
        return trouble()

    rig.executor.talk(rig.now)
    admin.results.clear()
    for log_id in range(1, 5):
        rig.run(log_id, jobId=log_id)
    admin.trouble = once
    rig.executor.talk(rig.now)
    assert set(admin.results) == {1, 2, 3, 4}


def test_admin_that_answered_last_is_asked_first(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    with FakeAdmin() as first:
        first.trouble = raw("502 Bad Gateway")
        rig = make_rig(first.address, admin.address)
        for log_id in (1, 2, 3):
            rig.run(log_id)
            rig.work()
            rig.tick()
        assert first.count("callback") == 1
        assert set(admin.results) == {1, 2, 3}


def test_app_name_and_token_that_are_not_ascii_can_be_sent(admin: FakeAdmin) -> None:
    with pytest.raises(AdminRefused, match="The access token is wrong"):
        AdminClient(admin.address, token="旧的", app_name="影像扫描执行器").registry("x", ADDRESS)


def test_results_reach_the_admin_once(make_rig: Callable[..., Rig], admin: FakeAdmin) -> None:
    rig = make_rig(admin.address)
    rig.run(1, executorParams="done", logDateTime=123)
    rig.run(2, jobId=8, executorHandler="fail", executorParams="<b>&" * 5000)
    rig.work()
    rig.tick()
    rig.tick()
    assert admin.batches == [[1, 2]]
    assert admin.results[1].code == 200
    assert admin.results[1].item["logDateTim"] == 123
    message = admin.results[2].msg
    assert message.startswith("&lt;b&gt;&amp;&lt;")
    assert message.endswith("...")
    assert message.removesuffix("...").endswith(";")


def test_batches_have_at_most_50_results(make_rig: Callable[..., Rig], admin: FakeAdmin) -> None:
    rig = make_rig(admin.address)
    for log_id in range(1, 121):
        rig.run(log_id, jobId=log_id, executorHandler="silent")
    rig.work()
    for _round in range(4):
        rig.tick()
    assert [len(batch) for batch in admin.batches] == [50, 50, 20]
    assert set(admin.results) == set(range(1, 121))


def test_results_wait_with_growing_pauses_until_one_admin_takes_them(
    make_rig: Callable[..., Rig], admin: FakeAdmin, caplog: pytest.LogCaptureFixture
) -> None:
    admin.trouble = raw("200 OK", HTML)
    rig = make_rig(admin.address)
    rig.run(1)
    rig.work()
    with caplog.at_level(logging.WARNING, logger="executor"):
        for seconds in (*[6] * 100, *[60] * 50):
            rig.tick()
            rig.advance(seconds)
    tries = admin.calls.count("/xxl-job-admin/api/callback")
    assert 12 < tries < 40  # at first every few seconds, then at least every 5 minutes
    told = [record for record in caplog.records if record.name == "executor.outbox"]
    assert len(told) == 1
    admin.trouble = None
    rig.advance(300)
    rig.tick()
    assert admin.results[1].code == 200
    assert rig.row(1).delivered_at == rig.now


def test_callback_goes_to_the_next_admin_when_one_is_away(
    make_rig: Callable[..., Rig], admin: FakeAdmin, closed_port: str
) -> None:
    rig = make_rig(closed_port, admin.address)
    rig.run(1)
    rig.work()
    rig.tick()
    assert set(admin.results) == {1}


def test_without_admins_results_stay_and_nothing_is_tried(rig: Rig) -> None:
    rig.run(1)
    rig.work()
    rig.advance(3600)
    rig.tick()
    row = rig.row(1)
    assert (row.delivery_attempts, row.delivered_at) == (0, None)
    assert registrations(rig) == {}


def test_trigger_that_comes_again_has_its_result_sent_again(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    rig.run(1)
    rig.work()
    rig.tick()
    rig.run(1)
    rig.tick()
    rig.tick()
    assert admin.batches == [[1], [1]]


def test_trigger_that_comes_again_while_its_result_is_on_its_way_has_it_sent_again(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    rig.run(1)
    rig.work()
    with rig.database.begin() as session:
        reservation = parcels.reserve(session, rig.now)
    rig.advance(1)
    rig.run(1)
    with rig.database.begin() as session:
        parcels.mark_delivered(session, reservation, reservation.parcels[0], rig.now)
    rig.tick()
    rig.tick()
    assert admin.batches == [[1]]
    assert rig.row(1).next_delivery_at is None


def test_two_agents_never_send_one_result_at_the_same_time(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    other = rig.new_process(admin_addresses=(admin.address,))
    for log_id in range(1, 81):
        rig.run(log_id, jobId=log_id, executorHandler="silent")
    rig.work()
    start = threading.Barrier(2)

    def deliver(executor_: object) -> None:
        start.wait()
        for _round in range(4):
            executor_.talk(rig.now)  # type: ignore[attr-defined]

    agents = [threading.Thread(target=deliver, args=(one,)) for one in (rig.executor, other)]
    for agent in agents:
        agent.start()
    for agent in agents:
        agent.join()
    assert sorted(log_id for batch in admin.batches for log_id in batch) == list(range(1, 81))
    assert admin.doubled == set()


def test_runs_that_share_a_log_id_are_not_in_one_batch(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    rig.run(1, logDateTime=1)
    rig.run(1, logDateTime=2)
    rig.work()
    rig.tick()
    rig.tick()
    assert admin.batches == [[1], [1]]


def test_delivery_whose_process_died_is_made_again(
    make_rig: Callable[..., Rig], admin: FakeAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(admin.address)
    rig.run(1)
    rig.work()

    def die(_self: AdminClient, *_results: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(AdminClient, "callback", die)
        with pytest.raises(KeyboardInterrupt):
            rig.tick()
    rig.tick()
    assert admin.results == {}
    rig.advance(46)  # and the agent's next second: within the 60 s an admin is promised
    rig.tick()
    assert set(admin.results) == {1}


class HangingAdmin(AdminClient):
    """Takes as long as a call may take, and looks what others do meanwhile."""

    def __init__(self, watch: list[float], others: Callable[[], object]) -> None:
        super().__init__("http://127.0.0.1:1", token="", app_name=APP_NAME)
        self._watch = watch
        self._others = others

    def callback(self, *_results: object) -> None:
        for _second in range(int(CALLBACK_SECONDS)):
            self._watch[0] += 1
            self._others()
        raise AdminUnreachable("no answer in time")


def test_delivery_that_takes_long_is_nobody_elses(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    rig.run(1)
    rig.work()
    watch = [0.0]
    ledger = Ledger(rig.database.begin, rig.database.read)
    good = AdminClient(admin.address, token=TOKEN, app_name=APP_NAME)

    def others() -> None:
        taken = Outbox(ledger, [good]).deliver_due(rig.now + timedelta(seconds=watch[0]))
        assert taken == 0

    slow = [HangingAdmin(watch, others) for _ in range(3)]
    outbox = Outbox(ledger, [*slow, good], monotonic=lambda: watch[0])
    assert outbox.deliver_due(rig.now) == 1
    assert watch[0] == 3 * CALLBACK_SECONDS
    assert admin.batches == [[1]]


def test_sender_that_slept_leaves_the_results_to_the_one_that_has_them_now(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    rig = make_rig(admin.address)
    rig.run(1)
    rig.work()
    watch = [0.0]
    ledger = Ledger(rig.database.begin, rig.database.read)
    good = AdminClient(admin.address, token=TOKEN, app_name=APP_NAME)

    class Sleeper(AdminClient):
        def callback(self, *_results: object) -> None:
            watch[0] += 600
            later = rig.now + timedelta(seconds=watch[0])
            assert Outbox(ledger, [good]).deliver_due(later) == 1
            raise AdminUnreachable("no answer in time")

    sleeper = Sleeper(admin.address, token="", app_name=APP_NAME)
    outbox = Outbox(ledger, [sleeper, good], monotonic=lambda: watch[0])
    assert outbox.deliver_due(rig.now) == 0
    assert admin.batches == [[1]]
    assert (rig.row(1).next_delivery_at, rig.row(1).delivery_attempts) == (None, 0)


def test_credentials_in_an_address_are_sent_and_neither_kept_nor_shown(
    make_rig: Callable[..., Rig],
    admin: FakeAdmin,
    closed_port: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    addresses = [
        address.replace("://", "://boss:to%2Fold@") for address in (admin.address, closed_port)
    ]
    rig = make_rig(*addresses)
    rig.run(1)
    rig.work()
    with caplog.at_level(logging.DEBUG):
        rig.tick()
    assert admin.registered
    assert set(registrations(rig)) == {admin.address, closed_port}
    shown = [rig.executor.metrics(), caplog.text, repr(registrations(rig)[closed_port].problem)]
    for text in shown:
        assert "to%2Fold" not in text
        assert "boss" not in text


def test_an_admin_that_repeats_the_token_is_not_quoted_with_it(
    make_rig: Callable[..., Rig], admin: FakeAdmin
) -> None:
    body = json.dumps({"code": 500, "msg": f"not {TOKEN}!"}).encode()
    admin.trouble = raw("200 OK", body)
    rig = make_rig(admin.address)
    rig.tick()
    problem = registrations(rig)[admin.address].problem
    assert problem is not None
    assert "not ***!" in problem
