from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.sync.throttle.level import (
    FIRST_WINDOW,
    LARGEST_WINDOW,
    SMALLEST_RATE,
    SMALLEST_WINDOW,
    Caps,
    Level,
    Reason,
    Report,
    adjusted,
    shared,
)
from tests.portal.sync.throttle.simulation import START, Source, Workers, allow

PATIENCE = 60.0
REPORTS = st.builds(
    Report,
    seconds=st.floats(0.1, 3),
    answered=st.integers(0, 500),
    throttled=st.integers(0, 50),
    retry_after=st.floats(0, 3600),
    failed=st.integers(0, 50),
    first_byte=st.none() | st.floats(0.0001, 60),
    wanted_rate=st.booleans(),
    wanted_window=st.booleans(),
)


@pytest.mark.parametrize("retry_after", [None, 1.0, 2.0])
@pytest.mark.parametrize("workers", [1, 2])
def test_it_settles_near_what_the_source_allows_whatever_that_changes_to(
    workers: int, retry_after: float | None
) -> None:
    """In the minute after the one it has to settle: 80 % used, under 1 % refused."""
    some = Workers(Source(20, retry_after), workers=workers)
    for allowed in (20, 5, 50, 20, 5):
        allow(some, allowed)
        began = some.now
        some.run(2 * PATIENCE)
        used, refused = some.between(began + PATIENCE, began + 2 * PATIENCE)
        assert used >= 0.8 * allowed, f"{used:.1f} of {allowed} a second"
        assert refused < 0.01, f"{refused:.2%} refused at {allowed} a second"


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_cap_on_the_rate_is_kept_in_every_ten_seconds(workers: int) -> None:
    some = Workers(Source(1000), workers=workers, caps=Caps(rate=8))
    some.run(60)
    for first in range(50):
        served, _ = some.between(START + first, START + first + 10)
        assert served <= 8 * 1.05
    assert some.between(START + 10, START + 60)[0] >= 8 * 0.9


def test_a_cap_on_requests_at_once_is_kept_and_shared() -> None:
    level = Level(window=32).capped(Caps(window=5))
    shares = [shared(level, place=n, users=3, bandwidth=900.0, pause=0) for n in range(3)]
    assert [share.window for share in shares] == [2, 2, 1]
    assert [share.bandwidth for share in shares] == [300.0] * 3
    many = [shared(level, place=n, users=8, bandwidth=None, pause=0).window for n in range(8)]
    assert sum(many) == 5


def test_who_is_never_limited_has_no_rate() -> None:
    level = Level()
    for second in range(100):
        level = adjusted(level, Report(1.0, answered=3000, wanted_window=True), float(second + 1))
    assert (level.rate, level.reason, level.window) == (None, None, LARGEST_WINDOW)


def test_failures_narrow_the_window_and_health_widens_it_again() -> None:
    level, clock = Level(), itertools.count(100.0)
    for _ in range(30):
        level = adjusted(level, Report(1.0, answered=5, failed=5), next(clock))
    assert (level.window, level.reason) == (SMALLEST_WINDOW, Reason.ERRORS)
    since = level.since
    assert since == 100.0
    while level.reason is not None:
        level = adjusted(level, Report(1.0, answered=50, wanted_window=True), next(clock))
    assert level.window == FIRST_WINDOW


def test_slowness_narrows_the_window() -> None:
    level, clock = Level(), itertools.count(100.0)
    level = adjusted(level, Report(1.0, answered=50, first_byte=0.04), next(clock))
    for _ in range(5):
        level = adjusted(level, Report(1.0, answered=50, first_byte=2.0), next(clock))
    assert (level.reason, level.window < FIRST_WINDOW) == (Reason.SLOW, True)


def test_the_wait_asked_for_is_kept() -> None:
    level = adjusted(Level(), Report(1.0, answered=9, throttled=1, retry_after=30.0), 1000.0)
    assert (level.paused_until, level.reason, level.since) == (1030.0, Reason.THROTTLED, 1000.0)


@pytest.mark.parametrize("hours", [2, -2])
def test_a_clock_that_was_moved_does_not_stop_it(hours: int) -> None:
    some = Workers(Source(20))
    some.run(60)
    moved = some.now + hours * 3600
    level = adjusted(some.level, Report(1.0, answered=18, wanted_rate=True), moved)
    assert level.paused_until <= moved + 60
    assert level.raise_at <= moved + 60
    some.level, some.now, some.source.refilled_at = level, moved, moved
    for pace in some.paces:
        pace.apply(some.share(0))
    some.run(60)
    assert some.between(moved + 5, moved + 60)[0] >= 0.8 * 20


@given(st.lists(st.tuples(REPORTS, st.floats(-8000, 100)), max_size=40))
def test_it_stays_within_its_bounds_and_survives_the_ledger(
    reports: list[tuple[Report, float]],
) -> None:
    level, now = Level(), 1_000_000.0
    for report, seconds in reports:
        now += seconds
        level = adjusted(level, report, now)
        assert SMALLEST_WINDOW <= level.window <= LARGEST_WINDOW
        assert level.rate is None or level.rate >= SMALLEST_RATE
        assert (level.reason is None) == (level.since is None)
        assert Level.from_json(json.loads(json.dumps(level.as_json()))) == level


def test_a_limit_that_is_gone_is_forgotten() -> None:
    """A source that no longer limits is used as fully as one that never did."""
    some = Workers(Source(20, latency=1.0))
    some.run(60)
    assert some.level.reason is Reason.THROTTLED
    allow(some, 100_000)
    some.run(300)
    after = some.level
    assert (after.rate, after.reason) == (None, None)


def test_a_full_window_raises_no_rate() -> None:
    level = adjusted(Level(), Report(1.0, answered=20, throttled=1), 1000.0)
    rate = level.rate
    for second in range(100):
        report = Report(1.0, answered=17, wanted_window=True)
        level = adjusted(level, report, 1001.0 + second)
        assert level.rate in (rate, None)
