"""A clean stop while admins are there: deregister, go on answering, deliver, end."""

from __future__ import annotations

import json
import signal

import pytest
import requests

from tests.executor.executor_rig import trigger
from tests.executor.fake_admin import TOKEN, FakeAdmin
from tests.functional.installation import Installation, wait_for

pytestmark = pytest.mark.processes


def test_up_deregisters_answers_on_and_delivers_before_it_ends(site: Installation) -> None:
    with FakeAdmin() as admin:
        site.settings |= {
            "XXL_JOB_ACCESS_TOKEN": TOKEN,
            "XXL_JOB_ADMIN_ADDRESSES": admin.address,
            "XXL_JOB_EXECUTOR_ADDRESS": f"{site.address}/xxl-job/",
            "XXL_JOB_DRAIN_SECONDS": "6",
        }
        up = site.start_up()
        wait_for("the registration", lambda: admin.registered)
        assert admin.registered == {f"{site.address}/xxl-job/": "imaging-migration"}
        up.process.send_signal(signal.SIGTERM)
        wait_for("registryRemove", lambda: not admin.registered)
        answer = requests.post(
            f"{site.address}/xxl-job/run",
            data=json.dumps(trigger(1, executorHandler="DataSyncTask", executorParams="")),
            headers={"XXL-JOB-ACCESS-TOKEN": TOKEN},
            timeout=10,
        )
        assert answer.json()["code"] == 200
        wait_for("its result", lambda: admin.results.get(1))
        assert admin.results[1].code == 200
        assert up.ended(60).code == 0
        assert admin.registered == {}
        site.wait_until_gone()


def test_up_without_admins_ends_at_once(site: Installation) -> None:
    site.settings["XXL_JOB_DRAIN_SECONDS"] = "600"
    up = site.start_up()
    assert up.stop(signal.SIGTERM).code == 0
    site.wait_until_gone()
