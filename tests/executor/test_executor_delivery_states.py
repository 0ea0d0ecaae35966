"""Runs and the deliveries of their results under any order of events; two agents may die."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from executor import claims, overview, parcels, runs
from executor.admins import CALLBACK_SECONDS
from executor.parcels import Parcel, Reservation
from executor.protocol.inbound import parse_trigger
from executor.protocol.outbound import Result
from executor.statuses import RunStatus
from tests.executor.executor_rig import trigger
from tests.executor.test_executor_states import JOBS, LIMIT, RunsMachine

CALL = timedelta(seconds=CALLBACK_SECONDS)
AGENTS = st.sampled_from(["one", "other"])


@dataclass
class Flight:
    """Results that an agent has sent and not heard of yet."""

    reservation: Reservation
    began_at: datetime


class DeliveriesMachine(RunsMachine):
    """An admin that takes, refuses, or takes and is not heard; and agents that die in between."""

    def __init__(self) -> None:
        super().__init__()
        self.flights: dict[str, Flight] = {}
        #: Calls of dead agents that the admin still works on, until it has done so for sure.
        self.orphans: list[tuple[datetime, list[Parcel]]] = []
        self.told: dict[int, set[Result]] = {}

    def teardown(self) -> None:
        try:
            self.in_the_end_every_accepted_trigger_has_one_result()
        finally:
            super().teardown()

    @rule(job_id=JOBS, log_id=st.integers(1, 6))
    def trigger_of_an_admin_that_counts_anew(self, job_id: int, log_id: int) -> None:
        body = trigger(log_id, jobId=job_id, logDateTime=int(self.now.timestamp() * 1000))
        parsed = parse_trigger(json.dumps(body).encode())
        if not runs.is_busy(self.session, job_id):
            runs.accept(self.session, parsed, resumable=False, queue_limit=LIMIT, now=self.now)

    @rule(agent=AGENTS)
    def collect(self, agent: str) -> None:
        if agent not in self.flights and parcels.has_due(self.session, self.now):
            reservation = parcels.reserve(self.session, self.now)
            assert 1 <= len(reservation.parcels) <= parcels.BATCH
            self.flights[agent] = Flight(reservation, self.now)
            self.no_log_id_is_on_its_way_twice()

    @rule(agent=AGENTS, how=st.sampled_from(["ok", "refused", "lost", "half"]))
    def answer(self, agent: str, how: str) -> None:
        """``lost``: the admin took them, its answer did not arrive."""
        flight = self.flights.pop(agent, None)
        if flight is None:
            return
        reservation = flight.reservation
        for number, parcel in enumerate(reservation.parcels):
            is_taken = how in ("ok", "lost") or (how == "half" and number % 2 == 0)
            if is_taken:
                self.told.setdefault(parcel.run_id, set()).add(parcel.result)
            if is_taken and how != "lost":
                parcels.mark_delivered(self.session, reservation, parcel, self.now)
            else:
                later = self.now + timedelta(seconds=2)
                parcels.put_off(self.session, reservation, parcel, later)

    @rule(agent=AGENTS)
    def ask_the_next_admin(self, agent: str) -> None:
        flight = self.flights.get(agent)
        if flight is not None:
            # Nobody could have taken them over: the first call ended before that.
            until = self.now + parcels.RESERVED
            assert parcels.prolong(self.session, flight.reservation, until)
            flight.reservation.until = until
            flight.began_at = self.now

    @rule(agent=AGENTS, is_taken=st.booleans())
    def die(self, agent: str, is_taken: bool) -> None:
        flight = self.flights.pop(agent, None)
        if flight is None:
            return
        self.orphans.append((flight.began_at + CALL, flight.reservation.parcels))
        for parcel in flight.reservation.parcels if is_taken else []:
            self.told.setdefault(parcel.run_id, set()).add(parcel.result)

    @rule(seconds=st.sampled_from([1, 3, 29, 31, 46]))
    def tick(self, seconds: int) -> None:
        super().tick(seconds)
        for agent, flight in list(self.flights.items()):
            if self.now > flight.began_at + CALL:  # no call lasts longer
                self.answer(agent, "refused")
        self.orphans = [(until, sent) for until, sent in self.orphans if until >= self.now]

    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        ended = [run.id for run in self.rows() if RunStatus(run.status).is_ended]
        run_id = data.draw(st.sampled_from([None, *ended]))
        overview.send_again(self.session, run_id, self.now)

    @invariant()
    def no_log_id_is_on_its_way_twice(self) -> None:
        sent = [parcel for flight in self.flights.values() for parcel in flight.reservation.parcels]
        sent += [parcel for _until, parcels_ in self.orphans for parcel in parcels_]
        log_ids = [parcel.result.log_id for parcel in sent]
        assert len(log_ids) == len(set(log_ids))

    @invariant()
    def nothing_is_forgotten_before_an_admin_has_taken_it(self) -> None:
        for run in self.rows():
            if RunStatus(run.status).is_ended and run.next_delivery_at is None:
                assert run.delivered_at is not None
                assert run.id in self.told

    def in_the_end_every_accepted_trigger_has_one_result(self) -> None:
        self.flights.clear()  # both die
        self.alive.clear()
        for _round in range(60):
            if all(run.delivered_at and not run.next_delivery_at for run in self.rows()):
                break
            self.tick(46)
            for run in self.rows():
                if run.status == RunStatus.DEFERRED:
                    self.finish(run.log_id)
            for job_id in (1, 2):
                for run_id in runs.next_of_job(self.session, job_id):
                    taken = claims.claim(self.session, run_id, worker="w", now=self.now)
                    assert taken is not None
                    claims.complete(self.session, taken, code=200, message="", now=self.now)
            self.collect("one")
            self.answer("one", "ok")
        assert {run.id for run in self.rows()} == set(self.told)
        assert all(len(results) == 1 for results in self.told.values())
        assert not parcels.has_due(self.session, self.now + timedelta(days=1))


class LongDeliveriesMachine(DeliveriesMachine):
    """The same with patience."""


DeliveriesMachine.TestCase.settings = settings(
    max_examples=6, stateful_step_count=40, deadline=None
)
LongDeliveriesMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
TestDeliveriesMachine = DeliveriesMachine.TestCase
TestLongDeliveriesMachine = pytest.mark.faults(LongDeliveriesMachine.TestCase)
