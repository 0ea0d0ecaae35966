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
from dataclasses import dataclass
from types import TracebackType

from portal.errors import SyncError
from portal.sync.checks.child import KILLED, InspectorChild
from portal.sync.checks.inspection import Inspection, InspectionJob

_log = logging.getLogger(__name__)

#: Seconds a new child may take until it can work; generous, as no file is to blame for it.
_START_SECONDS = 60.0
#: A file that computed for less than this share of its time was kept waiting: by a machine that
#: is busy otherwise, or a disk that stalls.
_BUSY_SHARE = 0.1
#: Files that a child is given at once.
_MOST_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class _Task:
    """A file to check.

    :ivar alone: whether it is not to be given together with others
    :ivar again: whether this is its second try
    :ivar until: monotonic seconds by which a second try must have ended, start of a child included
    :ivar reason: how the first try ended, to be said if the second one brings no result
    """

    job: InspectionJob
    alone: bool = False
    again: bool = False
    until: float | None = None
    reason: SyncError | None = None


class InspectorPool:
    """Checks files in up to ``size`` children, each file within ``seconds``.

    Children are started by :meth:`prepare` or when there is work for them, serve many files, and
    are replaced when they die or run out of time. The clock of a file starts when a child takes
    it, not while it queues.
    Those that wait are given a few at a time, as most take less than their way there and back.
    A file is never judged by what another one did to the child they shared: when a child ends
    with several in its hand, each is tried alone; when it dies, or has no memory left, and had
    other files before, the file in its hand is tried in a fresh one, within the time that is left
    to it.
    """

    def __init__(self, size: int, seconds: float = 4.5) -> None:
        self._size = size
        self._seconds = seconds
        self._children: dict[int, InspectorChild] = {}
        self._tasks: dict[int, list[_Task]] = {}
        self._queue: deque[_Task] = deque()
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

    def prepare(self) -> None:
        """Start the children now: the first file need not wait for one. Waits for nothing."""
        for _ in range(self._size - len(self._children)):
            self._start(time.monotonic())

    @property
    def waiting(self) -> int:
        """Files submitted whose results were not collected yet."""
        in_hand = sum(map(len, self._tasks.values()))
        return len(self._queue) + in_hand + len(self._results)

    def fileno(self) -> int:
        """An epoll descriptor, readable when :meth:`collect` may have something to do."""
        return self._epoll.fileno()

    def submit(self, job: InspectionJob) -> None:
        """Queue a file; it is handed over at once if a child is free. Never waits for a child."""
        self._queue.append(_Task(job))
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
                self._end_overdue(child)
        self._give_up_overdue(now)
        self._hand_over(now)
        results, self._results = self._results, []
        return results

    def next_deadline(self) -> float | None:
        """When :meth:`collect` must be called at the latest, monotonic seconds; None if idle."""
        if self._results:
            return time.monotonic()
        deadlines = [child.deadline for child in self._children.values()]
        deadlines += [task.until for task in self._queue]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def close(self) -> None:
        """Kill the children; files not collected are forgotten."""
        for child in self._children.values():
            child.end()
        self._children.clear()
        self._tasks.clear()
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
        tasks = self._tasks.pop(child.fileno(), None)
        if tasks is None:
            child.ready = True
        else:
            results = message["results"]
            self._queue.extendleft(reversed(tasks[len(results) :]))
            for task, result in zip(tasks, results, strict=False):
                self._take(task, child, Inspection.of(task.job, result))
        child.busy, child.deadline = False, None
        for trace in message.get("traces", ()):
            _log.error("unexpected error while checking a file:\n%s", trace)
        if message.get("last"):
            self._retire(child)

    def _take(self, task: _Task, child: InspectorChild, result: Inspection) -> None:
        """Keep a result, unless files before may be to blame for it."""
        if not (
            result.error is not None
            and result.is_out_of_memory
            and self._repeat(task, child, result.error)
        ):
            self._results.append(result)

    def _repeat(self, task: _Task, child: InspectorChild, reason: SyncError) -> bool:
        """Queue a file once more, if that may help; the time of one killed from outside is new."""
        killed = not reason.permanent
        if task.again or not (killed or child.had_others):
            return False
        until = None if killed else child.deadline
        self._queue.appendleft(_Task(task.job, alone=True, again=True, until=until, reason=reason))
        return True

    def _give_up_overdue(self, now: float) -> None:
        """Answer for files whose second try could not begin in time."""
        for task in [task for task in self._queue if task.until is not None and task.until <= now]:
            self._queue.remove(task)
            if task.reason is not None:
                self._fail(task.job, task.reason)

    def _end_overdue(self, child: InspectorChild) -> None:
        """A file that computed all the time is hostile; one that was kept waiting is not."""
        task = self._one_in_hand(child)
        if task is not None:
            error = SyncError("FILE_HOSTILE", detail=f"{self._seconds:g} s")
            if child.computed < self._seconds * _BUSY_SHARE:
                detail = f"the check was kept waiting, {self._seconds:g} s"
                error = SyncError("INTERNAL", detail=detail)
            self._fail(task.job, task.reason or error)
        self._retire(child)

    def _retire(self, child: InspectorChild) -> None:
        """Remove a child; the file in its hand is tried again or answered for.

        It is not to blame for a child that was killed from outside, twice: INTERNAL is tried again
        later.

        A child that dies before it was ever ready says that the installation is broken, not the
        file: one file is given back as INTERNAL, which is tried again later.
        """
        task = self._one_in_hand(child)
        self._epoll.unregister(child)
        del self._children[child.fileno()]
        how = child.end()
        if task is not None:
            error = SyncError("INTERNAL" if how == KILLED else "FILE_HOSTILE", detail=how)
            if not self._repeat(task, child, error):
                self._fail(task.job, error)
        elif not child.ready and self._queue:
            error = SyncError("INTERNAL", detail=f"the inspector does not start: {how}")
            self._fail(self._queue.popleft().job, error)

    def _one_in_hand(self, child: InspectorChild) -> _Task | None:
        """The file a child that ends has in its hand; of several each gets its turn alone."""
        tasks = self._tasks.pop(child.fileno(), [])
        if len(tasks) == 1:
            return tasks[0]
        self._queue.extendleft(_Task(task.job, alone=True) for task in reversed(tasks))
        return None

    def _hand_over(self, now: float) -> None:
        """Give queued files to idle children, starting children as far as they are wanted."""
        for child in [child for child in self._children.values() if child.idle]:
            if not self._queue:
                return
            tasks = self._next_tasks()
            try:
                child.give([task.job for task in tasks], tasks[0].until or now + self._seconds)
            except BrokenPipeError:
                self._queue.extendleft(reversed(tasks))
                self._retire(child)
            else:
                self._tasks[child.fileno()] = tasks
        starting = sum(not child.ready for child in self._children.values())
        wanted = min(len(self._queue) - starting, self._size - len(self._children))
        for _ in range(wanted):
            self._start(now)

    def _next_tasks(self) -> list[_Task]:
        """Taken from the queue: the first one, and those behind it that may go with it."""
        most = min(_MOST_TOGETHER, len(self._queue) // self._size)
        tasks = [self._queue.popleft()]
        while not tasks[0].alone and self._queue and len(tasks) < most:
            following = self._queue[0]
            if following.alone or following.job.rules != tasks[0].job.rules:
                break
            tasks.append(self._queue.popleft())
        return tasks

    def _start(self, now: float) -> None:
        try:
            child = InspectorChild(now + _START_SECONDS)
        except OSError as error:
            # With other children alive the file just waits for one of them.
            if self._queue and not self._children:
                detail = f"the inspector does not start: {error.strerror}"
                self._fail(self._queue.popleft().job, SyncError("INTERNAL", detail=detail))
            return
        self._children[child.fileno()] = child
        self._epoll.register(child, select.EPOLLIN)

    def _fail(self, job: InspectionJob, error: SyncError) -> None:
        self._results.append(Inspection(job.id, None, error))
