from __future__ import annotations

from collections.abc import Callable

from portal.sync.throttle.bandwidth import ByteBudget


def budget_and_clock() -> tuple[ByteBudget, Callable[[float], None]]:
    now = [0.0]

    def advance(seconds: float) -> None:
        now[0] += seconds

    return ByteBudget(lambda: now[0]), advance


def test_no_limit_never_waits() -> None:
    budget, _ = budget_and_clock()
    budget.spend(10**12)
    assert budget.wait_seconds() == 0


def test_what_was_received_too_much_is_waited_for() -> None:
    budget, advance = budget_and_clock()
    budget.set_rate(1000)
    budget.spend(500)
    assert budget.wait_seconds() == 0.5
    advance(0.25)
    assert budget.wait_seconds() == 0.25
    advance(0.25)
    assert budget.wait_seconds() == 0


def test_a_rest_is_not_saved_up() -> None:
    budget, advance = budget_and_clock()
    budget.set_rate(1000)
    advance(3600)
    budget.spend(1250)
    assert budget.wait_seconds() == 1.0


def test_over_time_the_cap_is_kept() -> None:
    budget, advance = budget_and_clock()
    budget.set_rate(100_000)
    received = 0
    for _ in range(10_000):  # ten seconds
        if not budget.wait_seconds():
            budget.spend(16_384)
            received += 16_384
        advance(0.001)
    assert 0.95 * 1_000_000 <= received <= 1.05 * 1_000_000


def test_a_limit_taken_away_frees_at_once() -> None:
    budget, _ = budget_and_clock()
    budget.set_rate(10)
    budget.spend(1000)
    budget.set_rate(None)
    assert budget.wait_seconds() == 0
