"""A worker's part: claim a run, let its handler work, record what came of it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from . import claims
from .context import Deferred, JobContext
from .errors import JobFailed
from .grace import GraceWatch
from .handlers import JobHandler, find_handler
from .heartbeat import Heartbeat
from .isolation.messages import Order
from .isolation.parent import run_isolated
from .ledger import Ledger
from .models import RunInfo
from .outcomes import Outcome
from .protocol import texts

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = claims.LEASE.total_seconds() / 3


def perform(
    ledger: Ledger,
    run_id: int,
    *,
    worker: str,
    grace_seconds: float,
    abandon: Callable[[], object] | None,
    clock: Callable[[], datetime],
) -> RunInfo | None:
    """Execute the run if it is its turn; returns it as claimed, or None if nothing was done.

    Idempotent: of many calls for one run, at the same time or later, one executes it.

    :param abandon: ends the process when an ordinary handler has not returned for the grace
        after its run was stopped; None waits for it
    """
    taken = ledger.transact(
        lambda session: claims.claim(session, run_id, worker=worker, now=clock())
    )
    if taken is None:
        return None

    def renew() -> bool:
        return ledger.transact(lambda session: claims.renew(session, taken, now=clock()))

    with Heartbeat(renew, seconds=BEAT_SECONDS), _grace(ledger, taken, grace_seconds, abandon):
        outcome = _call_handler(taken, JobContext(taken, ledger), grace_seconds)
    ledger.transact(lambda session: _keep(session, taken, outcome, clock()))
    return taken


def _keep(session: Session, taken: RunInfo, outcome: Outcome, now: datetime) -> None:
    if outcome.is_deferred:
        claims.defer(session, taken, now=now)
    else:
        claims.complete(session, taken, code=outcome.code, message=outcome.message, now=now)


def _grace(
    ledger: Ledger, taken: RunInfo, seconds: float, abandon: Callable[[], object] | None
) -> AbstractContextManager[object]:
    handler = find_handler(taken.handler)
    if abandon is None or handler is None or handler.isolated:
        return nullcontext()  # an isolated handler's own process is ended instead

    def was_stopped() -> bool:
        with ledger.read() as session:
            return claims.was_stopped(session, taken)

    def give_up() -> None:
        logger.error("handler %s does not stop, run %s; ending", taken.handler, taken.run_id)
        abandon()

    return GraceWatch(was_stopped, give_up, grace_seconds=seconds)


def _call_handler(taken: RunInfo, context: JobContext, grace_seconds: float) -> Outcome:
    handler = find_handler(taken.handler)
    if handler is None:
        # The trigger was accepted by a process that knew it; this worker was started differently.
        return Outcome.failed(texts.unknown_handler(taken.handler))
    try:
        if handler.isolated:
            return run_isolated(
                _order(handler, taken),
                log=context.log,
                cancelled=context.cancelled,
                grace_seconds=grace_seconds,
            )
        message = handler.function(context)
    except JobFailed as failed:
        return Outcome.failed(str(failed))
    except Exception as error:
        logger.exception("handler %s failed in run %s", taken.handler, taken.run_id)
        return Outcome.failed(f"{type(error).__name__}: {error}")
    if isinstance(message, Deferred):
        return Outcome.deferred()
    return Outcome.succeeded(message or "")


def _order(handler: JobHandler, taken: RunInfo) -> Order:
    return Order(
        module=handler.function.__module__,
        handler=handler.name,
        path=tuple(sys.path),
        run_id=taken.run_id,
        job_id=taken.job_id,
        log_id=taken.log_id,
        params=taken.params,
        shard_index=taken.shard_index,
        shard_total=taken.shard_total,
    )
