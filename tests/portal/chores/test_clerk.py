"""A clerk does what it is asked, tells how far it is, and keeps the reason when it cannot."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from portal.app import create_app
from portal.chores.clerk import Clerk
from portal.chores.desk import Desk, Perform
from portal.chores.kinds import Kind
from portal.errors import NotAllowed, SyncError
from portal.models import Chore, utc_now
from portal.runtime import Portal
from portal.schema import upgrade
from portal.services import chores
from portal.settings import read_settings
from portal.statuses import ChoreStatus


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    app = create_app(
        read_settings({"IMGMIG_HOME": str(tmp_path), "XXL_JOB_ACCESS_TOKEN": "t" * 20})
    )
    with app.app_context():
        upgrade()
        portal: Portal = app.extensions["portal"]
        yield portal
        portal.ledger.close()
        portal.queue.close()


def clerk(portal: Portal, perform: Perform) -> Clerk:
    return Clerk(portal, {"test": Kind(perform, quick=True)})


def ask(portal: Portal, **params: Any) -> int:
    with portal.ledger.write() as session:
        return chores.ask(session, "test", by="lee", now=utc_now(), params=params).id


def outcome(portal: Portal, chore_id: int) -> Chore:
    with portal.ledger.read() as session:
        return chores.find(session, chore_id)


def test_what_it_returns_is_the_result(portal: Portal) -> None:
    def double(desk: Desk) -> Mapping[str, Any]:
        desk.progress(1, 2)
        return {"twice": desk.params["n"] * 2, "for": desk.asked_by}

    chore_id = ask(portal, n=21)
    assert clerk(portal, double).do_one(["test"])
    done = outcome(portal, chore_id)
    assert (done.status, done.result) == (ChoreStatus.DONE, {"twice": 42, "for": "lee"})
    assert (done.done, done.total) == (1, 2)
    assert not clerk(portal, double).do_one(["test"])


@pytest.mark.parametrize(
    ("error", "code", "params"),
    [
        (SyncError("SRC_SERVER_ERROR", status=500), "SRC_SERVER_ERROR", {"status": 500}),
        (NotAllowed("不行", "no"), "CHORE_REFUSED", {"detail": "不行 no"}),
        (ZeroDivisionError("secret"), "INTERNAL", {"detail": "ZeroDivisionError"}),
    ],
)
def test_why_it_failed_is_kept(
    portal: Portal, error: Exception, code: str, params: dict[str, Any]
) -> None:
    def stumble(_desk: Desk) -> None:
        raise error

    chore_id = ask(portal)
    clerk(portal, stumble).do_one(["test"])
    ended = outcome(portal, chore_id)
    assert (ended.status, ended.error_code) == (ChoreStatus.FAILED, code)
    assert ended.error_params == params


def test_cancelled_by_a_person_it_stops_and_writes_nothing(portal: Portal) -> None:
    def go_on(desk: Desk) -> None:
        with portal.ledger.write() as session:
            chores.cancel(session, chores.find(session, desk.chore_id), now=utc_now())
        desk.progress(1)
        raise AssertionError("not told to stop")

    chore_id = ask(portal)
    clerk(portal, go_on).do_one(["test"])
    assert outcome(portal, chore_id).status is ChoreStatus.CANCELLED


def test_a_ledger_that_is_away_for_a_moment_is_not_the_end_of_a_chore(portal: Portal) -> None:
    def in_vain(_desk: Desk) -> None:
        raise OperationalError("COMMIT", None, Exception("the ledger is away"))

    chore_id = ask(portal)
    one = clerk(portal, in_vain)
    with pytest.raises(OperationalError):
        one.do_one(["test"])
    with portal.ledger.write() as session:
        chores.beat(session, one.name, host=one.host, now=utc_now() + chores.LEASE)
        later = utc_now() + chores.LEASE
        held = chores.claim(session, ["test"], clerk="other", host=one.host, now=later)
    assert held is not None
    assert (held.chore_id, held.attempt) == (chore_id, 2)


def test_a_clerk_that_is_stopped_gives_back_what_it_has_begun(portal: Portal) -> None:
    begun = threading.Event()

    def wait(desk: Desk) -> None:
        begun.set()
        while True:
            desk.progress(1)

    chore_id = ask(portal)
    one = clerk(portal, wait)
    thread = threading.Thread(target=one.run)
    thread.start()
    assert begun.wait(30)
    with portal.ledger.read() as session:
        assert list(chores.alive_hosts(session, now=utc_now())) == [one.host]
    one.stop()
    thread.join()
    with portal.ledger.read() as session:
        assert list(chores.alive_hosts(session, now=utc_now())) == []
    assert clerk(portal, lambda _desk: {"done": True}).do_one(["test"])
    assert outcome(portal, chore_id).result == {"done": True}


def test_a_long_chore_does_not_keep_a_quick_one_waiting(portal: Portal) -> None:
    ended = threading.Event()

    def long(desk: Desk) -> None:
        while not ended.is_set():
            desk.progress(0)

    def quick(_desk: Desk) -> None:
        ended.set()

    one = Clerk(portal, {"long": Kind(long), "quick": Kind(quick, quick=True)})
    with portal.ledger.write() as session:
        for number in range(4):
            chores.ask(session, "long", by="lee", now=utc_now(), subject=str(number))
        chores.ask(session, "quick", by="lee", now=utc_now())
    thread = threading.Thread(target=one.run)
    thread.start()
    assert ended.wait(30)
    one.stop()
    thread.join()
