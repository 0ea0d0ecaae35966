"""Chores: asked for once, held by one clerk, ended once, whatever dies meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.ledger import Ledger
from portal.models import Chore
from portal.services import chores
from portal.services.chores import ChoreLost, Held
from portal.statuses import ChoreStatus
from tests.portal.ledger_scene import START

KINDS = ("test.copy", "test.count")


def ask(ledger: Ledger, kind: str = "test.copy", **words: Any) -> int:
    with ledger.write() as session:
        return chores.ask(session, kind, by="lee", now=START, **words).id


def claim(
    ledger: Ledger, clerk: str = "c1", *, host: str = "h1", now: datetime = START
) -> Held | None:
    with ledger.write() as session:
        return chores.claim(session, KINDS, clerk=clerk, host=host, now=now)


def chore(ledger: Ledger, chore_id: int) -> Chore:
    with ledger.read() as session:
        return chores.find(session, chore_id)


def finish(ledger: Ledger, held: Held, result: dict[str, Any]) -> None:
    with ledger.write() as session:
        chores.finish(session, held, result, now=START)


def test_the_same_wish_is_kept_once_until_it_is_fulfilled(ledger: Ledger) -> None:
    first = ask(ledger, params={"n": 1})
    assert ask(ledger, params={"n": 1}) == first
    assert ask(ledger, params={"n": 2}) != first
    assert ask(ledger, params={"n": 1}, host="h2") != first
    held = claim(ledger)
    assert held is not None
    assert ask(ledger, params={"n": 1}) == first
    finish(ledger, held, {})
    assert ask(ledger, params={"n": 1}) != first


def test_the_oldest_comes_first_and_each_goes_to_one_clerk(ledger: Ledger) -> None:
    first, second = ask(ledger, params={"n": 1}), ask(ledger, "test.count")
    ask(ledger, "other.kind")
    one, two = claim(ledger, "c1"), claim(ledger, "c2")
    assert one is not None
    assert two is not None
    assert (one.chore_id, two.chore_id) == (first, second)
    assert claim(ledger, "c3") is None
    finish(ledger, one, {"copies": 3})
    done = chore(ledger, first)
    assert (done.status, done.result, done.lease_owner) == (ChoreStatus.DONE, {"copies": 3}, None)


def test_one_meant_for_a_host_waits_for_that_host(ledger: Ledger) -> None:
    ask(ledger, host="h2")
    assert claim(ledger, host="h1") is None
    assert claim(ledger, host="h2") is not None


def test_it_is_asked_of_every_host_that_lives(ledger: Ledger) -> None:
    with ledger.write() as session:
        chores.beat(session, "c1", host="h1", now=START)
        chores.beat(session, "c2", host="h1", now=START)
        chores.beat(session, "c3", host="h2", now=START)
        chores.beat(session, "c4", host="h3", now=START - timedelta(minutes=1))
    with ledger.write() as session:
        asked = chores.ask_every_host(session, "test.copy", by="lee", now=START)
        assert [one.host for one in asked] == ["h1", "h2"]


def test_a_clerk_that_says_nothing_loses_it_and_what_it_writes_later_is_refused(
    ledger: Ledger,
) -> None:
    chore_id = ask(ledger)
    old = claim(ledger, "c1")
    assert old is not None
    late = START + chores.LEASE
    assert claim(ledger, "c2", now=late - timedelta(seconds=1)) is None
    with ledger.write() as session:
        chores.beat(session, "c1", [chore_id], host="h1", now=START + timedelta(seconds=5))
    assert claim(ledger, "c2", now=late) is None
    new = claim(ledger, "c2", now=late + timedelta(seconds=5))
    assert new is not None
    assert new.chore_id == chore_id
    late_writes: tuple[Callable[[Session], object], ...] = (
        lambda session: chores.note_progress(session, old, done=1, total=2),
        lambda session: chores.finish(session, old, {}, now=late),
        lambda session: chores.fail(session, old, "INTERNAL", {}, now=late),
    )
    for write in late_writes:
        with pytest.raises(ChoreLost), ledger.write() as session:
            write(session)
    with ledger.write() as session:
        chores.give_back(session, old)
    finish(ledger, new, {"by": "c2"})
    assert chore(ledger, chore_id).result == {"by": "c2"}


def test_what_a_living_clerk_no_longer_has_in_its_hands_is_done_anew(ledger: Ledger) -> None:
    chore_id = ask(ledger)
    assert claim(ledger, "c1") is not None
    late = START + chores.LEASE
    with ledger.write() as session:
        chores.beat(session, "c1", [], host="h1", now=late)
    again = claim(ledger, "c1", now=late)
    assert again is not None
    assert (again.chore_id, again.attempt) == (chore_id, 2)


def test_one_that_kills_its_clerks_ends_with_a_reason(ledger: Ledger) -> None:
    chore_id = ask(ledger)
    now = START
    for _ in range(3):
        assert claim(ledger, now=now) is not None
        now += chores.LEASE
    assert claim(ledger, now=now) is None
    ended = chore(ledger, chore_id)
    assert (ended.status, ended.error_code) == (ChoreStatus.FAILED, "CHORE_LOST")
    assert ended.error_params == {"times": 3}


def test_one_that_is_given_back_waits_for_another_clerk_and_costs_no_attempt(
    ledger: Ledger,
) -> None:
    ask(ledger)
    for number in range(5):
        held = claim(ledger, f"c{number}")
        assert held is not None
        assert held.attempt == 1
        with ledger.write() as session:
            chores.give_back(session, held)


def test_a_clerk_that_leaves_frees_what_it_held(ledger: Ledger) -> None:
    ask(ledger)
    assert claim(ledger, "c1") is not None
    with ledger.write() as session:
        chores.beat(session, "c1", host="h1", now=START)
        chores.leave(session, "c1")
        assert chores.alive_hosts(session, now=START) == []
    assert claim(ledger, "c2") is not None


def test_what_ended_long_ago_is_forgotten_but_for_the_last_of_its_kind(ledger: Ledger) -> None:
    ids = []
    for number, host in ((1, None), (2, None), (3, "h1"), (4, None)):
        ids.append(ask(ledger, params={"n": number}, host=host))
        held = claim(ledger, host=host or "h9")
        assert held is not None
        finish(ledger, held, {})
    waiting = ask(ledger, params={"n": 5})
    with ledger.write() as session:
        chores.forget_old(session, now=START + timedelta(days=29))
        assert set(session.scalars(select(Chore.id))) == {*ids, waiting}
        chores.forget_old(session, now=START + timedelta(days=31))
        assert set(session.scalars(select(Chore.id))) == {ids[2], waiting}


def test_what_a_person_cancelled_is_not_finished(ledger: Ledger) -> None:
    chore_id = ask(ledger)
    held = claim(ledger)
    assert held is not None
    with ledger.write() as session:
        assert chores.cancel(session, chores.find(session, chore_id), now=START)
        assert not chores.cancel(session, chores.find(session, chore_id), now=START)
    with pytest.raises(ChoreLost):
        finish(ledger, held, {})
    assert chore(ledger, chore_id).status is ChoreStatus.CANCELLED
    assert claim(ledger) is None


def test_two_who_ask_for_the_same_in_one_moment_get_one_chore(ledger: Ledger) -> None:
    """On two hosts, each in a transaction of its own that does not see the other's."""
    begun, ids = threading.Barrier(4), []

    def ask_too() -> None:
        begun.wait(30)
        # As a request does; databases with gap locks let one of them fall behind.
        ids.append(ledger.again(lambda: ask(ledger, params={"n": 1})))

    threads = [threading.Thread(target=ask_too) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4
    assert len(set(ids)) == 1


def test_what_only_a_host_may_do_that_is_gone_ends_with_the_reason(ledger: Ledger) -> None:
    lonely, anyones = ask(ledger, host="h1"), ask(ledger, params={"n": 1})
    with ledger.write() as session:
        chores.beat(session, "c1", host="h1", now=START)
    assert claim(ledger) is not None  # and then the host vanishes

    def end_what_waits(seconds: float) -> int:
        with ledger.write() as session:
            return chores.fail_of_gone_hosts(session, now=START + timedelta(seconds=seconds))

    assert end_what_waits(59) == 0
    assert end_what_waits(61) == 1
    ended = chore(ledger, lonely)
    assert (ended.status, ended.error_code) == (ChoreStatus.FAILED, "CHORE_HOST_GONE")
    assert ended.error_params == {"host": "h1"}
    assert chore(ledger, anyones).status is ChoreStatus.WAITING
    assert ask(ledger, host="h1") != lonely


def test_a_clerk_that_was_frozen_writes_nothing_once_another_has_it(ledger: Ledger) -> None:
    ask(ledger)
    frozen = claim(ledger)
    assert frozen is not None
    with ledger.write() as session:
        chores.expect_held(session, frozen)
    assert claim(ledger, "c2", now=START + chores.LEASE) is not None
    with pytest.raises(ChoreLost), ledger.write() as session:
        chores.expect_held(session, frozen)
