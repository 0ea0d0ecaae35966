"""对账 for whoever asked for it on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import OperationalError

from portal.chores.desk import Desk, Stopping
from portal.errors import SyncError
from portal.models import DataSource, ReconciliationState, utc_now
from portal.services import reconciliations
from portal.services.chores import ChoreLost
from portal.services.opening import open_source
from portal.services.reconciling import Reconciler
from portal.services.source_reading import PatientSource


def perform(desk: Desk) -> Mapping[str, Any]:
    """Reconcile; begun anew, it forgets what an earlier attempt found, but for months re-read."""
    run_id = int(desk.params["reconciliation"])
    try:
        return _reconcile(desk, run_id)
    except (Stopping, OperationalError):
        raise  # it is begun anew
    except ChoreLost:
        _stop_if_cancelled(desk, run_id)
        raise
    except Exception as error:
        code = error.code if isinstance(error, SyncError) else "INTERNAL"
        params = error.params if isinstance(error, SyncError) else {"detail": type(error).__name__}
        with desk.portal.ledger.write() as session:
            reconciliations.stop(
                session,
                run_id,
                ReconciliationState.FAILED,
                now=utc_now(),
                code=code,
                params=params,
            )
        raise


def _reconcile(desk: Desk, run_id: int) -> Mapping[str, Any]:
    portal = desk.portal
    with portal.ledger.read() as session:
        run = reconciliations.find(session, run_id)
        source = session.get_one(DataSource, run.data_source_id)
    opened = open_source(source, portal.box, portal.settings.home)
    owner = f"{desk.clerk}.{desk.chore_id}"
    try:
        reading = PatientSource(
            portal.ledger,
            opened.source,
            source.id,
            owner=owner,
            breathe=lambda: desk.progress(0),
        )
        run = Reconciler(
            portal.ledger,
            portal.archive,
            run_id,
            count=reading.count,
            page=reading.page,
            runner=f"{owner}.{desk.attempt}",
            zone=portal.settings.timezone,
            progress=desk.progress,
        ).run()
    finally:
        opened.close()
    return {"months": run.months, "unbalanced": run.unbalanced, "defects": run.defects}


def _stop_if_cancelled(desk: Desk, run_id: int) -> None:
    """Say of the reconciliation what a person said of its chore."""
    with desk.portal.ledger.write() as session:
        if reconciliations.is_cancelled(session, desk.chore_id):
            reconciliations.stop(session, run_id, ReconciliationState.CANCELLED, now=utc_now())
