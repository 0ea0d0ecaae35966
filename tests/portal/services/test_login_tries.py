"""The counts of failed logins in the ledger, when many come at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from portal.services import login_tries
from portal.services.login_pace import FREE_HERE, FREE_NAME
from portal.services.login_tries import Caller
from tests.portal.ledger_scene import Scene


@pytest.mark.parametrize(
    ("callers", "most"),
    [
        ([Caller("admin", "192.0.2.1")], FREE_HERE),
        ([Caller("admin", f"192.0.2.{n}") for n in range(12)], FREE_NAME),
    ],
    ids=["from one address", "from many"],
)
def test_those_who_come_at_once_share_what_is_free(
    scene: Scene, callers: list[Caller], most: int
) -> None:
    everybody = callers * (24 // len(callers))
    with ThreadPoolExecutor(6) as threads:
        waits = list(
            threads.map(
                lambda caller: login_tries.ask(scene.ledger, caller, now=scene.now), everybody
            )
        )
    assert waits.count(timedelta(0)) == most
    assert all(wait >= timedelta(0) for wait in waits)
