"""What each call of an admin does: its body in, its answer out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .errors import TriggerRefused
from .handlers import find_handler
from .protocol import inbound, texts
from .protocol.dialects import Dialect
from .protocol.outbound import Answer, failure, success

if TYPE_CHECKING:
    from .service import Executor


@dataclass(frozen=True)
class Call:
    """What an admin sent."""

    body: bytes
    dialect: Dialect


def beat(_executor: Executor, _call: Call) -> Answer:
    """Alive; the body may be nothing at all or anything."""
    return success()


def idle_beat(executor: Executor, call: Call) -> Answer:
    """Whether the job has no run that is queued, running or deferred."""
    return tell_if_idle(executor, inbound.parse_job_id(call.body))


def tell_if_idle(executor: Executor, job_id: int) -> Answer:
    """The same for a job that is known."""
    return failure(texts.BUSY) if executor.is_busy(job_id) else success()


def run(executor: Executor, call: Call) -> Answer:
    """Accept a trigger."""
    return accept(executor, inbound.parse_trigger(call.body, call.dialect))


def accept(executor: Executor, trigger: inbound.Trigger) -> Answer:
    """Checks in Java's order; the run is on disk before the answer."""
    if trigger.glue_type != texts.BEAN:
        return failure(texts.refused_glue(trigger.glue_type))
    handler = find_handler(trigger.handler)
    if handler is None:
        return failure(texts.unknown_handler(trigger.handler))
    if trigger.log_id < 1:
        return failure(texts.bad_request("logId is missing"))
    try:
        executor.accept(trigger, handler)
    except TriggerRefused as refused:
        return failure(str(refused))
    return success()


def kill(executor: Executor, call: Call) -> Answer:
    """End all unfinished runs of the job; 200 also when there are none."""
    return kill_job(executor, inbound.parse_job_id(call.body))


def kill_job(executor: Executor, job_id: int) -> Answer:
    """The same for a job that is known."""
    if executor.kill(job_id):
        return success()
    # Admins up to 3.1 show msg, later ones the content.
    return Answer(texts.OK, texts.ALREADY_KILLED, texts.ALREADY_KILLED)


def log(executor: Executor, call: Call) -> Answer:
    """Lines of a run's log."""
    return success(executor.read_log(inbound.parse_log_query(call.body)).as_json())


CALLS: Final[dict[str, Callable[[Executor, Call], Answer]]] = {
    "beat": beat,
    "idleBeat": idle_beat,
    "run": run,
    "trigger": run,
    "kill": kill,
    "log": log,
}
