"""The real application on each database, driven step by step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.app import create_app
from portal.settings import read_settings
from tests.portal.jobs.job_rig import TOKEN, JobRig


@pytest.fixture
def rig(database_url: str, tmp_path: Path) -> Iterator[JobRig]:
    app = create_app(
        read_settings(
            {
                "IMGMIG_HOME": str(tmp_path / "home"),
                "PORTAL_DATABASE_URL": database_url,
                "XXL_JOB_ACCESS_TOKEN": TOKEN,
            }
        )
    )
    rig = JobRig(app)
    yield rig
    rig.portal.queue.close()
    rig.portal.ledger.close()
