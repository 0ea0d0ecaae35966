"""Job runs in the 操作日志, and the trail's anchor in the log of every DataSyncTask run."""

from __future__ import annotations

from sqlalchemy.orm import Session

from executor import RunInfo
from executor.logs import append
from executor.observing import Moment
from portal.jobs.data_sync import ACTOR
from portal.models import utc_now
from portal.services import audit
from portal.services.sealing import newest_anchor

_HANDLER = "DataSyncTask"
_LONGEST_REASON = 255


def record_run(session: Session, run: RunInfo, moment: Moment) -> None:
    """Write the acceptance or the end of a run into the trail, in the same transaction.

    When a run of DataSyncTask ends, the newest anchor goes into its log, which the admin shows
    and somebody may keep: whoever later cuts the trail cannot reach that copy.
    """
    now = (run.ended_at if moment == "ended" else run.queued_at) or utc_now()
    audit.record(
        session,
        "job.accept" if moment == "accepted" else "job.end",
        by=ACTOR,
        at=now,
        new=run.status,
        reason=(run.message or None) and str(run.message)[:_LONGEST_REASON],
        detail={"handler": run.handler, "job_id": run.job_id, "log_id": run.log_id}
        | ({} if run.code is None else {"code": run.code})
        | ({"params": run.params[:_LONGEST_REASON]} if run.params else {}),
    )
    if moment == "ended" and run.handler == _HANDLER:
        anchor = newest_anchor(session)
        if anchor is not None:
            append(session, run.run_id, f"操作日志锚点 audit anchor: {anchor}", now=now)
