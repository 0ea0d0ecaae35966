"""A few inspector children that check files beside an event loop.

The pool belongs to one thread, which must live as long as the pool (children die with the thread
that started them). The loop registers :meth:`InspectorPool.fileno` for reading, sleeps no longer
than :meth:`InspectorPool.next_deadline`, and calls :meth:`InspectorPool.collect` when it wakes.
"""

from __future__ import annotations

import logging
import select
import time
from collections import deque
from types import TracebackType

from portal.errors import SyncError
from portal.sync.checks.child import KILLED, InspectorChild
from portal.sync.checks.inspection import Inspection, InspectionJob

_log = logging.getLogger(__name__)

#: Seconds a new child may take until it can work; generous, as no file is to blame for it.
_START_SECONDS = 60.0


class InspectorPool:
    """Checks files in up to ``size`` children, each file within ``seconds``.

    Children are started when there is work for them, serve many files, and are replaced when they
    die or run out of time. The clock of a file starts when a child takes it, not while it queues.
    """

    def __init__(self, size: int, seconds: float = 5.0) -> None:
        self._size = size
        self._seconds = seconds
        self._children: dict[int, InspectorChild] = {}
        self._queue: deque[InspectionJob] = deque()
        self._results: list[Inspection] = []
        self._epoll = select.epoll()

    def __enter__(self) -> InspectorPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def waiting(self) -> int:
        """Files submitted whose results were not collected yet."""
        in_hand = sum(child.job is not None for child in self._children.values())
        return len(self._queue) + in_hand + len(self._results)

    def fileno(self) -> int:
        """An epoll descriptor, readable when :meth:`collect` may have something to do."""
        return self._epoll.fileno()

    def submit(self, job: InspectionJob) -> None:
        """Queue a file; it is handed over at once if a child is free. Never waits for a child."""
        self._queue.append(job)
        self._hand_over(time.monotonic())

    def collect(self, now: float | None = None) -> list[Inspection]:
        """Take the results there are, without waiting, and replace children that failed.

        :param now: monotonic seconds, to judge who is over time
        """
        for descriptor, _ in self._epoll.poll(0):
            self._listen(self._children[descriptor])
        now = time.monotonic() if now is None else now
        for child in list(self._children.values()):
            if child.deadline is not None and child.deadline <= now:
                self._retire(child, f"{self._seconds:g} s")
        self._hand_over(now)
        results, self._results = self._results, []
        return results

    def next_deadline(self) -> float | None:
        """When :meth:`collect` must be called at the latest, monotonic seconds; None if idle."""
        if self._results:
            return time.monotonic()
        deadlines = [child.deadline for child in self._children.values()]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def close(self) -> None:
        """Kill the children; files not collected are forgotten."""
        for child in self._children.values():
            child.end()
        self._children.clear()
        self._queue.clear()
        self._results.clear()
        self._epoll.close()

    def _listen(self, child: InspectorChild) -> None:
        try:
            message = child.hear()
        except EOFError:
            self._retire(child)
            return
        if message is None:
            return
        if child.job is None:
            child.ready = True
        else:
            self._results.append(Inspection.from_mapping({**message, "id": child.job.id}))
        child.job = child.deadline = None
        if message.get("trace"):
            _log.error("unexpected error while checking a file:\n%s", message["trace"])
        if message.get("last"):
            self._retire(child)

    def _retire(self, child: InspectorChild, detail: str | None = None) -> None:
        """Remove a child that failed; the file in its hand is answered for.

        It is not to blame for a child that was killed from outside: INTERNAL is tried again.

        A child that dies before it was ever ready says that the installation is broken, not the
        file: one file is given back as INTERNAL, which is tried again later.
        """
        self._epoll.unregister(child)
        del self._children[child.fileno()]
        how = child.end()
        if child.job is not None:
            code = "INTERNAL" if detail is None and how == KILLED else "FILE_HOSTILE"
            self._fail(child.job, SyncError(code, detail=detail or how))
        elif not child.ready and self._queue:
            error = SyncError("INTERNAL", detail=f"the inspector does not start: {how}")
            self._fail(self._queue.popleft(), error)

    def _hand_over(self, now: float) -> None:
        """Give queued files to idle children, starting children as far as they are wanted."""
        for child in [child for child in self._children.values() if child.idle]:
            if not self._queue:
                return
            try:
                child.give(self._queue[0], now + self._seconds)
            except BrokenPipeError:
                self._retire(child)
            else:
                self._queue.popleft()
        starting = sum(not child.ready for child in self._children.values())
        wanted = min(len(self._queue) - starting, self._size - len(self._children))
        for _ in range(wanted):
            self._start(now)

    def _start(self, now: float) -> None:
        try:
            child = InspectorChild(now + _START_SECONDS)
        except OSError as error:
            # With other children alive the file just waits for one of them.
            if not self._children:
                detail = f"the inspector does not start: {error.strerror}"
                self._fail(self._queue.popleft(), SyncError("INTERNAL", detail=detail))
            return
        self._children[child.fileno()] = child
        self._epoll.register(child, select.EPOLLIN)

    def _fail(self, job: InspectionJob, error: SyncError) -> None:
        self._results.append(Inspection(job.id, None, error))
