from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.sync.crawling import LEAST_SPEED, SpeedWatch

SPAN = 30


class Line:
    """Downloads by key at so many bytes a second, and a clock that goes with them."""

    def __init__(self, **speeds: float) -> None:
        self.now = 500.0
        self.speeds = {int(key[1:]): speed for key, speed in speeds.items()}
        self.received = dict.fromkeys(self.speeds, 0.0)
        self.ended: dict[int, float] = {}
        self.pace = SpeedWatch(SPAN, lambda: self.now)

    def run(self, seconds: int, speed_of: Callable[[int], float] | None = None) -> None:
        """Let time pass; what is too slow ends."""
        for _ in range(seconds):
            self.now += 1
            for key in self.received:
                speed = self.speeds[key] if speed_of is None else speed_of(key)
                self.received[key] += speed
            assert self.pace.is_due()
            for slow in self.pace.look({key: int(got) for key, got in self.received.items()}):
                self.ended[slow.key] = slow.received / slow.seconds
                del self.received[slow.key]


def test_a_drip_ends_within_two_spans_whatever_came_before() -> None:
    line = Line(d1=1e6, d2=2)
    line.run(2 * SPAN)
    assert line.ended == {2: pytest.approx(2, abs=0.1)}
    line.speeds[1] = 2
    line.run(2 * SPAN)
    assert list(line.ended) == [2, 1]


def test_many_drips_are_no_slow_line() -> None:
    line = Line(**{f"d{key}": 3 for key in range(32)})
    line.run(2 * SPAN)
    assert len(line.ended) == 32


def test_what_is_fast_enough_goes_on() -> None:
    line = Line(d1=LEAST_SPEED, d2=10 * LEAST_SPEED)
    line.run(20 * SPAN)
    assert line.ended == {}


def test_files_that_share_a_slow_line_fairly_go_on() -> None:
    line = Line(**{f"d{key}": 250 for key in range(32)})
    line.run(20 * SPAN)
    assert line.ended == {}


def test_a_drip_among_files_that_share_a_slow_line_ends() -> None:
    line = Line(d99=5, **{f"d{key}": 250 for key in range(32)})
    line.run(2 * SPAN)
    assert list(line.ended) == [99]


def test_a_source_that_thinks_for_long_before_the_first_byte_is_given_its_time() -> None:
    line = Line(d1=0)
    line.run(10 * SPAN)
    line.speeds[1] = 2 * LEAST_SPEED
    line.run(10 * SPAN)
    assert line.ended == {}


def test_what_gets_nothing_at_all_is_left_to_the_stall_check() -> None:
    line = Line(d1=5000)
    line.run(1)
    line.speeds[1] = 0
    line.run(10 * SPAN)
    assert line.ended == {}


def test_the_time_of_a_file_is_bounded_by_its_size_however_it_comes() -> None:
    line = Line(d1=0)
    # A burst of 6 KB every 29 seconds is a fifth of the least speed.
    line.run(4 * SPAN, lambda _: 6000 if int(line.now) % 29 == 0 else 0)
    assert list(line.ended) == [1]


def test_it_looks_once_a_second() -> None:
    line = Line(d1=5)
    line.run(1)
    assert not line.pace.is_due()
