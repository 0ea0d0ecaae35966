"""How often a login may be tried, in virtual time and against any number of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from portal.services.login_pace import (
    CEILING,
    FORGOTTEN,
    FREE_ADDRESS,
    FREE_HERE,
    FREE_NAME,
    Count,
    Standing,
    decide,
    delay,
)

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ADDRESSES = ("a", "b", "c", "d")
NAMES = ("admin", "li", "nobody")


@dataclass
class Door:
    """What the ledger keeps, and a clock that is moved by hand."""

    now: datetime = BEGAN
    counts: dict[tuple[str, str], Count | None] = field(default_factory=dict)

    def tries(self, name: str, address: str) -> timedelta:
        """Try a wrong password; the wait it is refused with, none when it was compared."""
        keys = ((name, address), (name, ""), ("", address))
        decision = decide(Standing(*(self.counts.get(key) for key in keys)), self.now)
        then = decision.then
        self.counts.update(zip(keys, (then.here, then.name, then.address), strict=True))
        return decision.wait


attempts = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(ADDRESSES),
        st.floats(0, 40, allow_nan=False).map(lambda seconds: timedelta(seconds=seconds)),
    ),
    max_size=120,
)


@given(attempts, attempts)
def test_whoever_comes_from_another_address_has_a_try_after_one_ceiling(
    before: Sequence[tuple[str, str, timedelta]], meanwhile: Sequence[tuple[str, str, timedelta]]
) -> None:
    door = Door()
    for name, address, pause in before:
        door.now += pause
        door.tries(name, address)
    wait = door.tries("admin", "home")
    assert wait <= CEILING
    if not wait:
        return
    comes_again = door.now + wait
    for name, address, pause in meanwhile:
        if door.now + pause < comes_again:
            door.now += pause
            door.tries(name, address)
    door.now = comes_again
    assert not door.tries("admin", "home")


@given(attempts)
def test_nobody_waits_longer_than_the_ceiling(tried: Sequence[tuple[str, str, timedelta]]) -> None:
    door = Door()
    for name, address, pause in tried:
        door.now += pause
        assert door.tries(name, address) <= CEILING


@given(st.integers(1, 5), st.floats(0.01, 20), st.integers(50, 400))
def test_one_address_guesses_no_faster_than_the_pace(
    names: int, pause: float, attempts: int
) -> None:
    door = Door()
    compared: list[datetime] = []
    for number in range(attempts):
        door.now += timedelta(seconds=pause)
        if not door.tries(f"name {number % names}", "a"):
            compared.append(door.now)
    # Behind what is free the next try is a wait later, which grows to the ceiling.
    for number, (one, other) in enumerate(pairwise(compared), start=1):
        assert other - one >= delay(number, FREE_ADDRESS)
    growing = 6
    most = FREE_ADDRESS + growing + (door.now - BEGAN) / CEILING
    assert len(compared) <= most


def test_a_name_is_guessed_from_each_address_once_a_ceiling_at_most() -> None:
    door = Door()
    compared = dict.fromkeys(ADDRESSES, 0)
    for _second in range(3600):
        door.now += timedelta(seconds=1)
        for address in ADDRESSES:
            compared[address] += not door.tries("admin", address)
    for count in compared.values():
        assert count <= FREE_HERE + 6 + timedelta(hours=1) / CEILING


def test_tries_that_come_at_the_same_moment_count_each() -> None:
    door = Door()
    assert sum(not door.tries("admin", "a") for _ in range(100)) == FREE_HERE
    door = Door()
    assert sum(not door.tries(f"name {n}", "a") for n in range(100)) == FREE_ADDRESS
    door = Door()
    assert sum(not door.tries("admin", f"address {n}") for n in range(100)) == FREE_NAME


def test_what_was_long_ago_is_forgotten() -> None:
    door = Door()
    for _ in range(FREE_HERE):
        assert not door.tries("admin", "a")
    assert door.tries("admin", "a") == timedelta(seconds=1)
    door.now += FORGOTTEN + timedelta(seconds=1)
    assert sum(not door.tries("admin", "a") for _ in range(100)) == FREE_HERE


def test_a_clock_that_was_put_back_shuts_nobody_out() -> None:
    for back in (timedelta(minutes=1), timedelta(hours=1), timedelta(days=400)):
        door = Door()
        for _ in range(40):
            door.tries("admin", "a")
        door.now -= back
        wait = door.tries("admin", "a")
        assert wait <= CEILING
        door.now += CEILING
        assert not door.tries("admin", "a")
