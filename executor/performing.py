"""A worker's part: claim a run, let its handler work, record what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from . import claims
from .context import Deferred, JobContext
from .errors import JobFailed
from .handlers import find_handler
from .heartbeat import Heartbeat
from .ledger import Ledger
from .models import RunInfo
from .protocol import texts

logger = logging.getLogger(__name__)

BEAT_SECONDS: Final = claims.LEASE.total_seconds() / 3


@dataclass(frozen=True)
class Outcome:
    """How a handler came back; a deferred run has no result yet."""

    code: int
    message: str
    is_deferred: bool = False


def perform(
    ledger: Ledger, run_id: int, *, worker: str, clock: Callable[[], datetime]
) -> RunInfo | None:
    """Execute the run if it is its turn; returns it as claimed, or None if nothing was done.

    Idempotent: of many calls for one run, at the same time or later, one executes it.
    """
    with ledger.begin() as session:
        taken = claims.claim(session, run_id, worker=worker, now=clock())
    if taken is None:
        return None

    def renew() -> bool:
        with ledger.begin() as session:
            return claims.renew(session, taken, now=clock())

    with Heartbeat(renew, seconds=BEAT_SECONDS):
        outcome = _call_handler(taken, JobContext(taken, ledger))
    with ledger.begin() as session:
        if outcome.is_deferred:
            claims.defer(session, taken, now=clock())
        else:
            claims.complete(session, taken, code=outcome.code, message=outcome.message, now=clock())
    return taken


def _call_handler(taken: RunInfo, context: JobContext) -> Outcome:
    handler = find_handler(taken.handler)
    if handler is None:
        # The trigger was accepted by a process that knew it; this worker was started differently.
        return Outcome(texts.FAIL, texts.unknown_handler(taken.handler))
    try:
        message = handler.function(context)
    except JobFailed as failed:
        return Outcome(texts.FAIL, str(failed))
    except Exception as error:
        logger.exception("handler %s failed in run %s", taken.handler, taken.run_id)
        return Outcome(texts.FAIL, f"{type(error).__name__}: {error}")
    if isinstance(message, Deferred):
        return Outcome(texts.OK, "", is_deferred=True)
    return Outcome(texts.OK, message or "")
