"""What an admin calls is answered, and done once, whatever statement the connection dies at."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from executor.models import ExecutorRun
from tests.portal.broken_connections import killed_at
from tests.portal.jobs.job_rig import JobRig


def test_a_trigger_is_accepted_once(rig: JobRig) -> None:
    ledger = rig.portal.ledger
    if ledger._reading.dialect.name == "sqlite":
        pytest.skip("no server is there that could end a connection")
    log_id, reached = 0, True
    while reached:
        log_id += 1
        with killed_at(ledger._reading, log_id) as seen:
            rig.trigger(log_id, {"batch": "none"})  # which refuses any answer but 200
            reached = len(seen) >= log_id
        with ledger.read() as session:
            runs = select(func.count()).where(ExecutorRun.log_id == log_id)
            assert session.scalar(runs) == 1
        rig.call("kill", {"jobId": 7})
    assert log_id > 3
