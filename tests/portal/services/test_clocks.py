"""A host is told when its clock is not that of the database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal.models import utc_now
from portal.services import clocks
from tests.portal.ledger_scene import Scene


@pytest.mark.parametrize("seconds", [-3600.0, -6.0, 0.0, 4.0, 30.0])
def test_what_differs_by_more_than_five_seconds_is_said(scene: Scene, seconds: float) -> None:
    problem = clocks.problem(scene.ledger, lambda: utc_now() + timedelta(seconds=seconds))
    with scene.ledger.read() as session:
        shares_the_clock = session.get_bind().dialect.name == "sqlite"
    if shares_the_clock or abs(seconds) <= clocks.MOST_SECONDS:
        assert problem is None
        return
    assert problem is not None
    assert problem.code == "HOST_CLOCK"
    assert float(str(problem.params["seconds"])) == pytest.approx(seconds, abs=2)
