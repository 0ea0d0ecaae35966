"""The figures a monitor reads."""

from __future__ import annotations

import re

from tests.executor.executor_rig import ADDRESS, Database, Rig
from tests.executor.fake_admin import FakeAdmin

LINE = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)*\})? (\+Inf|[0-9.]+)')


def figures(rig: Rig) -> dict[str, float]:
    """Parsed as strictly as Prometheus does it."""
    text = rig.executor.metrics()
    assert text.endswith("\n")
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in samples), text
    parsed = [line.rpartition(" ") for line in samples]
    assert len({name for name, _, _ in parsed}) == len(parsed)
    return {name: float(value) for name, _, value in parsed}


def test_figures_follow_the_runs(database: Database) -> None:
    with FakeAdmin() as admin:
        rig = Rig(database, admin_addresses=(admin.address, 'http://"x"\\'))
        assert figures(rig)["xxl_job_queue_length"] == 0
        rig.run(1)
        rig.run(2, jobId=8, executorHandler="fail")
        rig.work()
        rig.run(3, jobId=9, executorHandler="deferring")
        rig.work()
        rig.run(4, jobId=9, executorHandler="deferring")
        rig.advance(10)
        rig.call("kill", {"jobId": 9})
        rig.run(5)
        rig.advance(5)
        seen = figures(rig)
        assert seen['xxl_job_runs{state="succeeded",cause="handler"}'] == 1
        assert seen['xxl_job_runs{state="failed",cause="handler"}'] == 1
        assert seen['xxl_job_runs{state="killed",cause="kill"}'] == 2
        assert seen['xxl_job_runs{state="queued",cause=""}'] == 1
        assert seen["xxl_job_queue_length"] == 1
        assert seen["xxl_job_queue_age_seconds"] == 5
        assert seen["xxl_job_callback_backlog"] == 4
        assert seen["xxl_job_callback_backlog_age_seconds"] == 15
        rig.tick()
        rig.advance(7)
        seen = figures(rig)
        assert seen["xxl_job_callback_backlog"] == 0
        assert seen[f'xxl_job_registered{{admin="{admin.address}",executor="{ADDRESS}"}}'] == 1
        assert (
            seen[f'xxl_job_registry_age_seconds{{admin="{admin.address}",executor="{ADDRESS}"}}']
            == 7
        )
        assert seen[
            r'xxl_job_registry_age_seconds{admin="http://\"x\"\\",executor="http://127.0.0.1:8000/xxl-job/"}'
        ] == float("inf")
        assert seen["xxl_job_agents"] == 1
