"""What the soak calls flat, growing with the work, and growing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.soak.judging import judge
from tests.soak.samples import Sample


def judged(name: str, value: Callable[[int], float], every: float = 60.0) -> bool:
    samples = [Sample(every * n, n // 2, {name: value(n)}) for n in range(100)]
    (verdict,) = judge(samples, warm_up=20 * every)
    return verdict.is_flat


def test_noise_and_single_peaks_are_flat() -> None:
    chance = random.Random(1)
    noise = [100 + chance.uniform(-3, 3) for _ in range(100)]
    assert judged("web.memory_mb", lambda n: noise[n])
    assert judged("web.memory_mb", lambda n: 500 if n in (40, 80) else noise[n])
    assert judged("worker.descriptors", lambda n: 30 + n % 8)


def test_what_grows_before_the_warm_up_is_over_does_not_count() -> None:
    assert judged("web.memory_mb", lambda n: 5.0 * min(n, 20))


@pytest.mark.parametrize(
    ("name", "each"),
    [("web.memory_mb", 0.2), ("worker.descriptors", 0.1), ("agent.threads", 0.05)],
)
def test_a_slow_leak_is_found(name: str, each: float) -> None:
    chance = random.Random(2)
    noise = [chance.uniform(-1, 1) for _ in range(100)]
    assert not judged(name, lambda n: 20 + each * n + noise[n] * each)


def test_in_minutes_kept_connections_may_fill_and_a_fast_leak_is_found() -> None:
    assert judged("worker.descriptors", lambda n: 50 + n / 8, every=3.0)
    assert not judged("worker.descriptors", lambda n: 50 + n / 2, every=3.0)


def test_tables_grow_with_the_rounds_but_not_faster_and_faster() -> None:
    assert judged("rows.audit_events", lambda n: 40.0 * (n // 2))
    assert not judged("rows.audit_events", lambda n: float(n * n))
    assert judged("ledger.kb", lambda n: 4096.0 * (n // 4))


def test_a_table_that_keeps_nothing_for_what_was_done_must_not_grow() -> None:
    assert not judged("rows.process_beats", lambda n: n / 5)
    assert judged("rows.process_beats", lambda n: 6.0 + n % 2)


def test_too_few_samples_are_no_proof() -> None:
    with pytest.raises(ValueError, match="only 1 samples"):
        judge([Sample(float(n), n, {}) for n in range(9)], warm_up=8.0)
