"""A worker that only notes what it is told to look at."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from portal.tasks.queue import WorkQueue

Word = tuple[str, int]


class Taker:
    """What a consumer took, in its order."""

    def __init__(self) -> None:
        self.taken: list[Word] = []
        self._news = threading.Condition()

    def note(self, word: str, number: int) -> None:
        with self._news:
            self.taken.append((word, number))
            self._news.notify_all()

    def until(self, count: int, seconds: float = 30.0) -> list[Word]:
        """Wait until so many were taken; all that were."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.taken) >= count, seconds), self.taken
            return list(self.taken)


@contextmanager
def taking(url: str) -> Iterator[Taker]:
    """A worker on the queue while the block lasts."""
    queue, taker = WorkQueue(url), Taker()
    consumer = queue.serve(
        on_start=lambda: None,
        on_batch=lambda number: taker.note("batch", number),
        on_run=lambda number: taker.note("run", number),
        on_audit=lambda number: taker.note("audit", number),
    )
    handlers = {number: signal.getsignal(number) for number in (1, 2, 15)}
    try:
        consumer.start()
        yield taker
    finally:
        consumer.stop(graceful=True)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        queue.close()
